/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sets of positions, as a few disjoint ranges: what is here behind a gap, and what the peer has behind one. The
 * range that changed last comes first, as SACK wants it (RFC 2018, 4). When there is no place the one
 * that changed longest ago is forgotten, which costs a retransmission.
 *
 * Without branches, but for what ends a loop: choices are masks. The verifier follows each way through these loops, and all that
 * comes behind them, for each outcome of each comparison; so the programs that use them took it two to four times as long. A
 * processor does not mind, either. Positions have less than 63 bits, so that a difference tells by its sign which is less.
 */
#ifndef _TCP_RANGES_H
#define _TCP_RANGES_H

/* All ones if @a < @b, else 0. The compiler must not see that, or it makes a branch of what is done with it. */
static __always_inline __u64 mask_below(__u64 a, __u64 b)
{
	__s64 mask = (__s64)(a - b) >> 63;

	barrier_var(mask);
	return mask;
}

/* @mask ? @a : @b, for what mask_below() returned. */
static __always_inline __u64 mask_choose(__u64 mask, __u64 a, __u64 b)
{
	return b ^ ((a ^ b) & mask);
}

static __always_inline bool range_empty(const struct range *r)
{
	return r->start >= r->end;
}

/* Is there anything in the set? Mostly not, and then the loops need not be run. Empty ranges are 0 to 0. */
static __always_inline bool ranges_any(const struct range *r, int n)
{
	__u64 ends = 0;
	int i;

#pragma unroll
	for (i = 0; i < n; i++)
		ends |= r[i].end;
	return ends;
}

/* Under the lock: add [start, end), join what it touches. @n: a constant. */
static __always_inline void ranges_add(struct range *r, int n, __u64 start, __u64 end)
{
	struct range carry, swap;
	__u64 joins, left;
	int i;

#pragma unroll
	for (i = 0; i < n; i++) {
		joins = mask_below(r[i].start, r[i].end) & ~mask_below(end, r[i].start) &
			~mask_below(r[i].end, start);
		start = mask_choose(joins & mask_below(r[i].start, start), r[i].start, start);
		end = mask_choose(joins & mask_below(end, r[i].end), r[i].end, end);
		r[i].end &= ~joins;
		r[i].start &= ~joins;
	}
	carry.start = start;
	carry.end = end;
#pragma unroll
	for (i = 0; i < n; i++) {
		left = mask_below(carry.start, carry.end);
		swap = r[i];
		r[i].start = mask_choose(left, carry.start, swap.start);
		r[i].end = mask_choose(left, carry.end, swap.end);
		carry.start = swap.start & left;
		carry.end = swap.end & left;
	}
}

/* Under the lock: forget what lies in front of @pos. */
static __always_inline void ranges_cut(struct range *r, int n, __u64 pos)
{
	__u64 start, left;
	int i;

	if (!ranges_any(r, n))
		return;
#pragma unroll
	for (i = 0; i < n; i++) {
		start = mask_choose(mask_below(r[i].start, pos), pos, r[i].start);
		left = mask_below(start, r[i].end);
		r[i].start = start & left;
		r[i].end &= left;
	}
}

/* Under the lock: those that are empty come last. */
static __always_inline void ranges_pack(struct range *r, int n)
{
	struct range swap;
	__u64 full;
	int i, k;

#pragma unroll
	for (k = 1; k < n; k++) {
#pragma unroll
		for (i = 0; i < n - k; i++) {
			full = mask_below(r[i].start, r[i].end);
			swap = r[i];
			r[i].start = mask_choose(full, swap.start, r[i + 1].start);
			r[i].end = mask_choose(full, swap.end, r[i + 1].end);
			r[i + 1].start = mask_choose(full, r[i + 1].start, swap.start);
			r[i + 1].end = mask_choose(full, r[i + 1].end, swap.end);
		}
	}
}

/* Under the lock: how much of [from, to) is in the set. */
static __always_inline __u64 ranges_within(const struct range *r, int n, __u64 from, __u64 to)
{
	__u64 sum = 0, a, b;
	int i;

#pragma unroll
	for (i = 0; i < n; i++) {
		a = mask_choose(mask_below(r[i].start, from), from, r[i].start);
		b = mask_choose(mask_below(r[i].end, to), r[i].end, to);
		sum += (b - a) & mask_below(a, b);
	}
	return sum;
}

/* Under the lock: how many ranges begin at @start, which is not 0, or behind it. */
static __always_inline __u64 ranges_behind(const struct range *r, int n, __u64 start)
{
	__u64 sum = 0;
	int i;

	/* Empty ones are at 0. */
#pragma unroll
	for (i = 0; i < n; i++)
		sum += 1 & ~mask_below(r[i].start, start);
	return sum;
}

/* Under the lock: the first position from @pos on that is not in the set. */
static __always_inline __u64 ranges_skip(const struct range *r, int n, __u64 pos)
{
	__u64 to = pos;
	int i;

	/* No two touch, so behind one there is no other. */
#pragma unroll
	for (i = 0; i < n; i++)
		to = mask_choose(~mask_below(pos, r[i].start) & mask_below(pos, r[i].end), r[i].end, to);
	return to;
}

/* Under the lock: where the range that @pos lies in front of begins, at most @most. */
static __always_inline __u64 ranges_next(const struct range *r, int n, __u64 pos, __u64 most)
{
	int i;

	/* Empty ones are at 0. */
#pragma unroll
	for (i = 0; i < n; i++)
		most = mask_choose(mask_below(pos, r[i].start) & mask_below(r[i].start, most), r[i].start, most);
	return most;
}

#endif /* _TCP_RANGES_H */
