/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Deadlines, and how connections end. conn_close(), under the lock, is the one way in which the protocol gets through
 * with a connection, conn_detach() the one in which the application does; whoever comes second has the slot
 * freed. after_settle() does, unlocked, what was noted down.
 *
 * Frames are given back in the order of the chain by one CPU at a time (@releasing), without the lock, which functions
 * of the module cannot be called with. Meanwhile egress goes on to append: to the last frame, or, if that
 * is gone by then, as a new beginning; @rel_first is what came first since, so nothing gets lost.
 */
#ifndef _TCP_END_H
#define _TCP_END_H

static int time_wait_note(const struct work *w);

static __always_inline __u64 sooner(__u64 a, __u64 b)
{
	return !a || (b && b < a) ? b : a;
}

/* Under the lock: have the timer go off when something is due. */
static __always_inline void conn_due(struct conn *c, struct after *a, __u64 now)
{
	__u64 due = sooner(sooner(c->rto_at, c->ack_at), sooner(c->end_at, c->report_at));

	due = sooner(due, sooner(c->keep_at, c->tail_at));

	if (!due || (c->armed_ns && c->armed_ns <= due))
		return;
	c->armed_ns = due;
	a->delay = due > now ? due - now : 1;
}

/* Under the lock: note that the slot is free, if it is. */
static __always_inline void conn_maybe_free(struct conn *c, struct after *a)
{
	if (c->state != CONN_CLOSED || !c->detached)
		return;
	c->state = CONN_FREE;
	c->report = 0;
	c->report_at = 0;
	a->key = c->key;
	a->free = 1;
}

/* Under the lock of a connection that lives: the protocol is through with it. @error: to be told, 0 for none. */
static __always_inline void conn_close(struct conn *c, struct after *a, __u32 error)
{
	/* An application that was never told of it cannot let go of it. */
	if (c->state == CONN_SYN_RCVD && c->passive && !c->accepting)
		c->detached = 1;
	c->state = CONN_CLOSED;
	c->rto_at = 0;
	c->ack_at = 0;
	c->end_at = 0;
	c->keep_at = 0;
	c->tail_at = 0;
	a->chain[0] = c->out_head;
	a->chain[1] = c->rel_first;
	c->out_head = 0;
	c->out_tail = 0;
	c->out_last = 0;
	c->rel_first = 0;
	if (c->listener && !c->accepted) {
		a->listener = c->listener;
		c->listener = 0;
	}
	if (error && !c->detached) {
		c->error = error;
		c->report |= REPORT_ERROR;
		a->report = 1;
	}
	stream_note(c, a, 0);
	conn_maybe_free(c, a);
}

/* Under the lock: a segment of this connection that bypasses it. */
static __always_inline void conn_control(const struct conn *c, struct after *a, __u8 flags, __u64 now)
{
	a->control = 1;
	a->segment.key = c->key;
	a->segment.flags = flags;
	a->segment.seq = snd_seq(c, c->nxt);
	a->segment.ack = rcv_seq(c, c->rcv_nxt);
	a->segment.window = 0;
	a->segment.ts_ok = c->ts_ok;
	a->segment.tsval = ts_now(c, now);
	a->segment.tsecr = c->ts_recent;
}

/* Under the lock: the peer gets RST, if it can know of the connection. RFC 9293, 3.10.5. */
static __always_inline void conn_reset(struct conn *c, struct after *a, __u32 error, __u64 now)
{
	if (c->state != CONN_SYN_SENT && c->state != CONN_TIME_WAIT)
		conn_control(c, a, TCP_RST | TCP_ACK, now);
	conn_close(c, a, error);
}

/*
 * Under the lock: the application lets go of it. RFC 9293, 3.10.4; RST when it left something unread (SHLD-3), as the
 * peer would take FIN for "all is well".
 */
static __always_inline void conn_detach(struct conn *c, struct after *a, bool abort, __u64 now)
{
	if (c->detached)
		return;
	c->detached = 1;
	if (c->listener && !c->accepted)
		a->listener = c->listener;
	c->accepted = 1;
	switch (c->state) {
	case CONN_FREE:
		return;
	case CONN_CLOSED:
		conn_maybe_free(c, a);
		return;
	case CONN_SYN_SENT:
	case CONN_SYN_RCVD:
		conn_reset(c, a, 0, now);
		return;
	}
	if (abort || c->read < c->rcv_nxt - (c->rcv_fin && c->rcv_nxt > c->rcv_fin)) {
		if (c->state != CONN_TIME_WAIT) {
			conn_reset(c, a, 0, now);
			return;
		}
	}
	if (!c->fin) {
		c->fin = 1;
		if (c->state == CONN_ESTABLISHED)
			c->state = CONN_FIN_WAIT_1;
		else if (c->state == CONN_CLOSE_WAIT)
			c->state = CONN_LAST_ACK;
		work_add(c, a, PENDING_DATA);
	} else if (c->state == CONN_FIN_WAIT_2) {
		c->end_at = now + ms_ns(etran_bounded(tcp_fin_timeout_ms));
		conn_due(c, a, now);
	}
}

/* Give back frames that are acknowledged. */
static __noinline int frames_release(__u32 slot, __u32 generation)
{
	__u64 from = 0, upto = 0, handle;
	struct conn *c = conn_at(slot);
	bool mine = false, more;

	if (!c)
		return 0;
	bpf_spin_lock(&c->lock);
	if (c->generation == generation && conn_lives(c) && !c->releasing && c->out_head) {
		c->releasing = 1;
		c->rel_first = 0;
		from = c->out_head;
		upto = c->una;
		mine = true;
	}
	bpf_spin_unlock(&c->lock);
	if (!mine)
		return 0;
	handle = bpf_etran_release_upto(from, cookie_upto(upto));
	bpf_spin_lock(&c->lock);
	mine = c->generation == generation && conn_lives(c);
	more = false;
	if (mine) {
		c->releasing = 0;
		c->out_head = handle ? handle : c->rel_first;
		if (!c->out_head)
			c->out_tail = 0;
		c->rel_first = 0;
		more = c->una > upto;
	}
	bpf_spin_unlock(&c->lock);
	/* It ended meanwhile: see conn_close(), whose handle may have been stale. */
	if (!mine && handle)
		bpf_etran_release_chain(handle);
	return more;
}

/* Tell the application what there is to tell; later, when it has no buffer for that. */
static __noinline int conn_tell(__u32 slot, __u32 generation)
{
	struct etran_rec rec __attribute__((aligned(8))) = {};
	struct etran_tcp_rec_opened *opened = (void *)rec.data;
	struct conn *c = conn_at(slot);
	struct etran_tcp_rec *r = (void *)rec.data;
	__u64 now = bpf_ktime_get_ns(), delay = 0;
	__u8 what = 0;
	int err;

	if (!c)
		return 0;
	bpf_spin_lock(&c->lock);
	if (c->generation == generation && c->state != CONN_FREE && !c->detached) {
		rec.endpoint = c->endpoint;
		what = c->report & REPORT_OPENED ? REPORT_OPENED : c->report;
		if (what == REPORT_OPENED) {
			rec.type = ETRAN_TCP_REC_OPENED;
			opened->conn = conn_id(c);
			opened->listener = c->passive ? c->listener : 0;
			opened->mss = c->mss;
			opened->port = c->key.port;
			opened->peer_port = c->key.peer_port;
			*(struct address *)opened->addr = c->key.local;
			*(struct address *)opened->peer = c->key.peer;
		} else {
			rec.type = ETRAN_TCP_REC_ERROR;
			r->conn = conn_id(c);
			r->error = c->error;
		}
	}
	bpf_spin_unlock(&c->lock);
	if (!what)
		return 0;
	err = bpf_etran_notify(&rec, sizeof(rec));
	bpf_spin_lock(&c->lock);
	if (c->generation == generation && c->state != CONN_FREE) {
		if (err == -ENOBUFS) {
			c->report_at = now + ms_ns(10);
			if (!c->armed_ns || c->armed_ns > c->report_at) {
				c->armed_ns = c->report_at;
				delay = ms_ns(10);
			}
		} else {
			c->report &= ~what;
			c->report_at = 0;
		}
		what = err == -ENOBUFS ? 0 : c->report;
	}
	bpf_spin_unlock(&c->lock);
	if (err == -ENOBUFS)
		count(COUNTER_report_retry);
	if (delay)
		bpf_timer_start(&c->timer, delay, 0);
	return what;
}

/* Do what was noted down. */
__noinline int after_settle(struct after *a)
{
	struct work w;
	struct conn *c;

	if (!a)
		return 0;
	w.slot = a->slot;
	w.generation = a->generation;
	if (a->counts & AFTER_RECOVERY)
		count(COUNTER_fast_recovery);
	if (a->counts & AFTER_CWR)
		count(COUNTER_cwr);
	if (a->counts & AFTER_RTO)
		count(COUNTER_rto);
	if (a->control) {
		if (queue_push(controls, &a->segment))
			count(COUNTER_queue_full);
		bpf_etran_gen_kick();
	}
	if (a->time_wait)
		time_wait_note(&w);
	if (a->release && frames_release(w.slot, w.generation))
		frames_release(w.slot, w.generation);
	if (a->chain[0])
		bpf_etran_release_chain(a->chain[0]);
	if (a->chain[1])
		bpf_etran_release_chain(a->chain[1]);
	if (a->listener)
		listener_left(a->listener);
	if (a->report && conn_tell(w.slot, w.generation))
		conn_tell(w.slot, w.generation);
	if (a->stream)
		stream_tell(a);
	if (a->delay) {
		c = conn_at(w.slot);
		if (c)
			bpf_timer_start(&c->timer, a->delay, 0);
	}
	if (a->push)
		work_push(&w);
	if (a->free)
		conn_free(&a->key, w.slot);
	return 0;
}

#endif /* _TCP_END_H */
