/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Receiving: which bytes are new, what has arrived, when to say so.
 *
 * Payload goes to the application as it comes, also behind a gap (SHLD-31): the kernel keeps positions, not bytes. What
 * found no buffer counts as lost. An ACK waits for a second full segment or tcp_delack_us (MUST-58, SHLD-18), but not
 * when there is a gap, or one was filled (RFC 5681, 4.2). The window is what the application has read plus
 * its receive buffer, no more than there are AF_XDP buffers for; it never shrinks (SHLD-14), and opens in steps that
 * are worth it (RFC 9293, 3.8.6.2.2).
 */
#ifndef _TCP_RECEIVE_H
#define _TCP_RECEIVE_H

/* Most buffers that are counted. */
#define ROOM_MOST	65536

/* Under the lock: may the peer be told to send more, worth telling, once the application has read up to @read? */
static __always_inline bool window_wants_at(const struct conn *c, __u64 read)
{
	__u64 edge = read + c->rcvbuf;
	__u64 step = c->rcvbuf / 2 < 2 * (__u32)c->rcv_mss ? c->rcvbuf / 2 : 2 * c->rcv_mss;

	return conn_receives(c) && edge >= c->rcv_adv + step;
}

static __always_inline bool window_wants(const struct conn *c)
{
	return window_wants_at(c, c->read);
}

/* Unlocked: bytes that the application has buffers for. */
static __always_inline __u32 room_bytes(__u32 endpoint, __u32 rcvbuf, __u32 mss)
{
	__u32 most = mss ? rcvbuf / mss + 1 : 1;
	int n;

	if (most > ROOM_MOST)
		most = ROOM_MOST;
	n = bpf_etran_rx_room(endpoint, most, 0);
	/* Nobody knows in direct mode; and a closed endpoint's connections get nothing anyhow. */
	if (n < 0 || n >= most)
		return rcvbuf;
	return n * mss;
}

/* Under the lock: behind the last position that the peer may believe that it may send: @rcv_adv, rounded up. */
static __always_inline __u64 window_limit(const struct conn *c)
{
	return c->rcv_adv > c->rcv_nxt ? c->rcv_adv + (1ULL << c->rcv_wscale) - 1 : c->rcv_nxt;
}

/*
 * Under the lock: the window to be told, as it stands in the header. @room: bytes; 0: as before. Rounded up, so that
 * its edge does not seem to move back as @rcv_nxt moves on; applications have a little more room than they say.
 */
static __always_inline __u16 window_tell(struct conn *c, __u32 room)
{
	__u64 edge = min64(c->read + c->rcvbuf, c->rcv_nxt + room), window;
	__u64 step = c->rcvbuf / 2 < c->rcv_mss ? c->rcvbuf / 2 : c->rcv_mss;

	edge = min64(edge, c->rcv_nxt + (0xffffULL << c->rcv_wscale));
	if (room && edge >= c->rcv_adv + step)
		c->rcv_adv = edge;
	window = c->rcv_adv > c->rcv_nxt ? c->rcv_adv - c->rcv_nxt : 0;
	window = (window + (1ULL << c->rcv_wscale) - 1) >> c->rcv_wscale;
	return min64(window, 0xffff);
}

/* Under the lock: an ACK is due, soon or now. */
static __always_inline void ack_want(struct conn *c, struct after *a, bool now, __u64 when)
{
	if (now) {
		c->ack_now = 1;
		work_add(c, a, PENDING_ACK);
	} else if (!c->ack_at) {
		c->ack_at = when + us_ns(etran_bounded(tcp_delack_us));
		conn_due(c, a, when);
	}
}

/* Under the lock: everything that was sent or will be has this ACK in it. */
static __always_inline void ack_told(struct conn *c)
{
	c->rcv_acked = c->rcv_nxt;
	c->ack_at = 0;
	c->ack_now = 0;
	c->unacked = 0;
}

/*
 * Under the lock: a mark, or none, on data. RFC 8257, 3.2: when that changes, what is pending is acknowledged first, with
 * the old state. RFC 3168, 6.1.3 for others: echoed until CWR comes.
 */
static __always_inline void receive_mark(struct conn *c, struct after *a, const struct segment *s)
{
	if (!c->ecn_ok)
		return;
	if (c->cc == ETRAN_TCP_CC_DCTCP) {
		if (c->ce == s->ce)
			return;
		if (c->rcv_acked != c->rcv_nxt) {
			conn_control(c, a, TCP_ACK | (c->ce ? TCP_ECE : 0), s->now);
			a->segment.window = window_tell(c, 0);
			ack_told(c);
		}
		c->ce = s->ce;
		c->ack_now = 1;
		return;
	}
	if (s->flags & TCP_CWR)
		c->ce = 0;
	if (s->ce)
		c->ce = 1;
}

/* Under the lock: which bytes of a segment at @rpos, that lies in the window, are new? */
static __always_inline void receive_choose(struct conn *c, struct after *a, struct segment *s,
					   __s64 rpos, bool fin)
{
	__u64 start = rpos, end = rpos + s->len, limit = window_limit(c);

	s->fin = fin;
	s->quiet = c->detached;
	if (start < c->rcv_nxt)
		start = c->rcv_nxt;
	/* Of a range that begins there, too. */
	if (!range_empty(&c->ooo[0]))
		start = ranges_skip(c->ooo, RCV_RANGES, start);
	if (end > limit) {
		end = limit;
		s->fin = 0;
	}
	if (c->rcv_fin && end > c->rcv_fin)
		end = c->rcv_fin;
	if (start >= end && !(s->fin && (__u64)rpos + s->len >= c->rcv_nxt && !c->rcv_fin)) {
		s->fate = COUNTER_rx_duplicate;
		s->twice = s->len != 0;
		ack_want(c, a, true, s->now);
		return;
	}
	if (start > end)
		start = end;
	s->deliver = 1;
	s->skip = start - rpos;
	s->twice = s->skip != 0;
	s->take = end - start;
	s->pos = start;
}

/* Under the lock: a FIN, everything in front of which is here. RFC 9293, 3.10.7.4, eighth. */
static __always_inline void receive_fin(struct conn *c, struct after *a, __u64 now)
{
	switch (c->state) {
	case CONN_ESTABLISHED:
		c->state = CONN_CLOSE_WAIT;
		break;
	case CONN_FIN_WAIT_1:
		c->state = CONN_CLOSING;
		break;
	case CONN_FIN_WAIT_2:
		c->state = CONN_TIME_WAIT;
		a->time_wait = 1;
		c->rto_at = 0;
		c->end_at = now + ms_ns(etran_bounded(tcp_time_wait_ms));
		conn_due(c, a, now);
		break;
	}
}

/* The application has the bytes that receive_choose() chose. */
__noinline int segment_delivered(struct segment *s, struct after *a)
{
	__u64 start, end, before;
	bool gap;
	struct conn *c;
	int i;

	if (!s || !a)
		return 0;
	c = conn_at(s->slot);
	if (!c)
		return 0;
	start = s->pos;
	end = start + s->take;
	bpf_spin_lock(&c->lock);
	if (c->generation != a->generation || !conn_receives(c)) {
		bpf_spin_unlock(&c->lock);
		return 0;
	}
	before = c->rcv_nxt;
	if (s->fin && !c->rcv_fin)
		c->rcv_fin = end;
	/* A gap that was filled, wholly or in part, too. */
	gap = start > c->rcv_nxt || !range_empty(&c->ooo[0]);
	if (!gap) {
		c->rcv_nxt = max64(c->rcv_nxt, end);
	} else if (start <= c->rcv_nxt) {
		c->rcv_nxt = max64(c->rcv_nxt, end);
#pragma unroll
		for (i = 0; i < RCV_RANGES; i++)
			if (!range_empty(&c->ooo[i]) && c->ooo[i].start <= c->rcv_nxt)
				c->rcv_nxt = max64(c->rcv_nxt, c->ooo[i].end);
		ranges_cut(c->ooo, RCV_RANGES, c->rcv_nxt);
		ranges_pack(c->ooo, RCV_RANGES);
	} else if (start < end) {
		ranges_add(c->ooo, RCV_RANGES, start, end);
	}
	if (c->rcv_fin && c->rcv_nxt == c->rcv_fin) {
		c->rcv_nxt++;
		receive_fin(c, a, s->now);
		gap = true;
	}
	if (c->unacked < 255 && c->rcv_nxt != before)
		c->unacked++;
	ack_want(c, a, gap || c->unacked >= 2 || c->ack_now, s->now);
	if (c->rcv_nxt != before)
		stream_note(c, a, 0);
	bpf_spin_unlock(&c->lock);
	return 0;
}

#endif /* _TCP_RECEIVE_H */
