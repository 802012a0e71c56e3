// SPDX-License-Identifier: GPL-2.0
/*
 * TCP by the book: what etran's side sends and answers, segment by segment. The peer is this program with a packet
 * socket (wire.h). Each case names the RFC and section that it is about.
 */
#include "wire_fixture.h"

/* ---- handshake ---- */

/* RFC 9293, 3.7.1 (MUST-14); RFC 7323, 2.2, 3.2; RFC 2018, 2; RFC 3168, 6.1.1 */
TEST_F(wire, syn_offers_everything)
{
	begin(_metadata, self);
	ASSERT_EQ(0, self->r.ack);
	ASSERT_EQ(SYN | ECE | CWR, self->r.flags);
	ASSERT_EQ(family == AF_INET ? 1460 : 1440, self->r.mss);
	ASSERT_TRUE(self->r.sack_ok);
	ASSERT_TRUE(self->r.has_ts);
	ASSERT_LE(0, self->r.wscale);
	ASSERT_EQ(0, self->r.tos & 3);
}

/* RFC 6528, 3: not 0, and not the same for two connections; RFC 7323, 7.1: likewise timestamps */
TEST_F(wire, isn_differs)
{
	uint32_t isn, ts;

	begin(_metadata, self);
	isn = self->r.seq;
	ts = self->r.tsval;
	ASSERT_NE(0, isn);
	begin(_metadata, self);
	ASSERT_LT(1000000, isn - self->r.seq);
	ASSERT_LT(1000000, self->r.seq - isn);
	ASSERT_LT(10000, ts - self->r.tsval);
	ASSERT_LT(10000, self->r.tsval - ts);
}

/* RFC 9293, 3.8.1; RFC 6298, (2.1), (5.5); RFC 3168, 6.1.1.1 */
TEST_F(wire, syn_repeated_with_backoff)
{
	uint64_t first, second;
	uint32_t isn;

	begin(_metadata, self);
	isn = self->r.seq;
	first = self->w.arrived;
	NEXT(1500);
	ASSERT_EQ(SYN, self->r.flags);
	ASSERT_EQ(isn, self->r.seq);
	second = self->w.arrived;
	ASSERT_LE(900, second - first);
	NEXT(3000);
	ASSERT_LE(1900, self->w.arrived - second);
}

/* RFC 9293, 3.10.7.3, first: unacceptable ACK */
TEST_F(wire, synack_for_something_else)
{
	struct seg s;

	begin(_metadata, self);
	s = wire_seg(&self->w, SYN | ACK);
	s.ack += 5;
	wire_put(&self->w, &s);
	NEXT(MS);
	ASSERT_EQ(RST, self->r.flags);
	ASSERT_EQ(s.ack, self->r.seq);
	/* It goes on waiting. */
	answer_syn(self, OFFER_ALL, 0);
	expect_ack(_metadata, self, self->w.seq, MS);
}

/* RFC 9293, 3.10.7.3, second */
TEST_F(wire, reset_in_syn_sent)
{
	struct seg s;

	begin(_metadata, self);
	/* Not of this SYN. */
	s = wire_seg(&self->w, RST | ACK);
	s.ack += 1;
	wire_put(&self->w, &s);
	s = wire_seg(&self->w, RST);
	wire_put(&self->w, &s);
	blocking(self);
	ASSERT_EQ(0, etran_socket_error(self->s));
	wire_send(&self->w, RST | ACK);
	blocking(self);
	ASSERT_EQ(ECONNREFUSED, etran_socket_error(self->s));
	self->w.peer_port = 0;
}

/* RFC 9293, 3.5, figure 8 (MUST-10) */
TEST_F(wire, simultaneous_open)
{
	struct seg s;

	begin(_metadata, self);
	s = wire_seg(&self->w, SYN);
	wire_offer(&self->w, &s, OFFER_ALL);
	wire_put(&self->w, &s);
	self->w.seq++;
	NEXT(MS);
	ASSERT_EQ(SYN | ACK, self->r.flags & ~ECE);
	ASSERT_EQ(self->w.iss, self->r.seq);
	ASSERT_EQ(self->w.seq, self->r.ack);
	wire_send(&self->w, ACK);
	blocking(self);
	submit(_metadata, self, 0, 100);
	expect_data(_metadata, self, 0, 100, MS);
}

/* RFC 9293, 3.7.1 (MUST-15): 536, or 1220 over IPv6; and none of the options that the peer did not offer */
TEST_F(wire, peer_without_options)
{
	size_t mss = family == AF_INET ? 536 : 1220;

	connected(_metadata, self, 0, 0);
	ASSERT_FALSE(self->r.has_ts);
	submit(_metadata, self, 0, mss + 10);
	expect_data(_metadata, self, 0, mss, MS);
	ASSERT_EQ(0, self->r.optlen);
	ASSERT_EQ(0, self->r.tos & 3);
	expect_data(_metadata, self, mss, 10, MS);
}

/* RFC 6691, 2: the sender deducts options; RFC 7323, 3.2: timestamps in every segment */
TEST_F(wire, mss_with_timestamps)
{
	connected(_metadata, self, OFFER_ALL, 0);
	submit(_metadata, self, 0, 3000);
	NEXT(MS);
	ASSERT_EQ(family == AF_INET ? 1448 : 1428, self->r.len);
	ASSERT_TRUE(self->r.has_ts);
	ASSERT_EQ(self->w.tsval, self->r.tsecr);
}

/* RFC 9293, 3.1 (MUST-5, MUST-6, MUST-64): unknown options, in any order, padded anyhow */
TEST_F(wire, strange_options)
{
	struct seg s;
	static const uint8_t opt[] = { 253, 4, 1, 2, 1, 3, 3, 7, 30, 8, 0, 0, 0, 0, 0, 0,
				       2, 4, 1460 >> 8, 1460 & 0xff };

	begin(_metadata, self);
	s = wire_seg(&self->w, SYN | ACK);
	memcpy(s.opt, opt, sizeof(opt));
	s.optlen = sizeof(opt);
	wire_put(&self->w, &s);
	self->w.seq++;
	expect_ack(_metadata, self, self->w.seq, MS);
	submit(_metadata, self, 0, 1460);
	expect_data(_metadata, self, 0, family == AF_INET ? 1460 : 1440, MS);
}

/* RFC 9293, 3.1 (MUST-7): impossible lengths */
TEST_F(wire, bad_option_lengths)
{
	static const uint8_t bad[][4] = {
		{ 2, 0, 5, 180 }, { 2, 1, 5, 180 }, { 2, 41, 5, 180 }, { 1, 1, 1, 2 }, { 253, 255, 0, 0 },
	};
	uint64_t before = tcp_counter("rx_bad_options");
	size_t i;

	connected(_metadata, self, OFFER_MSS, 0);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct seg s = wire_seg(&self->w, ACK | PSH);

		memcpy(s.opt, bad[i], 4);
		s.optlen = 4;
		s.len = 10;
		stream_fill(s.data, 1, 10 * i, 10);
		wire_put(&self->w, &s);
		self->w.seq += 10;
	}
	blocking(self);
	expect_read(_metadata, self, 0, 10 * i);
	COUNTED(before + i, "rx_bad_options");
}

/* RFC 9293, 3.10.7.2 to 3.10.7.4: passive open, and data in the last segment of the handshake */
TEST_F(wire, passive_open)
{
	accepted(_metadata, self, OFFER_ALL, 0);
	ASSERT_EQ(family == AF_INET ? 1460 : 1440, self->r.mss);
	ASSERT_TRUE(self->r.has_ts && self->r.sack_ok && self->r.wscale >= 0);
	ASSERT_EQ(0, self->r.flags & ECE);
	wire_data(&self->w, 0, 0, 100, PSH);
	self->w.seq += 100;
	expect_read(_metadata, self, 0, 100);
	expect_ack(_metadata, self, self->w.seq, 500);
}

/* The same with none of the options: RFC 7323, 1.3, RFC 2018, 2: only if the SYN had them */
TEST_F(wire, passive_open_without_options)
{
	accepted(_metadata, self, 0, 0);
	ASSERT_FALSE(self->r.has_ts || self->r.sack_ok || self->r.wscale >= 0);
}

/* RFC 3168, 6.1.1: ECN-setup SYN and its answer */
TEST_F(wire, passive_open_with_ecn)
{
	accepted(_metadata, self, OFFER_ALL, ECE | CWR);
	ASSERT_EQ(ECE, self->r.flags & (ECE | CWR));
	submit(_metadata, self, 0, 100);
	expect_data(_metadata, self, 0, 100, MS);
	ASSERT_EQ(2, self->r.tos & 3);
}

/* RFC 9293, 3.10.7.4, fourth; a SYN again is answered again, with the same ISN */
TEST_F(wire, syn_twice)
{
	struct seg s;
	uint32_t isn;

	self->w.peer_port = HERE;
	s = wire_seg(&self->w, SYN);
	wire_offer(&self->w, &s, OFFER_ALL);
	wire_put(&self->w, &s);
	NEXT(MS);
	isn = self->r.seq;
	wire_put(&self->w, &s);
	NEXT(MS);
	ASSERT_EQ(SYN | ACK, self->r.flags & ~ECE);
	ASSERT_EQ(isn, self->r.seq);
	/* RFC 6298: and when nothing comes, unasked */
	NEXT(1500);
	ASSERT_EQ(SYN | ACK, self->r.flags & ~ECE);
	ASSERT_EQ(isn, self->r.seq);
	self->w.seq++;
}

/* RFC 4987, 3.3: a flood of SYNs costs no more than the backlog, and its end is the end of it; here without cookies */
TEST_F(wire, syn_flood)
{
	uint64_t dropped = tcp_counter("rx_syn_dropped");
	int used = conns_used(), i, answered = 0;
	struct seg s;

	ASSERT_TRUE(tunable("tcp_syncookies", 0));
	self->w.port = 0;
	self->w.peer_port = HERE;
	for (i = 0; i < 200; i++) {
		s = wire_seg(&self->w, SYN);
		s.sport = 10000 + i;
		wire_offer(&self->w, &s, OFFER_ALL);
		wire_put(&self->w, &s);
	}
	while (wire_next(&self->w, &self->r, MS))
		answered++;
	ASSERT_EQ(8, answered);
	ASSERT_GE(used + 8, conns_used());
	COUNTED(dropped + 192, "rx_syn_dropped");
	/* One of them goes, and there is room for one. */
	s = wire_seg(&self->w, RST);
	s.sport = 10000;
	s.seq++;
	wire_put(&self->w, &s);
	blocking(self);
	s = wire_seg(&self->w, SYN);
	s.sport = 20000;
	wire_put(&self->w, &s);
	NEXT(MS);
	ASSERT_EQ(20000, self->r.dport);
	ASSERT_TRUE(tunable("tcp_syncookies", 1));
}

/* RFC 9293, 3.10.7.2, first, second and fourth: a listener answers an ACK with RST, and RST and what has no ACK with nothing */
TEST_F(wire, no_connection)
{
	struct seg s;

	self->w.peer_port = HERE;
	self->w.ack = 12345;
	wire_send(&self->w, RST);
	wire_send(&self->w, RST | ACK);
	NOTHING(MS);
	wire_send(&self->w, ACK);
	NEXT(MS);
	ASSERT_EQ(RST, self->r.flags);
	ASSERT_EQ(12345, self->r.seq);
	s = wire_seg(&self->w, FIN);
	s.len = 10;
	wire_put(&self->w, &s);
	wire_send(&self->w, SYN | FIN);
	wire_send(&self->w, PSH);
	wire_send(&self->w, 0);
	NOTHING(MS);
	wire_send(&self->w, FIN | ACK);
	NEXT(MS);
	ASSERT_EQ(RST, self->r.flags);
	ASSERT_EQ(12345, self->r.seq);
	self->w.peer_port = 0;
}

/* RFC 9293, 3.10.7.4, fifth: in SYN-RECEIVED an ACK of something else */
TEST_F(wire, wrong_ack_in_syn_rcvd)
{
	struct seg s;

	self->w.peer_port = HERE;
	s = wire_seg(&self->w, SYN);
	wire_put(&self->w, &s);
	NEXT(MS);
	self->w.seq++;
	self->w.ack = self->r.seq + 7;
	wire_send(&self->w, ACK);
	NEXT(MS);
	ASSERT_EQ(RST, self->r.flags);
	ASSERT_EQ(self->w.ack, self->r.seq);
}

/* ---- receiving ---- */

/* RFC 9293, 3.1 (MUST-3) */
TEST_F(wire, wrong_checksum)
{
	uint64_t before = tcp_counter("rx_bad_checksum");
	struct seg s;

	connected(_metadata, self, OFFER_ALL, 0);
	s = wire_seg(&self->w, ACK | PSH);
	s.corrupt = true;
	s.len = 10;
	wire_put(&self->w, &s);
	NOTHING(100);
	COUNTED(before + 1, "rx_bad_checksum");
}

/* RFC 9293, 3.8.6.3 (MUST-58, SHLD-18, MUST-40): an ACK for two full segments at once, for one within 500 ms */
TEST_F(wire, delayed_ack)
{
	uint64_t sent;

	connected(_metadata, self, OFFER_ALL, 0);
	wire_data(&self->w, 0, 0, 1000, 0);
	self->w.seq += 1000;
	sent = now_ms();
	NOTHING(20);
	expect_ack(_metadata, self, self->w.seq, 500);
	ASSERT_GE(500, self->w.arrived - sent);
	wire_data(&self->w, 0, 1000, 1000, 0);
	wire_data(&self->w, 1000, 1000, 1000, 0);
	self->w.seq += 2000;
	expect_ack(_metadata, self, self->w.seq, 20);
	expect_read(_metadata, self, 0, 3000);
}

/* RFC 5681, 4.2; RFC 2018, 4: an ACK at once for each segment behind a gap, the newest block first */
TEST_F(wire, gaps_and_sack)
{
	connected(_metadata, self, OFFER_ALL, 0);
	wire_data(&self->w, 1000, 0, 1000, 0);
	expect_ack(_metadata, self, self->w.seq, MS);
	ASSERT_EQ(1, self->r.sacks);
	ASSERT_EQ(self->w.seq + 1000, self->r.sack[0][0]);
	ASSERT_EQ(self->w.seq + 2000, self->r.sack[0][1]);
	wire_data(&self->w, 3000, 0, 1000, 0);
	expect_ack(_metadata, self, self->w.seq, MS);
	ASSERT_EQ(2, self->r.sacks);
	ASSERT_EQ(self->w.seq + 3000, self->r.sack[0][0]);
	ASSERT_EQ(self->w.seq + 1000, self->r.sack[1][0]);
	wire_data(&self->w, 5000, 0, 1000, 0);
	expect_ack(_metadata, self, self->w.seq, MS);
	ASSERT_EQ(3, self->r.sacks);
	/* One gap is filled. */
	wire_data(&self->w, 2000, 0, 1000, 0);
	expect_ack(_metadata, self, self->w.seq, MS);
	ASSERT_EQ(2, self->r.sacks);
	ASSERT_EQ(self->w.seq + 1000, self->r.sack[0][0]);
	ASSERT_EQ(self->w.seq + 4000, self->r.sack[0][1]);
	wire_data(&self->w, 0, 0, 1000, 0);
	expect_ack(_metadata, self, self->w.seq + 4000, MS);
	ASSERT_EQ(1, self->r.sacks);
	wire_data(&self->w, 4000, 0, 1000, 0);
	expect_ack(_metadata, self, self->w.seq + 6000, MS);
	ASSERT_EQ(0, self->r.sacks);
	self->w.seq += 6000;
	expect_read(_metadata, self, 0, 6000);
}

/* RFC 9293, 3.10.7.4, first: what is here already is acknowledged again, and not delivered twice */
TEST_F(wire, old_and_overlapping_data)
{
	connected(_metadata, self, OFFER_ALL, 0);
	wire_data(&self->w, 0, 0, 1000, 0);
	wire_data(&self->w, 0, 0, 1000, 0);
	expect_ack(_metadata, self, self->w.seq + 1000, MS);
	wire_data(&self->w, 500, 0, 1000, 0);
	wire_data(&self->w, 1500, 0, 1000, 0);
	expect_ack(_metadata, self, self->w.seq + 2500, MS);
	self->w.seq += 2500;
	expect_read(_metadata, self, 0, 2500);
}

/* RFC 9293, 3.4: beyond the window */
TEST_F(wire, beyond_the_window)
{
	connected(_metadata, self, OFFER_ALL, 0);
	wire_data(&self->w, 200000, 0, 100, 0);
	expect_ack(_metadata, self, self->w.seq, MS);
	ASSERT_EQ(0, self->r.sacks);
	/* RFC 9293, 3.8.4: what asks whether we live */
	self->w.seq--;
	wire_send(&self->w, ACK);
	self->w.seq++;
	expect_ack(_metadata, self, self->w.seq, MS);
}

/* RFC 9293, 3.8.6: the window closes as the application does not read, never shrinks, and opens again */
TEST_F(wire, window_closes_and_opens)
{
	uint32_t edge = 0, at = 0, last;
	int scale;

	begin(_metadata, self);
	scale = self->r.wscale;
	answer_syn(self, OFFER_ALL, 0);
	expect_ack(_metadata, self, self->w.seq, MS);
	do {
		wire_data(&self->w, at, 0, 1024, 0);
		wire_data(&self->w, at + 1024, 0, 1024, 0);
		at += 2048;
		NEXT(MS);
		last = self->r.ack + ((uint32_t)self->r.window << scale);
		ASSERT_LE(0, (int32_t)(last - edge) * !!edge);
		edge = last;
	} while (self->r.window && at < 100000);
	ASSERT_EQ(0, self->r.window);
	ASSERT_EQ(65536, at);
	wire_data(&self->w, at, 0, 1024, 0);
	expect_ack(_metadata, self, self->w.seq + at, MS);
	ASSERT_EQ(0, self->r.window);
	expect_read(_metadata, self, 0, 40000);
	NEXT(MS);
	ASSERT_LT(10000, (uint32_t)self->r.window << scale);
	expect_read(_metadata, self, 40000, 65536 - 40000);
	self->w.seq += at;
}

/* RFC 9293, 3.8.5 (MUST-30 to 33), RFC 6093: urgent data is data */
TEST_F(wire, urgent_data)
{
	struct seg s;

	connected(_metadata, self, OFFER_ALL, 0);
	s = wire_seg(&self->w, ACK | URG | PSH);
	s.urgent = 5;
	s.len = 10;
	stream_fill(s.data, 1, 0, 10);
	wire_put(&self->w, &s);
	self->w.seq += 10;
	expect_read(_metadata, self, 0, 10);
}

/* RFC 7323, 5.3: PAWS */
TEST_F(wire, old_timestamp)
{
	uint64_t before = tcp_counter("rx_paws");
	struct seg s;

	self->w.tsval = 100000;
	connected(_metadata, self, OFFER_ALL, 0);
	s = wire_seg(&self->w, ACK | PSH);
	set32(s.opt + 4, self->w.tsval - 1000);
	s.len = 10;
	wire_put(&self->w, &s);
	expect_ack(_metadata, self, self->w.seq, MS);
	COUNTED(before + 1, "rx_paws");
	wire_data(&self->w, 0, 0, 10, PSH);
	self->w.seq += 10;
	expect_read(_metadata, self, 0, 10);
}

/* 1000 bytes as by wire_data(), from a path that did with them what @ecn says. */
static void marked_data(FIXTURE_DATA(wire) *self, uint32_t at, uint64_t from, uint8_t ecn)
{
	struct seg s = wire_seg(&self->w, ACK);

	s.seq += at;
	s.len = 1000;
	s.tos = ecn;
	stream_fill(s.data, 1, from + at, 1000);
	wire_put(&self->w, &s);
}

/* RFC 8257, 3.2: one ACK of before with the old state, then each says what is marked; RFC 3168: only with ECN */
TEST_F(wire, dctcp_receiver)
{
	connected(_metadata, self, OFFER_ALL, ECE);
	/* Unmarked: delayed. Then marked: first the ACK of before. */
	marked_data(self, 0, 0, 2);
	marked_data(self, 1000, 0, 3);
	expect_ack(_metadata, self, self->w.seq + 1000, MS);
	ASSERT_EQ(0, self->r.flags & ECE);
	expect_ack(_metadata, self, self->w.seq + 2000, MS);
	ASSERT_EQ(ECE, self->r.flags & ECE);
	self->w.seq += 2000;
	/* And back. */
	marked_data(self, 0, 2000, 2);
	expect_ack(_metadata, self, self->w.seq + 1000, MS);
	ASSERT_EQ(0, self->r.flags & ECE);
	self->w.seq += 1000;
}

/* ---- sending ---- */

/* RFC 6298, (5.4), (5.5), 3: repeated after the timeout, then after twice that */
TEST_F(wire, retransmission_timeout)
{
	uint64_t first, second;

	connected(_metadata, self, OFFER_ALL, 0);
	submit(_metadata, self, 0, 100);
	expect_data(_metadata, self, 0, 100, MS);
	first = self->w.arrived;
	expect_data(_metadata, self, 0, 100, 1000);
	second = self->w.arrived;
	ASSERT_LE(190, second - first);
	expect_data(_metadata, self, 0, 100, 2000);
	ASSERT_LE((second - first) * 3 / 2, self->w.arrived - second);
	acknowledge(self, 100);
	NOTHING(1000);
}

/* RFC 5681, 3.2: three duplicate ACKs; RFC 6582 with a peer that has no SACK: a partial ACK has the next one sent */
TEST_F(wire, fast_retransmit_without_sack)
{
	size_t mss = family == AF_INET ? 1460 : 1440;
	int i;

	connected(_metadata, self, OFFER_MSS, 0);
	/* The first one behind SYN may be taken for news of the window (RFC 5681, 2): SND.WL1 is SYN's until then. */
	wire_send(&self->w, ACK);
	submit(_metadata, self, 0, 8 * mss);
	for (i = 0; i < 8; i++)
		expect_data(_metadata, self, i * mss, mss, MS);
	/* 0 and 3 are lost. */
	acknowledge(self, 0);
	acknowledge(self, 0);
	NOTHING(MS);
	acknowledge(self, 0);
	expect_data(_metadata, self, 0, mss, MS);
	for (i = 0; i < 3; i++)
		acknowledge(self, 0);
	acknowledge(self, 3 * mss);
	expect_data(_metadata, self, 3 * mss, mss, MS);
	acknowledge(self, 8 * mss);
	NOTHING(MS);
}

static void sack_ack(FIXTURE_DATA(wire) *self, uint32_t upto, const uint32_t (*block)[2], int n)
{
	struct seg s;
	int i;

	self->w.ack = self->w.iss + 1 + upto;
	s = wire_seg(&self->w, ACK);
	memcpy(s.opt + s.optlen, (uint8_t[]){ 1, 1, 5, 2 + 8 * n }, 4);
	s.optlen += 4;
	for (i = 0; i < n; i++) {
		set32(s.opt + s.optlen, self->w.iss + 1 + block[i][0]);
		set32(s.opt + s.optlen + 4, self->w.iss + 1 + block[i][1]);
		s.optlen += 8;
	}
	wire_put(&self->w, &s);
}

/* A connection with all options and with @flags, ten segments of which are out. Return: their payload. */
static uint32_t flight(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, uint8_t flags)
{
	uint32_t mss = family == AF_INET ? 1448 : 1428, i;

	connected(_metadata, self, OFFER_ALL, flags);
	submit(_metadata, self, 0, 10 * mss);
	for (i = 0; i < 10; i++)
		expect_data(_metadata, self, i * mss, mss, MS);
	return mss;
}

/* RFC 6675, 5: what is missing is sent again, and nothing else */
TEST_F(wire, sack_recovery)
{
	uint64_t before = tcp_counter("fast_recovery");
	uint32_t mss = flight(_metadata, self, 0);

	/* 1 and 4 are lost. */
	sack_ack(self, mss, (const uint32_t[][2]){ { 2 * mss, 3 * mss } }, 1);
	sack_ack(self, mss, (const uint32_t[][2]){ { 2 * mss, 4 * mss } }, 1);
	NOTHING(MS);
	sack_ack(self, mss, (const uint32_t[][2]){ { 5 * mss, 6 * mss }, { 2 * mss, 4 * mss } }, 2);
	expect_data(_metadata, self, mss, mss, MS);
	sack_ack(self, mss, (const uint32_t[][2]){ { 5 * mss, 10 * mss }, { 2 * mss, 4 * mss } }, 2);
	expect_data(_metadata, self, 4 * mss, mss, MS);
	NOTHING(MS);
	acknowledge(self, 10 * mss);
	NOTHING(MS);
	COUNTED(before + 1, "fast_recovery");
}

/*
 * RFC 6675, 4, NextSeg() (3): with room in the network what lies in front of something that is there goes again, though that does
 * not make it lost
 */
TEST_F(wire, sack_recovery_in_front_of_what_is_there)
{
	uint64_t timeouts = tcp_counter("rto");
	uint32_t mss = flight(_metadata, self, 0);

	/* 0 and 8 are lost. */
	sack_ack(self, 0, (const uint32_t[][2]){ { mss, 4 * mss } }, 1);
	expect_data(_metadata, self, 0, mss, MS);
	sack_ack(self, 0, (const uint32_t[][2]){ { mss, 8 * mss } }, 1);
	NOTHING(MS);
	sack_ack(self, 0, (const uint32_t[][2]){ { 9 * mss, 10 * mss }, { mss, 8 * mss } }, 2);
	expect_data(_metadata, self, 8 * mss, mss, MS);
	NOTHING(MS);
	acknowledge(self, 10 * mss);
	NOTHING(MS);
	COUNTED(timeouts, "rto");
}

/* RFC 6675, 4, IsLost(): three ranges behind it, however short they are */
TEST_F(wire, three_short_ranges_tell_of_loss)
{
	const uint32_t blocks[][2] = { { 350, 400 }, { 250, 300 }, { 150, 200 } };
	int i;

	connected(_metadata, self, OFFER_ALL, 0);
	ASSERT_EQ(0, etran_tcp_set(self->s, ETRAN_SOCKET_NODELAY, 1));
	for (i = 0; i < 8; i++) {
		submit(_metadata, self, i * 50, 50);
		expect_data(_metadata, self, i * 50, 50, MS);
	}
	/* 2, 4 and 6 are lost of those behind 1; only 2 has three ranges behind it. */
	sack_ack(self, 100, blocks + 2, 1);
	sack_ack(self, 100, blocks + 1, 2);
	NOTHING(MS);
	sack_ack(self, 100, blocks, 3);
	expect_data(_metadata, self, 100, 50, MS);
	/* The others: (3) */
	expect_data(_metadata, self, 200, 50, MS);
	expect_data(_metadata, self, 300, 50, MS);
	NOTHING(MS);
	acknowledge(self, 400);
	NOTHING(MS);
}

/*
 * RFC 6675, 4, NextSeg() (4): the end of the flight is lost, and nothing comes behind it that would tell: once recovery's first
 * segment is there the last one goes again, once. What comes back tells of the others.
 */
TEST_F(wire, rescue_retransmission)
{
	uint64_t timeouts = tcp_counter("rto"), rescues = tcp_counter("tx_rescue");
	uint32_t mss = flight(_metadata, self, 0);

	/* 0, 8 and 9 are lost. */
	sack_ack(self, 0, (const uint32_t[][2]){ { mss, 4 * mss } }, 1);
	expect_data(_metadata, self, 0, mss, MS);
	sack_ack(self, 0, (const uint32_t[][2]){ { mss, 8 * mss } }, 1);
	NOTHING(MS);
	acknowledge(self, 8 * mss);
	expect_data(_metadata, self, 9 * mss, mss, MS);
	COUNTED(rescues + 1, "tx_rescue");
	NOTHING(MS);
	acknowledge(self, 8 * mss);
	NOTHING(MS);
	sack_ack(self, 8 * mss, (const uint32_t[][2]){ { 9 * mss, 10 * mss } }, 1);
	expect_data(_metadata, self, 8 * mss, mss, MS);
	NOTHING(MS);
	acknowledge(self, 10 * mss);
	COUNTED(rescues + 1, "tx_rescue");
	COUNTED(timeouts, "rto");
}

/* RFC 9293, 3.8.1, allows it: what was sent in small segments goes again in as few as it takes, but not what is there */
TEST_F(wire, small_segments_go_again_as_one)
{
	int i;

	connected(_metadata, self, OFFER_ALL, 0);
	ASSERT_EQ(0, etran_tcp_set(self->s, ETRAN_SOCKET_NODELAY, 1));
	for (i = 0; i < 8; i++) {
		submit(_metadata, self, i * 100, 100);
		expect_data(_metadata, self, i * 100, 100, MS);
	}
	sack_ack(self, 0, (const uint32_t[][2]){ { 600, 700 } }, 1);
	NOTHING(MS);
	expect_data(_metadata, self, 0, 800, 1000);
	acknowledge(self, 800);
	NOTHING(MS);
}

/* RFC 6675, 2: an ACK that repeats what was said and brings no block tells of no loss; RFC 8257, 3.2 has receivers send such */
TEST_F(wire, duplicate_acks_without_news)
{
	uint64_t before = tcp_counter("fast_recovery");
	uint32_t mss = flight(_metadata, self, ECE);
	int i;

	for (i = 0; i < 4; i++)
		acknowledge(self, mss);
	/* Nor does a block that was seen. */
	for (i = 0; i < 4; i++)
		sack_ack(self, mss, (const uint32_t[][2]){ { 2 * mss, 3 * mss } }, 1);
	NOTHING(MS);
	COUNTED(before, "fast_recovery");
	/* News do, whether or not the acknowledgment moves. */
	sack_ack(self, mss, (const uint32_t[][2]){ { 2 * mss, 4 * mss } }, 1);
	NOTHING(MS);
	sack_ack(self, mss, (const uint32_t[][2]){ { 2 * mss, 5 * mss } }, 1);
	expect_data(_metadata, self, mss, mss, MS);
	acknowledge(self, 10 * mss);
	NOTHING(MS);
	COUNTED(before + 1, "fast_recovery");
}

/* RFC 9293, 3.8.6.1 (MUST-35 to 37): probes of a closed window, ever more rarely; and it opens */
TEST_F(wire, zero_window_probes)
{
	uint64_t first, second;

	self->w.window = 0;
	connected(_metadata, self, OFFER_ALL, 0);
	submit(_metadata, self, 0, 100);
	NEXT(1500);
	ASSERT_EQ(0, self->r.len);
	ASSERT_EQ(self->w.iss, self->r.seq);
	first = self->w.arrived;
	wire_send(&self->w, ACK);
	NEXT(3000);
	ASSERT_EQ(0, self->r.len);
	second = self->w.arrived;
	wire_send(&self->w, ACK);
	NEXT(6000);
	ASSERT_LE((second - first) * 3 / 2, self->w.arrived - second);
	self->w.window = 1000;
	wire_send(&self->w, ACK);
	expect_data(_metadata, self, 0, 100, MS);
	acknowledge(self, 100);
}

/* RFC 9293, 3.8.6.1 and 3.8.6.2.1: a window that is smaller than what waits is used, but not at once; and never exceeded */
TEST_F(wire, small_window_is_used_in_the_end)
{
	self->w.window = 0;
	connected(_metadata, self, OFFER_ALL, 0);
	submit(_metadata, self, 0, 1000);
	/* 384 bytes, a multiple of what its scale can say. */
	self->w.window = 3;
	wire_send(&self->w, ACK);
	NOTHING(MS);
	expect_data(_metadata, self, 0, 384, 1500);
	/* Nor when it is sent again. */
	expect_data(_metadata, self, 0, 384, 3000);
	self->w.window = 5;
	acknowledge(self, 384);
	/* The rest. */
	expect_data(_metadata, self, 384, 616, MS);
	acknowledge(self, 1000);
}

/* RFC 9293, 3.8.6 and 3.7.2: no more than the window allows, scaled as agreed; MUST-34: it may shrink */
TEST_F(wire, keeps_to_the_window)
{
	uint32_t mss = family == AF_INET ? 1448 : 1428;
	int i;

	self->w.window = 3 * mss / 128 + 1;
	connected(_metadata, self, OFFER_ALL, 0);
	/* That of a SYN is not scaled: nothing fits. */
	submit(_metadata, self, 0, 10 * mss);
	NOTHING(MS);
	wire_send(&self->w, ACK);
	for (i = 0; i < 3; i++)
		expect_data(_metadata, self, i * mss, mss, MS);
	NOTHING(MS);
	/* Shrunk: what was sent beyond it stays sent. */
	self->w.window = mss / 128;
	acknowledge(self, mss);
	NOTHING(MS);
	self->w.window = 1000;
	acknowledge(self, 3 * mss);
	for (i = 3; i < 10; i++)
		expect_data(_metadata, self, i * mss, mss, MS);
	acknowledge(self, 10 * mss);
}

/* RFC 5681, 3.1; RFC 6928: the initial window, and slow start */
TEST_F(wire, slow_start)
{
	uint32_t mss = family == AF_INET ? 1448 : 1428;
	int i;

	connected(_metadata, self, OFFER_ALL, 0);
	self->w.window = 65535;
	submit(_metadata, self, 0, 30 * mss);
	for (i = 0; i < 10; i++)
		expect_data(_metadata, self, i * mss, mss, MS);
	NOTHING(MS);
	/* Two acknowledged: these and two more may go. */
	acknowledge(self, 2 * mss);
	for (i = 10; i < 14; i++)
		expect_data(_metadata, self, i * mss, mss, MS);
	NOTHING(MS);
	acknowledge(self, 14 * mss);
	acknowledge(self, 30 * mss);
}

/* RFC 8257, 3.3: alpha is 1 at first, so the first mark halves the window, once; RFC 3168, 6.1.2: and CWR says so */
TEST_F(wire, dctcp_sender)
{
	uint32_t mss = family == AF_INET ? 1448 : 1428;
	uint64_t cwr = tcp_counter("cwr");
	struct seg s;
	int i;

	connected(_metadata, self, OFFER_ALL, ECE);
	submit(_metadata, self, 0, 40 * mss);
	for (i = 0; i < 10; i++) {
		expect_data(_metadata, self, i * mss, mss, MS);
		ASSERT_EQ(2, self->r.tos & 3);
		ASSERT_EQ(0, self->r.flags & CWR);
	}
	self->w.ack = self->w.iss + 1 + 5 * mss;
	s = wire_seg(&self->w, ACK | ECE);
	wire_put(&self->w, &s);
	NOTHING(MS);
	self->w.ack = self->w.iss + 1 + 6 * mss;
	s = wire_seg(&self->w, ACK | ECE);
	wire_put(&self->w, &s);
	ASSERT_TRUE(!wire_next(&self->w, &self->r, MS) || self->r.flags & CWR);
	COUNTED(cwr + 1, "cwr");
}

#ifndef KERNEL_H
static double apart(double a, double b)
{
	return a > b ? a - b : b - a;
}

/*
 * RFC 8257, 3.3: alpha by its equation once for each window of data, and the window reduced by it once for each window with
 * marks; the peer acknowledges segment by segment, and which ones are marked changes from none to all and back.
 */
TEST_F(wire, dctcp_alpha_and_window)
{
	uint32_t mss = family == AF_INET ? 1448 : 1428, una = 0, nxt = 0, given = 0, end = 0, cwr_end = 0, cwnd;
	double alpha = 1, acked = 0, marked = 0, want;
	struct etran_conn_record info;
	int i, k, reductions = 0;
	bool mark;

	/* What was sent is what has arrived. */
	ASSERT_TRUE(tunable("tcp_pacing", 0));
	connected(_metadata, self, OFFER_ALL, ECE);
	for (i = 0; i < 400; i++) {
		while (given < una + 20 * mss) {
			submit(_metadata, self, given, 10 * mss);
			given += 10 * mss;
		}
		while (wire_next(&self->w, &self->r, 2)) {
			ASSERT_EQ(nxt, self->r.seq - self->w.iss - 1);
			nxt += self->r.len;
		}
		ASSERT_LE(una + mss, nxt);
		ASSERT_EQ(0, etran_tcp_info(self->s, &info));
		cwnd = info.cwnd;
		mark = i >= 100 && (i < 200 ? i % 4 == 0 : i < 300);
		una += mss;
		self->w.ack = self->w.iss + 1 + una;
		wire_send(&self->w, mark ? ACK | ECE : ACK);
		acked += mss;
		if (mark)
			marked += mss;
		if (una > end) {
			alpha = alpha * 15 / 16 + marked / acked / 16;
			acked = 0;
			marked = 0;
			end = nxt;
		}
		for (k = 0; k < 100; k++) {
			ASSERT_EQ(0, etran_tcp_info(self->s, &info));
			if (info.acked >= una)
				break;
			usleep(100);
		}
		/* In 1/1024, and each step may round. */
		ASSERT_GT(1 / 32., apart(alpha, info.alpha / 1024.))
			TH_LOG("%d: alpha %u/1024, not %.3f", i, info.alpha, alpha);
		if (!mark || una <= cwr_end) {
			ASSERT_LE(cwnd, info.cwnd) TH_LOG("%d: reduced without cause", i);
			continue;
		}
		reductions++;
		cwr_end = nxt;
		want = cwnd * (1 - info.alpha / 2048.);
		if (want < 2 * mss)
			want = 2 * mss;
		ASSERT_GT(2, apart(want, info.cwnd))
			TH_LOG("%d: cwnd from %u to %u, not %.0f", i, cwnd, info.cwnd, want);
		if (reductions % 8 == 1)
			TH_LOG("ACK %d: alpha %.3f, cwnd %u to %u", i, info.alpha / 1024., cwnd, info.cwnd);
	}
	ASSERT_LE(10, reductions);
	ASSERT_TRUE(tunable("tcp_pacing", 1));
}
#endif

/* ---- attacks ---- */

/* RFC 5961, 3.2: RST counts at exactly the next sequence number; in the window it is asked back; outside it is nothing */
TEST_F(wire, blind_reset)
{
	struct seg s;
	char c;

	connected(_metadata, self, OFFER_ALL, 0);
	s = wire_seg(&self->w, RST);
	s.seq += 100;
	wire_put(&self->w, &s);
	expect_ack(_metadata, self, self->w.seq, MS);
	s.seq = self->w.seq - 1;
	wire_put(&self->w, &s);
	s.seq = self->w.seq + 200000;
	wire_put(&self->w, &s);
	NOTHING(MS);
	ASSERT_EQ(-1, etran_recv(self->s, &c, 1, 0));
	ASSERT_EQ(EAGAIN, errno);
	wire_send(&self->w, RST);
	blocking(self);
	ASSERT_EQ(-1, etran_recv(self->s, &c, 1, 0));
	ASSERT_EQ(ECONNRESET, errno);
	self->w.peer_port = 0;
}

/* RFC 5961, 4.2: SYN on a connection, wherever */
TEST_F(wire, blind_syn)
{
	struct seg s;

	connected(_metadata, self, OFFER_ALL, 0);
	s = wire_seg(&self->w, SYN);
	wire_put(&self->w, &s);
	expect_ack(_metadata, self, self->w.seq, MS);
	s.seq += 500000;
	wire_put(&self->w, &s);
	expect_ack(_metadata, self, self->w.seq, MS);
}

/* RFC 5961, 5.2: data with an ACK of what was never sent, or of long ago */
TEST_F(wire, blind_data)
{
	struct seg s;
	char c;

	connected(_metadata, self, OFFER_ALL, 0);
	s = wire_seg(&self->w, ACK | PSH);
	s.len = 10;
	s.ack += 1;
	wire_put(&self->w, &s);
	expect_ack(_metadata, self, self->w.seq, MS);
	s.ack = self->w.ack - 0x10000000;
	wire_put(&self->w, &s);
	expect_ack(_metadata, self, self->w.seq, MS);
	ASSERT_EQ(-1, etran_recv(self->s, &c, 1, 0));
	ASSERT_EQ(EAGAIN, errno);
}

/* ---- the end ---- */

/* RFC 9293, 3.6, figure 12: we close first; TIME-WAIT acknowledges FIN again */
TEST_F(wire, active_close)
{
	connected(_metadata, self, OFFER_ALL, 0);
	etran_close(self->s);
	NEXT(MS);
	ASSERT_EQ(FIN | ACK, self->r.flags);
	ASSERT_EQ(self->w.iss + 1, self->r.seq);
	self->w.ack = self->r.seq + 1;
	wire_send(&self->w, ACK);
	NOTHING(MS);
	wire_send(&self->w, FIN | ACK);
	expect_ack(_metadata, self, self->w.seq + 1, MS);
	wire_send(&self->w, FIN | ACK);
	expect_ack(_metadata, self, self->w.seq + 1, MS);
	self->w.seq++;
}

/* RFC 6298: FIN is repeated, too */
TEST_F(wire, fin_repeated)
{
	connected(_metadata, self, OFFER_ALL, 0);
	ASSERT_EQ(0, etran_shutdown(self->s, SHUT_WR));
	NEXT(MS);
	ASSERT_EQ(FIN | ACK, self->r.flags);
	NEXT(1000);
	ASSERT_EQ(FIN | ACK, self->r.flags);
	ASSERT_EQ(self->w.iss + 1, self->r.seq);
	self->w.ack++;
	wire_send(&self->w, ACK);
	NOTHING(1000);
}

/* RFC 9293, 3.6, figure 13 */
TEST_F(wire, simultaneous_close)
{
	connected(_metadata, self, OFFER_ALL, 0);
	ASSERT_EQ(0, etran_shutdown(self->s, SHUT_WR));
	NEXT(MS);
	ASSERT_EQ(FIN | ACK, self->r.flags);
	/* Crossing: it does not acknowledge ours. */
	wire_send(&self->w, FIN | ACK);
	self->w.seq++;
	expect_ack(_metadata, self, self->w.seq, MS);
	self->w.ack++;
	wire_send(&self->w, ACK);
	NOTHING(1000);
}

/* RFC 9293, 3.10.7.4, eighth: the peer closes first; a FIN behind a gap waits */
TEST_F(wire, passive_close)
{
	struct seg s;
	char c;

	connected(_metadata, self, OFFER_ALL, 0);
	s = wire_seg(&self->w, FIN | ACK);
	s.seq += 100;
	wire_put(&self->w, &s);
	expect_ack(_metadata, self, self->w.seq, MS);
	ASSERT_EQ(-1, etran_recv(self->s, &c, 1, 0));
	ASSERT_EQ(EAGAIN, errno);
	wire_data(&self->w, 0, 0, 100, PSH);
	self->w.seq += 101;
	expect_ack(_metadata, self, self->w.seq, MS);
	expect_read(_metadata, self, 0, 100);
	ASSERT_EQ(0, etran_recv(self->s, &c, 1, 0));
	submit(_metadata, self, 0, 10);
	expect_data(_metadata, self, 0, 10, MS);
	etran_close(self->s);
	NEXT(MS);
	ASSERT_EQ(FIN | ACK, self->r.flags);
	self->w.ack = self->r.seq + 1;
	wire_send(&self->w, ACK);
	blocking(self);
	/* All is forgotten: RFC 9293, 3.10.7.1, here by the kernel. */
	wire_send(&self->w, ACK);
	NEXT(MS);
	ASSERT_EQ(RST, self->r.flags);
}

/* RFC 2525, 2.17; RFC 9293, 3.6.1: data for an application that is gone */
TEST_F(wire, data_after_close)
{
	connected(_metadata, self, OFFER_ALL, 0);
	etran_close(self->s);
	NEXT(MS);
	ASSERT_EQ(FIN | ACK, self->r.flags);
	self->w.ack++;
	wire_data(&self->w, 0, 0, 10, PSH);
	NEXT(MS);
	ASSERT_EQ(RST, self->r.flags & RST);
	self->w.peer_port = 0;
}

/* RFC 9293, 3.10.7.4, MAY-2; RFC 6191: a new connection instead of one in TIME-WAIT */
TEST_F(wire, time_wait_reused)
{
	struct seg s;
	int i;

	self->w.peer_port = HERE;
	s = wire_seg(&self->w, SYN);
	wire_offer(&self->w, &s, OFFER_ALL);
	wire_put(&self->w, &s);
	self->w.seq++;
	NEXT(MS);
	self->w.iss = self->r.seq;
	self->w.ack = self->r.seq + 1;
	wire_send(&self->w, ACK);
	for (i = 0; i < 100 && !self->s; i++, usleep(1000))
		self->s = etran_accept(self->l, NULL, NULL, SOCK_NONBLOCK);
	ASSERT_NE(NULL, self->s);
	etran_close(self->s);
	NEXT(MS);
	self->w.ack++;
	wire_send(&self->w, FIN | ACK);
	self->w.seq++;
	expect_ack(_metadata, self, self->w.seq, MS);
	/* Not one that may be old. */
	s = wire_seg(&self->w, SYN);
	wire_offer(&self->w, &s, OFFER_ALL);
	set32(s.opt + 12, self->w.tsval - 100);
	wire_put(&self->w, &s);
	NEXT(MS);
	ASSERT_EQ(ACK, self->r.flags & ~ECE);
	s = wire_seg(&self->w, SYN);
	s.seq += 100000;
	wire_offer(&self->w, &s, OFFER_ALL);
	wire_put(&self->w, &s);
	NEXT(MS);
	ASSERT_EQ(SYN | ACK, self->r.flags & ~ECE);
	ASSERT_EQ(s.seq + 1, self->r.ack);
	self->w.seq = s.seq + 1;
}

/* ---- in every state ---- */

enum in_state {
	IN_ESTABLISHED, IN_FIN_WAIT_1, IN_FIN_WAIT_2, IN_CLOSE_WAIT, IN_CLOSING, IN_LAST_ACK, IN_TIME_WAIT,
};

/* A connection in that state, whose application still has it. */
static void reach(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, enum in_state state)
{
	connected(_metadata, self, OFFER_ALL, 0);
	if (state == IN_CLOSE_WAIT || state == IN_LAST_ACK) {
		wire_send(&self->w, FIN | ACK);
		self->w.seq++;
		expect_ack(_metadata, self, self->w.seq, MS);
	}
	if (state == IN_ESTABLISHED || state == IN_CLOSE_WAIT)
		return;
	ASSERT_EQ(0, etran_shutdown(self->s, SHUT_WR));
	NEXT(MS);
	ASSERT_EQ(FIN | ACK, self->r.flags);
	switch (state) {
	case IN_FIN_WAIT_2:
		self->w.ack++;
		wire_send(&self->w, ACK);
		blocking(self);
		break;
	case IN_TIME_WAIT:
		self->w.ack++;
		/* fallthrough */
	case IN_CLOSING:
		wire_send(&self->w, FIN | ACK);
		self->w.seq++;
		expect_ack(_metadata, self, self->w.seq, MS);
		break;
	default:
		break;
	}
}

/* RFC 9293, 3.10.7.4, second; RFC 5961, 3.2: RST at exactly the next number ends it: what comes then belongs to nothing */
static void reset_counts(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self)
{
	wire_send(&self->w, RST);
	NOTHING(MS);
	wire_send(&self->w, ACK);
	NEXT(MS);
	ASSERT_EQ(RST, self->r.flags);
	ASSERT_EQ(self->w.ack, self->r.seq);
	self->w.peer_port = 0;
}

/* RFC 5961, 3.2: anywhere else in the window it is asked whether it was meant */
static void reset_asked_back(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self)
{
	struct seg s = wire_seg(&self->w, RST);

	s.seq += 100;
	wire_put(&self->w, &s);
	expect_ack(_metadata, self, self->w.seq, MS);
}

/* RFC 9293, 3.10.7.4, fourth; RFC 5961, 4.2 */
static void syn_asked_back(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self)
{
	struct seg s = wire_seg(&self->w, SYN);

	s.seq += 100;
	wire_put(&self->w, &s);
	expect_ack(_metadata, self, self->w.seq, MS);
}

/* RFC 9293, 3.10.7.4, first: what lies in front of the window is answered with an ACK, and nothing else of it counts */
static void old_segment(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self)
{
	struct seg s = wire_seg(&self->w, ACK | PSH);

	s.seq -= 2000;
	s.ack += 1000000;
	s.len = 10;
	wire_put(&self->w, &s);
	NEXT(MS);
	ASSERT_EQ(ACK, self->r.flags);
	ASSERT_EQ(self->w.seq, self->r.ack);
}

/* RFC 9293, 3.10.7.4, fifth; RFC 5961, 5.2: an ACK of what was never sent */
static void ack_of_unsent(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self)
{
	struct seg s = wire_seg(&self->w, ACK);

	s.ack += 1000;
	wire_put(&self->w, &s);
	expect_ack(_metadata, self, self->w.seq, MS);
}

/* RFC 9293, 3.10.7.4, fifth: without the ACK flag it is dropped */
static void no_ack_flag(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self)
{
	uint64_t before = tcp_counter("rx_no_ack");
	struct seg s = wire_seg(&self->w, PSH);

	s.len = 10;
	wire_put(&self->w, &s);
	NOTHING(MS);
	COUNTED(before + 1, "rx_no_ack");
}

/* RFC 7323, 5.3 (R1): an old timestamp */
static void paws(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self)
{
	struct seg s = wire_seg(&self->w, ACK | PSH);

	set32(s.opt + 4, self->w.tsval - 1000);
	s.len = 10;
	wire_put(&self->w, &s);
	expect_ack(_metadata, self, self->w.seq, MS);
}

/* RFC 9293, 3.8.4: who asks whether we live is answered */
static void asked_for_life(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self)
{
	struct seg s = wire_seg(&self->w, ACK);

	s.seq--;
	wire_put(&self->w, &s);
	expect_ack(_metadata, self, self->w.seq, MS);
}

#define IN_STATE(state, what)							\
TEST_F(wire, state##_##what)							\
{										\
	reach(_metadata, self, IN_##state);					\
	what(_metadata, self);							\
}

#define IN_EACH_STATE(what)							\
	IN_STATE(ESTABLISHED, what)						\
	IN_STATE(FIN_WAIT_1, what)						\
	IN_STATE(FIN_WAIT_2, what)						\
	IN_STATE(CLOSE_WAIT, what)						\
	IN_STATE(CLOSING, what)							\
	IN_STATE(LAST_ACK, what)						\
	IN_STATE(TIME_WAIT, what)

IN_EACH_STATE(reset_counts)
IN_EACH_STATE(reset_asked_back)
IN_EACH_STATE(syn_asked_back)
IN_EACH_STATE(old_segment)
IN_EACH_STATE(ack_of_unsent)
IN_EACH_STATE(no_ack_flag)
IN_EACH_STATE(paws)
IN_EACH_STATE(asked_for_life)

/* RFC 9293, 3.10.7.4, seventh: after our FIN the peer's data is still received */
TEST_F(wire, data_in_fin_wait)
{
	reach(_metadata, self, IN_FIN_WAIT_1);
	wire_data(&self->w, 0, 0, 100, PSH);
	self->w.seq += 100;
	expect_read(_metadata, self, 0, 100);
	self->w.ack++;
	wire_data(&self->w, 0, 100, 100, PSH);
	self->w.seq += 100;
	expect_read(_metadata, self, 100, 100);
}

/* RFC 9293, 3.10.7.4, seventh: behind its FIN it is not */
TEST_F(wire, data_behind_fin)
{
	char c;

	reach(_metadata, self, IN_CLOSE_WAIT);
	wire_data(&self->w, 0, 0, 100, PSH);
	expect_ack(_metadata, self, self->w.seq, MS);
	ASSERT_EQ(0, etran_recv(self->s, &c, 1, 0));
}

/* RFC 9293, 3.10.7.4, eighth: FIN in a segment with data comes behind that */
TEST_F(wire, fin_with_data)
{
	char c;

	connected(_metadata, self, OFFER_ALL, 0);
	wire_data(&self->w, 0, 0, 100, FIN);
	self->w.seq += 101;
	expect_ack(_metadata, self, self->w.seq, MS);
	expect_read(_metadata, self, 0, 100);
	ASSERT_EQ(0, etran_recv(self->s, &c, 1, 0));
}

/* RFC 9293, 3.9.1 (MUST-12), 3.10.5: an application that aborts */
TEST_F(wire, abort_resets)
{
	connected(_metadata, self, OFFER_ALL, 0);
	submit(_metadata, self, 0, 100);
	expect_data(_metadata, self, 0, 100, MS);
	etran_abort(self->s);
	NEXT(MS);
	ASSERT_EQ(RST | ACK, self->r.flags);
	ASSERT_EQ(self->w.iss + 101, self->r.seq);
	self->w.peer_port = 0;
}

/* RFC 9293, 3.6.1 (SHLD-3); RFC 2525, 2.17: one that closes with data unread */
TEST_F(wire, close_with_unread_data)
{
	connected(_metadata, self, OFFER_ALL, 0);
	wire_data(&self->w, 0, 0, 100, PSH);
	blocking(self);
	etran_close(self->s);
	do {
		NEXT(MS);
	} while (!(self->r.flags & RST));
	ASSERT_EQ(self->w.iss + 1, self->r.seq);
	self->w.peer_port = 0;
}

/* RFC 9293, 3.10.7.2, third: data in a SYN may be left for later: only the SYN is acknowledged */
TEST_F(wire, data_in_syn)
{
	struct seg s;

	self->w.peer_port = HERE;
	s = wire_seg(&self->w, SYN);
	s.len = 100;
	wire_put(&self->w, &s);
	NEXT(MS);
	ASSERT_EQ(SYN | ACK, self->r.flags & ~ECE);
	ASSERT_EQ(self->w.seq + 1, self->r.ack);
	self->w.seq++;
}

/* RFC 9293, 3.10.7.4, fifth (SND.WL1, SND.WL2): an older segment does not change the window */
TEST_F(wire, old_window_is_ignored)
{
	struct seg s;

	connected(_metadata, self, OFFER_ALL, 0);
	wire_data(&self->w, 0, 0, 100, PSH);
	self->w.seq += 100;
	self->w.window = 1000;
	wire_send(&self->w, ACK);
	blocking(self);
	wire_drain(&self->w);
	/* As if it had been overtaken: with a window of 0. */
	s = wire_seg(&self->w, ACK);
	s.seq -= 100;
	s.len = 100;
	s.window = 0;
	stream_fill(s.data, 1, 0, 100);
	wire_put(&self->w, &s);
	blocking(self);
	wire_drain(&self->w);
	submit(_metadata, self, 0, 1000);
	expect_data(_metadata, self, 0, 1000, MS);
}

/* RFC 3168, 6.1.3: who is not DCTCP echoes a mark until CWR comes */
TEST_F(wire, mark_echoed_until_cwr)
{
	struct seg s;
	int i;

	connected(_metadata, self, OFFER_ALL, ECE);
	ASSERT_EQ(0, etran_tcp_set(self->s, ETRAN_TCP_CONGESTION, ETRAN_TCP_CC_NEWRENO));
	for (i = 0; i < 4; i++) {
		s = wire_seg(&self->w, i == 3 ? ACK | CWR : ACK);
		s.tos = i ? 2 : 3;
		s.len = 1000;
		stream_fill(s.data, 1, 1000 * i, 1000);
		wire_put(&self->w, &s);
		self->w.seq += 1000;
		expect_ack(_metadata, self, self->w.seq, 500);
		ASSERT_EQ(i == 3 ? 0 : ECE, self->r.flags & ECE) TH_LOG("segment %d", i);
	}
}

/* ---- duplicates: RFC 2883 ---- */

#define EXPECT_BLOCK(i, from, to)						\
	ASSERT_EQ(base + (from), self->r.sack[i][0]);				\
	ASSERT_EQ(base + (to), self->r.sack[i][1])

/* RFC 2883, 4.1.1: a duplicate is told of in the first block, once */
TEST_F(wire, dsack_of_a_duplicate)
{
	uint32_t base;

	connected(_metadata, self, OFFER_ALL, 0);
	base = self->w.seq;
	wire_data(&self->w, 0, 0, 500, 0);
	wire_data(&self->w, 500, 0, 500, 0);
	expect_ack(_metadata, self, base + 1000, MS);
	ASSERT_EQ(0, self->r.sacks);
	wire_data(&self->w, 500, 0, 500, 0);
	expect_ack(_metadata, self, base + 1000, MS);
	ASSERT_EQ(1, self->r.sacks);
	EXPECT_BLOCK(0, 500, 1000);
	self->w.seq += 1000;
	wire_data(&self->w, 0, 1000, 500, 0);
	wire_data(&self->w, 500, 1000, 500, 0);
	self->w.seq += 1000;
	expect_ack(_metadata, self, self->w.seq, MS);
	ASSERT_EQ(0, self->r.sacks);
}

/* RFC 2883, 4.1.2: with a gap: the duplicate first, then what is behind the gap */
TEST_F(wire, dsack_and_a_gap)
{
	uint32_t base;

	connected(_metadata, self, OFFER_ALL, 0);
	base = self->w.seq;
	wire_data(&self->w, 0, 0, 500, 0);
	wire_data(&self->w, 500, 0, 500, 0);
	expect_ack(_metadata, self, base + 1000, MS);
	wire_data(&self->w, 1500, 0, 500, 0);
	expect_ack(_metadata, self, base + 1000, MS);
	wire_data(&self->w, 0, 0, 500, 0);
	expect_ack(_metadata, self, base + 1000, MS);
	ASSERT_EQ(2, self->r.sacks);
	EXPECT_BLOCK(0, 0, 500);
	EXPECT_BLOCK(1, 1500, 2000);
	self->w.seq += 1000;
}

/* RFC 2883, 4.1.3 and 4 (4): a duplicate behind the gap: it, and then the block in which it lies */
TEST_F(wire, dsack_behind_a_gap)
{
	uint32_t base;

	connected(_metadata, self, OFFER_ALL, 0);
	base = self->w.seq;
	wire_data(&self->w, 1000, 0, 500, 0);
	expect_ack(_metadata, self, base, MS);
	wire_data(&self->w, 1500, 0, 500, 0);
	expect_ack(_metadata, self, base, MS);
	wire_data(&self->w, 3000, 0, 500, 0);
	expect_ack(_metadata, self, base, MS);
	wire_data(&self->w, 1500, 0, 500, 0);
	expect_ack(_metadata, self, base, MS);
	ASSERT_EQ(3, self->r.sacks);
	EXPECT_BLOCK(0, 1500, 2000);
	EXPECT_BLOCK(1, 1000, 2000);
	EXPECT_BLOCK(2, 3000, 3500);
}

/* RFC 2883, 4.2.1: of a segment of which a part is here, that part */
TEST_F(wire, dsack_of_a_part)
{
	uint32_t base;

	connected(_metadata, self, OFFER_ALL, 0);
	base = self->w.seq;
	wire_data(&self->w, 0, 0, 500, 0);
	wire_data(&self->w, 500, 0, 500, 0);
	expect_ack(_metadata, self, base + 1000, MS);
	wire_data(&self->w, 700, 0, 600, 0);
	wire_data(&self->w, 1300, 0, 100, 0);
	expect_ack(_metadata, self, base + 1400, MS);
	ASSERT_EQ(1, self->r.sacks);
	EXPECT_BLOCK(0, 700, 1000);
	self->w.seq += 1400;
}

/* RFC 2883, 3: none without SACK */
TEST_F(wire, no_dsack_without_sack)
{
	connected(_metadata, self, OFFER_MSS | OFFER_TS, 0);
	wire_data(&self->w, 0, 0, 500, 0);
	wire_data(&self->w, 0, 0, 500, 0);
	expect_ack(_metadata, self, self->w.seq + 500, MS);
	ASSERT_EQ(0, self->r.sacks);
	self->w.seq += 500;
}

/* ---- loss ---- */

/* RFC 3042: each of the first two duplicate ACKs has one new segment sent beyond the window; the third repairs */
TEST_F(wire, limited_transmit)
{
	uint32_t mss = family == AF_INET ? 1460 : 1440;
	int i;

	connected(_metadata, self, OFFER_MSS, 0);
	self->w.window = 65535;
	wire_send(&self->w, ACK);
	submit(_metadata, self, 0, 14 * mss);
	for (i = 0; i < 10; i++)
		expect_data(_metadata, self, i * mss, mss, MS);
	NOTHING(MS);
	acknowledge(self, 0);
	expect_data(_metadata, self, 10 * mss, mss, MS);
	acknowledge(self, 0);
	expect_data(_metadata, self, 11 * mss, mss, MS);
	acknowledge(self, 0);
	expect_data(_metadata, self, 0, mss, MS);
	NOTHING(MS);
	acknowledge(self, 14 * mss);
}

/* The same with SACK: RFC 6675, 5 (3.2) */
TEST_F(wire, limited_transmit_with_sack)
{
	uint32_t mss = family == AF_INET ? 1448 : 1428;
	int i;

	connected(_metadata, self, OFFER_ALL, 0);
	submit(_metadata, self, 0, 14 * mss);
	for (i = 0; i < 10; i++)
		expect_data(_metadata, self, i * mss, mss, MS);
	NOTHING(MS);
	sack_ack(self, 0, (const uint32_t[][2]){ { mss, 2 * mss } }, 1);
	expect_data(_metadata, self, 10 * mss, mss, MS);
	sack_ack(self, 0, (const uint32_t[][2]){ { mss, 3 * mss } }, 1);
	expect_data(_metadata, self, 11 * mss, mss, MS);
	sack_ack(self, 0, (const uint32_t[][2]){ { mss, 4 * mss } }, 1);
	expect_data(_metadata, self, 0, mss, MS);
	acknowledge(self, 14 * mss);
}

/* A connection with tail loss probes and a measured round trip; @n segments of it are out. */
static uint32_t tail(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, int offer, int n)
{
	uint32_t mss = family == AF_INET ? 1448 : 1428;
	int i;

	if (!(offer & OFFER_TS))
		mss += 12;
	ASSERT_TRUE(tunable("tcp_tlp", 1));
	connected(_metadata, self, offer, 0);
	submit(_metadata, self, 0, n * mss);
	for (i = 0; i < n; i++)
		expect_data(_metadata, self, i * mss, mss, MS);
	return mss;
}

/* RFC 8985, 7.3: with nothing new to send the last segment goes again, long before the timeout */
TEST_F(wire, tail_probe)
{
	uint64_t probes = tcp_counter("tx_tail_probe");
	uint32_t mss = tail(_metadata, self, OFFER_ALL, 4);

	expect_data(_metadata, self, 3 * mss, mss, 150);
	COUNTED(probes + 1, "tx_tail_probe");
	/* One only; then the timeout, from the first one on. */
	NOTHING(100);
	expect_data(_metadata, self, 0, mss, 500);
	acknowledge(self, 4 * mss);
	ASSERT_TRUE(tunable("tcp_tlp", 0));
}

/* RFC 8985, 7.3: with new data that the window of the peer allows, but not ours, that */
TEST_F(wire, tail_probe_of_new_data)
{
	uint32_t mss = tail(_metadata, self, OFFER_ALL, 10);

	submit(_metadata, self, 10 * mss, 2 * mss);
	expect_data(_metadata, self, 10 * mss, mss, 150);
	NOTHING(100);
	acknowledge(self, 11 * mss);
	expect_data(_metadata, self, 11 * mss, mss, MS);
	acknowledge(self, 12 * mss);
	ASSERT_TRUE(tunable("tcp_tlp", 0));
}

/* RFC 8985, 7.2: without SACK no probe */
TEST_F(wire, no_tail_probe_without_sack)
{
	uint32_t mss = tail(_metadata, self, OFFER_MSS | OFFER_TS, 4);

	NOTHING(150);
	acknowledge(self, 4 * mss);
	ASSERT_TRUE(tunable("tcp_tlp", 0));
}

/* RFC 8985, 7.2: one segment alone waits for a peer that delays its ACKs: for longer than the timeout */
TEST_F(wire, no_tail_probe_of_one_segment)
{
	uint32_t mss = tail(_metadata, self, OFFER_ALL, 1);

	NOTHING(150);
	acknowledge(self, mss);
	ASSERT_TRUE(tunable("tcp_tlp", 0));
}

/* RFC 8985, 7.4, 6.2: what the peer says of the probe tells what is lost, and recovery begins */
TEST_F(wire, tail_probe_begins_recovery)
{
	uint64_t recovery = tcp_counter("fast_recovery"), timeouts = tcp_counter("rto");
	uint32_t mss = tail(_metadata, self, OFFER_ALL, 4);

	expect_data(_metadata, self, 3 * mss, mss, 150);
	sack_ack(self, mss, (const uint32_t[][2]){ { 3 * mss, 4 * mss } }, 1);
	expect_data(_metadata, self, mss, mss, MS);
	expect_data(_metadata, self, 2 * mss, mss, MS);
	acknowledge(self, 4 * mss);
	NOTHING(MS);
	COUNTED(recovery + 1, "fast_recovery");
	COUNTED(timeouts, "rto");
	ASSERT_TRUE(tunable("tcp_tlp", 0));
}

/* RFC 8985, 7.4.2: a probe that came twice has repaired nothing; one that repaired a loss is congestion */
TEST_F(wire, tail_probe_and_congestion)
{
	uint32_t mss = tail(_metadata, self, OFFER_ALL, 4);
	struct etran_conn_record before, info;

	expect_data(_metadata, self, 3 * mss, mss, 150);
	ASSERT_EQ(0, etran_tcp_info(self->s, &before));
	sack_ack(self, 4 * mss, (const uint32_t[][2]){ { 3 * mss, 4 * mss } }, 1);
	blocking(self);
	ASSERT_EQ(0, etran_tcp_info(self->s, &info));
	ASSERT_LE(before.cwnd, info.cwnd);
	submit(_metadata, self, 4 * mss, 4 * mss);
	for (int i = 4; i < 8; i++)
		expect_data(_metadata, self, i * mss, mss, MS);
	expect_data(_metadata, self, 7 * mss, mss, 150);
	acknowledge(self, 8 * mss);
	submit(_metadata, self, 8 * mss, 100);
	expect_data(_metadata, self, 8 * mss, 100, MS);
	acknowledge(self, 8 * mss + 100);
	blocking(self);
	ASSERT_EQ(0, etran_tcp_info(self->s, &info));
	ASSERT_GT(before.cwnd, info.cwnd);
	ASSERT_TRUE(tunable("tcp_tlp", 0));
}

/* ---- silent peers ---- */

static void keepalive(struct __test_metadata *_metadata, struct etran_socket *s, uint32_t idle,
		      uint32_t interval, uint32_t count)
{
	ASSERT_EQ(0, etran_tcp_set(s, ETRAN_TCP_KEEPALIVE_IDLE, idle));
	ASSERT_EQ(0, etran_tcp_set(s, ETRAN_TCP_KEEPALIVE_INTERVAL, interval));
	ASSERT_EQ(0, etran_tcp_set(s, ETRAN_TCP_KEEPALIVE_COUNT, count));
	ASSERT_EQ(0, etran_tcp_set(s, ETRAN_TCP_KEEPALIVE, 1));
}

/* The next is a keepalive probe: RFC 9293, 3.8.4 */
static void expect_keepalive(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, int ms)
{
	expect_ack(_metadata, self, self->w.seq, ms);
	ASSERT_EQ(self->w.ack - 1, self->r.seq);
}

/* RFC 9293, 3.8.4 (MUST-25): off unless asked for */
TEST_F(wire, no_keepalive_unasked)
{
	ASSERT_TRUE(tunable("tcp_keepalive_idle_ms", 100));
	connected(_metadata, self, OFFER_ALL, 0);
	NOTHING(500);
	ASSERT_TRUE(tunable("tcp_keepalive_idle_ms", 7200000));
}

/* RFC 9293, 3.8.4 (MUST-26 to 28): after some silence, and again; who answers is left alone */
TEST_F(wire, keepalive_asks)
{
	uint64_t first;
	int i;

	connected(_metadata, self, OFFER_ALL, 0);
	keepalive(_metadata, self->s, 200, 50, 3);
	for (i = 0; i < 3; i++) {
		NOTHING(150);
		expect_keepalive(_metadata, self, 100);
		first = self->w.arrived;
		wire_send(&self->w, ACK);
	}
	expect_keepalive(_metadata, self, 300);
	ASSERT_LE(190, self->w.arrived - first);
	ASSERT_EQ(0, etran_socket_error(self->s));
}

/* RFC 9293, 3.8.4 (MUST-29): not one unanswered probe ends it, but several do */
TEST_F(wire, keepalive_gives_up)
{
	connected(_metadata, self, OFFER_ALL, 0);
	keepalive(_metadata, self->s, 100, 50, 3);
	expect_keepalive(_metadata, self, 200);
	expect_keepalive(_metadata, self, 100);
	expect_keepalive(_metadata, self, 100);
	ASSERT_EQ(0, etran_socket_error(self->s));
	NEXT(100);
	ASSERT_EQ(RST | ACK, self->r.flags);
	blocking(self);
	ASSERT_EQ(ETIMEDOUT, etran_socket_error(self->s));
	self->w.peer_port = 0;
}

/* The same where a listener said so, and nothing else was said */
TEST_F(wire, keepalive_of_a_listener)
{
	keepalive(_metadata, self->l, 100, 50, 3);
	accepted(_metadata, self, OFFER_ALL, 0);
	expect_keepalive(_metadata, self, 300);
	wire_send(&self->w, ACK);
	ASSERT_EQ(0, etran_tcp_set(self->s, ETRAN_TCP_KEEPALIVE, 0));
	NOTHING(300);
}

/* RFC 9293, 3.8.4: where something is under way there are other timers */
TEST_F(wire, no_keepalive_with_data_under_way)
{
	uint64_t before = tcp_counter("tx_keepalive");

	connected(_metadata, self, OFFER_ALL, 0);
	keepalive(_metadata, self->s, 50, 50, 1);
	submit(_metadata, self, 0, 100);
	expect_data(_metadata, self, 0, 100, MS);
	expect_data(_metadata, self, 0, 100, 500);
	expect_data(_metadata, self, 0, 100, 1000);
	COUNTED(before, "tx_keepalive");
	acknowledge(self, 100);
	expect_keepalive(_metadata, self, 500);
}

/* RFC 9293, 3.8.3; RFC 5482, 3: data without acknowledgement for as long as the user wants to wait */
TEST_F(wire, user_timeout)
{
	uint64_t sent;

	connected(_metadata, self, OFFER_ALL, 0);
	ASSERT_EQ(0, etran_tcp_set(self->s, ETRAN_TCP_USER_TIMEOUT, 500));
	submit(_metadata, self, 0, 100);
	expect_data(_metadata, self, 0, 100, MS);
	sent = now_ms();
	while (wire_next(&self->w, &self->r, 400))
		;
	ASSERT_LE(500, now_ms() - sent);
	ASSERT_GT(1000, now_ms() - sent);
	ASSERT_EQ(ETIMEDOUT, etran_socket_error(self->s));
	self->w.peer_port = 0;
}

/* The same of a handshake */
TEST_F(wire, user_timeout_of_a_handshake)
{
	begin_within(_metadata, self, 500);
	NOTHING(1500);
	ASSERT_EQ(ETIMEDOUT, etran_socket_error(self->s));
	self->w.peer_port = 0;
}

/* RFC 9293, 3.8.6.1 (MUST-37): a peer that answers with a closed window is waited for, whatever the user timeout */
TEST_F(wire, user_timeout_and_closed_window)
{
	int i;

	self->w.window = 0;
	connected(_metadata, self, OFFER_ALL, 0);
	ASSERT_EQ(0, etran_tcp_set(self->s, ETRAN_TCP_USER_TIMEOUT, 1000));
	submit(_metadata, self, 0, 100);
	for (i = 0; i < 4; i++) {
		NEXT(2000);
		ASSERT_EQ(0, self->r.len);
		wire_send(&self->w, ACK);
	}
	ASSERT_EQ(0, etran_socket_error(self->s));
	self->w.window = 1000;
	wire_send(&self->w, ACK);
	expect_data(_metadata, self, 0, 100, MS);
	acknowledge(self, 100);
}

/* What cannot be set */
TEST_F(wire, options_are_checked)
{
	connected(_metadata, self, OFFER_ALL, 0);
	ASSERT_EQ(-1, etran_tcp_set(self->s, 0, 1));
	ASSERT_EQ(ENOPROTOOPT, errno);
	ASSERT_EQ(-1, etran_tcp_set(self->s, ETRAN_TCP_OPTIONS, 1));
	ASSERT_EQ(ENOPROTOOPT, errno);
	ASSERT_EQ(-1, etran_tcp_set(self->s, ETRAN_TCP_KEEPALIVE_COUNT, 128));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_EQ(-1, etran_tcp_set(self->s, ETRAN_TCP_KEEPALIVE, 2));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_EQ(-1, etran_tcp_set(self->s, ETRAN_TCP_CONGESTION, 99));
	ASSERT_EQ(EINVAL, errno);
	wire_send(&self->w, RST);
	self->w.peer_port = 0;
	blocking(self);
	ASSERT_EQ(ECONNRESET, etran_socket_error(self->s));
	ASSERT_EQ(-1, etran_tcp_set(self->s, ETRAN_TCP_KEEPALIVE, 1));
	ASSERT_EQ(ENOTCONN, errno);
}

/* ---- what is told of a connection ---- */

TEST_F(wire, info)
{
	uint32_t mss = family == AF_INET ? 1448 : 1428;
	struct etran_conn_record i;

	connected(_metadata, self, OFFER_ALL, ECE);
	submit(_metadata, self, 0, 3 * mss);
	NEXT(MS);
	NEXT(MS);
	NEXT(MS);
	acknowledge(self, mss);
	wire_data(&self->w, 0, 0, 500, PSH);
	wire_data(&self->w, 600, 0, 50, PSH);
	blocking(self);
	ASSERT_EQ(0, etran_tcp_info(self->s, &i));
	ASSERT_EQ(sizeof(i), i.size);
	ASSERT_STREQ("ESTAB", i.state);
	ASSERT_STREQ("dctcp", i.cc);
	ASSERT_EQ(ETRAN_CONN_TIMESTAMPS | ETRAN_CONN_SACK | ETRAN_CONN_WSCALE | ETRAN_CONN_ECN, i.flags);
	ASSERT_EQ(PORT, i.peer_port);
	ASSERT_EQ(self->w.peer_port, i.port);
	ASSERT_EQ(mss, i.mss);
	ASSERT_EQ(7, i.snd_wscale);
	ASSERT_LE(10 * mss, i.cwnd);
	/* RFC 8257, 3.3: a first window without marks. */
	ASSERT_EQ(1024 - 1024 / 16, i.alpha);
	ASSERT_LT(0, i.srtt_us);
	ASSERT_LE(200000, i.rto_us);
	ASSERT_EQ(3 * mss, i.sent);
	ASSERT_EQ(mss, i.acked);
	ASSERT_EQ(0, i.unsent);
	ASSERT_EQ(500, i.received);
	ASSERT_EQ(500, i.unread);
	ASSERT_EQ(50, i.out_of_order);
	ASSERT_EQ(65535 << 7, i.send_window);
	ASSERT_EQ(0, i.retransmits);
	ASSERT_LT(0, i.age_ns);
	acknowledge(self, 3 * mss);
	self->w.seq += 500;
}

/* ---- SYN cookies: RFC 4987, 3.6 ---- */

/* The listener's backlog is full of handshakes that nobody goes on with. */
static void flood(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self)
{
	int i, answered = 0;
	struct seg s;

	ASSERT_TRUE(tunable("tcp_syncookies", 1));
	self->w.port = 0;
	self->w.peer_port = HERE;
	for (i = 0; i < 50; i++) {
		s = wire_seg(&self->w, SYN);
		s.sport = 10000 + i;
		wire_offer(&self->w, &s, OFFER_ALL);
		wire_put(&self->w, &s);
	}
	while (wire_next(&self->w, &self->r, MS))
		answered += (self->r.flags & ~ECE) == (SYN | ACK);
	ASSERT_EQ(50, answered);
	self->w.port = PORT;
	self->w.ts = false;
}

/* The end of a flood, so that no answers of it meet the next test. */
static void flood_ends(FIXTURE_DATA(wire) *self)
{
	struct seg s;
	int i;

	for (i = 0; i < 50; i++) {
		s = wire_seg(&self->w, RST);
		s.sport = 10000 + i;
		s.dport = HERE;
		s.seq = 1000001;
		wire_put(&self->w, &s);
	}
}

/* A connection is made while a flood goes on, with all options, and nothing was kept of its SYN */
TEST_F(wire, cookie)
{
	uint64_t cookies = tcp_counter("rx_cookie");
	uint32_t mss = family == AF_INET ? 1448 : 1428;
	struct etran_conn_record i;
	int used;

	flood(_metadata, self);
	used = conns_used();
	accepted(_metadata, self, OFFER_ALL, ECE | CWR);
	COUNTED(cookies + 1, "rx_cookie");
	/* The others went with their listener. */
	USED(used - 8 + 1);
	ASSERT_EQ(0, etran_tcp_info(self->s, &i));
	ASSERT_EQ(ETRAN_CONN_PASSIVE | ETRAN_CONN_TIMESTAMPS | ETRAN_CONN_SACK | ETRAN_CONN_WSCALE |
		  ETRAN_CONN_ECN, i.flags);
	ASSERT_EQ(mss, i.mss);
	ASSERT_EQ(7, i.snd_wscale);
	wire_data(&self->w, 0, 0, 100, PSH);
	self->w.seq += 100;
	expect_read(_metadata, self, 0, 100);
	submit(_metadata, self, 0, 2 * mss);
	do {
		NEXT(500);
	} while (!self->r.len);
	ASSERT_EQ(mss, self->r.len);
	ASSERT_EQ(self->w.iss + 1, self->r.seq);
	flood_ends(self);
}

/* Without timestamps there is no room for options, and MSS is one of a few */
TEST_F(wire, cookie_without_timestamps)
{
	struct etran_conn_record i;

	flood(_metadata, self);
	accepted(_metadata, self, OFFER_MSS | OFFER_SACK | OFFER_WS, ECE | CWR);
	ASSERT_EQ(0, etran_tcp_info(self->s, &i));
	ASSERT_EQ(ETRAN_CONN_PASSIVE, i.flags);
	ASSERT_EQ(family == AF_INET ? 1460 : 1440, i.mss);
	flood_ends(self);
}

/* The last ACK of the handshake is lost: the first data brings the cookie, too */
TEST_F(wire, cookie_with_data)
{
	struct seg s;
	int i;

	flood(_metadata, self);
	s = wire_seg(&self->w, SYN);
	wire_offer(&self->w, &s, OFFER_ALL);
	wire_put(&self->w, &s);
	self->w.seq++;
	NEXT(MS);
	self->w.iss = self->r.seq;
	self->w.ack = self->r.seq + 1;
	wire_data(&self->w, 0, 0, 100, PSH);
	self->w.seq += 100;
	for (i = 0; i < 100 && !self->s; i++, usleep(1000))
		self->s = etran_accept(self->l, NULL, NULL, 0);
	ASSERT_NE(NULL, self->s);
	expect_read(_metadata, self, 0, 100);
	flood_ends(self);
}

/* What is no cookie, or another's, is answered as anything that belongs to nothing */
TEST_F(wire, cookie_forged)
{
	struct seg s, ack;
	int i;

	flood(_metadata, self);
	s = wire_seg(&self->w, SYN);
	wire_offer(&self->w, &s, OFFER_ALL);
	wire_put(&self->w, &s);
	NEXT(MS);
	self->w.seq++;
	self->w.ack = self->r.seq + 1;
	for (i = 0; i < 4; i++) {
		ack = wire_seg(&self->w, ACK);
		switch (i) {
		case 0:
			ack.ack++;
			break;
		case 1:
			ack.seq++;
			break;
		case 2:
			/* Another MSS */
			ack.ack ^= 1 << 24;
			break;
		case 3:
			/* Another time */
			ack.ack ^= 1 << 27;
			break;
		}
		wire_put(&self->w, &ack);
		NEXT(MS);
		ASSERT_EQ(RST, self->r.flags) TH_LOG("case %d", i);
		ASSERT_EQ(ack.ack, self->r.seq);
	}
	ASSERT_EQ(NULL, etran_accept(self->l, NULL, NULL, SOCK_NONBLOCK));
	flood_ends(self);
}

/* Where no cookie was sent none is taken */
TEST_F(wire, no_cookie_without_a_flood)
{
	uint64_t cookies = tcp_counter("tx_cookie");
	struct seg s;

	self->w.peer_port = HERE;
	s = wire_seg(&self->w, SYN);
	wire_offer(&self->w, &s, OFFER_ALL);
	wire_put(&self->w, &s);
	NEXT(MS);
	self->w.seq++;
	COUNTED(cookies, "tx_cookie");
}

/* ---- ICMP ---- */

/* "Host unreachable", "port unreachable" */
#define HOST_UNREACHABLE	(family == AF_INET ? 3 : 1), (family == AF_INET ? 1 : 3)
#define PORT_UNREACHABLE	(family == AF_INET ? 3 : 1), (family == AF_INET ? 3 : 4)

/* RFC 9293, 3.9.2.2 (SHLD-26): a hard error ends a handshake */
TEST_F(wire, port_unreachable_in_syn_sent)
{
	begin(_metadata, self);
	wire_icmp(&self->w, PORT_UNREACHABLE, self->w.iss);
	blocking(self);
	ASSERT_EQ(ECONNREFUSED, etran_socket_error(self->s));
	self->w.peer_port = 0;
}

/* RFC 9293, 3.9.2.2 (MUST-56, SHLD-25): a soft one does not, but is told in the end */
TEST_F(wire, host_unreachable_in_syn_sent)
{
	begin_within(_metadata, self, 500);
	wire_icmp(&self->w, HOST_UNREACHABLE, self->w.iss);
	blocking(self);
	ASSERT_EQ(0, etran_socket_error(self->s));
	NOTHING(1500);
	ASSERT_EQ(EHOSTUNREACH, etran_socket_error(self->s));
	self->w.peer_port = 0;
}

/* RFC 5927, 4.1: about what is not on its way: nothing */
TEST_F(wire, icmp_of_no_segment)
{
	uint64_t before = tcp_counter("rx_icmp_invalid");

	begin(_metadata, self);
	wire_icmp(&self->w, PORT_UNREACHABLE, self->w.iss + 1);
	wire_icmp(&self->w, PORT_UNREACHABLE, self->w.iss - 1);
	blocking(self);
	COUNTED(before + 2, "rx_icmp_invalid");
	answer_syn(self, OFFER_ALL, 0);
	expect_ack(_metadata, self, self->w.seq, MS);
}

/* RFC 5927, 5.2: an established connection is not ended by any */
TEST_F(wire, unreachable_when_established)
{
	connected(_metadata, self, OFFER_ALL, 0);
	submit(_metadata, self, 0, 100);
	expect_data(_metadata, self, 0, 100, MS);
	wire_icmp(&self->w, PORT_UNREACHABLE, self->w.iss + 1);
	wire_icmp(&self->w, HOST_UNREACHABLE, self->w.iss + 1);
	blocking(self);
	ASSERT_EQ(0, etran_socket_error(self->s));
	expect_data(_metadata, self, 0, 100, 500);
	acknowledge(self, 100);
	submit(_metadata, self, 100, 100);
	expect_data(_metadata, self, 100, 100, MS);
	acknowledge(self, 200);
}

/* ---- the path's MTU ---- */

#define HEADERS		(family == AF_INET ? 52 : 72)	/* with timestamps */
#define NARROW		(family == AF_INET ? 1000 : 1300)

/* What the host has learned would be there for the next case, too, also where one failed. */
static bool forget_paths(void)
{
	return !system("ip -n tcp_a route flush cache && ip -n tcp_a -6 route flush cache");
}

/* The next are the parts of @n frames, from the one at @from on, of which the path takes @most bytes. */
static void expect_parts(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, uint32_t from, int n,
			 uint32_t most)
{
	uint32_t mss = 1500 - HEADERS, at;

	for (; n; n--, from += mss)
		for (at = 0; at < mss; at += most)
			expect_data(_metadata, self, from + at, at + most < mss ? most : mss - at, MS);
}

/* RFC 1191, 6.4; RFC 8201, 5.4: what was too long is sent again in shorter segments at once, and so is all that follows */
TEST_F(wire, too_big_is_sent_in_parts)
{
	uint32_t mss = 1500 - HEADERS, most = NARROW - HEADERS;
	uint64_t before = tcp_counter("rx_too_big");
	struct etran_conn_record info;
	int i;

	ASSERT_TRUE(forget_paths());
	connected(_metadata, self, OFFER_ALL, 0);
	submit(_metadata, self, 0, 3 * mss);
	for (i = 0; i < 3; i++)
		expect_data(_metadata, self, i * mss, mss, MS);
	ASSERT_EQ(0, etran_tcp_info(self->s, &info));
	for (i = 0; i < 3; i++)
		wire_too_big(&self->w, NARROW, self->w.iss + 1 + i * mss);
	/* Once, though it was told three times. */
	expect_parts(_metadata, self, 0, 3, most);
	NOTHING(MS);
	COUNTED(before + 3, "rx_too_big");
	acknowledge(self, 3 * mss);
	submit(_metadata, self, 3 * mss, 2 * mss);
	expect_parts(_metadata, self, 3 * mss, 2, most);
	acknowledge(self, 5 * mss);
	NOTHING(MS);
	/* It was no congestion. */
	i = info.cwnd;
	ASSERT_EQ(0, etran_tcp_info(self->s, &info));
	ASSERT_LE(i, info.cwnd);
	ASSERT_EQ(most, info.mss);
	/* A part that is lost is sent again, and no other. */
	submit(_metadata, self, 5 * mss, 4 * mss);
	expect_parts(_metadata, self, 5 * mss, 4, most);
	sack_ack(self, 5 * mss + most, (const uint32_t[][2]){ { 6 * mss, 9 * mss } }, 1);
	expect_data(_metadata, self, 5 * mss + most, mss - most, MS);
	NOTHING(MS);
	acknowledge(self, 9 * mss);
	ASSERT_TRUE(forget_paths());
}

/* The host knows it for its next connections: RFC 1191, 6.1 */
TEST_F(wire, too_big_for_all_connections)
{
	uint32_t mss = 1500 - HEADERS, most = NARROW - HEADERS;

	ASSERT_TRUE(forget_paths());
	connected(_metadata, self, OFFER_ALL, 0);
	submit(_metadata, self, 0, mss);
	expect_data(_metadata, self, 0, mss, MS);
	wire_too_big(&self->w, NARROW, self->w.iss + 1);
	expect_parts(_metadata, self, 0, 1, most);
	acknowledge(self, mss);
	etran_abort(self->s);
	NEXT(MS);
	ASSERT_TRUE(self->r.flags & RST);
	self->w.peer_port = 0;
	self->w.seq += 1000000;
	connected(_metadata, self, OFFER_ALL, 0);
	submit(_metadata, self, 0, 2 * most);
	expect_data(_metadata, self, 0, most, MS);
	expect_data(_metadata, self, most, most, MS);
	acknowledge(self, 2 * most);
	ASSERT_TRUE(forget_paths());
}

/* RFC 5927, 7.2: about what is not on its way, or larger than what is sent: nothing */
TEST_F(wire, too_big_of_no_segment)
{
	uint32_t mss = 1500 - HEADERS;
	uint64_t before = tcp_counter("rx_icmp_invalid");

	ASSERT_TRUE(forget_paths());
	connected(_metadata, self, OFFER_ALL, 0);
	submit(_metadata, self, 0, 2 * mss);
	expect_data(_metadata, self, 0, mss, MS);
	expect_data(_metadata, self, mss, mss, MS);
	wire_too_big(&self->w, NARROW, self->w.iss);
	wire_too_big(&self->w, NARROW, self->w.iss + 1 + 2 * mss);
	blocking(self);
	COUNTED(before + 2, "rx_icmp_invalid");
	wire_too_big(&self->w, 1500, self->w.iss + 1);
	wire_too_big(&self->w, 65535, self->w.iss + 1);
	NOTHING(MS);
	acknowledge(self, 2 * mss);
	submit(_metadata, self, 2 * mss, mss);
	expect_data(_metadata, self, 2 * mss, mss, MS);
	acknowledge(self, 3 * mss);
}

/* RFC 5927, 7; RFC 8201, 4: nobody makes the segments tiny. Linux's least is 552 bytes (net.ipv4.route.min_pmtu), IPv6's 1280. */
TEST_F(wire, too_big_has_a_least)
{
	uint32_t mss = 1500 - HEADERS, most = (family == AF_INET ? 552 : 1280) - HEADERS;

	ASSERT_TRUE(forget_paths());
	connected(_metadata, self, OFFER_ALL, 0);
	submit(_metadata, self, 0, mss);
	expect_data(_metadata, self, 0, mss, MS);
	wire_too_big(&self->w, 68, self->w.iss + 1);
	expect_parts(_metadata, self, 0, 1, most);
	acknowledge(self, mss);
	ASSERT_TRUE(forget_paths());
}

/* ---- pacing ---- */

/* A connection with a round trip time of 40 ms, whose first window has been acknowledged. */
static uint32_t far_away(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self)
{
	uint32_t mss = family == AF_INET ? 1448 : 1428;
	uint64_t first = 0;
	int i;

	begin(_metadata, self);
	usleep(40000);
	answer_syn(self, OFFER_ALL, 0);
	expect_ack(_metadata, self, self->w.seq, MS);
	wire_send(&self->w, ACK);
	submit(_metadata, self, 0, 40 * mss);
	for (i = 0; i < 10; i++) {
		expect_data(_metadata, self, i * mss, mss, MS);
		if (!i)
			first = self->w.arrived;
	}
	/* The first window goes at once. */
	ASSERT_GT(5, self->w.arrived - first);
	usleep(40000);
	return mss;
}

/* What an ACK of a whole window allows is spread over half the round trip time in slow start */
TEST_F(wire, pacing)
{
	uint32_t mss = far_away(_metadata, self);
	uint64_t first = 0;
	int i;

	acknowledge(self, 10 * mss);
	for (i = 10; i < 22; i++) {
		expect_data(_metadata, self, i * mss, mss, 100);
		if (i == 10)
			first = self->w.arrived;
	}
	ASSERT_LE(10, self->w.arrived - first);
	ASSERT_GE(45, self->w.arrived - first);
	acknowledge(self, 40 * mss);
}

/* FIN does not overtake what waits for its time */
TEST_F(wire, fin_behind_paced_data)
{
	uint32_t mss = far_away(_metadata, self), at = 10 * mss;

	acknowledge(self, at);
	expect_data(_metadata, self, at, mss, MS);
	acknowledge(self, at += mss);
	do {
		NEXT(100);
		if (self->r.len) {
			ASSERT_EQ(self->w.iss + 1 + at, self->r.seq);
			at += self->r.len;
			acknowledge(self, at);
		}
		if (at == 20 * mss)
			etran_shutdown(self->s, SHUT_WR);
	} while (!(self->r.flags & FIN));
	ASSERT_EQ(40 * mss, at);
	self->w.ack++;
	wire_send(&self->w, ACK);
}

/* And off, all at once */
TEST_F(wire, no_pacing)
{
	uint32_t mss;
	uint64_t first = 0;
	int i;

	ASSERT_TRUE(tunable("tcp_pacing", 0));
	mss = far_away(_metadata, self);
	acknowledge(self, 10 * mss);
	for (i = 10; i < 22; i++) {
		expect_data(_metadata, self, i * mss, mss, MS);
		if (i == 10)
			first = self->w.arrived;
	}
	ASSERT_GT(5, self->w.arrived - first);
	acknowledge(self, 40 * mss);
	ASSERT_TRUE(tunable("tcp_pacing", 1));
}

/* ---- congestion controls ---- */

/* What is left of 10 segments' window after a loss, in 100ths. */
static uint32_t reduced(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, uint32_t cc, int ecn)
{
	uint32_t mss = family == AF_INET ? 1448 : 1428;
	struct etran_conn_record info;
	int i;

	connected(_metadata, self, OFFER_ALL, ecn);
	ASSERT_EQ(0, etran_tcp_set(self->s, ETRAN_TCP_CONGESTION, cc));
	submit(_metadata, self, 0, 10 * mss);
	for (i = 0; i < 10; i++)
		expect_data(_metadata, self, i * mss, mss, MS);
	sack_ack(self, 0, (const uint32_t[][2]){ { mss, 4 * mss } }, 1);
	expect_data(_metadata, self, 0, mss, MS);
	ASSERT_EQ(0, etran_tcp_info(self->s, &info));
	ASSERT_EQ(ETRAN_CONN_RECOVERY, info.flags & (ETRAN_CONN_RECOVERY | ETRAN_CONN_TIMEOUT));
	ASSERT_EQ(1, info.retransmits);
	acknowledge(self, 10 * mss);
	return info.ssthresh * 100 / (10 * mss);
}

/* RFC 5681, 3.1 (4) */
TEST_F(wire, newreno_halves)
{
	ASSERT_EQ(50, reduced(_metadata, self, ETRAN_TCP_CC_NEWRENO, 0));
}

/* RFC 8257, 3.5: for loss DCTCP is no different */
TEST_F(wire, dctcp_halves_on_loss)
{
	ASSERT_EQ(50, reduced(_metadata, self, ETRAN_TCP_CC_DCTCP, ECE));
}

/* RFC 9438, 4.6: 0.7 */
TEST_F(wire, cubic_reduces_less)
{
	ASSERT_EQ(70, reduced(_metadata, self, ETRAN_TCP_CC_CUBIC, 0));
}

/* RFC 9438, 4.3: with so short a round trip it grows as Reno would: by half a segment each, then by one */
TEST_F(wire, cubic_grows)
{
	uint32_t mss = family == AF_INET ? 1448 : 1428, at = 10 * mss;
	struct etran_conn_record info;
	uint64_t out = 10 * mss;
	int k;

	ASSERT_EQ(70, reduced(_metadata, self, ETRAN_TCP_CC_CUBIC, 0));
	for (k = 0; k < 20; k++) {
		if (out - at < 30 * mss) {
			submit(_metadata, self, out, 40 * mss);
			out += 40 * mss;
		}
		while (wire_next(&self->w, &self->r, 10))
			at += self->r.len;
		acknowledge(self, at);
	}
	blocking(self);
	ASSERT_EQ(0, etran_tcp_info(self->s, &info));
	ASSERT_STREQ("cubic", info.cc);
	ASSERT_LT(7 * mss, info.cwnd);
	ASSERT_GE(26 * mss, info.cwnd);
}

/* A probe for the loss of a flight's end would come where tests look for silence; those that are about it set it. */
#ifndef KERNEL_H
TCP_MAIN(1500, "WIRE", "--set tcp_tlp=0 --set tcp_tlp_min_us=50000")
#endif
