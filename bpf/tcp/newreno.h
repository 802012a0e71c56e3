/* SPDX-License-Identifier: GPL-2.0 */
/* NewReno: RFC 5681 and 6582. How lost segments are found and sent again is recovery.h, for all controls. */
#ifndef _TCP_NEWRENO_H
#define _TCP_NEWRENO_H

/* RFC 5681, 3.1 (2), (3), with RFC 3465. A window that was not used does not grow: RFC 7661, 4.3. */
static __always_inline void newreno_acked(struct conn *c, __u32 acked, __u64 flight)
{
	__u32 most = 2 * (__u32)c->mss;

	if (flight + most < c->cwnd && (c->cwnd >= c->ssthresh || flight * 2 < c->cwnd))
		return;
	if (c->cwnd >= 0x3fffffff)
		return;
	if (c->cwnd < c->ssthresh) {
		/* After a timeout an ACK of much that was there already is no licence for a burst. */
		if (c->loss == LOSS_TIMEOUT)
			most = c->mss;
		c->cwnd += acked < most ? acked : most;
		return;
	}
	c->cwnd_acked += acked;
	if (c->cwnd_acked >= c->cwnd) {
		c->cwnd_acked -= c->cwnd;
		c->cwnd += c->mss;
	}
}

#endif /* _TCP_NEWRENO_H */
