/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sets of positions, as a few disjoint ranges: what is here behind a gap, and what the peer has behind one. The
 * range that changed last comes first, as SACK wants it (RFC 2018, 4). When there is no place the one
 * that changed longest ago is forgotten, which costs a retransmission.
 */
#ifndef _TCP_RANGES_H
#define _TCP_RANGES_H

static __always_inline bool range_empty(const struct range *r)
{
	return r->start >= r->end;
}

/* Under the lock: add [start, end), join what it touches. @n: a constant. */
static __always_inline void ranges_add(struct range *r, int n, __u64 start, __u64 end)
{
	struct range carry, swap;
	int i;

#pragma unroll
	for (i = 0; i < n; i++) {
		if (range_empty(&r[i]) || r[i].start > end || start > r[i].end)
			continue;
		start = min64(start, r[i].start);
		end = max64(end, r[i].end);
		r[i].end = 0;
		r[i].start = 0;
	}
	carry.start = start;
	carry.end = end;
#pragma unroll
	for (i = 0; i < n; i++) {
		if (range_empty(&carry))
			break;
		swap = r[i];
		r[i] = carry;
		carry = swap;
	}
}

/* Under the lock: forget what lies in front of @pos. */
static __always_inline void ranges_cut(struct range *r, int n, __u64 pos)
{
	int i;

#pragma unroll
	for (i = 0; i < n; i++) {
		if (r[i].start < pos)
			r[i].start = pos;
		if (range_empty(&r[i])) {
			r[i].start = 0;
			r[i].end = 0;
		}
	}
}

/* Under the lock: those that are empty come last. */
static __always_inline void ranges_pack(struct range *r, int n)
{
	struct range swap;
	int i, k;

#pragma unroll
	for (k = 1; k < n; k++) {
#pragma unroll
		for (i = 0; i < n - k; i++) {
			if (!range_empty(&r[i]))
				continue;
			swap = r[i];
			r[i] = r[i + 1];
			r[i + 1] = swap;
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
		a = max64(r[i].start, from);
		b = min64(r[i].end, to);
		if (a < b)
			sum += b - a;
	}
	return sum;
}

/* Under the lock: the first position from @pos on that is not in the set. */
static __always_inline __u64 ranges_skip(const struct range *r, int n, __u64 pos)
{
	int i;

	/* No two touch, so behind one there is no other. */
#pragma unroll
	for (i = 0; i < n; i++)
		if (r[i].start <= pos && pos < r[i].end)
			return r[i].end;
	return pos;
}

/* Under the lock: where the range that @pos lies in front of begins, at most @most. */
static __always_inline __u64 ranges_next(const struct range *r, int n, __u64 pos, __u64 most)
{
	int i;

#pragma unroll
	for (i = 0; i < n; i++)
		if (!range_empty(&r[i]) && r[i].start > pos && r[i].start < most)
			most = r[i].start;
	return most;
}

#endif /* _TCP_RANGES_H */
