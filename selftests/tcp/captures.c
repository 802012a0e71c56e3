// SPDX-License-Identifier: GPL-2.0
/*
 * What somebody else's analyser says of our segments: a connection is captured where they arrive, and tshark tells which are
 * malformed, have a wrong checksum, or were sent again without need. Skipped where tcpdump or tshark is missing.
 */
#define TCP_LINK	LINK_TESTNIC
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "transfer.h"

/* Less than the receive buffer, for the application reads only when it has sent all. */
#define LENGTH		200000

/* tshark's severities. */
#define SEVERITY_NOTE	0x400000
#define SEVERITY_WARN	0x600000

FIXTURE(captures)
{
	char file[64];
	pid_t tcpdump;
};

FIXTURE_VARIANT(captures)
{
	int family;
	bool passive;
	uint32_t loss;	/* ppm */
};

FIXTURE_VARIANT_ADD(captures, connect_ipv4) { .family = AF_INET };
FIXTURE_VARIANT_ADD(captures, accept_ipv4) { .family = AF_INET, .passive = true };
FIXTURE_VARIANT_ADD(captures, connect_ipv6) { .family = AF_INET6 };
FIXTURE_VARIANT_ADD(captures, loss) { .family = AF_INET, .loss = 30000 };
FIXTURE_VARIANT_ADD(captures, loss_ipv6) { .family = AF_INET6, .passive = true, .loss = 30000 };

/* All counts of one capture, of segments that etran sent. */
struct verdict {
	uint32_t segments;
	uint32_t malformed;
	uint32_t bad_checksum;
	uint32_t again;		/* retransmissions, needed or not */
	uint32_t spurious;
	uint32_t severe[2];	/* SEVERITY_NOTE and above, SEVERITY_WARN and above */
};

FIXTURE_SETUP(captures)
{
	struct stat st;
	int i;

	family = variant->family;
	peer_ends_last = true;
	ASSERT_EQ(0, link_set_both("loss", variant->loss));
	snprintf(self->file, sizeof(self->file), "/tmp/etran-captures.%d", getpid());
	self->tcpdump = fork();
	if (!self->tcpdump) {
		enter(HOST_B);
		execlp("tcpdump", "tcpdump", "-Uqn", "--immediate-mode", "-i", DEV_B, "-B", "32768", "-Z", "root", "-w", self->file, "tcp", NULL);
		_exit(127);
	}
	/* It listens when the file has its header. */
	for (i = 0; i < 1000 && (stat(self->file, &st) || st.st_size < 24); i++)
		usleep(10000);
	ASSERT_GT(1000, i);
}

FIXTURE_TEARDOWN(captures)
{
	EXPECT_EQ(0, link_set_both("loss", 0));
	unlink(self->file);
}

/* tcpdump has written what it has: nothing is added for a while. */
static void wait_written(const char *file)
{
	off_t before = -1;
	struct stat st;

	while (!stat(file, &st) && st.st_size != before) {
		before = st.st_size;
		usleep(500000);
	}
}

/* Ask tshark. False: it does not answer. */
static bool judged(const char *file, struct verdict *v)
{
	char cmd[1024], line[4096], *field[7], *at, *one;
	unsigned long severity, worst;
	FILE *f;
	int i;

	snprintf(cmd, sizeof(cmd), "tshark -nr %s -o tcp.check_checksum:TRUE -Y '%s' -T fields -e frame.number -e _ws.malformed "
		 "-e tcp.checksum.status -e tcp.analysis.retransmission -e tcp.analysis.spurious_retransmission "
		 "-e _ws.expert.severity -e _ws.expert.message 2>/dev/null", file,
		 family == AF_INET ? "ip.src == 10.78.0.1" : "ipv6.src == " ADDR6_A);
	memset(v, 0, sizeof(*v));
	f = popen(cmd, "r");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		at = line;
		for (i = 0; i < 7; i++)
			field[i] = at ? strsep(&at, "\t") : "";
		v->segments++;
		v->malformed += !!*field[1];
		v->bad_checksum += strcmp(field[2], "1") != 0;
		v->again += !!*field[3];
		v->spurious += !!*field[4];
		worst = 0;
		for (at = field[5]; (one = strsep(&at, ","));) {
			severity = strtoul(one, NULL, 0);
			worst = severity > worst ? severity : worst;
		}
		v->severe[0] += worst >= SEVERITY_NOTE;
		v->severe[1] += worst >= SEVERITY_WARN;
		if (worst >= SEVERITY_NOTE)
			printf("# frame %s: %s\n", field[0], field[6]);
	}
	return !pclose(f);
}

TEST_F_TIMEOUT(captures, are_judged, 120)
{
	struct verdict v;
	int status;

	transfer(_metadata, variant->passive, LENGTH);
	wait_written(self->file);
	ASSERT_EQ(0, kill(self->tcpdump, SIGINT));
	ASSERT_EQ(self->tcpdump, waitpid(self->tcpdump, &status, 0));
	ASSERT_EQ(0, status);
	ASSERT_TRUE(judged(self->file, &v));
	TH_LOG("%u segments: %u malformed, %u with a wrong checksum, %u sent again, %u of them without need; %u notes, %u warnings",
	       v.segments, v.malformed, v.bad_checksum, v.again, v.spurious, v.severe[0], v.severe[1]);
	ASSERT_LT(LENGTH / 1460, v.segments);
	EXPECT_EQ(0, v.malformed);
	EXPECT_EQ(0, v.bad_checksum);
	/* A lost ACK may have one sent again without need; 3 of 100 are lost. */
	EXPECT_GE(variant->loss ? v.segments / 33 : 0, v.spurious);
	if (variant->loss) {
		/* The analyser sees what is sent again. */
		EXPECT_LT(0, v.again + v.spurious);
		return;
	}
	EXPECT_EQ(0, v.again);
	EXPECT_EQ(0, v.severe[1]);
}

int main(int argc, char **argv)
{
	/* Before there are hosts. */
	if (system("command -v tcpdump tshark >/dev/null"))
		ksft_exit_skip("tcpdump and tshark are needed: apt-get install tcpdump tshark\n");
	hosts_up(1500, "KERNEL", "");
	/* Segments as they came, and not several made one, whose checksum is nobody's. */
	if (system("ip netns exec tcp_b ethtool -K " DEV_B " gro off"))
		return 1;
	return test_harness_run(argc, argv);
}
