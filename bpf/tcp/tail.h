/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tail loss probe, RFC 8985, 7: when the last segments of a flight are lost nothing comes that would tell of it, and the
 * retransmission timer is far away. So after two round trips of silence a new segment is sent, or the last one again; what
 * the peer says of that tells what is missing. With SACK only, and only for flights of more than one segment: the
 * peer may delay the ACK of one alone for longer than our timer takes.
 *
 * Recovery is RFC 6675's, for which one SACKed segment behind a gap is not enough. But the probe was sent two round trips
 * behind all others: when it is there, what is in front of it and not there is lost (RFC 8985, 6.2, has it so of any
 * segment that is late enough; here only the probe's time is known).
 */
#ifndef _TCP_TAIL_H
#define _TCP_TAIL_H

/* Under the lock: new data was sent, or some was acknowledged. 7.2; what else has to be so is seen when the time has come. */
static __always_inline void tail_start(struct conn *c, __u64 now)
{
	if (c->sack_ok && c->nxt - c->una > c->mss)
		c->tail_at = now + us_ns(max64(c->srtt_us >> 2, etran_bounded(tcp_tlp_min_us)));
	else
		c->tail_at = 0;
}

static __always_inline void tail_stop(struct conn *c)
{
	c->tail_at = 0;
	c->tail_end = 0;
}

/* Under the lock: @tail_at has come. 7.3 */
static __always_inline void tail_expired(struct conn *c, struct after *a)
{
	c->tail_at = 0;
	if (!tcp_tlp || c->loss != LOSS_OPEN || c->tail_end || c->nxt - c->una <= c->mss || !c->srtt_us ||
	    !conn_sends(c) || !range_empty(&c->sacked[0]))
		return;
	c->tail_again = 1;
	c->tail_end = c->nxt;
	c->rtt_at = 0;
	work_add(c, a, PENDING_TAIL);
}

#endif /* _TCP_TAIL_H */
