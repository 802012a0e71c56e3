// SPDX-License-Identifier: GPL-2.0
/*
 * etran's TCP on one machine, and etran's or the kernel's on another one, with a wire of 1500 or fewer bytes between them: what
 * two hosts in one kernel would share - the clock, ISNs' secret, the routes - they do not.
 */
#include <signal.h>
#include <sys/wait.h>
#include "kselftest_harness.h"
#include "machines.h"

#define PORT	900
#define STREAM	"%s/stream "
/* Nothing, around a segment, around the library's frames, and much. */
#define SIZES	"0 1 1427 1428 1429 1447 1448 1449 1460 5000 65536 300000 1000000"

FIXTURE(tcp)
{
	int unused;
};

FIXTURE_VARIANT(tcp)
{
	const char *other;
	const char *up[2];
};

/* Loading takes a machine that counts instructions a quarter of a minute, so all is done after one of each. */
FIXTURE_VARIANT_ADD(tcp, etran) { .other = "etran", .up = { "1500 tcp", "1280 tcp" } };
FIXTURE_VARIANT_ADD(tcp, kernel) { .other = "kernel", .up = { "1500 tcp", "1500 none" } };

FIXTURE_SETUP(tcp)
{
	ASSERT_TRUE(machines_up(variant->up[0], variant->up[1]));
}

FIXTURE_TEARDOWN(tcp)
{
	EXPECT_BOTH_DOWN();
}

/* Start etran's server here. Return: its process, -1 if it does not begin. */
static pid_t serve_here(int family)
{
	char path[512], version[2] = { '0' + family }, word[6] = "";
	int out[2];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/stream", tests);
	if (pipe(out))
		return -1;
	pid = fork();
	if (!pid) {
		dup2(out[1], 1);
		execl(path, "stream", "serve", "etran", version, "900", NULL);
		_exit(127);
	}
	close(out[1]);
	if (read(out[0], word, 6) != 6) {
		waitpid(pid, NULL, 0);
		pid = -1;
	}
	close(out[0]);
	return pid;
}

/* Each is called by the other: streams of all sizes, one and many at a time; short connections; resets. */
static void all_of(struct __test_metadata *_metadata, const char *other, int family)
{
	int server = serve_there(STREAM "serve %s %d %d", tests, other, family, PORT), there;
	pid_t here = serve_here(family);

	ASSERT_LE(0, server);
	ASSERT_LT(0, here);
	EXPECT_EQ(0, local(STREAM "call etran %d 2 %d 13 1 " SIZES, tests, family, PORT));
	EXPECT_EQ(0, remote(STREAM "call %s %d 1 %d 13 1 " SIZES, tests, other, family, PORT));
	there = remote_start(STREAM "call %s %d 1 %d 26 8 " SIZES, tests, other, family, PORT);
	EXPECT_EQ(0, local(STREAM "call etran %d 2 %d 26 8 " SIZES, tests, family, PORT));
	EXPECT_EQ(0, remote_wait(there));
	EXPECT_EQ(0, local(STREAM "call etran %d 2 %d 200 8 0 100", tests, family, PORT));
	EXPECT_EQ(0, remote(STREAM "call %s %d 1 %d 200 8 0 100", tests, other, family, PORT));
	EXPECT_EQ(0, local(STREAM "abort etran %d 2 %d 20", tests, family, PORT));
	EXPECT_EQ(0, remote(STREAM "abort %s %d 1 %d 20", tests, other, family, PORT));
	close(server);
	kill(here, SIGKILL);
	waitpid(here, NULL, 0);
}

TEST_F_TIMEOUT(tcp, streams_short_connections_and_resets, 400)
{
	all_of(_metadata, variant->other, 4);
	all_of(_metadata, variant->other, 6);
}

int main(int argc, char **argv)
{
	return machines_main(argc, argv);
}
