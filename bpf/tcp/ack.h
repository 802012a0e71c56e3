/* SPDX-License-Identifier: GPL-2.0 */
/* The ACK field of a segment, and what it brings: RFC 9293, 3.10.7.4, fifth; RFC 5681; RFC 3168. */
#ifndef _TCP_ACK_H
#define _TCP_ACK_H

/* Under the lock: is there something to send, if the windows allow? */
static __always_inline bool out_waits(const struct conn *c)
{
	return conn_sends(c) && (c->nxt < c->queued || (c->fin && c->nxt == c->queued) ||
				 c->loss != LOSS_OPEN);
}

/* Under the lock: the window of a segment. RFC 9293, 3.10.7.4. @rpos: its position, @ack: what it acknowledges */
static __always_inline void ack_window(struct conn *c, const struct segment *s, __u64 rpos, __u64 ack)
{
	__u64 window = (__u64)s->window << c->snd_wscale;

	if (c->wl1 > rpos || (c->wl1 == rpos && c->wl2 > ack))
		return;
	c->wl1 = rpos;
	c->wl2 = ack;
	c->edge = ack + window;
	c->max_wnd = max64(c->max_wnd, window);
}

/* Under the lock: FIN is acknowledged. True: the protocol is through with the connection. */
static __always_inline bool ack_fin(struct conn *c, struct after *a, __u64 now)
{
	switch (c->state) {
	case CONN_FIN_WAIT_1:
		c->state = CONN_FIN_WAIT_2;
		if (c->detached)
			c->end_at = now + ms_ns(etran_bounded(tcp_fin_timeout_ms));
		break;
	case CONN_CLOSING:
		c->state = CONN_TIME_WAIT;
		a->time_wait = 1;
		c->end_at = now + ms_ns(etran_bounded(tcp_time_wait_ms));
		break;
	case CONN_LAST_ACK:
		conn_close(c, a, 0);
		return true;
	}
	return false;
}

/*
 * Under the lock: what a segment at @rpos says of what was sent. @ack: between una - max_wnd and nxt. False: the
 * connection is no more.
 */
static __always_inline bool ack_take(struct conn *c, struct after *a, struct segment *s,
				     __u64 rpos, __u64 ack)
{
	__u64 flight = c->nxt - c->una, acked = 0, edge = c->edge;
	bool marked = c->ecn_ok && s->flags & TCP_ECE, lost;

	if (ack > c->una) {
		acked = ack - c->una;
		c->una = ack;
		c->heard_ns = s->now;
		c->backoff = 0;
		if (c->rtt_at && ack >= c->rtt_at) {
			rtt_measured(c, s->now - c->rtt_ns);
			c->rtt_at = 0;
		}
		cc_acked(c, s, acked, marked, flight);
		recovery_acked(c, acked);
		/* RFC 6298, (5.2), (5.3) */
		c->rto_at = c->una < c->nxt ? s->now + rto_ns(c) : 0;
		a->release = 1;
	} else if (ack == c->una && c->una < c->nxt && !s->len &&
		   !(s->flags & (TCP_SYN | TCP_FIN)) &&
		   ack + ((__u64)s->window << c->snd_wscale) == c->edge) {
		/* RFC 5681, 2 */
		s->duplicate = 1;
		if (!c->sack_ok && c->dup_acks < 255)
			c->dup_acks++;
	} else if (c->una == c->nxt && c->nxt < c->queued) {
		/* The answer to a probe: the peer lives, whatever it allows. RFC 9293, MUST-37 */
		c->heard_ns = s->now;
	}
	if (c->tail_end) {
		s->tail = 1;
		s->flight = flight;
	}
	recovery_sack(c, s);
	lost = recovery_mark(c);
	if (c->loss == LOSS_OPEN && c->una >= c->recover && c->una < c->nxt &&
	    (lost || c->dup_acks >= DUP_THRESH)) {
		recovery_begin(c, a);
		count_later(a, AFTER_RECOVERY);
	}
	if (marked && c->una > c->cwr_end && c->loss == LOSS_OPEN) {
		cc_ecn(c, flight);
		count_later(a, AFTER_CWR);
	}
	if (acked)
		tail_start(c, s->now);
	ack_window(c, s, rpos, ack);
	if (c->edge > edge && c->una == c->nxt)
		c->rto_at = 0;
	if (c->fin && c->una > c->queued && acked && ack_fin(c, a, s->now))
		return false;
	if (out_waits(c) || (c->rto_at == 0 && c->una < c->nxt))
		work_add(c, a, PENDING_DATA);
	return true;
}

#endif /* _TCP_ACK_H */
