// SPDX-License-Identifier: GPL-2.0
/*
 * What homa_send() or homa_reply() took arrives, however and how soon the program ends afterwards:
 * the kernel has its own copy, grants and retransmissions need no application.
 */
#include <signal.h>
#include <sys/wait.h>
#include "homa_test.h"

#define PORT	500

enum how { BY_CLOSE, BY_EXIT, BY_EXIT_NOW, BY_KILL, WAYS };

static const size_t sizes[] = { 1, 100000, HOMA_MAX_MESSAGE_LENGTH };

static void end(enum how how, int fd)
{
	switch (how) {
	case BY_CLOSE:
		homa_close(fd);
		_exit(0);
	case BY_EXIT:
		exit(0);
	case BY_KILL:
		kill(getpid(), SIGKILL);
	default:
		_exit(0);
	}
}

FIXTURE(exit_after)
{
	uint8_t *buf;
};

FIXTURE_VARIANT(exit_after)
{
	enum how how;
};

FIXTURE_VARIANT_ADD(exit_after, homa_close) { .how = BY_CLOSE, };
FIXTURE_VARIANT_ADD(exit_after, exit) { .how = BY_EXIT, };
FIXTURE_VARIANT_ADD(exit_after, _exit) { .how = BY_EXIT_NOW, };
FIXTURE_VARIANT_ADD(exit_after, kill) { .how = BY_KILL, };

FIXTURE_SETUP(exit_after)
{
	self->buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	ASSERT_NE(NULL, self->buf);
}

FIXTURE_TEARDOWN(exit_after)
{
	free(self->buf);
	EXPECT_TRUE(!idle(20)) TH_LOG("left: %s", idle(0));
}

TEST_F(exit_after, request)
{
	struct sockaddr_in from;
	size_t addrlen, i;
	int fd, status;
	uint64_t id;
	pid_t pid;
	ssize_t n;

	fd = sock_on(HOST_B, PORT);
	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			fd = sock_on(HOST_A, 0);
			fill(self->buf, sizes[i], i);
			if (fd < 0 || request(fd, PORT, self->buf, sizes[i], NULL, 0))
				_exit(1);
			end(variant->how, fd);
		}
		/* It is gone before anybody takes the request. */
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_EQ(variant->how == BY_KILL ? SIGKILL : 0, status);
		id = 0;
		addrlen = sizeof(from);
		n = homa_recv(fd, self->buf, HOMA_MAX_MESSAGE_LENGTH, HOMA_RECV_REQUEST,
			      (struct sockaddr *)&from, &addrlen, &id, NULL, NULL);
		ASSERT_EQ(sizes[i], n) TH_LOG("errno %d", errno);
		ASSERT_EQ(-1, wrong(self->buf, n, i));
		ASSERT_EQ(0, homa_reply(fd, self->buf, n, (struct sockaddr *)&from, addrlen, id));
	}
	homa_close(fd);
}

TEST_F(exit_after, reply)
{
	struct sockaddr_in from;
	int fd, status, p[2];
	size_t addrlen, i;
	uint64_t id;
	pid_t pid;
	ssize_t n;
	char c;

	ASSERT_EQ(0, pipe(p));
	fd = sock_on(HOST_A, 0);
	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			fd = sock_on(HOST_B, PORT);
			if (fd < 0 || write(p[1], "", 1) != 1)
				_exit(1);
			id = 0;
			addrlen = sizeof(from);
			n = homa_recv(fd, self->buf, HOMA_MAX_MESSAGE_LENGTH, HOMA_RECV_REQUEST,
				      (struct sockaddr *)&from, &addrlen, &id, NULL, NULL);
			fill(self->buf, sizes[i], i);
			if (n != 3 || homa_reply(fd, self->buf, sizes[i], (struct sockaddr *)&from,
						 addrlen, id))
				_exit(2);
			end(variant->how, fd);
		}
		ASSERT_EQ(1, read(p[0], &c, 1));
		ASSERT_EQ(0, request(fd, PORT, "abc", 3, NULL, 0));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_EQ(variant->how == BY_KILL ? SIGKILL : 0, status);
		id = 0;
		n = response(fd, self->buf, HOMA_MAX_MESSAGE_LENGTH, &id, NULL);
		ASSERT_EQ(sizes[i], n) TH_LOG("errno %d", errno);
		ASSERT_EQ(-1, wrong(self->buf, n, i));
	}
	homa_close(fd);
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_BOTH, "")
