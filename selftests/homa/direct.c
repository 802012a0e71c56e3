// SPDX-License-Identifier: GPL-2.0
/*
 * Homa in direct mode: sockets on queues of the NIC itself, zero-copy. The same calls do the same; the packets
 * are those that the driver took from, and put into, the application's memory. Skipped where the
 * kernel has no AF_XDP hook.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include "../direct.h"
#include "link.h"

#define PORT		400
#define QUEUES		4
#define OUTSTANDING	48

FIXTURE(direct) {
	struct echo_server server;
	int client;
	uint8_t *buf;
	uint64_t sent, received;
};

FIXTURE_VARIANT(direct) {
	bool batch;		/* how the driver takes descriptors */
	bool one_side;		/* the server is on the link device */
	int family;
	const char *rx_queue;	/* where what the client gets arrives; its socket is on queue 1 */
};

FIXTURE_VARIANT_ADD(direct, own_queue) { .family = AF_INET, .rx_queue = "1" };
FIXTURE_VARIANT_ADD(direct, own_queue_batched) { .batch = true, .family = AF_INET, .rx_queue = "1" };
FIXTURE_VARIANT_ADD(direct, other_queue) { .family = AF_INET, .rx_queue = "0" };
FIXTURE_VARIANT_ADD(direct, any_queue_ipv6) { .family = AF_INET6, .rx_queue = "hash" };
FIXTURE_VARIANT_ADD(direct, to_link_device) { .one_side = true, .family = AF_INET, .rx_queue = "1" };

/* Where a socket that is made from here on is; NULL: on the link device. */
static void place(const char *queues)
{
	if (queues)
		setenv("ETRAN_NIC_QUEUES", queues, 1);
	else
		unsetenv("ETRAN_NIC_QUEUES");
}

static int nic_set(enum host host, const char *name, const char *value)
{
	char path[128];
	int fd, err;

	snprintf(path, sizeof(path), "/sys/kernel/debug/testnic/tn%d/%s", host, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	err = fd < 0 || write(fd, value, strlen(value)) < 0;
	if (err)
		printf("# %s = %s: %s\n", path, value, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -err;
}

FIXTURE_SETUP(direct)
{
	enum host h;

	homa_family = variant->family;
	for (h = HOST_A; h <= HOST_B; h++) {
		ASSERT_EQ(0, nic_set(h, "tx_batch", variant->batch ? "1" : "0"));
		ASSERT_EQ(0, nic_set(h, "rx_queue", variant->rx_queue));
	}
	place(variant->one_side ? NULL : "1-3");
	ASSERT_EQ(0, echo_start(&self->server, HOST_B, PORT, 2)) TH_LOG("%s", etran_strerror_detail());
	place("1-3");
	self->client = sock_on(HOST_A, 0);
	ASSERT_LE(0, self->client);
	self->buf = malloc(HOMA_MAX_MESSAGE_LENGTH);
	ASSERT_NE(NULL, self->buf);
	self->sent = link_counter(HOST_A, "tx_zerocopy");
	self->received = link_counter(HOST_A, "rx_zerocopy");
}

FIXTURE_TEARDOWN(direct)
{
	homa_close(self->client);
	echo_stop(&self->server);
	EXPECT_EQ(0, self->server.bad);
	ASSERT_IDLE(20);
	EXPECT_EQ(0, homa_counter("frame_stale"));
}

TEST_F(direct, all_lengths)
{
	static const size_t lens[] = {
		1, 32, 1403, 1424, 1425, 10000, 65536, 142400, 500000, HOMA_MAX_MESSAGE_LENGTH,
	};
	uint64_t id, cookie;
	size_t i;

	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		fill(self->buf, lens[i], i);
		ASSERT_EQ(0, request(self->client, PORT, self->buf, lens[i], &id, i));
		memset(self->buf, 0, lens[i]);
		ASSERT_EQ(lens[i], response(self->client, self->buf, lens[i], &id, &cookie))
			TH_LOG("length %zu: errno %d", lens[i], errno);
		EXPECT_EQ(-1, wrong(self->buf, lens[i], i)) TH_LOG("length %zu", lens[i]);
		EXPECT_EQ(i, cookie);
	}
	/* Each packet of a message was the application's frame. */
	EXPECT_LT(self->sent + 1200, link_counter(HOST_A, "tx_zerocopy"));
	if (!strcmp(variant->rx_queue, "1"))
		EXPECT_LT(self->received + 1200, link_counter(HOST_A, "rx_zerocopy"));
}

TEST_F(direct, many_outstanding)
{
	uint64_t id, cookie, done = 0;
	int i, sent;

	for (sent = 0; sent < OUTSTANDING; sent++) {
		fill(self->buf, 100 + sent * 300, sent);
		ASSERT_EQ(0, request(self->client, PORT, self->buf, 100 + sent * 300, &id, sent));
	}
	for (i = 0; i < 4 * OUTSTANDING; i++) {
		id = 0;
		ASSERT_LT(0, response(self->client, self->buf, HOMA_MAX_MESSAGE_LENGTH, &id, &cookie))
			TH_LOG("response %d: errno %d", i, errno);
		ASSERT_EQ(-1, wrong(self->buf, 100 + cookie % OUTSTANDING * 300, cookie));
		done++;
		if (sent == 4 * OUTSTANDING)
			continue;
		fill(self->buf, 100 + sent % OUTSTANDING * 300, sent);
		ASSERT_EQ(0, request(self->client, PORT, self->buf, 100 + sent % OUTSTANDING * 300, &id,
				     sent));
		sent++;
	}
	EXPECT_EQ(4 * OUTSTANDING, done);
}

/* What differs from a link device is how one waits. */
TEST_F(direct, every_way_to_wait)
{
	struct pollfd p = { .fd = self->client, .events = POLLIN };
	struct iovec iov[HOMA_MAX_PIECES];
	uint64_t id, cookie;
	ssize_t len;
	int i, n;

	for (i = 0; i < 20; i++) {
		fill(self->buf, 3000, i);
		ASSERT_EQ(0, request(self->client, PORT, self->buf, 3000, &id, i));
		id = 0;
		if (i % 4 == 0) {
			ASSERT_EQ(1, poll(&p, 1, 20000));
		} else if (i % 4 == 1) {
			ASSERT_EQ(0, homa_set_spin(self->client, 10000));
		} else if (i % 4 == 2) {
			ASSERT_EQ(0, homa_set_spin(self->client, 0));
			n = HOMA_MAX_PIECES;
			len = homa_recv_pages(self->client, iov, &n, HOMA_RECV_RESPONSE, NULL, NULL, &id, NULL,
					      &cookie);
			ASSERT_EQ(3000, len);
			EXPECT_EQ(0, memcmp(iov[0].iov_base, self->buf, iov[0].iov_len));
			ASSERT_EQ(0, homa_release_pages(self->client, iov, n));
			continue;
		}
		/* poll() may report a part of it. */
		ASSERT_EQ(3000, response(self->client, self->buf, 3000, &id, &cookie));
		EXPECT_EQ(-1, wrong(self->buf, 3000, i));
	}
	id = 0;
	fcntl(self->client, F_SETFL, O_NONBLOCK);
	EXPECT_EQ(-1, response(self->client, self->buf, 3000, &id, &cookie));
	EXPECT_EQ(EAGAIN, errno);
}

static void *closer(void *arg)
{
	usleep(50000);
	homa_close(*(int *)arg);
	return NULL;
}

TEST_F(direct, close_wakes_who_waits)
{
	pthread_t thread;
	uint64_t id = 0, cookie;

	ASSERT_EQ(0, pthread_create(&thread, NULL, closer, &self->client));
	EXPECT_EQ(-1, response(self->client, self->buf, 10, &id, &cookie));
	EXPECT_EQ(EBADF, errno);
	pthread_join(thread, NULL);
}

TEST(wrong_queues)
{
	static const char * const bad[] = { "x", "3-1", "1-", "-2", "1,2", "99999" };
	int fd[QUEUES], i;

	for (i = 0; i < (int)(sizeof(bad) / sizeof(bad[0])); i++) {
		place(bad[i]);
		EXPECT_EQ(-1, sock_on(HOST_A, 0)) TH_LOG("'%s'", bad[i]);
		EXPECT_EQ(EINVAL, errno) TH_LOG("'%s'", bad[i]);
	}
	place("64");
	EXPECT_EQ(-1, sock_on(HOST_A, 0));
	/* Each socket has one; the next finds none. */
	place("2-3");
	fd[0] = sock_on(HOST_A, 0);
	fd[1] = sock_on(HOST_A, 0);
	EXPECT_LE(0, fd[0]);
	EXPECT_LE(0, fd[1]);
	fd[2] = sock_on(HOST_A, 0);
	EXPECT_EQ(-1, fd[2]);
	EXPECT_EQ(EBUSY, errno);
	/* The link device has others. */
	place(NULL);
	fd[2] = sock_on(HOST_A, 0);
	EXPECT_LE(0, fd[2]);
	for (i = 0; i < 3; i++)
		homa_close(fd[i]);
	ASSERT_IDLE(20);
}

int main(int argc, char **argv)
{
	setenv("HOMA_DEVICE", "testnic", 1);
	setenv("HOMA_QUEUES", "4", 1);
	if (!kernel_would_have_direct())
		ksft_exit_skip("this kernel has no AF_XDP hook (module/patches)\n");
	hosts_up(1500, HOSTS_BOTH, "");
	return test_harness_run(argc, argv);
}
