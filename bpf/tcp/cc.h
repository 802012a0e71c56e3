/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Congestion control, behind a small interface: what happens is told to the functions below, which change cwnd
 * and ssthresh and nothing else of a connection but its cc part. Which control it is, is a switch
 * here and one file each. Another one is added so: a number ETRAN_TCP_CC_* (uapi/etran/tcp.h), a file like cubic.h with
 * what it does about acknowledged bytes and about congestion, what it has to remember in struct conn (cleared in
 * cc_chosen()), and a case in cc_acked(), cc_share() and show_cc(). Rejected: a table of function pointers,
 * which BPF has not.
 *
 * All controls are the same about slow start (RFC 5681 with byte counting, RFC 3465, L = 2), and about timeouts: one
 * segment. In congestion avoidance and on loss NewReno and DCTCP are RFC 5681's, CUBIC is not (cubic.h). They differ about
 * ECN: NewReno and CUBIC take a mark for a loss (RFC 3168, 6.1.2), DCTCP reduces by the share that was marked (dctcp.h).
 */
#ifndef _TCP_CC_H
#define _TCP_CC_H

#include "newreno.h"
#include "dctcp.h"
#include "cubic.h"

/* A window of two segments is the least that fast recovery can work with. */
static __always_inline __u32 cc_least(const struct conn *c)
{
	return 2 * (__u32)c->mss;
}

static __always_inline bool cc_is_dctcp(const struct conn *c)
{
	return c->cc == ETRAN_TCP_CC_DCTCP && c->ecn_ok;
}

/* It has the control of c->cc from here on. */
static __always_inline void cc_chosen(struct conn *c)
{
	c->cwnd_acked = 0;
	dctcp_begin(c);
	cubic_begin(c);
}

/* The handshake is over. RFC 6928 unless tcp_initcwnd says otherwise; RFC 5681, 3.1 after a lost SYN. */
static __always_inline void cc_begin(struct conn *c, bool syn_lost)
{
	c->cwnd = (syn_lost ? 1 : etran_bounded(tcp_initcwnd)) * c->mss;
	c->ssthresh = 0x7fffffff;
	cc_chosen(c);
}

/* @acked bytes were acknowledged, @marked: with ECE, of @flight that were out. */
static __always_inline void cc_acked(struct conn *c, struct segment *s, __u32 acked, bool marked,
				     __u64 flight)
{
	if (cc_is_dctcp(c))
		dctcp_acked(c, acked, marked);
	/* A mark is no reason to send more. */
	if (c->loss == LOSS_RECOVERY || marked || c->cwnd >= 0x3fffffff)
		return;
	if (c->cwnd < c->ssthresh)
		slow_start(c, acked, flight);
	else if (c->cc == ETRAN_TCP_CC_CUBIC)
		cubic_acked(c, s, acked, flight);
	else
		newreno_acked(c, acked, flight);
}

/* Where congestion leaves the window: ssthresh. RFC 5681, (4) for all others. */
static __always_inline __u32 cc_share(struct conn *c, __u64 flight)
{
	__u64 to;

	if (c->cc == ETRAN_TCP_CC_CUBIC)
		to = cubic_reduced(c, flight);
	else
		to = flight / 2;
	return max64(to, cc_least(c));
}

/* Fast recovery begins. */
static __always_inline void cc_lost(struct conn *c, __u64 flight)
{
	c->ssthresh = cc_share(c, flight);
	c->cwnd = c->ssthresh;
	c->cwnd_acked = 0;
}

/* A timeout; the first of its kind changes ssthresh: RFC 5681, 3.1: one segment, and slow start. */
static __always_inline void cc_timeout(struct conn *c, __u64 flight)
{
	if (!c->backoff)
		c->ssthresh = cc_share(c, flight);
	/* RFC 9438, 4.8 */
	cubic_begin(c);
	c->cwnd = c->mss;
	c->cwnd_acked = 0;
}

/* ECE came, which did not before within this window: RFC 3168, 6.1.2; RFC 8257, 3.3. */
static __always_inline void cc_ecn(struct conn *c, __u64 flight)
{
	if (cc_is_dctcp(c))
		c->ssthresh = max64(dctcp_reduced(c), cc_least(c));
	else
		c->ssthresh = cc_share(c, flight);
	c->cwnd = c->ssthresh;
	c->cwnd_acked = 0;
	c->cwr_end = c->nxt;
	c->cwr_due = 1;
}

#endif /* _TCP_CC_H */
