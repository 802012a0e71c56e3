/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Header prediction (Van Jacobson; RFC 7323, appendix E): nearly every segment is the one that was to be expected next, and
 * for that one most of RFC 9293, 3.10.7 has nothing to say. It is recognised with few comparisons, and handled under one
 * lock; input.h would come to the same results. Whatever is not that goes there, from the beginning.
 *
 * Payload is delivered before the lock is taken, as nothing can be called under it: predict_look() compares without the lock, and
 * predict_take() once more with it. Where something has happened in between, on another CPU, the segment is looked at as any other, and
 * its payload may be handed over once more, as it may when two CPUs receive it twice; the application has its position.
 * (Rejected: to count it as received first. When there is no buffer for it, it may have been acknowledged already.)
 */
#ifndef _TCP_PREDICT_H
#define _TCP_PREDICT_H

/* What it acknowledges that was not acknowledged; more than was sent, if that is not possible. */
static __always_inline __u32 predict_acked(const struct conn *c, const struct segment *s)
{
	return s->ack - snd_seq(c, c->una);
}

/* Is this the segment that was to be expected? */
static __always_inline bool predicted(const struct conn *c, const struct segment *s)
{
	return c->state == CONN_ESTABLISHED && c->loss == LOSS_OPEN && !c->detached &&
	       s->seq == rcv_seq(c, c->rcv_nxt) && predict_acked(c, s) <= c->nxt - c->una &&
	       c->rcv_nxt + s->len <= c->rcv_adv && c->ts_ok == s->has_ts &&
	       (!s->has_ts || (__s32)(s->tsval - c->ts_recent) >= 0) &&
	       !(c->ooo[0].end | c->tail_end | c->dsack_end | c->rcv_fin) &&
	       !ranges_any(c->sacked, SACK_RANGES) &&
	       (!c->ecn_ok || s->ce == (cc_is_dctcp(c) ? c->ce : 0));
}

/*
 * Without lock: of which connection is this, and is it predicted? Sets @s->slot and @s->pos, and @a's connection. @sum: of
 * @s->key.
 */
__noinline int predict_look(struct segment *s, struct after *a, __u32 sum)
{
	const struct conn_bucket *bucket = bucket_at(sum);
	struct conn *c = NULL;
	int i;

	if (!s || !a || !bucket)
		return 0;
	for (i = 0; i < BUCKET_ROOM; i++) {
		if (bucket->sum[i] == sum && bucket->slot[i]) {
			s->slot = bucket->slot[i];
			c = conn_at(s->slot);
			break;
		}
	}
	if (!c)
		return 0;
	/* Before the key, which changes with it. */
	a->generation = c->generation;
	barrier();
	if (!key_same(&c->key, &s->key) || !predicted(c, s))
		return 0;
	/* An ACK that says nothing new may say that something was lost. */
	if (!s->len && !predict_acked(c, s))
		return 0;
	s->pos = c->rcv_nxt;
	a->slot = s->slot;
	return 1;
}

/* Under the lock: @acked bytes more are acknowledged. What ack_take() does when nothing was lost. */
static __always_inline void predict_ack(struct conn *c, struct after *a, struct segment *s, __u32 acked)
{
	__u64 flight = c->nxt - c->una;

	c->una += acked;
	c->heard_ns = s->now;
	c->backoff = 0;
	c->dup_acks = 0;
	if (c->rtt_at && c->una >= c->rtt_at) {
		rtt_measured(c, s->now - c->rtt_ns);
		c->rtt_at = 0;
	}
	cc_acked(c, s, acked, false, flight);
	c->rto_at = c->una < c->nxt ? s->now + rto_ns(c) : 0;
	tail_start(c, s->now);
	if (c->una == c->queued && !c->releasing) {
		/* All that there is: nothing has to be found out, or put back. */
		a->acked = c->out_head;
		a->acked_upto = c->una;
		c->out_head = 0;
		c->out_tail = 0;
	} else {
		a->release = 1;
	}
	stream_note(c, a, ETRAN_STREAM_ROOM);
}

/* Under the lock: @s->len bytes, which were delivered, are what comes next. What receive.h does with them. */
static __always_inline void predict_data(struct conn *c, struct after *a, const struct segment *s)
{
	c->rcv_nxt += s->len;
	if (c->unacked < 255)
		c->unacked++;
	/* The timer is set by predict_take(). */
	if (c->unacked >= 2 || c->ack_now)
		ack_want(c, a, true, s->now);
	else if (!c->ack_at)
		c->ack_at = s->now + us_ns(etran_bounded(tcp_delack_us));
	stream_note(c, a, 0);
}

/* What a segment brings that predict_look() has recognised and whose payload was delivered. Return: 0: it is not that any more. */
__noinline int predict_take(struct segment *s, struct after *a)
{
	__u64 edge;
	__u32 acked;
	struct conn *c;

	if (!s || !a)
		return 0;
	c = conn_at(s->slot);
	if (!c)
		return 0;
	bpf_spin_lock(&c->lock);
	if (c->generation != a->generation || c->rcv_nxt != s->pos || !predicted(c, s)) {
		bpf_spin_unlock(&c->lock);
		return 0;
	}
	keepalive_heard(c, s->now);
	if (s->has_ts && c->rcv_nxt <= c->rcv_acked + !c->rcv_acked) {
		c->ts_recent = s->tsval;
		c->ts_recent_ns = s->now;
	}
	edge = c->edge;
	acked = predict_acked(c, s);
	if (acked)
		predict_ack(c, a, s, acked);
	else if (c->una == c->nxt && c->nxt < c->queued)
		c->heard_ns = s->now;
	ack_window(c, s, s->pos, c->una);
	if (c->edge > edge && c->una == c->nxt)
		c->rto_at = 0;
	if (out_waits(c) || (c->rto_at == 0 && c->una < c->nxt))
		work_add(c, a, PENDING_DATA);
	if (s->len)
		predict_data(c, a, s);
	conn_due(c, a, s->now);
	bpf_spin_unlock(&c->lock);
	return 1;
}

#endif /* _TCP_PREDICT_H */
