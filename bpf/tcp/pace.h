/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pacing: what the congestion window allows is spread over the round trip time, at twice its rate in slow start, at 1.2
 * times after that, as Linux does; so a window that opened at once does not fill a queue at once. Packets are given their
 * times, and the module's timing wheel lets them go: no timer here, and retransmission needs nothing new.
 *
 * The first window of a connection is not paced: short ones would be slower by it. Nor are connections with a short round
 * trip (tcp_pacing_min_rtt_us): a wheel is as late as its CPU is busy, and what one connection sends can be in the
 * wheels of several CPUs, by egress and by gen, which do not keep order among each other; where segments follow each other
 * more closely than wheels are late, the peer would take that for loss. Nor is what is due within
 * PACE_SLACK_NS, which the wheel's slots could not tell from now, unless something waits there: order is kept.
 */
#ifndef _TCP_PACE_H
#define _TCP_PACE_H

#define PACE_SLACK_NS	50000ULL
/* What was to leave so long ago has left. */
#define PACE_LATE_NS	1000000ULL
/* Far below the wheel's horizon, which drops what is behind it. */
#define PACE_MOST_NS	1000000000ULL

/* Is it worth it, and possible? */
static __always_inline bool paced(const struct conn *c)
{
	return tcp_pacing && c->srtt_us && c->srtt_us >> 3 >= etran_bounded(tcp_pacing_min_rtt_us);
}

/* In bytes a second, for people; 0: not paced. */
static __always_inline __u64 pace_rate(const struct conn *c)
{
	__u64 window = max64(c->cwnd, c->nxt - c->una), rate;

	if (!paced(c))
		return 0;
	rate = window * 8000000 / c->srtt_us;
	return c->cwnd < c->ssthresh / 2 ? rate * 2 : rate * 6 / 5;
}

/* Under the lock: when may @len bytes leave that come behind @pos? 0: now. */
static __always_inline __u64 pace_take(struct conn *c, __u64 pos, __u32 len, __u64 now)
{
	__u64 window, gap, at;

	if (!paced(c) || pos <= (__u64)etran_bounded(tcp_initcwnd) * c->mss)
		return 0;
	window = max64(c->cwnd, c->nxt - c->una);
	/* Linux's bound: near its threshold slow start is paced as what comes behind it. */
	gap = (__u64)len * c->srtt_us * 125;
	if (c->cwnd < c->ssthresh / 2)
		gap /= 2 * window;
	else
		gap = gap * 5 / (6 * window);
	at = min64(max64(c->pace_ns, now), now + PACE_MOST_NS);
	c->pace_ns = at + gap;
	if (at <= now + PACE_SLACK_NS && now > c->pace_last + PACE_LATE_NS)
		return 0;
	at = max64(at, c->pace_last);
	c->pace_last = at;
	return at;
}

/* Under the lock: when may what belongs behind all that was sent leave, but has no payload? */
static __always_inline __u64 pace_behind(const struct conn *c, __u64 now)
{
	return now > c->pace_last + PACE_LATE_NS ? 0 : c->pace_last;
}

#endif /* _TCP_PACE_H */
