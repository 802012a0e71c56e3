// SPDX-License-Identifier: GPL-2.0
/*
 * Requests that no library would make: an application with a channel of its own (<etran.h>) makes them. Each is dropped and
 * counted for its reason, or answered with an error; whoever makes them can harm connections of its own, no others.
 */
#include "tcp_test.h"
#include <linux/capability.h>
#include <sys/syscall.h>
#include <etran.h>
#include <etran/tcp.h>

#define PORT	8400
#define OTHERS	8401

FIXTURE(bad)
{
	struct etran_channel *ch;
	struct etran_endpoint_open ep;
	struct etran_chain chain;
	int listener;
	int peer;			/* the kernel's end of @conn */
	uint64_t conn;			/* ours */
	uint32_t mss;
	/* A bystander: a connection of another application. */
	struct etran_tcp *t;
	struct etran_socket *s;
	int fd;
};

/* The next record, @body bytes of it into @to. Its type; 0: none came within two seconds. */
static uint16_t record_next(FIXTURE_DATA(bad) *self, void *to, size_t body)
{
	uint64_t end = now_ms() + 2000;
	const struct etran_rec *rec;
	struct etran_rec er;
	uint32_t len;

	do {
		rec = etran_rx_peek(self->ch, &len);
		if (!rec) {
			usleep(1000);
			continue;
		}
		memcpy(&er, rec, sizeof(er));
		memcpy(to, er.data, body);
		etran_rx_pop(self->ch);
		return er.type;
	} while (now_ms() < end);
	return 0;
}

static int control(FIXTURE_DATA(bad) *self, struct etran_endpoint_bind *b, uint32_t op, uint32_t upper)
{
	b->arg[0] = op | (uint64_t)upper << 32;
	return etran_endpoint_bind_port(self->ch, b) ? errno : 0;
}

static struct etran_endpoint_bind to_host_b(uint16_t port)
{
	return (struct etran_endpoint_bind) { .addr = { 0, 0, htonl(0xffff), htonl(ADDR_B) }, .port = port };
}

FIXTURE_SETUP(bad)
{
	struct etran_endpoint_bind b = to_host_b(PORT);
	union address to = address_of(HOST_B, OTHERS);
	struct etran_tcp_rec_opened opened;
	int lfd;

	enter(HOST_B);
	self->listener = kernel_listen(PORT, 10);
	ASSERT_LE(0, self->listener);
	lfd = kernel_listen(OTHERS, 10);
	ASSERT_LE(0, lfd);
	self->t = context(HOST_A, 0);
	ASSERT_NE(NULL, self->t);
	self->s = etran_socket(self->t, family, 0);
	ASSERT_NE(NULL, self->s);
	ASSERT_EQ(0, etran_connect(self->s, &to.sa, address_len()));
	self->fd = accept(lfd, NULL, NULL);
	ASSERT_LE(0, self->fd);
	close(lfd);

	self->ch = etran_channel_open(NULL);
	ASSERT_NE(NULL, self->ch) TH_LOG("%s", etran_strerror_detail());
	strcpy(self->ep.transport, "tcp");
	ASSERT_LE(0, etran_endpoint_attach(self->ch, &self->ep));
	self->chain = (struct etran_chain)ETRAN_CHAIN_INIT;
	ASSERT_EQ(0, control(self, &b, ETRAN_TCP_CONNECT, 0));
	self->conn = b.arg[0];
	self->peer = accept(self->listener, NULL, NULL);
	ASSERT_LE(0, self->peer);
	ASSERT_EQ(ETRAN_TCP_REC_OPENED, record_next(self, &opened, sizeof(opened)));
	ASSERT_EQ(self->conn, opened.conn);
	self->mss = opened.mss;
}

/* The others' connection works. */
static void bystander(struct __test_metadata *_metadata, FIXTURE_DATA(bad) *self)
{
	char c[4];

	ASSERT_EQ(3, etran_send(self->s, "abc", 3, 0)) TH_LOG("%s", etran_strerror_detail());
	ASSERT_EQ(3, recv(self->fd, c, sizeof(c), 0));
	ASSERT_EQ(0, memcmp(c, "abc", 3));
	ASSERT_EQ(3, send(self->fd, "def", 3, 0));
	ASSERT_EQ(3, etran_recv(self->s, c, sizeof(c), 0));
	ASSERT_EQ(0, memcmp(c, "def", 3));
}

FIXTURE_TEARDOWN(bad)
{
	bystander(_metadata, self);
	etran_endpoint_detach(self->ch);
	etran_channel_close(self->ch);
	etran_tcp_close(self->t);
	close(self->fd);
	close(self->peer);
	close(self->listener);
	EXPECT_TRUE(idle(0, 70));
	EXPECT_EQ(counter("frames_accepted"), counter("frames_transmitted") + counter("frames_dropped"));
	EXPECT_EQ(0, counter("bad_verdict"));
	EXPECT_EQ(0, tcp_counter("frame_stale"));
}

static void submit(struct __test_metadata *_metadata, FIXTURE_DATA(bad) *self, uint16_t op,
		   const struct etran_tcp_req *r, uint32_t payload)
{
	struct etran_req er = { .endpoint = self->ep.id, .op = op };
	uint8_t *frame;

	etran_tx_reclaim(self->ch, &self->chain);
	frame = etran_tx_frame(self->ch, &self->chain);
	ASSERT_NE(NULL, frame);
	memcpy(er.data, r, sizeof(*r));
	memcpy(frame, &er, sizeof(er));
	stream_fill(frame + sizeof(er), 1, r->offset, payload);
	etran_tx_queue(self->ch, &self->chain, sizeof(er) + payload);
	ASSERT_EQ(0, etran_tx_kick(self->ch));
}

/* A request that is dropped for that reason. */
static void dropped(struct __test_metadata *_metadata, FIXTURE_DATA(bad) *self, uint16_t op,
		    const struct etran_tcp_req *r, uint32_t payload, const char *name)
{
	uint64_t reason = tcp_counter(name), drops = counter("frames_dropped");

	submit(_metadata, self, op, r, payload);
	ASSERT_EQ(reason + 1, tcp_counter(name)) TH_LOG("%s: op %u conn %llx offset %llu payload %u", name, op,
		(unsigned long long)r->conn, (unsigned long long)r->offset, payload);
	ASSERT_EQ(drops + 1, counter("frames_dropped"));
}

TEST_F(bad, operations)
{
	static const uint16_t op[] = { 0, 6, 7, 255, 256 + ETRAN_TCP_OP_SEND, 0xffff };
	struct etran_tcp_req r = { .conn = self->conn };
	size_t i;

	for (i = 0; i < sizeof(op) / sizeof(*op); i++)
		dropped(_metadata, self, op[i], &r, 10, "req_bad_op");
}

/* Ids that never were, that others have, and that were ours: none of them ends, or hears of it. */
TEST_F(bad, connections_of_others)
{
	static const uint16_t op[] = { ETRAN_TCP_OP_SEND, ETRAN_TCP_OP_READ, ETRAN_TCP_OP_CLOSE, ETRAN_TCP_OP_ABORT };
	struct etran_tcp_req r = {};
	size_t i, k;

	for (i = 0; i < sizeof(op) / sizeof(*op); i++) {
		const uint64_t id[] = {
			0, 1, UINT64_MAX, (uint32_t)self->conn, self->conn + (1ULL << 32), self->conn - (1ULL << 32),
			self->conn + 1, self->conn - 1, self->conn | 0xffffffff,
		};

		for (k = 0; k < sizeof(id) / sizeof(*id); k++) {
			r.conn = id[k];
			dropped(_metadata, self, op[i], &r, op[i] == ETRAN_TCP_OP_SEND ? 10 : 0, "req_no_connection");
		}
		/* The first slots with their first generations: the bystander's among them. */
		for (k = 0; k < 64; k++) {
			r.conn = (1ULL + k / 16) << 32 | k % 16;
			if (r.conn != self->conn)
				dropped(_metadata, self, op[i], &r, op[i] == ETRAN_TCP_OP_SEND ? 10 : 0,
					"req_no_connection");
		}
		bystander(_metadata, self);
	}
}

/* A stream continues where it ended, or not at all. */
TEST_F(bad, offsets)
{
	const uint64_t offset[] = { 1, 99, 101, 1ULL << 32, ETRAN_TCP_MAX_STREAM, ~0ULL - 1, ~0ULL };
	struct etran_tcp_req r = { .conn = self->conn };
	uint8_t b[200];
	size_t i;

	submit(_metadata, self, ETRAN_TCP_OP_SEND, &r, 100);
	for (i = 0; i < sizeof(offset) / sizeof(*offset); i++) {
		r.offset = offset[i];
		dropped(_metadata, self, ETRAN_TCP_OP_SEND, &r, 10, "req_not_next");
	}
	/* Nothing, and more than a segment. */
	r.offset = 100;
	dropped(_metadata, self, ETRAN_TCP_OP_SEND, &r, 0, "req_not_next");
	dropped(_metadata, self, ETRAN_TCP_OP_SEND, &r, self->mss + 1, "req_not_next");
	submit(_metadata, self, ETRAN_TCP_OP_SEND, &r, 100);
	ASSERT_EQ(200, recv(self->peer, b, 200, MSG_WAITALL));
	ASSERT_EQ(-1, stream_wrong(b, 1, 0, 200));
	/* Behind FIN. */
	r.offset = 200;
	r.flags = ETRAN_TCP_REQ_FIN;
	submit(_metadata, self, ETRAN_TCP_OP_SEND, &r, 0);
	ASSERT_EQ(0, recv(self->peer, b, 1, 0));
	dropped(_metadata, self, ETRAN_TCP_OP_SEND, &r, 0, "req_not_next");
	r.flags = 0;
	dropped(_metadata, self, ETRAN_TCP_OP_SEND, &r, 10, "req_not_next");
	r.offset = 201;
	dropped(_metadata, self, ETRAN_TCP_OP_SEND, &r, 10, "req_not_next");
}

/* What it says that it has read makes the window, but no larger than what came and its buffers allow. */
TEST_F(bad, reads_of_what_never_came)
{
	struct etran_tcp_req r = { .conn = self->conn, .read = ~0ULL };
	struct etran_tcp_rec rec;
	static uint8_t b[1 << 20];
	int room = sizeof(b);
	uint64_t got = 0;
	ssize_t n;

	ASSERT_EQ(0, setsockopt(self->peer, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)));
	submit(_metadata, self, ETRAN_TCP_OP_READ, &r, 0);
	r.read = 1ULL << 40;
	submit(_metadata, self, ETRAN_TCP_OP_READ, &r, 0);
	stream_fill(b, 3, 0, sizeof(b));
	n = send(self->peer, b, sizeof(b), MSG_DONTWAIT);
	ASSERT_LT(100000, n);
	/* It takes all that there is, and says that it reads nothing. */
	while (got < 100000) {
		uint16_t type = record_next(self, &rec, sizeof(rec));

		ASSERT_EQ(ETRAN_TCP_REC_DATA, type) TH_LOG("after %llu bytes", (unsigned long long)got);
		ASSERT_EQ(self->conn, rec.conn);
		if (rec.offset == got)
			got += rec.len;
	}
	ASSERT_GE(n, got);
}

/* Calls: every operation, number and option; those of others are not found. */
TEST_F(bad, controls)
{
	const uint64_t no_id[] = { 0, 1, ~0ULL, self->conn + 1, self->conn + (1ULL << 32) };
	struct etran_endpoint_bind b;
	uint32_t op;
	size_t i;

	for (op = 6; op < 40; op++) {
		b = to_host_b(PORT);
		ASSERT_NE(0, control(self, &b, op, 0));
	}
	b = to_host_b(PORT);
	ASSERT_NE(0, control(self, &b, 0, 0));
	for (i = 0; i < sizeof(no_id) / sizeof(*no_id); i++) {
		b = (struct etran_endpoint_bind) { .arg = { 0, no_id[i], 1 } };
		ASSERT_EQ(ENOENT, control(self, &b, ETRAN_TCP_SET, ETRAN_TCP_KEEPALIVE)) TH_LOG("id %zu", i);
		b = (struct etran_endpoint_bind) { .arg = { 0, no_id[i] } };
		ASSERT_EQ(ENOENT, control(self, &b, ETRAN_TCP_INFO, 0)) TH_LOG("id %zu", i);
		b = (struct etran_endpoint_bind) { .arg = { 0, no_id[i] } };
		ASSERT_EQ(ENOENT, control(self, &b, ETRAN_TCP_UNLISTEN, 0)) TH_LOG("id %zu", i);
	}
	for (i = 8; i < 100; i++) {
		b = (struct etran_endpoint_bind) { .arg = { 0, self->conn, 1 } };
		ASSERT_EQ(ENOPROTOOPT, control(self, &b, ETRAN_TCP_SET, i));
	}
	b = (struct etran_endpoint_bind) { .arg = { 0, self->conn } };
	ASSERT_EQ(EINVAL, control(self, &b, ETRAN_TCP_INFO, 1000));
	/* Nobody is there, or nobody can be. */
	b = to_host_b(0);
	ASSERT_EQ(EINVAL, control(self, &b, ETRAN_TCP_CONNECT, 0));
	b = to_host_b(PORT);
	b.addr[3] = 0;
	ASSERT_NE(0, control(self, &b, ETRAN_TCP_CONNECT, 0));
	b = to_host_b(PORT);
	b.addr[3] = htonl(0xe0000001);
	ASSERT_NE(0, control(self, &b, ETRAN_TCP_CONNECT, 0));
	/* From an address that is another's, and at one. */
	b = to_host_b(PORT);
	b.arg[3] = (uint64_t)htonl(ADDR_B) << 32 | htonl(0xffff);
	ASSERT_EQ(EADDRNOTAVAIL, control(self, &b, ETRAN_TCP_CONNECT, 0));
	b = to_host_b(PORT + 10);
	ASSERT_EQ(EADDRNOTAVAIL, control(self, &b, ETRAN_TCP_LISTEN, 0));
	b.addr[3] = htonl(ADDR_A);
	ASSERT_EQ(0, control(self, &b, ETRAN_TCP_LISTEN, 0));
}

/* What only who may bind such a port in the kernel may have. */
TEST_F(bad, ports_of_others)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct etran_endpoint_open ep = { .transport = "tcp" };
	struct __user_cap_data_struct cap[2] = {};
	struct etran_endpoint_bind b;

	b = (struct etran_endpoint_bind) { .port = 80 };
	ASSERT_EQ(0, control(self, &b, ETRAN_TCP_LISTEN, 0));
	etran_endpoint_detach(self->ch);
	ASSERT_EQ(0, syscall(SYS_capget, &head, cap));
	cap[0].effective &= ~(1U << CAP_NET_BIND_SERVICE);
	ASSERT_EQ(0, syscall(SYS_capset, &head, cap));
	ASSERT_LE(0, etran_endpoint_attach(self->ch, &ep)) TH_LOG("%s", etran_strerror_detail());
	b = (struct etran_endpoint_bind) { .port = 1023 };
	ASSERT_EQ(EACCES, control(self, &b, ETRAN_TCP_LISTEN, 0));
	b = to_host_b(PORT);
	ASSERT_EQ(EACCES, control(self, &b, ETRAN_TCP_CONNECT, 22));
	b = (struct etran_endpoint_bind) { .port = 1024 };
	ASSERT_EQ(0, control(self, &b, ETRAN_TCP_LISTEN, 0));
	etran_endpoint_detach(self->ch);
	/* The host's setting counts, not that of where its opener is. */
	ASSERT_EQ(0, sysctl_set(HOST_A, "ip_unprivileged_port_start", "500"));
	enter(HOST_B);
	ASSERT_LE(0, etran_endpoint_attach(self->ch, &ep)) TH_LOG("%s", etran_strerror_detail());
	ASSERT_EQ(0, sysctl_set(HOST_A, "ip_unprivileged_port_start", "1024"));
	b = (struct etran_endpoint_bind) { .port = 499 };
	ASSERT_EQ(EACCES, control(self, &b, ETRAN_TCP_LISTEN, 0));
	b = (struct etran_endpoint_bind) { .port = 500 };
	ASSERT_EQ(0, control(self, &b, ETRAN_TCP_LISTEN, 0));
}

/* Requests of random bytes. */
TEST_F(bad, random_requests)
{
	unsigned int seed = 12, i, k;
	struct etran_tcp_req r;
	uint32_t len;

	for (i = 0; i < 3000; i++) {
		for (k = 0; k < sizeof(r); k++)
			((uint8_t *)&r)[k] = rand_r(&seed);
		if (rand_r(&seed) & 1)
			r.conn = (uint64_t)(rand_r(&seed) % 8) << 32 | rand_r(&seed) % 8;
		if (rand_r(&seed) & 1)
			r.offset = rand_r(&seed) % 2000;
		submit(_metadata, self, rand_r(&seed) % 6, &r, rand_r(&seed) % 1424);
		while (etran_rx_peek(self->ch, &len))
			etran_rx_pop(self->ch);
	}
}

TCP_MAIN(1500, "KERNEL", "--set tcp_time_wait_ms=500 --set tcp_fin_timeout_ms=2000")
