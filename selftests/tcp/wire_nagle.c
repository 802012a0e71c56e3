// SPDX-License-Identifier: GPL-2.0
/*
 * What does not fill a segment: when it waits, until when, and in how many segments it leaves. RFC 9293, 3.7.4 (Nagle's
 * algorithm, MUST-17), as Minshall changed it; MSG_MORE, TCP_CORK and TCP_NODELAY as Linux has them.
 */
#include "wire_fixture.h"

/* Payload of a full segment to a peer that offered all. */
static uint32_t full(void)
{
	return family == AF_INET ? 1448 : 1428;
}

/* As submit(), with MSG_MORE. */
static void submit_more(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, uint64_t from, size_t len)
{
	uint8_t b[2000];

	stream_fill(b, 2, from, len);
	ASSERT_EQ(len, etran_send(self->s, b, len, MSG_DONTWAIT | MSG_MORE));
}

/* MUST-17: what is written in small pieces waits for the ACK, and then leaves as one segment. */
TEST_F(wire, small_segments_wait_for_the_ack)
{
	connected(_metadata, self, OFFER_ALL, 0);
	submit(_metadata, self, 0, 100);
	expect_data(_metadata, self, 0, 100, MS);
	submit(_metadata, self, 100, 50);
	submit(_metadata, self, 150, 1);
	submit(_metadata, self, 151, 49);
	NOTHING(MS);
	acknowledge(self, 100);
	expect_data(_metadata, self, 100, 100, MS);
	submit(_metadata, self, 200, 7);
	NOTHING(MS);
	acknowledge(self, 200);
	expect_data(_metadata, self, 200, 7, MS);
	acknowledge(self, 207);
	NOTHING(MS);
}

/* Minshall: the end of a long write does not wait for the ACK of full segments. */
TEST_F(wire, end_of_a_long_write_does_not_wait)
{
	uint32_t mss = full();

	connected(_metadata, self, OFFER_ALL, 0);
	submit(_metadata, self, 0, 2 * mss + 100);
	expect_data(_metadata, self, 0, mss, MS);
	expect_data(_metadata, self, mss, mss, MS);
	expect_data(_metadata, self, 2 * mss, 100, MS);
	submit(_metadata, self, 2 * mss + 100, 30);
	NOTHING(MS);
	acknowledge(self, 2 * mss);
	NOTHING(MS);
	acknowledge(self, 2 * mss + 100);
	expect_data(_metadata, self, 2 * mss + 100, 30, MS);
	acknowledge(self, 2 * mss + 130);
}

/* Nothing waits when there is enough for a full segment. */
TEST_F(wire, full_segment_does_not_wait)
{
	uint32_t half = full() / 2;

	connected(_metadata, self, OFFER_ALL, 0);
	submit(_metadata, self, 0, 10);
	expect_data(_metadata, self, 0, 10, MS);
	submit(_metadata, self, 10, half);
	NOTHING(MS);
	submit(_metadata, self, 10 + half, half);
	expect_data(_metadata, self, 10, 2 * half, MS);
	submit(_metadata, self, 10 + 2 * half, half);
	NOTHING(MS);
	acknowledge(self, 10 + 2 * half);
	expect_data(_metadata, self, 10 + 2 * half, half, MS);
	acknowledge(self, 10 + 3 * half);
}

/* SHLD-7: Nagle's algorithm can be turned off. */
TEST_F(wire, nothing_waits_with_nodelay)
{
	connected(_metadata, self, OFFER_ALL, 0);
	ASSERT_EQ(0, etran_tcp_set(self->s, ETRAN_SOCKET_NODELAY, 1));
	submit(_metadata, self, 0, 10);
	submit(_metadata, self, 10, 10);
	expect_data(_metadata, self, 0, 10, MS);
	expect_data(_metadata, self, 10, 10, MS);
	acknowledge(self, 20);
}

/* What waits when it is turned off leaves, with what is corked too. */
TEST_F(wire, nodelay_sends_what_waits)
{
	connected(_metadata, self, OFFER_ALL, 0);
	submit(_metadata, self, 0, 10);
	expect_data(_metadata, self, 0, 10, MS);
	submit(_metadata, self, 10, 10);
	submit(_metadata, self, 20, 10);
	NOTHING(MS);
	ASSERT_EQ(0, etran_tcp_set(self->s, ETRAN_SOCKET_NODELAY, 1));
	expect_data(_metadata, self, 10, 20, MS);
	ASSERT_EQ(0, etran_tcp_set(self->s, ETRAN_SOCKET_CORK, 1));
	submit(_metadata, self, 30, 10);
	NOTHING(MS);
	ASSERT_EQ(0, etran_tcp_set(self->s, ETRAN_SOCKET_NODELAY, 1));
	expect_data(_metadata, self, 30, 10, MS);
	acknowledge(self, 40);
}

/* Corked data leaves in full segments, and when the cork is out. */
TEST_F(wire, cork)
{
	uint32_t half = full() / 2;

	connected(_metadata, self, OFFER_ALL, 0);
	ASSERT_EQ(0, etran_tcp_set(self->s, ETRAN_SOCKET_CORK, 1));
	submit(_metadata, self, 0, half);
	NOTHING(MS);
	submit(_metadata, self, half, half);
	expect_data(_metadata, self, 0, 2 * half, MS);
	acknowledge(self, 2 * half);
	submit(_metadata, self, 2 * half, 100);
	submit(_metadata, self, 2 * half + 100, 100);
	NOTHING(MS);
	ASSERT_EQ(0, etran_tcp_set(self->s, ETRAN_SOCKET_CORK, 0));
	expect_data(_metadata, self, 2 * half, 200, MS);
	acknowledge(self, 2 * half + 200);
	NOTHING(MS);
}

/* Nobody takes the cork out: not lost, and not for ever. The peer has been silent for longer than the user timeout. */
TEST_F(wire, cork_gives_way_to_time)
{
	struct etran_conn_record info;

	connected(_metadata, self, OFFER_ALL, 0);
	ASSERT_EQ(0, etran_tcp_set(self->s, ETRAN_TCP_USER_TIMEOUT, 900));
	ASSERT_EQ(0, etran_tcp_set(self->s, ETRAN_SOCKET_CORK, 1));
	usleep(1200000);
	submit(_metadata, self, 0, 10);
	submit(_metadata, self, 10, 10);
	NOTHING(150);
	expect_data(_metadata, self, 0, 20, 1500);
	acknowledge(self, 20);
	blocking(self);
	ASSERT_EQ(0, etran_tcp_info(self->s, &info));
	ASSERT_EQ(0, info.retransmits);
	/* It was no timeout: the next segment has the whole of one. */
	ASSERT_EQ(0, etran_tcp_set(self->s, ETRAN_SOCKET_CORK, 0));
	submit(_metadata, self, 20, 10);
	expect_data(_metadata, self, 20, 10, MS);
	NOTHING(150);
	acknowledge(self, 30);
}

/* MSG_MORE holds one call's data for the next. */
TEST_F(wire, more)
{
	connected(_metadata, self, OFFER_ALL, 0);
	submit_more(_metadata, self, 0, 50);
	submit_more(_metadata, self, 50, 50);
	NOTHING(MS);
	submit(_metadata, self, 100, 1);
	expect_data(_metadata, self, 0, 101, MS);
	/* Also when Nagle's algorithm would not. */
	acknowledge(self, 101);
	ASSERT_EQ(0, etran_tcp_set(self->s, ETRAN_SOCKET_NODELAY, 1));
	submit_more(_metadata, self, 101, 9);
	NOTHING(MS);
	submit(_metadata, self, 110, 1);
	expect_data(_metadata, self, 101, 10, MS);
	acknowledge(self, 111);
}

/* The next are bytes from @at on, in any segments, and FIN behind @end. */
static void expect_end(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self, uint32_t at, uint32_t end)
{
	do {
		NEXT(MS);
		ASSERT_EQ(self->w.iss + 1 + at, self->r.seq);
		ASSERT_EQ(-1, stream_wrong(self->r.data, 2, at, self->r.len));
		at += self->r.len;
	} while (!(self->r.flags & FIN));
	ASSERT_EQ(end, at);
}

/* The end of the stream waits for nothing, and what is in front of it does not either. */
TEST_F(wire, end_does_not_wait)
{
	connected(_metadata, self, OFFER_ALL, 0);
	submit(_metadata, self, 0, 10);
	expect_data(_metadata, self, 0, 10, MS);
	submit_more(_metadata, self, 10, 10);
	submit_more(_metadata, self, 20, 10);
	NOTHING(MS);
	ASSERT_EQ(0, etran_shutdown(self->s, SHUT_WR));
	expect_end(_metadata, self, 10, 30);
	acknowledge(self, 31);
}

/* Closed while it waits: it is sent, and then the end. */
TEST_F(wire, closed_while_data_waits)
{
	connected(_metadata, self, OFFER_ALL, 0);
	submit(_metadata, self, 0, 10);
	expect_data(_metadata, self, 0, 10, MS);
	submit(_metadata, self, 10, 10);
	NOTHING(MS);
	etran_close(self->s);
	expect_end(_metadata, self, 10, 20);
	acknowledge(self, 21);
}

/* A segment of several pieces is lost: all of it comes again. */
TEST_F(wire, lost_segment_of_several_pieces)
{
	uint32_t at = 10;
	int i;

	connected(_metadata, self, OFFER_ALL, 0);
	submit(_metadata, self, 0, 10);
	expect_data(_metadata, self, 0, 10, MS);
	for (i = 0; i < 5; i++)
		submit(_metadata, self, 10 + 10 * i, 10);
	NOTHING(MS);
	acknowledge(self, 10);
	expect_data(_metadata, self, 10, 50, MS);
	NOTHING(MS);
	NEXT(1500);
	while (at < 60) {
		ASSERT_EQ(self->w.iss + 1 + at, self->r.seq);
		ASSERT_LT(0, self->r.len);
		ASSERT_EQ(-1, stream_wrong(self->r.data, 2, at, self->r.len));
		at += self->r.len;
		acknowledge(self, at);
		if (at < 60)
			NEXT(MS);
	}
	NOTHING(MS);
	submit(_metadata, self, 60, 10);
	expect_data(_metadata, self, 60, 10, MS);
	acknowledge(self, 70);
}

/* Pieces are put together up to what the window allows, not beyond. */
TEST_F(wire, pieces_keep_to_the_window)
{
	int i;

	self->w.window = 100;
	connected(_metadata, self, OFFER_MSS, 0);
	submit(_metadata, self, 0, 100);
	expect_data(_metadata, self, 0, 100, MS);
	for (i = 0; i < 5; i++)
		submit(_metadata, self, 100 + 10 * i, 10);
	NOTHING(MS);
	self->w.window = 20;
	acknowledge(self, 100);
	NEXT(1500);
	ASSERT_EQ(self->w.iss + 101, self->r.seq);
	ASSERT_GE(20, self->r.len);
	ASSERT_EQ(-1, stream_wrong(self->r.data, 2, 100, self->r.len));
	self->w.window = 1000;
	acknowledge(self, 100 + self->r.len);
	i = self->r.len;
	expect_data(_metadata, self, 100 + i, 50 - i, MS);
	acknowledge(self, 150);
}

/* Many pieces of a byte: all arrive, in few segments. */
TEST_F(wire, hundreds_of_bytes_one_by_one)
{
	uint32_t at = 1, segments = 0;
	int i;

	connected(_metadata, self, OFFER_ALL, 0);
	submit(_metadata, self, 0, 1);
	expect_data(_metadata, self, 0, 1, MS);
	for (i = 1; i < 200; i++)
		submit(_metadata, self, i, 1);
	acknowledge(self, 1);
	while (at < 200) {
		NEXT(MS);
		ASSERT_EQ(self->w.iss + 1 + at, self->r.seq);
		ASSERT_EQ(-1, stream_wrong(self->r.data, 2, at, self->r.len));
		at += self->r.len;
		segments++;
		acknowledge(self, at);
	}
	ASSERT_EQ(200, at);
	ASSERT_GE(5, segments);
}

#ifndef KERNEL_H
TCP_MAIN(1500, "WIRE", "--set tcp_tlp=0")
#endif
