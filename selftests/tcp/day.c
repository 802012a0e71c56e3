// SPDX-License-Identifier: GPL-2.0
/*
 * A day and more: idle connections that are kept alive, sequence numbers that wrap because their connection began at the
 * right time, timestamps that wrap while it is idle. The machine's clock skips the time in which nobody does anything.
 */
#include "wire_fixture.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	200000

#define HOUR_MS		3600000
#define DAY_MS		(24 * HOUR_MS)
/* RFC 6528: a clock of 4 us. */
#define ISN_PER_MS	250
#define LOCAL		62000

/* 100 bytes there and 100 back, beginning at that byte of each stream. */
static void exchange(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, uint64_t at)
{
	submit(_metadata, self, at, 100);
	expect_data(_metadata, self, at, 100, 1000);
	acknowledge(self, at + 100);
	wire_data(&self->w, 0, at, 100, PSH);
	self->w.seq += 100;
	expect_ack(_metadata, self, self->w.seq, 1000);
	expect_read(_metadata, self, at, 100);
}

/* Answers keepalive probes for so long. How many came; -1: something else did. */
static int answer_probes(FIXTURE_DATA(wire) *self, int64_t ms)
{
	uint64_t end = now_ms() + ms;
	int probes = 0;

	while (now_ms() < end) {
		if (!wire_next(&self->w, &self->r, end - now_ms()))
			break;
		if (self->r.len || self->r.flags != ACK || self->r.seq != self->w.ack - 1)
			return -1;
		probes++;
		wire_send(&self->w, ACK);
	}
	return probes;
}

/* etran connects from port LOCAL: its SYN is in self->r, the handshake is done. */
static void connected_from(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, uint16_t local)
{
	union address to = address_of(HOST_B, PORT), from = address_of(HOST_A, local);

	self->s = etran_socket(self->t, family, SOCK_NONBLOCK);
	ASSERT_NE(NULL, self->s);
	ASSERT_EQ(0, etran_bind(self->s, &from.sa, address_len()));
	ASSERT_EQ(-1, etran_connect(self->s, &to.sa, address_len()));
	ASSERT_EQ(EINPROGRESS, errno) TH_LOG("%s", etran_strerror_detail());
	NEXT(1000);
	ASSERT_EQ(SYN, self->r.flags & ~(ECE | CWR));
	self->w.peer_port = self->r.sport;
	self->w.iss = self->r.seq;
	self->w.ack = self->r.seq + 1;
	answer_syn(self, OFFER_ALL, 0);
	expect_ack(_metadata, self, self->w.seq, 1000);
	ASSERT_EQ(-1, etran_connect(self->s, NULL, 0));
}

static void reset(FIXTURE_DATA(wire) *self)
{
	wire_send(&self->w, RST);
	usleep(MS * 1000);
	etran_close(self->s);
	self->s = NULL;
	usleep(MS * 1000);
	wire_drain(&self->w);
}

/* RFC 9293, 3.8.4 (MUST-28: two hours): asks twelve times a day, and goes on as if nothing had been */
TEST_F(wire, keepalive_for_a_day)
{
	uint64_t before = tcp_counter("tx_keepalive");
	int hours, probes = 0, n;

	self->s = NULL;
	connected(_metadata, self, OFFER_ALL, 0);
	ASSERT_EQ(0, etran_tcp_set(self->s, ETRAN_TCP_KEEPALIVE, 1));
	for (hours = 0; hours < 24; hours += 6) {
		exchange(_metadata, self, hours / 6 * 100);
		n = answer_probes(self, 6 * HOUR_MS);
		ASSERT_LE(0, n) TH_LOG("flags %02x len %zu", self->r.flags, self->r.len);
		probes += n;
	}
	exchange(_metadata, self, 400);
	/* After the sixth hour an exchange may be first. */
	ASSERT_LE(8, probes);
	ASSERT_GE(12, probes);
	ASSERT_EQ(before + probes, tcp_counter("tx_keepalive"));
	TH_LOG("%d probes in 24 hours", probes);
}

/* Nobody asks, nobody minds: a connection is there after a day */
TEST_F(wire, idle_for_a_day)
{
	self->s = NULL;
	connected(_metadata, self, OFFER_ALL, 0);
	exchange(_metadata, self, 0);
	NOTHING(DAY_MS);
	exchange(_metadata, self, 100);
}

/* RFC 9293, 3.4: a stream across sequence number 0, ours and theirs */
TEST_F(wire, sequence_numbers_wrap)
{
	uint32_t mss = family == AF_INET ? 1448 : 1428, wait_ms, i, k;
	bool wrapped = false;

	connected_from(_metadata, self, LOCAL);
	/* The same ports have a number that goes up with the clock: 20 segments before 0 it shall begin. */
	wait_ms = (0 - self->w.iss - 20 * mss) / ISN_PER_MS;
	reset(self);
	TH_LOG("in %u s the initial sequence number is right", wait_ms / 1000);
	NOTHING((int)wait_ms - 2 * MS - 10);
	self->w.seq = 0xfffffff0;
	connected_from(_metadata, self, LOCAL);
	ASSERT_LT(0xfffe0000, self->w.iss) TH_LOG("%x", self->w.iss);
	for (i = 0; i < 100; i += 5) {
		submit(_metadata, self, i * mss, 5 * mss);
		for (k = 0; k < 5; k++) {
			expect_data(_metadata, self, (i + k) * mss, mss, 1000);
			if (self->r.seq < 0x80000000)
				wrapped = true;
		}
		acknowledge(self, (i + 5) * mss);
	}
	ASSERT_TRUE(wrapped);
	for (i = 0; i < 10; i++) {
		wire_data(&self->w, 0, 100 * i, 100, PSH);
		self->w.seq += 100;
		usleep(MS * 1000);
		expect_read(_metadata, self, 100 * i, 100);
	}
}

/* RFC 7323, 5.4: timestamps that go from 2^32 - 1 to 0 are no older than before; ours and theirs */
TEST_F(wire, timestamps_wrap)
{
	uint32_t left = 0;
	uint16_t port;

	/* Each pair of ports has an offset of its own: one in fifty wraps within a day. */
	for (port = LOCAL + 1; port < LOCAL + 1000; port++) {
		self->w.tsval = 0xffffff00;
		connected_from(_metadata, self, port);
		left = 0 - self->r.tsval;
		if (left > 10000 && left < DAY_MS)
			break;
		reset(self);
	}
	ASSERT_LT(port, LOCAL + 1000);
	TH_LOG("port %u: wraps in %u s", port, left / 1000);
	self->w.tsval = 0xfffffffd;
	exchange(_metadata, self, 0);
	exchange(_metadata, self, 100);
	ASSERT_LT(self->w.tsval, 100);
	NOTHING((int)left - 5000);
	exchange(_metadata, self, 200);
	ASSERT_LT(0x80000000, self->r.tsval);
	NOTHING(10000);
	exchange(_metadata, self, 300);
	ASSERT_GT(0x80000000, self->r.tsval);
	exchange(_metadata, self, 400);
}

TCP_MAIN(1500, "WIRE", "--set tcp_tlp=0")
