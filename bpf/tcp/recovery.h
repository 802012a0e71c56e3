/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Finding out what was lost, and how much may be sent: RFC 6675 with SACK, RFC 6582 without.
 *
 * Of the scoreboard, three positions say all that RFC 6675's functions need: in front of @lost_edge what is not
 * SACKed is lost (IsLost()); in front of @rtx it was sent again (HighRxt); @sacked is what the peer has. Pipe() is
 * computed from these and no count of segments has to be kept right. A timeout takes the same way: all is
 * lost that was sent, and what the peer said it had is forgotten (RFC 2018, 8). What goes again on suspicion alone says
 * recovery_guess(); which of all this NextSeg() takes is in gen.h.
 */
#ifndef _TCP_RECOVERY_H
#define _TCP_RECOVERY_H

#define DUP_THRESH	3

/* Under the lock: RFC 6675, SetPipe(): bytes that are on their way. */
static __always_inline __u64 pipe_bytes(const struct conn *c)
{
	__u64 lost = c->una, again = c->una, out, dup;

	if (c->loss != LOSS_OPEN) {
		lost = min64(max64(c->lost_edge, c->una), c->nxt);
		/* What was sent again without being lost is there twice. */
		again = min64(max64(c->rtx, c->una), c->nxt);
	}
	out = c->nxt - lost + again - c->una;
	if (c->sack_ok) {
		if (!ranges_any(c->sacked, SACK_RANGES))
			return out;
		return out - ranges_within(c->sacked, SACK_RANGES, lost, c->nxt) -
		       ranges_within(c->sacked, SACK_RANGES, c->una, again);
	}
	/* Each duplicate ACK says that a segment has left the network: RFC 5681, 3.2 (4); RFC 3042. */
	dup = (__u64)c->dup_acks * c->mss;
	return dup < out ? out - dup : 0;
}

/* Under the lock: move @lost_edge on as SACK says: behind it are more than two segments, or three ranges. IsLost(). */
static __always_inline bool recovery_mark(struct conn *c)
{
	__u64 edge = 0, most = (DUP_THRESH - 1) * (__u64)c->mss, start, lost;
	int i;

	if (!c->sack_ok || !ranges_any(c->sacked, SACK_RANGES))
		return false;
#pragma unroll
	for (i = 0; i < SACK_RANGES; i++) {
		start = c->sacked[i].start;
		lost = mask_below(most, ranges_within(c->sacked, SACK_RANGES, start, c->nxt)) |
		       mask_below(DUP_THRESH - 1, ranges_behind(c->sacked, SACK_RANGES, start));
		edge = mask_choose(lost & mask_below(edge, start), start, edge);
	}
	if (edge <= c->una)
		return false;
	if (c->loss != LOSS_OPEN)
		c->lost_edge = max64(c->lost_edge, edge);
	else
		c->lost_edge = edge;
	return true;
}

/* Under the lock: RFC 6675, 5 (4); RFC 6582, 3.2 (2). */
static __always_inline void recovery_begin(struct conn *c, struct after *a)
{
	__u64 flight = c->nxt - c->una;

	c->loss = LOSS_RECOVERY;
	c->recover = c->nxt;
	c->rtx = c->una;
	c->rescue = 0;
	if (!c->sack_ok || c->lost_edge <= c->una)
		c->lost_edge = c->una + 1;
	c->rtt_at = 0;
	tail_stop(c);
	cc_lost(c, flight);
}

/*
 * Under the lock: what goes again though nothing says that it is lost? RFC 6675, 4, NextSeg() (3): what lies in front of
 * something that is there; (4): once, if the segment that recovery began with is there, the last one of the flight, behind which
 * nothing can tell of its loss. 0: nothing, or something is known to be lost and comes first.
 */
static __always_inline __u64 recovery_guess(const struct conn *c, bool *rescue)
{
	__u64 pos, last = 0, start = 0;
	int i;

	pos = ranges_skip(c->sacked, SACK_RANGES, max64(c->rtx, c->una));
	if (pos < c->lost_edge)
		return 0;
#pragma unroll
	for (i = 0; i < SACK_RANGES; i++) {
		if (c->sacked[i].end <= last)
			continue;
		last = c->sacked[i].end;
		start = c->sacked[i].start;
	}
	if (pos < last)
		return pos;
	*rescue = true;
	if (!c->rescue || c->una <= c->rescue)
		return 0;
	pos = last == c->nxt ? start : c->nxt;
	return pos > c->una ? pos - 1 : 0;
}

/* Under the lock: all that was sent goes again. */
static __always_inline void recovery_all(struct conn *c)
{
	c->loss = LOSS_TIMEOUT;
	c->recover = c->nxt;
	c->lost_edge = c->nxt;
	c->rtx = c->una;
	c->rtx_cursor = 0;
	c->dup_acks = 0;
	c->rtt_at = 0;
	tail_stop(c);
}

/* Under the lock: RFC 5681, 3.1; RFC 6298, (5.4) */
static __always_inline void recovery_timeout(struct conn *c)
{
	cc_timeout(c, c->nxt - c->una);
	recovery_all(c);
	ranges_cut(c->sacked, SACK_RANGES, c->nxt);
}

/* Under the lock: @una has moved on by @acked bytes. */
static __always_inline void recovery_acked(struct conn *c, __u64 acked)
{
	__u64 segments = c->mss ? acked / c->mss : 0;

	ranges_cut(c->sacked, SACK_RANGES, c->una);
	if (c->loss == LOSS_OPEN) {
		c->dup_acks = 0;
		return;
	}
	if (c->una >= c->recover) {
		c->dup_acks = 0;
		if (c->loss == LOSS_RECOVERY)
			c->cwnd = min64(c->ssthresh, max64(c->nxt - c->una, c->mss) + c->mss);
		c->loss = LOSS_OPEN;
		return;
	}
	c->rtx = max64(c->rtx, c->una);
	if (c->loss == LOSS_RECOVERY && !c->sack_ok) {
		/* A partial ACK: the next segment is lost, too. RFC 6582, 3.2 (3) */
		c->lost_edge = c->una + 1;
		c->rtx = c->una;
		c->dup_acks = c->dup_acks > segments ? c->dup_acks - segments : 0;
	}
}

/*
 * Under the lock: blocks of a segment. RFC 2018, 5. DSACK (RFC 2883) tells only tail.h something.
 *
 * RFC 6675, 2: what makes a duplicate ACK is a block with news. The first block has what came last (RFC 2018, 4), as has
 * our first range: news differ from it. A receiver that does DCTCP repeats itself whenever marking begins or ends (RFC 8257,
 * 3.2), which must not be taken for loss. (Rejected: how much is in the set, before and after. That trebles what the
 * verifier has to look at.)
 */
static __always_inline void recovery_sack(struct conn *c, const struct segment *s)
{
	__s64 start, end;
	int i;

	if (!c->sack_ok || !s->sacks)
		return;
	start = pos_of(s->sack[0].start, c->iss, c->una);
	end = pos_of(s->sack[0].end, c->iss, c->una);
	if (start > (__s64)c->una && end > start && end <= (__s64)c->nxt &&
	    ((start ^ c->sacked[0].start) | (end ^ c->sacked[0].end)) && c->dup_acks < 255)
		c->dup_acks++;
#pragma unroll
	for (i = OPTION_SACKS - 1; i >= 0; i--) {
		if (i >= s->sacks)
			continue;
		start = pos_of(s->sack[i].start, c->iss, c->una);
		end = pos_of(s->sack[i].end, c->iss, c->una);
		if (start <= (__s64)c->una || end <= start || end > (__s64)c->nxt)
			continue;
		ranges_add(c->sacked, SACK_RANGES, start, end);
	}
}

/*
 * A segment of a connection of which a tail loss probe is out: what does its ACK say of that? RFC 8985, 7.4.2. The block that
 * came last is the first one (RFC 2018, 4): if it is the probe's, and something in front of it is not acknowledged, that
 * is lost. Rare, and so not in the common way, which would be twice as long for the verifier.
 */
__noinline int segment_tail(struct segment *s, struct after *a)
{
	__s64 ack, edge;
	struct conn *c;
	bool probe;

	if (!s || !a)
		return 0;
	c = conn_at(s->slot);
	if (!c)
		return 0;
	bpf_spin_lock(&c->lock);
	if (c->generation != a->generation || !conn_sends(c) || !c->tail_end) {
		bpf_spin_unlock(&c->lock);
		return 0;
	}
	ack = pos_of(s->ack, c->iss, c->una);
	probe = s->sacks && s->sack[0].end == snd_seq(c, c->tail_end);
	if (ack < (__s64)c->tail_end) {
		edge = pos_of(s->sack[0].start, c->iss, c->una);
		if (probe && c->loss == LOSS_OPEN && edge > (__s64)c->una && edge < (__s64)c->nxt) {
			c->lost_edge = edge;
			recovery_begin(c, a);
			count_later(a, AFTER_RECOVERY);
			work_add(c, a, PENDING_DATA);
		}
	} else if (!c->tail_again || probe || (s->duplicate && !s->sacks)) {
		/* It was new, or both copies of it came. */
		c->tail_end = 0;
	} else if (ack > (__s64)c->tail_end) {
		/* It repaired a loss. */
		c->tail_end = 0;
		cc_lost(c, s->flight);
	}
	bpf_spin_unlock(&c->lock);
	return 0;
}

#endif /* _TCP_RECOVERY_H */
