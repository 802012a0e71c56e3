// SPDX-License-Identifier: GPL-2.0
/*
 * A process that is killed in the middle of its RPCs leaves nothing behind, in the kernel here or at
 * the peer, and the peer learns soon that its RPCs failed.
 */
#include <signal.h>
#include <sys/wait.h>
#include "homa_test.h"

#define PORT	400
#define RPCS	12

/* A request is asked about after 5 ms, given up after 100 ms. */
#define SOON_MS	1000

static size_t size_of(unsigned int i)
{
	static const size_t v[] = { 1, 1000, 20000, 150000, 60, 400000 };

	return v[i % ARRAY_SIZE(v)];
}

static void client_until_killed(int pipe)
{
	uint8_t *buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	uint64_t id, cookie;
	unsigned int i;
	int fd = sock_on(HOST_A, 0);

	if (fd < 0)
		_exit(1);
	for (i = 0;; i++) {
		fill(buf, size_of(i), i);
		if (request(fd, PORT, buf, size_of(i), &id, i))
			_exit(2);
		if (i == 3 && write(pipe, "", 1) != 1)
			_exit(3);
		if (i < 6)
			continue;
		id = 0;
		response(fd, buf, HOMA_MAX_MESSAGE_LENGTH, &id, &cookie);
	}
}

TEST(client)
{
	struct echo_server s;
	unsigned int round, i;
	int p[2], status;
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(0, echo_start(&s, HOST_B, PORT, 1));
	for (round = 0; round < 15; round++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			client_until_killed(p[1]);
		ASSERT_EQ(1, read(p[0], &c, 1));
		usleep(round * 4000);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status)) TH_LOG("client ended by itself: %x", status);
	}
	/* Also the responses that nobody takes any more. */
	ASSERT_RPCS_IDLE(20);
	/* AF_XDP sockets end some grace periods after their process. */
	for (i = 0; i < 200 && counter("channels") > 1; i++)
		usleep(5000);
	ASSERT_EQ(1, map_entries("endpoints"));
	ASSERT_EQ(1, counter("endpoints"));
	ASSERT_EQ(1, counter("channels"));
	echo_stop(&s);
	ASSERT_IDLE(5);
	EXPECT_EQ(0, homa_counter("frame_stale"));
}

/* Answers the first of its requests, leaves the others. */
static void server_until_killed(int pipe)
{
	uint8_t *buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	struct sockaddr_in from;
	size_t addrlen;
	uint64_t id;
	ssize_t n;
	int i, fd = sock_on(HOST_B, PORT);

	if (fd < 0 || write(pipe, "", 1) != 1)
		_exit(1);
	for (i = 0;; i++) {
		id = 0;
		addrlen = sizeof(from);
		n = homa_recv(fd, buf, HOMA_MAX_MESSAGE_LENGTH, HOMA_RECV_REQUEST,
			      (struct sockaddr *)&from, &addrlen, &id, NULL, NULL);
		if (n < 0)
			_exit(2);
		if (i < 3)
			homa_reply(fd, buf, n, (struct sockaddr *)&from, addrlen, id);
		if (i == 3 && write(pipe, "", 1) != 1)
			_exit(3);
	}
}

TEST(server)
{
	uint8_t *buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	unsigned int round, i, done;
	uint64_t id, cookie, t0;
	int p[2], status, fd = -1;
	ssize_t n;
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(p));
	for (round = 0; round < 15; round++) {
		/* The port of the one before is free again at once. */
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			server_until_killed(p[1]);
		ASSERT_EQ(1, read(p[0], &c, 1));
		if (fd < 0)
			fd = sock_on(HOST_A, 0);
		ASSERT_LE(0, fd);
		for (i = 0; i < RPCS; i++) {
			fill(buf, size_of(i), i);
			ASSERT_EQ(0, request(fd, PORT, buf, size_of(i), NULL, i));
		}
		ASSERT_EQ(1, read(p[0], &c, 1));
		usleep(round * 2000);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status)) TH_LOG("server ended by itself: %x", status);

		t0 = now_ms();
		for (i = 0, done = 0; i < RPCS; i++) {
			id = 0;
			n = response(fd, buf, HOMA_MAX_MESSAGE_LENGTH, &id, &cookie);
			ASSERT_NE(0, id);
			if (n > 0) {
				ASSERT_EQ(-1, wrong(buf, n, cookie));
				done++;
				continue;
			}
			ASSERT_TRUE(errno == ENOTCONN || errno == ECONNRESET || errno == ETIMEDOUT)
				TH_LOG("errno %d", errno);
		}
		EXPECT_GT(SOON_MS, now_ms() - t0);
		EXPECT_GE(3, done);
	}
	homa_close(fd);
	ASSERT_IDLE(5);
	EXPECT_EQ(0, homa_counter("frame_stale"));
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_BOTH, "")
