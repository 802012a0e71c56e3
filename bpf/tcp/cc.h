/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Congestion control, behind a small interface: what happens is told to the functions below, which change cwnd
 * and ssthresh and nothing else of a connection but its cc part. Which control it is, is a switch
 * here and one file each; another one is a file like newreno.h and a case in each function. Rejected: a table of
 * function pointers, which BPF has not.
 *
 * Both controls are the same about loss: slow start and congestion avoidance of RFC 5681 with byte counting (RFC
 * 3465, L = 2), half the flight on loss, one segment on a timeout. They differ about ECN: NewReno takes a
 * mark for a loss (RFC 3168, 6.1.2), DCTCP reduces by the share that was marked (dctcp.h).
 */
#ifndef _TCP_CC_H
#define _TCP_CC_H

#include "newreno.h"
#include "dctcp.h"

/* A window of two segments is the least that fast recovery can work with. */
static __always_inline __u32 cc_least(const struct conn *c)
{
	return 2 * (__u32)c->mss;
}

static __always_inline bool cc_is_dctcp(const struct conn *c)
{
	return c->cc == ETRAN_TCP_CC_DCTCP && c->ecn_ok;
}

/* The handshake is over. RFC 6928 unless tcp_initcwnd says otherwise; RFC 5681, 3.1 after a lost SYN. */
static __always_inline void cc_begin(struct conn *c, bool syn_lost)
{
	c->cwnd = (syn_lost ? 1 : etran_bounded(tcp_initcwnd)) * c->mss;
	c->ssthresh = 0x7fffffff;
	dctcp_begin(c);
}

/* @acked bytes were acknowledged, @marked: with ECE, of @flight that were out. */
static __always_inline void cc_acked(struct conn *c, __u32 acked, bool marked, __u64 flight)
{
	if (cc_is_dctcp(c))
		dctcp_acked(c, acked, marked);
	/* A mark is no reason to send more. */
	if (c->loss == LOSS_RECOVERY || marked)
		return;
	newreno_acked(c, acked, flight);
}

/* Fast recovery begins. RFC 5681, (4). */
static __always_inline void cc_lost(struct conn *c, __u64 flight)
{
	c->ssthresh = max64(flight / 2, cc_least(c));
	c->cwnd = c->ssthresh;
	c->cwnd_acked = 0;
}

/* A timeout, the first of its kind: RFC 5681, 3.1: one segment, and slow start. */
static __always_inline void cc_timeout(struct conn *c, __u64 flight)
{
	if (!c->backoff)
		c->ssthresh = max64(flight / 2, cc_least(c));
	c->cwnd = c->mss;
	c->cwnd_acked = 0;
}

/* ECE came, which did not before within this window: RFC 3168, 6.1.2; RFC 8257, 3.3. */
static __always_inline void cc_ecn(struct conn *c, __u64 flight)
{
	__u32 to;

	if (cc_is_dctcp(c))
		to = dctcp_reduced(c);
	else
		to = flight / 2;
	c->ssthresh = max64(to, cc_least(c));
	c->cwnd = c->ssthresh;
	c->cwnd_acked = 0;
	c->cwr_end = c->nxt;
	c->cwr_due = 1;
}

#endif /* _TCP_CC_H */
