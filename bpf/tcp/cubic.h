/* SPDX-License-Identifier: GPL-2.0 */
/*
 * CUBIC, RFC 9438: the window grows with the time since the last congestion, along a cubic curve through where that was, and
 * never slower than Reno would. Slow start is everybody's, without HyStart++.
 *
 * An epoch may begin anew at any time: while the window is below its old maximum, the curve from there is the same one. That
 * is done when the window was not used (4.2), in place of taking such times out of the clock.
 */
#ifndef _TCP_CUBIC_H
#define _TCP_CUBIC_H

/* A longer epoch grows no faster; and the third power still fits. */
#define CUBIC_MOST_MS	100000ULL

/* The greatest x below 2^20 with x^3 <= v. Without branches, of whose paths the verifier would look at each. */
static __always_inline __u32 cubic_root(__u64 v)
{
	__u64 x = 0, try;
	int bit;

#pragma unroll
	for (bit = 19; bit >= 0; bit--) {
		try = x | 1ULL << bit;
		/* All ones when it is too much. */
		x |= (1ULL << bit) & ~(__u64)((__s64)(v - try * try * try) >> 63);
	}
	return x;
}

static __always_inline void cubic_begin(struct conn *c)
{
	c->cubic_w_max = 0;
	c->cubic_epoch_ns = 0;
}

/* Where the curve is @ms behind the epoch's beginning, bytes. 4.2: C = 0.4, in segments and seconds. */
static __always_inline __u64 cubic_at(const struct conn *c, __u64 ms)
{
	__s64 d = ms - c->cubic_k_ms, sign = d >> 63, to;
	__u64 by;

	by = min64((d ^ sign) - sign, CUBIC_MOST_MS);
	by = by * by * by / 10000 * c->mss / 250000;
	to = c->cubic_w_max + ((by ^ sign) - sign);
	return to > 0 ? to : 0;
}

/* Congestion avoidance: @acked bytes. What is to be computed is in a program of its own: segment_cubic(). */
static __always_inline void cubic_acked(struct conn *c, struct segment *s, __u32 acked, __u64 flight)
{
	if (window_used(c, flight))
		s->cubic = acked;
	else
		c->cubic_epoch_ns = 0;
}

/* The rest of that: 4.2 to 4.5 */
__noinline int segment_cubic(struct segment *s, struct after *a)
{
	__u64 target, ms, most, grow;
	struct conn *c;

	if (!s || !a)
		return 0;
	c = conn_at(s->slot);
	if (!c)
		return 0;
	bpf_spin_lock(&c->lock);
	if (c->generation != a->generation || !c->cwnd || !c->mss) {
		bpf_spin_unlock(&c->lock);
		return 0;
	}
	if (!c->cubic_epoch_ns) {
		c->cubic_epoch_ns = s->now;
		c->cubic_w_est = c->cwnd;
		c->cubic_k_ms = 0;
		c->cwnd_acked = 0;
		if (c->cubic_w_max > c->cwnd)
			/* (W_max - cwnd) / C, in segments and ms^3 */
			c->cubic_k_ms = cubic_root((__u64)(c->cubic_w_max - c->cwnd) * 250000 / c->mss *
						   10000);
		else
			c->cubic_w_max = c->cwnd;
	}
	/* 4.3: 3 (1 - 0.7) / (1 + 0.7) of a segment each round trip, then a whole one. */
	grow = (__u64)s->cubic * c->mss / c->cwnd;
	if (c->cubic_w_est < c->cubic_prior)
		grow = grow * 9 / 17;
	if (c->cubic_w_est < 0x3fffffff)
		c->cubic_w_est += grow;
	ms = min64((s->now - c->cubic_epoch_ns) / 1000000 + (c->srtt_us >> 3) / 1000, 2 * CUBIC_MOST_MS);
	most = c->cwnd + c->cwnd / 2;
	target = min64(max64(cubic_at(c, ms), c->cwnd), most);
	c->cwnd_acked = min64(c->cwnd_acked + s->cubic, c->cwnd);
	grow = (target - c->cwnd) * c->cwnd_acked / c->cwnd;
	if (grow) {
		c->cwnd += grow;
		c->cwnd_acked = 0;
	}
	if (c->cwnd < c->cubic_w_est)
		c->cwnd = c->cubic_w_est;
	bpf_spin_unlock(&c->lock);
	return 0;
}

/* Congestion: what ssthresh becomes. 4.6, 4.7; beta is 0.7. */
static __always_inline __u32 cubic_reduced(struct conn *c, __u64 flight)
{
	c->cubic_epoch_ns = 0;
	c->cubic_prior = c->cwnd;
	c->cubic_w_max = c->cwnd < c->cubic_w_max ? (__u64)c->cwnd * 17 / 20 : c->cwnd;
	return min64(flight, c->cwnd) * 7 / 10;
}

#endif /* _TCP_CUBIC_H */
