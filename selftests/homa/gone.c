// SPDX-License-Identifier: GPL-2.0
/*
 * What Homa stands on goes away under its users: the transport is unloaded, the device removed or
 * set down. Every call comes back with an error that says so, nobody hangs, and when it is back
 * new sockets work.
 */
#include <poll.h>
#include "homa_test.h"

#define PORT	900
/* Waiting for something that is about to happen, ms. */
#define SOON	5000

static int sh(const char *cmd)
{
	char quiet[256];

	snprintf(quiet, sizeof(quiet), "%s >&2", cmd);
	return system(quiet);
}

static bool is_gone(int error)
{
	return error == ENETDOWN || error == ESHUTDOWN;
}

/**
 * struct user - a client that sends until that fails for good
 * @thread: it
 * @fd: its own socket, or one that it shares
 * @done: RPCs completed
 * @lost: RPCs that ended with a timeout or that their peer is gone
 * @error: why it ended: errno of the call that failed for good; 0 while it runs
 * @ended_ms: when
 */
struct user {
	pthread_t thread;
	int fd;
	uint64_t done;
	uint64_t lost;
	int error;
	uint64_t ended_ms;
};

static void *use(void *arg)
{
	struct user *u = arg;
	uint8_t *buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	size_t len;
	uint64_t id;

	for (;;) {
		len = u->done % 4 == 3 ? 200000 : 500;
		if (request(u->fd, PORT, buf, len, &id, 0))
			break;
		if (response(u->fd, buf, HOMA_MAX_MESSAGE_LENGTH, &id, NULL) > 0)
			__sync_fetch_and_add(&u->done, 1);
		else if (is_gone(errno) || !id)
			break;
		else
			u->lost++;
	}
	u->error = errno;
	u->ended_ms = now_ms();
	free(buf);
	return NULL;
}

/* Some clients at work: returns when all have done some RPCs. */
static void traffic(struct __test_metadata *_metadata, struct user *u, int n)
{
	uint64_t end = now_ms() + SOON;
	int i;

	for (i = 0; i < n; i++) {
		memset(&u[i], 0, sizeof(u[i]));
		u[i].fd = sock_on(HOST_A, 0);
		ASSERT_LE(0, u[i].fd);
		ASSERT_EQ(0, pthread_create(&u[i].thread, NULL, use, &u[i]));
	}
	for (i = 0; i < n; i++) {
		while (*(volatile uint64_t *)&u[i].done < 5 && now_ms() < end)
			usleep(1000);
		ASSERT_LE(5, u[i].done);
	}
}

/* All of them have ended, with such an error, not long after @since. */
static void ended(struct __test_metadata *_metadata, struct user *u, int n, uint64_t since)
{
	int i;

	for (i = 0; i < n; i++) {
		pthread_join(u[i].thread, NULL);
		EXPECT_TRUE(is_gone(u[i].error)) TH_LOG("errno %d", u[i].error);
		EXPECT_GT(since + SOON, u[i].ended_ms);
		EXPECT_EQ(0, homa_close(u[i].fd));
	}
}

static void works(struct __test_metadata *_metadata)
{
	struct echo_server s;
	uint64_t id;
	char in[8];
	int fd;

	ASSERT_EQ(0, echo_start(&s, HOST_B, PORT, 1));
	fd = sock_on(HOST_A, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, request(fd, PORT, "again", 6, &id, 0));
	ASSERT_EQ(6, response(fd, in, sizeof(in), &id, NULL)) TH_LOG("errno %d", errno);
	homa_close(fd);
	echo_stop(&s);
	ASSERT_IDLE(10);
}

static void nothing_left(struct __test_metadata *_metadata)
{
	uint64_t end = now_ms() + SOON;

	while (now_ms() < end && (counter("endpoints") || counter("channels") || counter("frames_held") ||
				 counter("frames_retained")))
		usleep(5000);
	EXPECT_EQ(0, counter("endpoints"));
	EXPECT_EQ(0, counter("channels"));
	EXPECT_EQ(0, counter("frames_held") + counter("frames_retained"));
}

static void *block(void *arg)
{
	struct user *u = arg;
	uint64_t id = 0;
	char buf[16];

	if (response(u->fd, buf, sizeof(buf), &id, NULL) < 0)
		u->error = errno;
	u->ended_ms = now_ms();
	return NULL;
}

TEST(transport_unloaded_while_clients_wait)
{
	struct user u[3] = {}, waits = {};
	struct pollfd p = { .events = POLLIN };
	struct echo_server s;
	uint64_t id, t;

	works(_metadata);
	ASSERT_EQ(0, echo_start(&s, HOST_B, PORT, 2));
	traffic(_metadata, u, 3);
	/* One that waits for nothing in particular. */
	waits.fd = sock_on(HOST_A, 0);
	ASSERT_LE(0, waits.fd);
	p.fd = waits.fd;
	ASSERT_EQ(0, pthread_create(&waits.thread, NULL, block, &waits));
	ASSERT_EQ(0, poll(&p, 1, 10));

	ASSERT_EQ(0, sh("etranctl unload homa"));
	t = now_ms();
	ASSERT_EQ(1, poll(&p, 1, SOON));
	ASSERT_TRUE(p.revents & POLLERR && p.revents & POLLHUP);
	ended(_metadata, u, 3, t);
	pthread_join(waits.thread, NULL);
	ASSERT_TRUE(is_gone(waits.error)) TH_LOG("errno %d", waits.error);
	ASSERT_EQ(-1, request(waits.fd, PORT, "x", 1, &id, 0));
	ASSERT_TRUE(is_gone(errno));
	homa_close(waits.fd);
	echo_stop(&s);
	nothing_left(_metadata);
	enter(HOST_A);
	ASSERT_EQ(-1, homa_socket(AF_INET, 0));
	ASSERT_TRUE(errno == EPROTONOSUPPORT || errno == ENODEV);

	ASSERT_EQ(0, sh("bash hosts.sh load BOTH"));
	works(_metadata);
}

TEST(lower_device_removed_under_traffic)
{
	struct echo_server s;
	struct user u[4];
	uint64_t t;

	works(_metadata);
	ASSERT_EQ(0, echo_start(&s, HOST_B, PORT, 2));
	traffic(_metadata, u, 4);
	ASSERT_EQ(0, sh("ip -n homa_a link del v0"));
	t = now_ms();
	ended(_metadata, u, 4, t);
	echo_stop(&s);
	/* RPCs of the device end by their timers. */
	ASSERT_IDLE(10);
	enter(HOST_A);
	ASSERT_EQ(-1, homa_socket(AF_INET, 0));
	ASSERT_EQ(ENODEV, errno);

	ASSERT_EQ(0, sh("etranctl unload --all"));
	ASSERT_EQ(0, sh("bash hosts.sh veth 1500 BOTH && bash hosts.sh load BOTH"));
	works(_metadata);
}

/* Down is not gone: RPCs of that time fail, the sockets work on afterwards. */
TEST(lower_device_down_and_up)
{
	struct echo_server s;
	uint64_t id, t;
	char in[8];
	int fd, i;

	ASSERT_EQ(0, echo_start(&s, HOST_B, PORT, 2));
	fd = sock_on(HOST_A, 0);
	ASSERT_LE(0, fd);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, sh("ip -n homa_a link set v0 down"));
		t = now_ms();
		if (!request(fd, PORT, "down", 5, &id, 0)) {
			ASSERT_EQ(-1, response(fd, in, sizeof(in), &id, NULL));
			ASSERT_NE(0, id) TH_LOG("errno %d", errno);
		}
		ASSERT_GT(1000, now_ms() - t);
		ASSERT_EQ(0, sh("ip -n homa_a link set v0 up"));
		ASSERT_EQ(0, request(fd, PORT, "again", 6, &id, 0));
		ASSERT_EQ(6, response(fd, in, sizeof(in), &id, NULL)) TH_LOG("errno %d", errno);
	}
	homa_close(fd);
	echo_stop(&s);
	ASSERT_IDLE(10);
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_BOTH, "")
