/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests of testnic: a pair tn0, tn1, each end in a network namespace of its own (a and
 * b, held by descriptors), settings and counters, frames over packet sockets.
 *
 * Everything here returns 0 or -1 after printing why, unless it says something else.
 */
#ifndef TESTNIC_TEST_H
#define TESTNIC_TEST_H

#include <net/ethernet.h>
#include <poll.h>
#include <sys/socket.h>
#include <linux/if_packet.h>
#include "kselftest_harness.h"
#include "etran_test.h"

/* The harness ends a test that hangs after 30 s; emulation on a busy machine can be as slow. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 300

#define TN_DEBUGFS "/sys/kernel/debug/testnic"

struct tn_pair {
	int home, a, b;		/* network namespaces */
};

static struct tn_pair tn;

/* ---- settings and counters ---- */

/* Return: 0 or an errno; nothing is printed. */
static ET_UNUSED int tn_write(const char *dev, const char *setting, const char *value)
{
	char path[128];
	int fd, err = 0;

	snprintf(path, sizeof(path), TN_DEBUGFS "/%s/%s", dev, setting);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (write(fd, value, strlen(value)) < 0)
		err = errno;
	close(fd);
	return err;
}

static ET_UNUSED int tn_set(const char *dev, const char *setting, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	errno = tn_write(dev, setting, text);
	return errno ? et_fail("%s: %s %s", dev, setting, text) : 0;
}

/* Return: the counter, UINT64_MAX on error. */
static ET_UNUSED uint64_t tn_counter(const char *dev, const char *counter)
{
	unsigned long long value;
	char path[128], name[64];
	FILE *f;

	snprintf(path, sizeof(path), TN_DEBUGFS "/%s/counters", dev);
	f = fopen(path, "re");
	if (!f) {
		et_fail("%s", path);
		return UINT64_MAX;
	}
	while (fscanf(f, "%63s %llu", name, &value) == 2)
		if (!strcmp(name, counter)) {
			fclose(f);
			return value;
		}
	fclose(f);
	errno = 0;
	et_fail("no counter %s", counter);
	return UINT64_MAX;
}

/* What became of all that @from sent to @to; nothing may be on the way. */
static ET_UNUSED int tn_conserved(const char *from, const char *to)
{
	static const char * const wire[] = {
		"wire_lost", "wire_queue_full", "wire_memory", "wire_down",
	};
	static const char * const ring[] = {
		"rx_packets", "rx_no_buffer", "rx_too_long", "rx_down",
	};
	static const char * const ends[] = {
		"rx_pass", "rx_xdp_drop", "rx_xdp_aborted", "rx_xdp_tx", "rx_xdp_redirect",
		"rx_redirect_failed", "rx_memory", "rx_flushed",
	};
	uint64_t sent = tn_counter(from, "tx_packets") + tn_counter(from, "wire_duplicated");
	uint64_t sum = 0, ended = 0;
	unsigned int i;

	for (i = 0; i < 4; i++)
		sum += tn_counter(from, wire[i]) + tn_counter(to, ring[i]);
	for (i = 0; i < 8; i++)
		ended += tn_counter(to, ends[i]);
	errno = 0;
	if (sent != sum)
		return et_fail("%s sent %llu, of which %llu are accounted for", from,
			       (unsigned long long)sent, (unsigned long long)sum);
	if (ended != tn_counter(to, "rx_packets"))
		return et_fail("%s received %llu, of which %llu are accounted for", to,
			       (unsigned long long)tn_counter(to, "rx_packets"),
			       (unsigned long long)ended);
	return 0;
}

/* ---- the pair ---- */

/*
 * tn0 is 10.0.0.1 in a, where we are afterwards, tn1 is 10.0.0.2 in b. @options: more for ip link
 * add, as "mtu 9000 numrxqueues 4"; or "".
 */
static ET_UNUSED int tn_up(const char *options)
{
	static const char * const side[2][4] = {
		{ "tn0", ET_ADDR_A, ET_ADDR_B, ET_MAC_B },
		{ "tn1", ET_ADDR_B, ET_ADDR_A, ET_MAC_A },
	};
	int *ns[2] = { &tn.a, &tn.b }, i;

	tn.home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	for (i = 1; i >= 0; i--) {
		if (unshare(CLONE_NEWNET))
			return et_fail("a new network namespace");
		*ns[i] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	}
	/*
	 * Made at b, which is not where we end. Without IPv6 nothing is sent but what the test sends.
	 * Processes are what takes time in an emulated machine: one ip(8) an end.
	 */
	for (i = 1; i >= 0; i--) {
		char make[256] = "";

		if (i)
			snprintf(make, sizeof(make),
				 "link add tn0 address %s %s type testnic\\nlink set tn1 address %s\\nlink set tn0 netns /proc/%d/fd/%d\\n",
				 ET_MAC_A, options, ET_MAC_B, getpid(), tn.a);
		if (et_enter(*ns[i]) ||
		    et_sh("f=/proc/sys/net/ipv6/conf/all/disable_ipv6; [ ! -e $f ] || echo 1 >$f; printf '%slink set lo up\naddr add %s/24 dev %s\nlink set %s up\nneigh replace %s lladdr %s nud permanent dev %s\n' | ip -batch -",
			  make, side[i][1], side[i][0], side[i][0], side[i][2], side[i][3],
			  side[i][0]))
			return -1;
	}
	return 0;
}

/* A command where the other end is. */
#define tn_sh_b(...)								\
({										\
	int tn_err = et_enter(tn.b) ?: et_sh(__VA_ARGS__);			\
	et_enter(tn.a) ?: tn_err;						\
})

/* Deleting one end deletes both. */
static ET_UNUSED int tn_down(void)
{
	int err = 0;

	if (!tn.home)
		return 0;
	if (!et_enter(tn.a) && if_nametoindex("tn0"))
		err = et_sh("ip link del tn0");
	if (!et_enter(tn.b) && if_nametoindex("tn1")) {
		errno = 0;
		err = et_fail("tn1 is left without tn0");
	}
	et_enter(tn.home);
	close(tn.a);
	close(tn.b);
	close(tn.home);
	tn.home = 0;
	return err;
}

/* ---- frames ---- */

/* EtherType for experiments. */
#define TN_PROTO 0x88b5

static ET_UNUSED int tn_packet_socket(const char *dev)
{
	struct sockaddr_ll sa = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(dev),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)), size = 16 << 20;

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		return et_fail("AF_PACKET socket on %s", dev);
	return fd;
}

/*
 * The next frame that came from elsewhere, at most @ms milliseconds later. Return: its length, or
 * -1 when there is none.
 */
static ET_UNUSED int tn_packet_recv(int fd, uint8_t *buf, size_t room, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t end = et_now_ms() + ms;
	struct sockaddr_ll sa;
	socklen_t len;
	ssize_t n;

	for (;;) {
		int left = end > et_now_ms() ? end - et_now_ms() : 0;

		if (poll(&p, 1, left) != 1)
			return -1;
		len = sizeof(sa);
		n = recvfrom(fd, buf, room, MSG_TRUNC, (struct sockaddr *)&sa, &len);
		if (n >= 0 && sa.sll_pkttype != PACKET_OUTGOING)
			return n;
	}
}

/* Writes the Ethernet header of a frame from tn0 to tn1, or back. */
static ET_UNUSED void tn_ethernet(uint8_t *frame, bool back, uint16_t proto)
{
	static const uint8_t mac[2][6] = {
		{ 2, 0, 0, 0, 0, 0xb }, { 2, 0, 0, 0, 0, 0xa },
	};

	memcpy(frame, mac[back], 6);
	memcpy(frame + 6, mac[!back], 6);
	frame[12] = proto >> 8;
	frame[13] = proto;
}

/* ---- programs ---- */

static struct bpf_object *tn_object;

static ET_UNUSED int tn_silent(enum libbpf_print_level level, const char *format, va_list ap)
{
	return level == LIBBPF_WARN ? vprintf(format, ap) : 0;
}

static ET_UNUSED int tn_load_object(void)
{
	libbpf_set_print(tn_silent);
	tn_object = bpf_object__open_file(et_path("testnic.bpf.o"), NULL);
	if (!tn_object || bpf_object__load(tn_object))
		return et_fail("testnic.bpf.o");
	return 0;
}

/* Attaches a program to a device where we are, natively; NULL detaches. */
static ET_UNUSED int tn_xdp(const char *dev, const char *prog)
{
	int fd = -1, err;

	if (prog)
		fd = bpf_program__fd(bpf_object__find_program_by_name(tn_object, prog));
	err = bpf_xdp_attach(if_nametoindex(dev), fd, XDP_FLAGS_DRV_MODE, NULL);
	errno = -err;
	return err ? et_fail("XDP %s on %s", prog ?: "none", dev) : 0;
}

static ET_UNUSED int tn_map(const char *name)
{
	return bpf_map__fd(bpf_object__find_map_by_name(tn_object, name));
}

/* The programs' global variables, as one struct in the order of testnic.bpf.c. */
struct tn_bss {
	uint64_t ran_sockets, ran_sockets_too, ran_action;
	uint64_t queue_frames[64];
};

static ET_UNUSED volatile struct tn_bss *tn_bss(void)
{
	struct bpf_map *m = bpf_object__find_map_by_name(tn_object, "testnic.bss");
	size_t size;

	return m ? bpf_map__initial_value(m, &size) : NULL;
}

/*
 * In TEST_HARNESS_MAIN's place: the module is loaded before and removed after all tests, however
 * they end. That it can be removed is itself a result.
 */
static ET_UNUSED int tn_main(int argc, char **argv)
{
	int status = 0;
	pid_t child;

	setvbuf(stdout, NULL, _IOLBF, 0);
	et_timeouts();
	if (et_testnic_load() || tn_load_object())
		ksft_exit_fail_msg("no module testnic, or no BPF object\n");
	child = fork();
	if (!child)
		return test_harness_run(argc, argv);
	if (waitpid(child, &status, 0) != child)
		status = 1;
	bpf_object__close(tn_object);
	if (et_testnic_unload())
		status = 1;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : KSFT_FAIL;
}

#define TN_MAIN									\
int main(int argc, char **argv)							\
{										\
	return tn_main(argc, argv);						\
}

#endif /* TESTNIC_TEST_H */
