/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Program gen: every segment that egress does not send itself, one for each call: those without connection first, then one
 * of the connection that waits longest: SYN, a probe, data as the windows allow, an ACK if none of these had it. Of data that
 * fills segments several may leave: the first call decides about all, the others find it done (struct train).
 *
 * A frame is a segment, or several that are short are one. One that the peer's window has not all of its bytes for waits
 * (sender's silly window avoidance, RFC 9293, 3.8.6.2.1, has it so), but no longer than the probing timer: then of it is sent what the window allows
 * (3.8.6.1). Of one that is longer than what the path takes, as frames can be that were cut before that was known, the parts
 * are sent, each a segment: when some of it is lost, its parts are counted from where the frame begins.
 */
#ifndef _TCP_GEN_H
#define _TCP_GEN_H

/* Frames looked at in one search; it goes on in the next call. */
#define FIND_STEPS	256
/* Frames in one segment. */
#define JOIN_MOST	64

static __noinline __u32 gen_control(struct etran_pkt *pkt, struct etran_hdr *hdr,
				    struct scratch *scratch)
{
	struct control *c = &scratch->control;
	struct out *o = &scratch->out;

	if (queue_pop(controls, c))
		return ETRAN_DROP;
	o->key = c->key;
	o->seq = c->seq;
	o->ack = c->ack;
	o->flags = c->flags;
	o->ts_ok = c->ts_ok;
	o->tsval = c->tsval;
	o->tsecr = c->tsecr;
	o->window = c->window;
	o->departure_ns = 0;
	o->ect = 0;
	o->sacks = 0;
	if (c->flags & TCP_SYN) {
		o->mss = c->mss;
		o->sack_ok = c->sack_ok;
		o->wscale = c->wscale;
		count(COUNTER_tx_cookie);
		put_syn(pkt, hdr, o);
		return ETRAN_TX;
	}
	count(c->flags & TCP_RST ? COUNTER_tx_rst : COUNTER_tx_ack);
	put_bare(pkt, hdr, o);
	return ETRAN_TX;
}

/* Under the lock: SYN, or SYN and ACK. */
static __always_inline void step_syn(struct conn *c, struct step *step, struct out *o, __u64 now)
{
	bool answer = c->state == CONN_SYN_RCVD;

	step->what = STEP_SYN;
	step->count = answer ? COUNTER_tx_synack : COUNTER_tx_syn;
	o->key = c->key;
	o->seq = c->iss;
	o->flags = answer ? TCP_SYN | TCP_ACK : TCP_SYN;
	o->ack = rcv_seq(c, c->rcv_nxt);
	o->window = min64(c->rcvbuf, 0xffff);
	o->mss = c->rcv_mss;
	o->ts_ok = answer ? c->ts_ok : tcp_timestamps;
	o->sack_ok = answer ? c->sack_ok : tcp_sack;
	o->wscale = (answer ? c->ws_ok : tcp_window_scaling) ? c->rcv_wscale : 0xff;
	o->tsval = ts_now(c, now);
	o->tsecr = c->ts_recent;
	o->departure_ns = 0;
	o->ect = 0;
	o->sacks = 0;
	/* RFC 3168, 6.1.1 and 6.1.1.1: not in a repetition, which may be one because of it. */
	if (answer && c->ecn_ok)
		o->flags |= TCP_ECE;
	else if (!answer && tcp_ecn && !c->backoff)
		o->flags |= TCP_ECE | TCP_CWR;
	if (answer)
		ack_told(c);
}

/* Under the lock: a segment without payload. */
static __always_inline void step_bare(struct conn *c, struct step *step, struct out *o, __u64 pos,
				      __u8 flags, __u32 counter, __u64 now)
{
	int i;

	step->what = STEP_BARE;
	step->count = counter;
	out_of_conn(c, o, pos, flags, now);
	o->ect = 0;
	o->sacks = 0;
	if (!c->sack_ok)
		return;
	if (c->dsack_end) {
		/* The last range gives way to it. */
		o->sack[0].start = rcv_seq(c, c->dsack_start);
		o->sack[0].end = rcv_seq(c, c->dsack_end);
		c->dsack_end = 0;
		o->sacks = 1;
		step->dsack = 1;
#pragma unroll
		for (i = 0; i < RCV_RANGES - 1; i++) {
			if (range_empty(&c->ooo[i]))
				break;
			o->sack[i + 1].start = rcv_seq(c, c->ooo[i].start);
			o->sack[i + 1].end = rcv_seq(c, c->ooo[i].end);
			o->sacks = i + 2;
		}
		return;
	}
#pragma unroll
	for (i = 0; i < RCV_RANGES; i++) {
		if (range_empty(&c->ooo[i]))
			break;
		o->sack[i].start = rcv_seq(c, c->ooo[i].start);
		o->sack[i].end = rcv_seq(c, c->ooo[i].end);
		o->sacks = i + 1;
	}
}

/* Under the lock: FIN, for the first time or again. */
static __always_inline void step_fin(struct conn *c, struct after *a, struct step *step, struct out *o,
				     __u64 now)
{
	if (c->una == c->nxt)
		c->heard_ns = now;
	if (c->nxt > c->queued) {
		step->again = 1;
		c->retransmits++;
		if (step->rescue)
			c->rescue = c->recover;
		else if (!step->tail)
			c->rtx = max64(c->rtx, c->nxt);
	}
	c->nxt = c->queued + 1;
	step_bare(c, step, o, c->queued, TCP_FIN, COUNTER_tx_fin, now);
	o->departure_ns = pace_behind(c, now);
	rto_start(c, a, now);
}

/* Under the lock: @pos goes again. */
static __always_inline void step_again(struct conn *c, struct after *a, struct step *step, struct out *o,
				       __u64 pos, __u64 now)
{
	if (c->fin && pos == c->queued) {
		step_fin(c, a, step, o, now);
		return;
	}
	step->what = STEP_AGAIN;
	step->end = c->nxt;
	step->pos = pos;
	step->from = c->rtx_cursor;
}

/* Under the lock: which data? RFC 6675, 4, NextSeg() (1), (2) */
static __always_inline void step_data(struct conn *c, struct after *a, struct step *step, struct out *o,
				      __u64 now)
{
	__u64 pipe = pipe_bytes(c), pos, len;

	step->first = c->out_head;
	if (c->loss != LOSS_OPEN) {
		pos = ranges_skip(c->sacked, SACK_RANGES, max64(c->rtx, c->una));
		if (pos < c->lost_edge && pos < c->nxt) {
			/* The first one goes whatever there is in the network: RFC 6675, 5 (4.3). */
			if (pipe && pipe + c->mss > c->cwnd && c->rtx != c->una)
				return;
			step_again(c, a, step, o, pos, now);
			return;
		}
	}
	if (c->nxt < c->queued) {
		len = min64(c->queued - c->nxt, c->mss);
		if (pipe && pipe + len > c->cwnd)
			return;
		if (nagle_waits(c, len, c->waits)) {
			wait_start(c, a, now);
			return;
		}
		step->what = STEP_NEW;
		step->join = c->edge > c->nxt ? min64(len, c->edge - c->nxt) : 0;
		step->pos = c->nxt;
		step->from = c->out_last;
	} else if (c->fin && c->nxt == c->queued) {
		step_fin(c, a, step, o, now);
	}
}

/* Under the lock: a tail loss probe: something new, if the window allows, else what was sent last. RFC 8985, 7.3 */
static __always_inline void step_tail(struct conn *c, struct after *a, struct step *step, struct out *o,
				      __u64 now)
{
	step->first = c->out_head;
	step->from = c->out_last;
	step->tail = 1;
	c->rto_at = 0;
	if (c->nxt < c->queued && c->nxt + min64(c->queued - c->nxt, c->mss) <= c->edge) {
		step->what = STEP_NEW;
		step->pos = c->nxt;
	} else if (c->nxt > c->queued) {
		step_fin(c, a, step, o, now);
	} else {
		step->what = STEP_AGAIN;
		step->end = c->nxt;
		step->pos = c->nxt - 1;
	}
}

/* Under the lock: what is to be sent of all that is pending? */
static __always_inline void step_choose(struct conn *c, struct after *a, struct step *step, struct out *o,
					__u32 room, __u64 now)
{
	__u64 adv = c->rcv_adv;

	if (!conn_lives(c)) {
		c->pending = 0;
		return;
	}
	if (c->pending & PENDING_SYN) {
		c->pending &= ~PENDING_SYN;
		if (c->state == CONN_SYN_SENT || c->state == CONN_SYN_RCVD) {
			step_syn(c, step, o, now);
			return;
		}
	}
	if (!conn_synchronized(c)) {
		c->pending = 0;
		return;
	}
	if (room)
		window_tell(c, room);
	step->most = c->mss;
	if (c->pending & PENDING_KEEPALIVE) {
		c->pending &= ~PENDING_KEEPALIVE;
		if (c->una == c->nxt) {
			step_bare(c, step, o, c->una - 1, 0, COUNTER_tx_keepalive, now);
			return;
		}
	}
	if (c->pending & PENDING_TAIL) {
		c->pending &= ~PENDING_TAIL;
		if (c->tail_end && c->una < c->nxt && c->loss == LOSS_OPEN && conn_sends(c)) {
			step_tail(c, a, step, o, now);
			return;
		}
	}
	if (c->pending & PENDING_PROBE) {
		c->pending &= ~PENDING_PROBE;
		if (conn_sends(c) && c->una == c->nxt && c->nxt < c->queued) {
			if (c->edge <= c->nxt) {
				step_bare(c, step, o, c->una - 1, 0, COUNTER_tx_probe, now);
				return;
			}
			step->what = STEP_NEW;
			step->most = min64(step->most, c->edge - c->nxt);
			step->join = min64(step->most, c->queued - c->nxt);
			step->pos = c->nxt;
			step->from = c->out_last;
			step->first = c->out_head;
			return;
		}
	}
	if (c->pending & PENDING_DATA) {
		if (c->train_ns > now && c->train_cpu != step->cpu)
			step->what = STEP_LATER;
		else if (conn_sends(c))
			step_data(c, a, step, o, now);
		if (step->what != STEP_NONE)
			return;
		c->pending &= ~PENDING_DATA;
	}
	if (c->pending & PENDING_ACK) {
		c->pending &= ~PENDING_ACK;
		if (c->ack_now || c->rcv_acked != c->rcv_nxt || c->rcv_adv != adv)
			step_bare(c, step, o, c->nxt, 0, COUNTER_tx_ack, now);
	}
}

/* The kept frame that has position step->pos, and its cookie; 0: not found in as many steps as one call may take. */
static __noinline __u64 frame_find(struct step *step)
{
	__u64 handle = step->from, cookie = 0;
	int i;

	if (handle)
		cookie = bpf_etran_cookie(handle);
	if (!cookie || cookie_pos(cookie) > step->pos) {
		handle = step->first;
		cookie = handle ? bpf_etran_cookie(handle) : 0;
	}
	bpf_for(i, 0, FIND_STEPS) {
		if (!cookie)
			return 0;
		if (cookie_end(cookie) > step->pos) {
			step->cookie = cookie;
			return handle;
		}
		handle = bpf_etran_next(handle);
		cookie = handle ? bpf_etran_cookie(handle) : 0;
	}
	/* Go on from here. */
	step->from = handle;
	step->first = 0;
	return 0;
}

/* Under the lock: a frame of @len bytes at @pos is sent for the first time. */
static __always_inline void sent_new(struct conn *c, struct after *a, struct out *o, __u64 handle,
				     __u64 pos, __u64 end, __u64 now)
{
	__u8 flags = end == c->queued ? TCP_PSH : 0;

	if (c->una == c->nxt) {
		c->heard_ns = now;
		/* What it was waiting for. */
		c->rto_at = 0;
	}
	c->nxt = end;
	c->out_last = handle;
	nagle_sent(c, end, end - pos);
	if (!c->rtt_at && c->loss == LOSS_OPEN) {
		c->rtt_at = end;
		c->rtt_ns = now;
	}
	o->ect = 0;
	if (c->ecn_ok) {
		o->ect = ECN_ECT0;
		if (c->cwr_due)
			flags |= TCP_CWR;
		c->cwr_due = 0;
	}
	out_fill(c, o, pos, flags, now);
	o->departure_ns = pace_take(c, pos, end - pos, now);
	/* An ACK does not wait with data for its time. */
	if (!o->departure_ns)
		ack_told(c);
	else if (c->rtt_at == end)
		c->rtt_ns = max64(now, o->departure_ns);
	rto_start(c, a, now);
	tail_start(c, now);
	if (c->tail_at && (!c->armed_ns || c->armed_ns > c->tail_at))
		conn_due(c, a, now);
}

/* Of the frame that was found: from where, and up to where, does it go into this segment? Bytes from its beginning. */
static __always_inline void part_of(const struct step *step, __u32 *from, __u32 *to)
{
	__u32 len = cookie_end(step->cookie) - cookie_pos(step->cookie), most = step->most;
	__u32 at = step->pos > cookie_pos(step->cookie) ? step->pos - cookie_pos(step->cookie) : 0;

	*from = 0;
	*to = len;
	/* A part of it was sent to a small window, and no more may be. */
	if (step->what == STEP_AGAIN && cookie_end(step->cookie) > step->end)
		*to = step->end - cookie_pos(step->cookie);
	if (!most || (len <= most && (step->what != STEP_NEW || !at)))
		return;
	/* What was lost of it may have been sent in longer parts, so any will do that has what is looked for. */
	*from = step->what == STEP_NEW ? at : at / most * most;
	if (*to - *from > most)
		*to = *from + most;
}

/* More frames in this segment than the first one, which @handle names. Return: the last one. On a stack of its own. */
static __noinline __u64 join_frames(struct etran_pkt *pkt, __u64 handle, __u32 most)
{
	__u64 next;
	int i;

	bpf_for(i, 0, JOIN_MOST) {
		next = bpf_etran_load_next(pkt, most);
		if (!next)
			break;
		handle = next;
	}
	return handle;
}

/*
 * Under the lock: a full segment at @pos was sent with @o; more of its kind that may go now become a train. Not where segments
 * have to leave at times of their own, or where the windows are not that simple.
 */
static __always_inline void train_begin(struct conn *c, struct train *t, const struct out *o, __u64 handle,
					__u64 pos, __u32 cpu, __u64 now)
{
	__u64 most = c->una + c->cwnd, len = c->mss;

	if (c->loss != LOSS_OPEN || c->nxt != pos + len || paced(c) || ranges_any(c->sacked, SACK_RANGES))
		return;
	most = min64(min64(most, c->edge), c->queued);
	if (most < c->nxt + len)
		return;
	c->train_ns = now + TRAIN_NS;
	c->train_cpu = cpu;
	t->left = min64((most - c->nxt) / len, TRAIN_MOST - 1);
	t->out = *o;
	t->out.flags &= ~(TCP_PSH | TCP_CWR);
	t->handle = handle;
	t->pos = c->nxt;
	t->end_ns = c->train_ns;
	t->slot = c->slot;
	t->generation = c->generation;
	t->len = len;
}

/*
 * The next segment of the train. It ends where something has happened that would make another segment of it. Nothing depends on
 * a train: its connection is queued as if there were none, since gen may be called next on another CPU, when the link device
 * has room again, say; that CPU goes on when the train has ended, or is late, so that segments keep their order.
 */
static __noinline __u32 gen_train(struct etran_pkt *pkt, struct etran_hdr *hdr, struct train *t)
{
	__u64 now = bpf_ktime_get_ns(), handle, end = t->pos + t->len;
	struct conn *c = conn_at(t->slot);
	bool good;

	if (!c)
		return ETRAN_CONSUME;
	handle = bpf_etran_next(t->handle);
	good = handle && now < t->end_ns && !bpf_etran_load(pkt, handle) &&
	       pkt->cookie == frame_cookie(t->pos, t->len);
	t->left--;
	t->out.flags &= ~TCP_PSH;
	bpf_spin_lock(&c->lock);
	good = good && c->generation == t->generation && conn_sends(c) && c->loss == LOSS_OPEN &&
	       c->nxt == t->pos && c->una < c->nxt && end <= c->edge && end <= c->queued &&
	       c->rcv_acked == c->rcv_nxt && !c->cwr_due;
	if (good) {
		c->nxt = end;
		c->out_last = handle;
		if (end == c->queued)
			t->out.flags |= TCP_PSH;
	}
	if (c->generation == t->generation && (!good || !t->left))
		c->train_ns = 0;
	bpf_spin_unlock(&c->lock);
	if (!good) {
		t->left = 0;
		return ETRAN_CONSUME;
	}
	t->out.seq += t->len;
	t->handle = handle;
	t->pos = end;
	count(COUNTER_tx_data);
	put_data(pkt, hdr, &t->out);
	return ETRAN_TX;
}

/*
 * STEP_AGAIN: how much may go in this segment: what the peer has not. Without the lock, and a function of its own, so that the
 * verifier looks at it once: what the peer says meanwhile can only have something sent in vain.
 */
__noinline int again_join(const struct work *w, struct scratch *scratch)
{
	struct step *step;
	struct conn *c;

	if (!w || !scratch)
		return 0;
	c = conn_at(w->slot);
	if (!c)
		return 0;
	step = &scratch->step;
	step->join = min64(ranges_next(c->sacked, SACK_RANGES, step->pos, min64(step->end, c->queued)) - step->pos, step->most);
	return 0;
}

/* Send the frame that @step names, a part of it, or what is behind it, too. */
static __noinline __u32 gen_data(struct etran_pkt *pkt, struct etran_hdr *hdr, const struct work *w,
				 struct step *step, struct scratch *scratch)
{
	__u64 now = bpf_ktime_get_ns(), handle, cookie = 0, pos, end;
	bool send = false, more = false, stale = false;
	__u32 from = 0, to = 0;
	struct conn *c = conn_at(w->slot);
	struct after *a = &scratch->after;
	struct out *o = &scratch->out;
	int err = 0;

	if (!c)
		return ETRAN_CONSUME;
	if (step->what == STEP_AGAIN)
		again_join(w, scratch);
	handle = frame_find(step);
	if (handle) {
		part_of(step, &from, &to);
		err = bpf_etran_load_part(pkt, handle, from, to - from);
		if (!err)
			cookie = step->cookie;
	}
	pos = cookie_pos(cookie) + from;
	end = cookie_pos(cookie) + to;
	if (cookie && to - from < step->join && end == cookie_end(cookie)) {
		handle = join_frames(pkt, handle, step->join);
		end = pos + pkt->payload_len;
	}

	bpf_spin_lock(&c->lock);
	if (c->generation == w->generation && conn_sends(c)) {
		if (!cookie) {
			/* They are being given back, or the search goes on. */
			if (!c->releasing && step->first) {
				stale = c->nxt == step->pos || c->una <= step->pos;
				c->pending &= ~PENDING_DATA;
			} else if (step->what == STEP_AGAIN) {
				c->rtx_cursor = step->from;
			} else {
				c->out_last = step->from;
			}
		} else if (step->what == STEP_NEW) {
			if (c->nxt != pos) {
				/* egress or a FIN was quicker. */
			} else if (end <= c->edge) {
				sent_new(c, a, o, handle, pos, end, now);
				if (step->tail) {
					c->tail_again = 0;
					c->tail_end = end;
					c->tail_at = 0;
				}
				send = true;
				if (!step->tail)
					train_begin(c, &scratch->train, o, handle, pos, step->cpu, now);
			} else {
				c->pending &= ~PENDING_DATA;
				wait_start(c, a, now);
			}
		} else {
			if (!step->tail && !step->rescue) {
				c->rtx = max64(c->rtx, end);
				c->rtx_cursor = handle;
			}
			if (step->rescue)
				c->rescue = c->recover;
			else if (!c->rescue)
				c->rescue = end;
			c->rtt_at = 0;
			c->retransmits++;
			out_fill(c, o, pos, end == c->queued ? TCP_PSH : 0, now);
			o->departure_ns = pace_take(c, pos, end - pos, now);
			if (!o->departure_ns)
				ack_told(c);
			/* RFC 3168, 6.1.5: no ECT */
			o->ect = 0;
			rto_start(c, a, now);
			send = true;
		}
		more = c->pending;
	} else if (c->generation == w->generation) {
		c->pending = 0;
	}
	bpf_spin_unlock(&c->lock);

	after_settle(a);
	if (stale)
		count(COUNTER_frame_stale);
	if (more)
		work_push(w);
	if (!send)
		return ETRAN_CONSUME;
	count(COUNTER_tx_data);
	if (step->what == STEP_AGAIN)
		count(COUNTER_tx_retransmit);
	if (step->tail)
		count(COUNTER_tx_tail_probe);
	if (step->rescue)
		count(COUNTER_tx_rescue);
	if (o->departure_ns)
		count(COUNTER_tx_paced);
	put_data(pkt, hdr, o);
	return ETRAN_TX;
}

/*
 * In recovery: when the network has room, nothing is known to be lost and nothing new may be sent, something goes again on
 * suspicion. RFC 6675, 4, NextSeg() (3), (4). Return: as step_take(). Rare, and so not in the common way, which would be more
 * than the verifier looks at.
 */
__noinline int step_guess(const struct work *w, struct scratch *scratch)
{
	__u64 now = bpf_ktime_get_ns(), pipe, pos, len;
	bool more = false, rescue = false;
	struct step *step;
	struct conn *c;

	if (!w || !scratch)
		return 0;
	c = conn_at(w->slot);
	if (!c)
		return 0;
	step = &scratch->step;
	bpf_spin_lock(&c->lock);
	if (c->generation != w->generation || !conn_sends(c) || c->loss != LOSS_RECOVERY || !c->sack_ok ||
	    !(c->pending & PENDING_DATA) || (c->fin && c->nxt == c->queued) || c->train_ns > now)
		goto out;
	pipe = pipe_bytes(c);
	if (pipe && pipe + c->mss > c->cwnd)
		goto out;
	len = min64(c->queued - c->nxt, c->mss);
	if (c->nxt < c->queued && c->nxt + len <= c->edge && !nagle_waits(c, len, c->waits))
		goto out;
	pos = recovery_guess(c, &rescue);
	if (!pos)
		goto out;
	scratch->after.slot = w->slot;
	scratch->after.generation = w->generation;
	step->first = c->out_head;
	step->most = c->mss;
	step->rescue = rescue;
	step_again(c, &scratch->after, step, &scratch->out, pos, now);
	more = step->what < STEP_NEW && c->pending;
out:
	bpf_spin_unlock(&c->lock);
	return more;
}

/* What is to be sent for a connection: scratch->step and ->out. Return: more is pending, and it has to be queued again. */
__noinline int step_take(const struct work *w, struct scratch *scratch)
{
	__u64 now = bpf_ktime_get_ns();
	bool more = false;
	struct step *step;
	struct after *a;
	struct conn *c;
	__u32 room = 0;

	if (!w || !scratch)
		return 0;
	c = conn_at(w->slot);
	if (!c)
		return 0;
	a = &scratch->after;
	step = &scratch->step;
	if (window_wants(c))
		room = room_bytes(c->endpoint, c->rcvbuf, c->rcv_mss);
	bpf_spin_lock(&c->lock);
	if (c->generation == w->generation) {
		a->slot = w->slot;
		a->generation = w->generation;
		step_choose(c, a, step, &scratch->out, room, now);
		/* For data gen_data() decides whether there is more. */
		more = step->what < STEP_NEW && c->pending;
	}
	bpf_spin_unlock(&c->lock);
	return more;
}

/* Without the lock: it may be out of date by one packet. */
static __always_inline bool conn_recovers(const struct work *w)
{
	struct conn *c = conn_at(w->slot);

	return c && c->loss == LOSS_RECOVERY;
}

static __noinline __u32 gen_conn(struct etran_pkt *pkt, struct etran_hdr *hdr, const struct work *w,
				 struct scratch *scratch)
{
	struct step *step = &scratch->step;
	int more = 0;

	__builtin_memset(step, 0, sizeof(*step));
	step->cpu = bpf_get_smp_processor_id();
	if (conn_recovers(w))
		more = step_guess(w, scratch);
	if (step->what == STEP_NONE)
		more = step_take(w, scratch);
	if (step->what >= STEP_NEW)
		return gen_data(pkt, hdr, w, step, scratch);
	after_settle(&scratch->after);
	if (more)
		work_push(w);
	if (step->what == STEP_NONE || step->what == STEP_LATER)
		return ETRAN_CONSUME;
	count(step->count);
	if (step->again)
		count(COUNTER_tx_retransmit);
	if (step->dsack)
		count(COUNTER_tx_dsack);
	if (step->what == STEP_SYN)
		put_syn(pkt, hdr, &scratch->out);
	else
		put_bare(pkt, hdr, &scratch->out);
	return ETRAN_TX;
}

SEC("struct_ops/gen")
__u32 BPF_PROG(gen, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	struct scratch *scratch = scratch_get(SCRATCH_GEN);
	__u32 verdict;
	struct work w;

	if (!scratch)
		return ETRAN_DROP;
	if (scratch->train.left)
		return gen_train(pkt, hdr, &scratch->train);
	verdict = gen_control(pkt, hdr, scratch);
	if (verdict != ETRAN_DROP)
		return verdict;
	if (!queue_pop(work, &w))
		return gen_conn(pkt, hdr, &w, scratch);
	return ETRAN_DROP;
}

#endif /* _TCP_GEN_H */
