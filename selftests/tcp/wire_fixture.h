/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What tests that speak by hand begin with: etran's side with a listener, the wire's other end, and connections between
 * them. The peer is the test with a packet socket (wire.h).
 */
#ifndef WIRE_FIXTURE_H
#define WIRE_FIXTURE_H

#include "wire.h"

#define PORT	7000		/* the wire's */
#define HERE	7001		/* etran's listener */
/* Longer than anything takes that happens at once, shorter than a delayed ACK. */
#define MS	30

#ifndef KERNEL_H
/* etran tells of it, too. */
#define COUNTED(n, name)	ASSERT_EQ(n, tcp_counter(name))
#define USED(n)			ASSERT_EQ(n, conns_used())
/* Closing its context ends all of a test. */
#define ONE_CONNECTION		false
#endif

FIXTURE(wire)
{
	struct wire w;
	struct etran_tcp *t;
	struct etran_socket *l;		/* listens at HERE */
	struct etran_socket *s;		/* the connection */
	struct seg r;			/* the last segment that came */
};

FIXTURE_VARIANT(wire) { int family; };
FIXTURE_VARIANT_ADD(wire, ipv4) { .family = AF_INET };
FIXTURE_VARIANT_ADD(wire, ipv6) { .family = AF_INET6 };

FIXTURE_SETUP(wire)
{
	union address any = {};

	family = variant->family;
	any.sa.sa_family = family;
	any.in.sin_port = htons(HERE);
	ASSERT_EQ(0, wire_open(&self->w));
	self->w.port = PORT;
	self->w.one = ONE_CONNECTION;
	self->w.seq = 1000000;
	self->t = context(HOST_A, 65536);
	ASSERT_NE(NULL, self->t);
	self->l = etran_socket(self->t, family, SOCK_NONBLOCK);
	ASSERT_NE(NULL, self->l);
	ASSERT_EQ(0, etran_bind(self->l, &any.sa, address_len()));
	ASSERT_EQ(0, etran_listen(self->l, 8)) TH_LOG("%s", etran_strerror_detail());
	self->s = NULL;
}

FIXTURE_TEARDOWN(wire)
{
	struct seg s;

	/* So that nothing waits for answers that never come. */
	if (self->w.peer_port) {
		s = wire_seg(&self->w, RST | ACK);
		s.seq = self->w.seq;
		wire_put(&self->w, &s);
	}
	etran_tcp_close(self->t);
	EXPECT_EQ(0, self->w.malformed);
	COUNTED(0, "frame_stale");
	EXPECT_EQ(0, counter("bad_verdict"));
	close(self->w.fd);
}

#define NEXT(ms)	ASSERT_TRUE(wire_next(&self->w, &self->r, ms))
#define NOTHING(ms)	ASSERT_FALSE(wire_next(&self->w, &self->r, ms)) \
				TH_LOG("flags %02x seq +%u len %zu", self->r.flags, \
				       self->r.seq - self->w.iss, self->r.len)

/* A pure ACK of all that we sent, at once or later. */
static TT_UNUSED void expect_ack(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, uint32_t ack, int ms)
{
	NEXT(ms);
	ASSERT_EQ(ACK, self->r.flags & ~(ECE | PSH));
	ASSERT_EQ(0, self->r.len);
	ASSERT_EQ(ack, self->r.ack) TH_LOG("ack is off by %d", self->r.ack - ack);
}

/* The next is data: @len bytes at byte @from of etran's stream 2. */
static TT_UNUSED void expect_data(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, uint32_t from,
			size_t len, int ms)
{
	NEXT(ms);
	ASSERT_EQ(self->w.iss + 1 + from, self->r.seq) TH_LOG("at %d", self->r.seq - self->w.iss - 1);
	ASSERT_EQ(len, self->r.len);
	ASSERT_EQ(ACK, self->r.flags & (ACK | SYN | FIN | RST));
	ASSERT_EQ(-1, stream_wrong(self->r.data, 2, from, len));
}

/* etran sends @len bytes of stream 2 from @from on. */
static TT_UNUSED void submit(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, uint64_t from, size_t len)
{
	static uint8_t b[65536];

	stream_fill(b, 2, from, len);
	ASSERT_EQ(len, etran_send(self->s, b, len, MSG_DONTWAIT)) TH_LOG("%s", etran_strerror_detail());
}

/* We acknowledge etran's bytes up to @upto. */
static TT_UNUSED void acknowledge(FIXTURE_DATA(wire) *self, uint32_t upto)
{
	self->w.ack = self->w.iss + 1 + upto;
	wire_send(&self->w, ACK);
}

/* The application reads @len bytes of stream 1 from @from on. */
static TT_UNUSED void expect_read(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, uint64_t from,
			size_t len)
{
	static uint8_t b[65536];
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = etran_recv(self->s, b + got, len - got, 0);
		ASSERT_LT(0, n) TH_LOG("errno %d", errno);
		got += n;
	}
	ASSERT_EQ(-1, stream_wrong(b, 1, from, len));
}

/* etran begins: its SYN is in self->r. */
static TT_UNUSED void begin_within(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, uint32_t user_timeout_ms)
{
	union address to = address_of(HOST_B, PORT);

	self->s = etran_socket(self->t, family, SOCK_NONBLOCK);
	ASSERT_NE(NULL, self->s);
	if (user_timeout_ms) {
		ASSERT_EQ(0, etran_tcp_set(self->s, ETRAN_TCP_USER_TIMEOUT, user_timeout_ms));
	}
	ASSERT_EQ(-1, etran_connect(self->s, &to.sa, address_len()));
	ASSERT_EQ(EINPROGRESS, errno) TH_LOG("%s", etran_strerror_detail());
	NEXT(MS);
	ASSERT_EQ(SYN, self->r.flags & ~(ECE | CWR));
	self->w.peer_port = self->r.sport;
	self->w.iss = self->r.seq;
	self->w.ack = self->r.seq + 1;
}

static TT_UNUSED void begin(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self)
{
	begin_within(_metadata, self, 0);
}

static TT_UNUSED void answer_syn(FIXTURE_DATA(wire) *self, int offer, uint8_t flags)
{
	struct seg s = wire_seg(&self->w, SYN | ACK | flags);

	wire_offer(&self->w, &s, offer);
	s.flags = SYN | ACK | flags;
	wire_put(&self->w, &s);
	self->w.seq++;
}

/* The handshake that etran begins, whole. */
static TT_UNUSED void connected(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, int offer,
		      uint8_t flags)
{
	begin(_metadata, self);
	answer_syn(self, offer, flags);
	expect_ack(_metadata, self, self->w.seq, MS);
	ASSERT_EQ(0, !self->s);
	etran_connect(self->s, NULL, 0);
	ASSERT_EQ(EISCONN, errno);
}

/* The handshake that we begin; with its last ACK @data bytes. */
static TT_UNUSED void accepted(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, int offer,
		     uint8_t flags)
{
	struct seg s;
	int i;

	self->w.peer_port = HERE;
	s = wire_seg(&self->w, SYN | flags);
	wire_offer(&self->w, &s, offer);
	ASSERT_TRUE(wire_put(&self->w, &s));
	self->w.seq++;
	NEXT(MS);
	ASSERT_EQ(SYN | ACK, self->r.flags & ~ECE);
	ASSERT_EQ(self->w.seq, self->r.ack);
	self->w.iss = self->r.seq;
	self->w.ack = self->r.seq + 1;
	ASSERT_TRUE(wire_send(&self->w, ACK));
	for (i = 0; i < 100 && !self->s; i++) {
		self->s = etran_accept(self->l, NULL, NULL, SOCK_NONBLOCK);
		if (!self->s)
			usleep(1000);
	}
	ASSERT_NE(NULL, self->s);
	etran_close(self->l);
	self->l = NULL;
}

static TT_UNUSED void blocking(FIXTURE_DATA(wire) *self)
{
	usleep(MS * 1000);
}

#endif /* WIRE_FIXTURE_H */
