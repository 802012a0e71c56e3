/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Round trip times, and what happens when time passes.
 *
 * One segment at a time is timed, from its first transmission to the ACK that covers it, and none after a
 * retransmission (Karn's algorithm, RFC 6298, 3), with the clock's full resolution. Rejected: timestamps for this
 * (RFC 7323, 4), whose tick is a millisecond and whose gain is small.
 *
 * A connection has one timer, set for the first of its deadlines and not touched when that moves away: it goes off
 * once too early then, and is set anew. So what is in flight costs no timer operation for each ACK.
 */
#ifndef _TCP_RTO_H
#define _TCP_RTO_H

/* Under the lock: the timeout as it is now. RFC 6298, (2.4), (2.5), (5.5) */
static __always_inline __u64 rto_ns(const struct conn *c)
{
	__u64 us = c->rto_us, least = etran_bounded(tcp_rto_min_us), most = etran_bounded(tcp_rto_max_us);

	if (us < least && c->srtt_us)
		us = least;
	us <<= c->backoff < 12 ? c->backoff : 12;
	return us_ns(us < most ? us : most);
}

/* Under the lock: a round trip took so long. RFC 6298, (2.2), (2.3) */
static __always_inline void rtt_measured(struct conn *c, __u64 ns)
{
	__u64 us = ns / 1000, dev;
	__u32 var;

	if (us > 60000000)
		us = 60000000;
	if (!us)
		us = 1;
	if (!c->srtt_us) {
		c->srtt_us = us << 3;
		c->rttvar_us = us << 1;
	} else {
		dev = us << 3 > c->srtt_us ? us - (c->srtt_us >> 3) : (c->srtt_us >> 3) - us;
		c->rttvar_us = c->rttvar_us - (c->rttvar_us >> 2) + dev;
		c->srtt_us = c->srtt_us - (c->srtt_us >> 3) + us;
	}
	/* K * RTTVAR = 4 * rttvar / 4; G is 1 us. */
	var = c->rttvar_us ? c->rttvar_us : 1;
	c->rto_us = (c->srtt_us >> 3) + var;
}

/* Under the lock: something was sent that has to be acknowledged. RFC 6298, (5.1) */
static __always_inline void rto_start(struct conn *c, struct after *a, __u64 now)
{
	if (c->rto_at)
		return;
	c->rto_at = now + rto_ns(c);
	conn_due(c, a, now);
}

/* Under the lock: why it is given up: what ICMP said of it since the peer was last heard, if anything. */
static __always_inline __u32 given_up(const struct conn *c)
{
	return c->soft_error && c->soft_ns >= c->heard_ns ? c->soft_error : ETIMEDOUT;
}

/* Under the lock: the retransmission timer went off. */
static __always_inline void rto_expired(struct conn *c, struct after *a, __u64 now)
{
	__u64 silent = now - c->heard_ns, most;

	c->rto_at = 0;
	if (c->state == CONN_SYN_SENT || c->state == CONN_SYN_RCVD) {
		__u32 ms = c->passive ? etran_bounded(tcp_synack_timeout_ms) :
					etran_bounded(tcp_syn_timeout_ms);

		most = user_timeout_ns(c, ms);
		if (silent >= most) {
			conn_close(c, a, given_up(c));
			return;
		}
		work_add(c, a, PENDING_SYN);
	} else if (c->una < c->nxt) {
		most = user_timeout_ns(c, etran_bounded(tcp_user_timeout_ms));
		if (silent >= most) {
			conn_close(c, a, given_up(c));
			return;
		}
		recovery_timeout(c);
		count_later(a, AFTER_RTO);
		work_add(c, a, PENDING_DATA);
	} else if (conn_sends(c) && c->nxt < c->queued) {
		/* The window is closed, or too small: RFC 9293, 3.8.6.1. For ever while the peer answers. */
		most = user_timeout_ns(c, etran_bounded(tcp_user_timeout_ms));
		if (silent >= most) {
			conn_close(c, a, given_up(c));
			return;
		}
		work_add(c, a, PENDING_PROBE);
	} else {
		c->backoff = 0;
		return;
	}
	c->rtt_at = 0;
	if (c->backoff < 30)
		c->backoff++;
	/* In time for who does not want to wait longer than that. */
	c->rto_at = min64(now + rto_ns(c), max64(c->heard_ns + most, now + 1000000));
}

static int conn_timer(void *map, __u32 *slot, struct conn *c)
{
	__u64 now = bpf_ktime_get_ns();
	struct scratch *s = scratch_get(SCRATCH_TIMER);
	struct after *a;

	if (!s)
		return 0;
	a = &s->after;
	bpf_spin_lock(&c->lock);
	a->slot = c->slot;
	a->generation = c->generation;
	c->armed_ns = 0;
	if (c->state != CONN_FREE) {
		if (c->report_at && now >= c->report_at) {
			c->report_at = 0;
			a->report = c->report != 0;
		}
		if (conn_lives(c) && c->end_at && now >= c->end_at)
			conn_close(c, a, 0);
		if (conn_lives(c) && c->rto_at && now >= c->rto_at)
			rto_expired(c, a, now);
		if (conn_lives(c) && c->keep_at && now >= c->keep_at)
			keepalive_expired(c, a, now);
		if (conn_lives(c) && c->tail_at && now >= c->tail_at)
			tail_expired(c, a);
		if (conn_lives(c) && c->ack_at && now >= c->ack_at) {
			c->ack_at = 0;
			c->ack_now = 1;
			work_add(c, a, PENDING_ACK);
		}
		/* Entries of gen's queue that were lost: look again at the next deadline. */
		conn_due(c, a, now);
	}
	bpf_spin_unlock(&c->lock);
	after_settle(a);
	return 0;
}

#endif /* _TCP_RTO_H */
