/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What filters see and drop of frames that do not leave when egress ends: those with a time, held,
 * retained, queued, generated from. The same cases for a socket of the link device (filter.c) and of the
 * NIC itself (direct_filter.c): they must mean the same.
 *
 * Each returns 0, or -1 after printing why.
 */
#ifndef FILTER_CASES_H
#define FILTER_CASES_H

#include "filter.h"
#include "step.h"

struct filter_case {
	struct xsk *x;		/* sends, port 1 */
	struct xsk *y;		/* on the other host, port 2 */
	struct tt_req r;	/* to y */
	uint32_t from;		/* x's address */
	uint32_t submitted;	/* by x */
	struct filter f;	/* passes all unless a case says otherwise */
	struct et_counters was;
};

#define fc_want(condition)							\
do {										\
	errno = 0;								\
	if (!(condition))							\
		return et_fail("%s:%d: not so: %s", __FILE__, __LINE__, #condition);	\
} while (0)

static ET_UNUSED uint64_t fc_grown(const struct filter_case *c, const char *name)
{
	return et_count(name) - et_value(&c->was, name);
}

static ET_UNUSED uint64_t fc_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* What a case begins with. */
static ET_UNUSED int fc_begin(struct filter_case *c, struct xsk *x, struct xsk *y, uint32_t from,
			      uint32_t to)
{
	*c = (struct filter_case) {
		.x = x, .y = y, .from = from,
		.r = { .daddr = to, .verdict = TX, .rx_verdict = DELIVER, .dport = 2 },
	};
	if (tf_load(&c->f, 0, -1, "tf", 0, NULL) || tf_attach(&c->f))
		return et_fail("the filter");
	return et_counters_read(&c->was, ETRAN_COUNTERS_MODULE, 0);
}

/* And ends with: each descriptor was completed once, nothing is kept, all is accounted for. */
static ET_UNUSED int fc_end(struct filter_case *c)
{
	struct xsk_frame f;

	fc_want(et_wait_for(completions(c->x) == c->submitted));
	fc_want(et_wait_for(eng_kept() == 0));
	fc_want(!xsk_take(c->y, &f));
	usleep(5000);
	fc_want(completions(c->x) == c->submitted);
	xsk_complete(c->x, NULL, 0);
	c->submitted = 0;
	remove_filter(&c->f);
	fc_want(et_wait_for(!attached("tf")));
	return et_conserved(ETRAN_COUNTERS_ENDPOINT, c->x->id) |
	       et_conserved(ETRAN_COUNTERS_MODULE, 0);
}

static ET_UNUSED int fc_send(struct filter_case *c, uint32_t chunk, const char *payload)
{
	c->submitted++;
	return submit(c->x, chunk, TT_SEND, &c->r, payload, strlen(payload));
}

static ET_UNUSED uint64_t fc_keep(struct filter_case *c, uint32_t chunk, uint32_t verdict)
{
	c->submitted++;
	return keep(c->x, chunk, c->r, verdict, "kept");
}

static ET_UNUSED int fc_call(struct filter_case *c, uint32_t what, uint32_t queue, uint64_t handle,
			     uint64_t arg, uint32_t flags)
{
	return call(c->x, 20 + c->submitted++, what, queue, handle, arg, flags);
}

static ET_UNUSED int fc_resend(struct filter_case *c, uint64_t handle, uint32_t seq)
{
	return resend(c->x, 20 + c->submitted++, c->r.daddr, handle, seq);
}

/* Egress filters see a packet when it leaves, and decide then. */
static ET_UNUSED int fc_timed(struct filter_case *c)
{
	uint64_t when;
	uint32_t out;

	c->r.flags = TT_F_TIME;
	when = c->r.arg = fc_now() + 300000000;
	c->r.seq = 1;
	fc_want(!fc_send(c, 1, "at its time"));
	out = c->f.tf->out;
	fc_want(!out || fc_now() >= when);
	fc_want(!received(c->y, 1, "at its time"));
	fc_want(fc_now() >= when);
	fc_want(c->f.tf->out == 1 && c->f.tf->in == 1);

	/* What it says while they wait is what counts. */
	c->r.arg = fc_now() + 300000000;
	for (c->r.seq = 2; c->r.seq < 12; c->r.seq++)
		fc_want(!fc_send(c, c->r.seq, "never"));
	c->f.tf->out_verdict = DROP;
	fc_want(et_wait_for(fc_grown(c, "packet_filtered") == 10));
	fc_want(fc_grown(c, "packets_timed") == 11);
	fc_want(et_wait_for(fc_grown(c, "frames_dropped") == 10));
	fc_want(fc_grown(c, "frame_packet") == 10);
	fc_want(fc_grown(c, "frames_transmitted") == 1);
	return 0;
}

/* The same of frames that the transport kept and has sent. */
static ET_UNUSED int fc_held(struct filter_case *c)
{
	uint64_t h[4];
	int i;

	for (i = 0; i < 4; i++) {
		c->r.seq = i;
		h[i] = fc_keep(c, 1 + i, HOLD);
		fc_want(h[i]);
	}
	fc_want(c->f.tf->out == 0 && c->f.tf->in == 0);
	fc_want(fc_call(c, TT_W_SEND, 0, h[0], 0, 0) == 0);
	fc_want(!received(c->y, 0, "kept"));
	fc_want(c->f.tf->out == 1);

	/* Dropped: the frame has ended, unless it was to stay. */
	c->f.tf->out_verdict = DROP;
	fc_want(fc_call(c, TT_W_SEND, 0, h[1], 0, 0) == 0);
	fc_want(et_wait_for(fc_grown(c, "packet_filtered") == 1));
	fc_want(fc_call(c, TT_W_COOKIE, 0, h[1], 0, 0) <= 0);
	fc_want(fc_call(c, TT_W_SEND, 0, h[2], 0, SEND_RETAIN) == 0);
	fc_want(et_wait_for(fc_grown(c, "packet_filtered") == 2));
	fc_want(et_wait_for(et_count("frames_held") + et_count("frames_retained") == 2));
	fc_want(fc_call(c, TT_W_COOKIE, 0, h[2], 0, 0) == 0x11);
	fc_want(fc_call(c, TT_W_RELEASE, 0, h[2], 0, 0) == 0);

	/* At its time: what is said then. */
	fc_want(fc_call(c, TT_W_SEND, 0, h[3], fc_now() + 200000000, 0) == 0);
	c->f.tf->out_verdict = PASS;
	fc_want(!received(c->y, 3, "kept"));
	return 0;
}

static ET_UNUSED int fc_queued(struct filter_case *c)
{
	uint64_t h;
	int i;

	for (i = 0; i < 3; i++) {
		c->r.seq = i;
		h = fc_keep(c, 1 + i, HOLD);
		fc_want(h);
		fc_want(fc_call(c, TT_W_PUSH, 1, h, 10 - i, RANK) == 0);
	}
	fc_want(c->f.tf->out == 0);
	/* Their cookie says: send. */
	fc_want(fc_call(c, TT_W_ACT, 1, 0, 1, 0) == 1);
	fc_want(!received(c->y, 2, "kept"));
	c->f.tf->out_verdict = DROP;
	fc_want(fc_call(c, TT_W_ACT, 1, 0, 1, 0) == 1);
	fc_want(et_wait_for(fc_grown(c, "packet_filtered") == 1));
	c->f.tf->out_verdict = PASS;
	fc_want(fc_call(c, TT_W_ACT, 1, 0, 1, 0) == 1);
	fc_want(!received(c->y, 0, "kept"));
	fc_want(c->f.tf->out == 3);
	return 0;
}

/* A retained frame outlives what is done to its packets, and gen's are packets like any. */
static ET_UNUSED int fc_retained(struct filter_case *c)
{
	uint64_t h;
	uint32_t i;

	c->f.tf->out_verdict = DROP;
	h = fc_keep(c, 1, TX | RETAIN);
	fc_want(h);
	fc_want(et_wait_for(fc_grown(c, "packet_filtered") == 1));
	fc_want(fc_call(c, TT_W_COOKIE, 0, h, 0, 0) == 0x11);
	for (i = 1; i < 4; i++) {
		fc_want(!fc_resend(c, h, i));
		fc_want(et_wait_for(fc_grown(c, "packet_filtered") == 1 + i));
	}
	c->f.tf->out_verdict = PASS;
	for (; i < 8; i++) {
		fc_want(!fc_resend(c, h, i));
		fc_want(!received(c->y, i, "kept"));
	}
	fc_want(c->f.tf->out == 8);
	fc_want(c->f.tf->in == 4);
	fc_want(fc_grown(c, "packets_dropped") == 4);
	fc_want(et_count("frames_held") + et_count("frames_retained") == 1);
	fc_want(fc_call(c, TT_W_RELEASE, 0, h, 0, 0) == 0);
	return 0;
}

/* Before the transport: neither its program nor the application sees what is dropped. */
static ET_UNUSED int fc_ingress(struct filter_case *c)
{
	struct tt_req r = {
		.daddr = c->from, .verdict = TX, .rx_verdict = DELIVER, .dport = 1,
	};
	struct xsk_frame f;
	uint32_t was;

	for (r.seq = 0; r.seq < 200; r.seq++) {
		c->f.tf->in_verdict = r.seq % 2 ? DROP : PASS;
		was = tt->ingress;
		fc_want(!xsk_send(c->y, r.seq % 32, TT_SEND, &r, "to x", 4));
		if (r.seq % 2)
			fc_want(et_wait_for(fc_grown(c, "rx_filtered") == r.seq / 2 + 1));
		else
			fc_want(!received(c->x, r.seq, "to x"));
		fc_want(tt->ingress == was + !(r.seq % 2));
		xsk_complete(c->y, NULL, 0);
	}
	fc_want(!xsk_take(c->x, &f));
	fc_want(c->f.tf->in == 200 && c->f.tf->out == 200);
	return 0;
}

/* It goes, the packets and the transport stay. */
static ET_UNUSED int fc_ejected(struct filter_case *c)
{
	uint64_t h;

	c->r.seq = 1;
	h = fc_keep(c, 1, HOLD);
	fc_want(h);
	c->r.flags = TT_F_TIME;
	c->r.arg = fc_now() + 300000000;
	c->r.seq = 2;
	fc_want(!fc_send(c, 2, "later"));
	c->f.tf->out_verdict = 77;
	fc_want(et_wait_for(!attached("tf")));
	fc_want(fc_grown(c, "packet_filtered") == 1);
	fc_want(fc_call(c, TT_W_SEND, 0, h, 0, 0) == 0);
	fc_want(!received(c->y, 1, "kept"));
	fc_want(c->f.tf->out == 1);
	return 0;
}

#define FILTER_CASES(fixture, begin)						\
TEST_F(fixture, timed_packets_are_filtered_when_they_leave)			\
{										\
	FILTER_CASE(begin, fc_timed);						\
}										\
TEST_F(fixture, held_frames_are_filtered_when_they_are_sent)			\
{										\
	FILTER_CASE(begin, fc_held);						\
}										\
TEST_F(fixture, queued_frames_are_filtered_when_they_are_sent)			\
{										\
	FILTER_CASE(begin, fc_queued);						\
}										\
TEST_F(fixture, retained_frames_outlive_filters)				\
{										\
	FILTER_CASE(begin, fc_retained);					\
}										\
TEST_F(fixture, received_packets_are_filtered_before_delivery)			\
{										\
	FILTER_CASE(begin, fc_ingress);						\
}										\
TEST_F(fixture, filter_ejected_by_a_packet_whose_time_has_come)			\
{										\
	FILTER_CASE(begin, fc_ejected);						\
}

#define FILTER_CASE(begin, function)						\
	struct filter_case c = {};						\
										\
	EXPECT_EQ(0, begin(&c, self) ?: function(&c) ?: fc_end(&c));		\
	remove_filter(&c.f)

#endif /* FILTER_CASES_H */
