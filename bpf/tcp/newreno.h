/* SPDX-License-Identifier: GPL-2.0 */
/* NewReno: RFC 5681 and 6582. How lost segments are found and sent again is recovery.h, for all controls. */
#ifndef _TCP_NEWRENO_H
#define _TCP_NEWRENO_H

/* Was the window used? One that was not does not grow: RFC 7661, 4.3. */
static __always_inline bool window_used(const struct conn *c, __u64 flight)
{
	return flight + 2 * (__u32)c->mss >= c->cwnd || (c->cwnd < c->ssthresh && flight * 2 >= c->cwnd);
}

/* RFC 5681, 3.1 (2), with RFC 3465 */
static __always_inline void slow_start(struct conn *c, __u32 acked, __u64 flight)
{
	__u32 most = 2 * (__u32)c->mss;

	if (!window_used(c, flight))
		return;
	/* After a timeout an ACK of much that was there already is no licence for a burst. */
	if (c->loss == LOSS_TIMEOUT)
		most = c->mss;
	c->cwnd += acked < most ? acked : most;
}

/* RFC 5681, 3.1 (3), with RFC 3465 */
static __always_inline void newreno_acked(struct conn *c, __u32 acked, __u64 flight)
{
	if (!window_used(c, flight))
		return;
	c->cwnd_acked += acked;
	if (c->cwnd_acked >= c->cwnd) {
		c->cwnd_acked -= c->cwnd;
		c->cwnd += c->mss;
	}
}

#endif /* _TCP_NEWRENO_H */
