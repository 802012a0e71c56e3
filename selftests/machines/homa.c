// SPDX-License-Identifier: GPL-2.0
/*
 * Homa on two machines that differ: in the MTU of their device, in all tunables that say how much is sent when,
 * and in that one of them dies. What they agree on is the wire.
 */
#include <sys/wait.h>
#include "../homa/homa_test.h"
#include "machines.h"

#define ECHO	"%s/echo "
#define PORT	800
/* Around what a packet holds with each MTU here, what is sent without a grant, and the limit. */
#define SIZES	"1 32 1203 1204 1205 1383 1384 1385 1423 1424 1425 8923 8924 8925 9999 10000 10001 20000 60000 100000 " \
		"499999 1000000"
#define COUNT	"44"

/*
 * The clock of a machine that waits is the host's, and the other one is slow: no RPC ends for that. (The restart
 * is with the defaults.)
 */
#define PATIENT		"--set timeout_ticks=4000 "

FIXTURE(machines)
{
	int server;	/* remote_start() */
};

FIXTURE_VARIANT(machines)
{
	int family;	/* 4 or 6 */
	int mtu[2];
	const char *set[2];
};

FIXTURE_VARIANT_ADD(machines, alike) {
	.family = 4, .mtu = { 1500, 1500 }, .set = { PATIENT, PATIENT },
};

FIXTURE_VARIANT_ADD(machines, alike_ipv6) {
	.family = 6, .mtu = { 1500, 1500 }, .set = { PATIENT, PATIENT },
};

FIXTURE_VARIANT_ADD(machines, mtu_1500_and_1280) {
	.family = 6, .mtu = { 1500, 1280 }, .set = { PATIENT, PATIENT },
};

/* Nothing here sends without a grant what the other would, nor asks for what is missing when it does. */
FIXTURE_VARIANT_ADD(machines, other_tunables) {
	.family = 4, .mtu = { 1500, 1460 }, .set = {
		PATIENT "--set unsched_bytes=60000 --set window=10000 --set max_overcommit=1 --set max_sched_prio=1 --set resend_ticks=3",
		PATIENT "--set unsched_bytes=1500 --set window=100000 --set max_overcommit=8 --set max_sched_prio=5 --set resend_ticks=15",
	},
};

FIXTURE_VARIANT_ADD(machines, other_tunables_ipv6) {
	.family = 6, .mtu = { 1400, 1500 }, .set = {
		PATIENT "--set unsched_bytes=1 --set grant_fifo_fraction=0 --set window=2000",
		PATIENT "--set unsched_bytes=100000 --set grant_fifo_fraction=500 --set max_incoming=50000",
	},
};

/* Both machines are ready, whatever a test that was cut short left. Return: the server over there, -1 if they are not. */
static int both_up(int family, const int *mtu, const char * const *set)
{
	char up[2][512];
	int i;

	for (i = 0; i < 2; i++)
		snprintf(up[i], sizeof(up[i]), "%d homa %s", mtu[i], set[i]);
	return machines_up(up[0], up[1]) ? serve_there(ECHO "serve %d %d", tests, family, PORT) : -1;
}

FIXTURE_SETUP(machines)
{
	self->server = both_up(variant->family, variant->mtu, variant->set);
	ASSERT_LE(0, self->server);
}

FIXTURE_TEARDOWN(machines)
{
	close(self->server);
	EXPECT_BOTH_DOWN();
}

TEST_F_TIMEOUT(machines, every_size_both_ways, 300)
{
	pid_t server = fork();
	int there;

	if (!server) {
		char path[512], family[4], port[8];

		snprintf(path, sizeof(path), "%s/echo", tests);
		snprintf(family, sizeof(family), "%d", variant->family);
		snprintf(port, sizeof(port), "%d", PORT);
		execl(path, "echo", "serve", family, port, NULL);
		_exit(127);
	}
	EXPECT_EQ(0, local(ECHO "call %d 2 %d " COUNT " 1 " SIZES, tests, variant->family, PORT));
	EXPECT_EQ(0, remote(ECHO "call %d 1 %d " COUNT " 1 " SIZES, tests, variant->family, PORT));
	/* And both at a time, with many at a time. */
	there = remote_start(ECHO "call %d 1 %d 66 10 " SIZES, tests, variant->family, PORT);
	EXPECT_EQ(0, local(ECHO "call %d 2 %d 66 10 " SIZES, tests, variant->family, PORT));
	EXPECT_EQ(0, remote_wait(there));
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

FIXTURE(restart)
{
	int server;
};

FIXTURE_SETUP(restart)
{
	self->server = both_up(4, (int[]){ 1500, 1500 }, (const char *[]){ "", "" });
	ASSERT_LE(0, self->server);
}

FIXTURE_TEARDOWN(restart)
{
	close(self->server);
	EXPECT_BOTH_DOWN();
}

/* A kernel that is gone from one instruction to the next, with RPCs on their way from it and to it. */
TEST_F_TIMEOUT(restart, of_the_other_machine, 600)
{
	pid_t server = fork(), client;
	char path[512];
	int status, calls;

	snprintf(path, sizeof(path), "%s/echo", tests);
	if (!server) {
		execl(path, "echo", "serve", "4", "800", NULL);
		_exit(127);
	}
	client = fork();
	if (!client) {
		setenv("ECHO_FOREVER", "1", 1);
		execl(path, "echo", "call", "4", "2", "800", "0", "8", "100", "200000", "3000", "1000000", NULL);
		_exit(127);
	}
	calls = remote_start("ECHO_FOREVER=1 " ECHO "call 4 1 %d 0 8 100 200000 3000 1000000", tests, PORT);
	ASSERT_LE(0, calls);
	sleep(3);
	/* As if by pulling the plug: nothing is said by it, to anyone. */
	ASSERT_EQ(-1, remote("echo b > /proc/sysrq-trigger; sleep 60"));
	close(calls);
	close(self->server);
	/* What its clients had here is forgotten while it is away; only our own client keeps asking. */
	sleep(3);
	ASSERT_TRUE(other_is_there(300));
	ASSERT_EQ(0, remote(THERE "up 2 1500 homa", top));
	self->server = serve_there(ECHO "serve 4 %d", tests, PORT);
	ASSERT_LE(0, self->server);
	EXPECT_EQ(0, local(ECHO "call 4 2 %d " COUNT " 4 " SIZES, tests, PORT));
	EXPECT_EQ(0, remote(ECHO "call 4 1 %d " COUNT " 4 " SIZES, tests, PORT));
	/* The client that saw it all got no wrong answer, and goes on. */
	EXPECT_EQ(0, waitpid(client, &status, WNOHANG));
	kill(client, SIGTERM);
	waitpid(client, &status, 0);
	EXPECT_EQ(0, status);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

int main(int argc, char **argv)
{
	return machines_main(argc, argv);
}
