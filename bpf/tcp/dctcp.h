/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DCTCP, RFC 8257: the sender's estimate of how much is marked. alpha is in 1/1024, begins at 1, and moves by g =
 * 1/16 of the difference once for each window of data (3.3). What a receiver does is in receive.h.
 */
#ifndef _TCP_DCTCP_H
#define _TCP_DCTCP_H

#define DCTCP_ONE	1024U
#define DCTCP_SHIFT_G	4

static __always_inline void dctcp_begin(struct conn *c)
{
	c->alpha = DCTCP_ONE;
	c->alpha_end = c->nxt;
	c->alpha_acked = 0;
	c->alpha_marked = 0;
}

/* 3.3, steps 1 to 6. @una has moved. */
static __always_inline void dctcp_acked(struct conn *c, __u32 acked, bool marked)
{
	__u32 share;

	c->alpha_acked += acked;
	if (marked)
		c->alpha_marked += acked;
	if (c->una <= c->alpha_end)
		return;
	share = c->alpha_acked ? (__u64)c->alpha_marked * DCTCP_ONE / c->alpha_acked : 0;
	/* Rounded so that it reaches 0, and 1 stays 1. */
	c->alpha = c->alpha - (c->alpha >> DCTCP_SHIFT_G) + (share >> DCTCP_SHIFT_G);
	if (!share && c->alpha < 1 << DCTCP_SHIFT_G)
		c->alpha = 0;
	c->alpha_end = c->nxt;
	c->alpha_acked = 0;
	c->alpha_marked = 0;
}

/* 3.3, step 9: cwnd = cwnd * (1 - alpha / 2) */
static __always_inline __u32 dctcp_reduced(const struct conn *c)
{
	return c->cwnd - ((__u64)c->cwnd * c->alpha / (2 * DCTCP_ONE));
}

#endif /* _TCP_DCTCP_H */
