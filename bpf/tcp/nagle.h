/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What does not fill a segment, and may wait: Nagle's algorithm (RFC 9293, 3.7.4) and corking.
 *
 * Frames that wait are the transport's already: they are sent when the ACK comes whatever the application does, and are not lost
 * with it. When their time has come gen puts as many of them as fit into one segment; when that is lost, each is sent again
 * by itself. Rejected: holding bytes back in the library. Nobody would send them while it sleeps.
 *
 * Nagle's algorithm as Minshall changed it: a segment that is not full waits only while another such one is not
 * acknowledged, so that the end of a long write need not wait for the ACK of what was in front of it. One that is not full
 * because the next frame did not fit, or the path takes less than a frame, does not count.
 */
#ifndef _TCP_NAGLE_H
#define _TCP_NAGLE_H

/* Under the lock: may @len bytes, all that were not sent, wait for more? */
static __always_inline bool nagle_waits(const struct conn *c, __u64 len, __u8 waits)
{
	if (!waits || len >= c->mss || c->fin)
		return false;
	return waits & ETRAN_TCP_REQ_MORE || c->small_end > c->una;
}

/* Under the lock: up to @end was sent for the first time, @len bytes in a segment. */
static __always_inline void nagle_sent(struct conn *c, __u64 end, __u64 len)
{
	if (len < c->mss && end == c->queued)
		c->small_end = end;
}

/*
 * Under the lock: data waits, and no ACK will come that has it sent. After the retransmission timeout what the window
 * allows of it is. The time that the peer may be silent begins now.
 */
static __always_inline void wait_start(struct conn *c, struct after *a, __u64 now)
{
	if (c->una != c->nxt || c->rto_at)
		return;
	c->heard_ns = now;
	rto_start(c, a, now);
}

#endif /* _TCP_NAGLE_H */
