// SPDX-License-Identifier: GPL-2.0
/*
 * Peers that mean no good: ACKs of what was not sent, or in pieces; storms; windows that shrink; SACK blocks and timestamps that
 * lie; options broken at each byte; random segments. What they may gain is bounded, and their connection goes on: each case ends
 * with data both ways.
 */
#include "wire_fixture.h"

/* Payload of a segment with timestamps. */
static uint32_t segment_size(void)
{
	return family == AF_INET ? 1448 : 1428;
}

/* A connection, on which etran has @segments to send, and has sent ten of these. */
static void flight(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, int offer, uint32_t segments)
{
	uint32_t mss = segment_size(), i;

	connected(_metadata, self, offer, 0);
	submit(_metadata, self, 0, segments * mss);
	for (i = 0; i < 10; i++)
		expect_data(_metadata, self, i * mss, mss, MS);
}

/* They are acknowledged, @step at a time, from the @from-th on. */
static void land(FIXTURE_DATA(wire) *self, uint32_t from, uint32_t segments, uint32_t step)
{
	uint32_t i;

	for (i = from; i <= segments; i += step) {
		acknowledge(self, i * segment_size());
		blocking(self);
	}
}

static void goes_on(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, uint32_t sent, uint64_t received)
{
	wire_drain(&self->w);
	submit(_metadata, self, sent, 100);
	do {
		NEXT(3000);
	} while (!self->r.len || self->r.seq != self->w.iss + 1 + sent);
	ASSERT_EQ(100, self->r.len);
	acknowledge(self, sent + 100);
	wire_data(&self->w, 0, received, 100, PSH);
	self->w.seq += 100;
	blocking(self);
	expect_read(_metadata, self, received, 100);
}

/* Answers to what may be forged are so many in a second: those of this one may be used up. */
static void next_second(void)
{
	sleep(1);
}

/* RFC 5961, 5; Savage et al., "TCP Congestion Control with a Misbehaving Receiver": optimistic ACKs */
TEST_F(wire, ack_of_what_was_not_sent)
{
	struct etran_conn_record before, after;
	uint32_t mss = segment_size();
	struct seg s;
	int i;

	flight(_metadata, self, OFFER_ALL, 30);
	ASSERT_EQ(0, etran_tcp_info(self->s, &before));
	for (i = 11; i < 40; i++) {
		s = wire_seg(&self->w, ACK);
		s.ack = self->w.iss + 1 + i * mss;
		wire_put(&self->w, &s);
		/* Told what was sent, and nothing more comes. */
		expect_ack(_metadata, self, self->w.seq, MS);
		ASSERT_EQ(self->w.iss + 1 + 10 * mss, self->r.seq);
	}
	ASSERT_EQ(0, etran_tcp_info(self->s, &after));
	ASSERT_EQ(before.cwnd, after.cwnd);
	ASSERT_EQ(before.acked, after.acked);
	land(self, 10, 30, 10);
	goes_on(_metadata, self, 30 * mss, 0);
}

/* RFC 3465, 2: the window grows by what is acknowledged, not by how often */
TEST_F(wire, acks_in_pieces)
{
	uint32_t mss = segment_size(), i;
	struct etran_conn_record before, after;

	flight(_metadata, self, OFFER_ALL, 40);
	ASSERT_EQ(0, etran_tcp_info(self->s, &before));
	/* Two segments in 724 pieces. */
	for (i = 4; i <= 2 * mss; i += 4)
		acknowledge(self, i);
	acknowledge(self, 2 * mss);
	blocking(self);
	ASSERT_EQ(0, etran_tcp_info(self->s, &after));
	ASSERT_GE(before.cwnd + 2 * mss, after.cwnd);
	wire_drain(&self->w);
	land(self, 10, 40, 10);
	goes_on(_metadata, self, 40 * mss, 0);
}

/* RFC 5961, 7: answers to what may be forged are bounded in number, for all connections together */
TEST_F(wire, storm_of_bad_segments)
{
	uint64_t limited = tcp_counter("challenge_limited"), sent = tcp_counter("tx_ack");
	struct seg s;
	int i;

	connected(_metadata, self, OFFER_ALL, 0);
	for (i = 0; i < 5000; i++) {
		s = wire_seg(&self->w, i & 1 ? SYN : ACK);
		if (i & 1)
			s.seq += 5;
		else
			s.ack = self->w.iss + 100000 + i;
		wire_put(&self->w, &s);
	}
	blocking(self);
	ASSERT_LT(limited, tcp_counter("challenge_limited"));
	/* A second may have ended meanwhile. */
	ASSERT_GE(sent + 2 * 1000 + 10, tcp_counter("tx_ack"));
	next_second();
	goes_on(_metadata, self, 0, 0);
}

/* RFC 9293, 3.8.6 (SHLD-14, MUST-34): a peer should not take back what it offered; who does loses nothing but time */
TEST_F(wire, window_shrinks)
{
	uint32_t mss = segment_size();
	int i;

	flight(_metadata, self, OFFER_ALL & ~OFFER_WS, 20);
	/* Two are there, and there is no room for those that are under way. */
	self->w.ack = self->w.iss + 1 + 2 * mss;
	self->w.window = 0;
	wire_send(&self->w, ACK);
	blocking(self);
	/* What is beyond the new edge is asked about, not sent anew but for what was sent. */
	for (i = 0; i < 3 && wire_next(&self->w, &self->r, 2000); i++)
		ASSERT_GE(10 * mss, self->r.seq + (uint32_t)self->r.len - self->w.iss - 1);
	self->w.window = 65535;
	land(self, 10, 20, 2);
	goes_on(_metadata, self, 20 * mss, 0);
}

/* RFC 2018, 3, RFC 6675: blocks of what was not sent, of what was acknowledged, inside out, empty, all of it, and taken back */
TEST_F(wire, sack_blocks_that_lie)
{
	uint32_t mss = segment_size(), k;
	const uint32_t lie[][2] = {
		{ 20 * mss, 30 * mss }, { 0, mss }, { 5 * mss, 4 * mss }, { 5 * mss, 5 * mss }, { mss, 200 * mss },
		{ 0x80000000, 0x80000000 + mss }, { 0xffffff00, 2 * mss }, { 2 * mss, 10 * mss },
	};
	struct seg s;
	int i;

	flight(_metadata, self, OFFER_ALL, 10);
	for (k = 0; k < sizeof(lie) / sizeof(*lie); k++) {
		self->w.ack = self->w.iss + 1 + mss;
		s = wire_seg(&self->w, ACK);
		memcpy(s.opt + s.optlen, (uint8_t[]){ 1, 1, 5, 10 }, 4);
		set32(s.opt + s.optlen + 4, self->w.iss + 1 + lie[k][0]);
		set32(s.opt + s.optlen + 8, self->w.iss + 1 + lie[k][1]);
		s.optlen += 12;
		wire_put(&self->w, &s);
		blocking(self);
	}
	/* All that the last block said was taken back: RFC 2018, 8, after the timeout all of it is sent again. */
	for (k = 1; k < 10; k++) {
		for (i = 0; i < 100; i++) {
			NEXT(8000);
			if (self->r.seq == self->w.iss + 1 + k * mss)
				break;
		}
		ASSERT_LT(i, 100) TH_LOG("segment %u is not sent again", k);
		ASSERT_EQ(-1, stream_wrong(self->r.data, 2, k * mss, self->r.len));
		acknowledge(self, (k + 1) * mss);
	}
	goes_on(_metadata, self, 10 * mss, 0);
}

/* RFC 7323, 4.1: an echo of the future, or of what was never sent, is no round trip */
TEST_F(wire, timestamps_that_lie)
{
	uint32_t mss = segment_size(), echo[] = { 0, 1, 0xffffffff, 1U << 31, 12345 };
	struct etran_conn_record r;
	struct seg s;
	uint32_t i;

	connected(_metadata, self, OFFER_ALL, 0);
	for (i = 0; i < sizeof(echo) / sizeof(*echo); i++) {
		submit(_metadata, self, i * mss, mss);
		expect_data(_metadata, self, i * mss, mss, MS);
		self->w.ack = self->w.iss + 1 + (i + 1) * mss;
		s = wire_seg(&self->w, ACK);
		set32(s.opt + 8, echo[i] ? self->w.tsecr + echo[i] : 0);
		wire_put(&self->w, &s);
		blocking(self);
	}
	ASSERT_EQ(0, etran_tcp_info(self->s, &r));
	ASSERT_GT(1000000, r.srtt_us);
	ASSERT_GE(2000000, r.rto_us);
	goes_on(_metadata, self, i * mss, 0);
}

/* RFC 9293, 3.1 (MUST-6, MUST-7): each byte of the options wrong; options of every length, cut at their beginning */
TEST_F(wire, options_broken_at_each_byte)
{
	static const uint8_t value[] = { 0, 1, 2, 3, 5, 8, 11, 40, 254, 255 };
	static const uint8_t all[] = {
		2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 3, 3, 7, 1,	/* of a SYN */
		5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1,				/* of others */
	};
	uint64_t received = 0;
	struct seg s;
	uint32_t i, k;

	/* Of SYNs, each of another connection, which has no part in what comes behind. */
	for (i = 0; i < sizeof(all); i++) {
		for (k = 0; k < sizeof(value); k++) {
			self->w.peer_port = HERE;
			self->w.port = PORT + 1 + (i * sizeof(value) + k) % 1000;
			s = wire_seg(&self->w, SYN);
			memcpy(s.opt, all, sizeof(all));
			s.opt[i] = value[k];
			s.optlen = sizeof(all);
			wire_put(&self->w, &s);
			NEXT(MS);
			if (self->r.flags & RST)
				continue;
			ASSERT_EQ(SYN | ACK, self->r.flags & (SYN | ACK));
			s = wire_seg(&self->w, RST);
			s.seq = self->r.ack;
			wire_put(&self->w, &s);
		}
	}
	self->w.port = PORT;
	connected(_metadata, self, OFFER_MSS, 0);
	for (i = 0; i < sizeof(all); i++) {
		for (k = 0; k < sizeof(value); k++) {
			s = wire_seg(&self->w, ACK | PSH);
			memcpy(s.opt, all, sizeof(all));
			s.opt[i] = value[k];
			s.optlen = sizeof(all);
			s.len = 10;
			stream_fill(s.data, 1, received, 10);
			wire_put(&self->w, &s);
			self->w.seq += 10;
			received += 10;
		}
		blocking(self);
		expect_read(_metadata, self, received - 10 * sizeof(value), 10 * sizeof(value));
	}
	for (i = 4; i <= sizeof(all); i += 4) {
		s = wire_seg(&self->w, ACK | PSH);
		memcpy(s.opt, all + sizeof(all) - i, i);
		s.optlen = i;
		s.len = 10;
		stream_fill(s.data, 1, received, 10);
		wire_put(&self->w, &s);
		self->w.seq += 10;
		received += 10;
	}
	blocking(self);
	expect_read(_metadata, self, received - 10 * (i / 4 - 1), 10 * (i / 4 - 1));
	goes_on(_metadata, self, 0, received);
}

/* Segments of random bytes with a right checksum, at a connection whose ports they know */
TEST_F(wire, random_segments)
{
	unsigned int seed = 5;
	struct seg s;
	int i, k;

	connected(_metadata, self, OFFER_ALL, 0);
	for (i = 0; i < 3000; i++) {
		s = wire_seg(&self->w, ACK);
		/* No reset at exactly the right place, and no byte of the stream: these would count. */
		s.flags = rand_r(&seed) & ~(RST | FIN);
		s.seq = rand_r(&seed) & 1 ? rand_r(&seed) * 3U : self->w.seq - 10 - rand_r(&seed) % 1000;
		s.ack = rand_r(&seed) & 1 ? rand_r(&seed) * 3U : self->w.ack - rand_r(&seed) % 4;
		s.window = rand_r(&seed);
		s.urgent = rand_r(&seed);
		s.optlen = rand_r(&seed) % 11 * 4;
		for (k = 0; k < (int)s.optlen; k++)
			s.opt[k] = rand_r(&seed);
		s.len = rand_r(&seed) % 4;
		/* Within the window it would be as good as any. */
		if (s.seq + s.len - self->w.seq < 1000000)
			continue;
		wire_put(&self->w, &s);
		if (i % 100 == 0)
			wire_drain(&self->w);
	}
	/* A window that was taken from one of them is corrected by the next of ours. */
	wire_send(&self->w, ACK);
	next_second();
	goes_on(_metadata, self, 0, 0);
}

int main(int argc, char **argv)
{
	hosts_up(1500, "WIRE", "--set tcp_tlp=0");
	return test_harness_run(argc, argv);
}
