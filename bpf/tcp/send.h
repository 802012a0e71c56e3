/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Program egress: what applications ask for. A frame of a stream is kept (held) until the peer has acknowledged it, and
 * linked to the one before; it is sent at once when nothing in front of it waits and both windows allow, else gen
 * sends it.
 *
 * What the application has read comes with it. A window that opens by that is told by the segment itself, where it is sent at
 * once: answers that are as long as their requests would need a bare ACK for each few of them otherwise.
 */
#ifndef _TCP_SEND_H
#define _TCP_SEND_H

/**
 * struct submit - what an application asked for, checked
 * @slot: of the connection
 * @generation: its
 * @endpoint: who asks
 * @len: bytes of payload
 * @op: enum etran_tcp_op
 * @fin: nothing comes behind it
 * @wants: the window is to be told
 * @parts: it is longer than what the path takes
 * @waits: ETRAN_TCP_REQ_NAGLE, ETRAN_TCP_REQ_MORE
 * @later: it may not be sent at once for that (nagle.h)
 * @zero: 0
 * @room: with @wants: bytes that there are buffers for
 * @owns: it is @endpoint's connection
 * @pos: position of the payload
 * @read: up to where the application has read
 * @handle: of the held frame; before it is held, of the one that it follows
 * @now: ns
 */
struct submit {
	__u32 slot;
	__u32 generation;
	__u32 endpoint;
	__u32 len;
	__u16 op;
	__u8 fin;
	__u8 wants;
	__u8 parts;
	__u8 waits;
	__u8 later;
	__u8 zero;
	__u32 room;
	__u32 owns;
	__u64 pos;
	__u64 read;
	__u64 handle;
	__u64 now;
};

/* Under the lock: is it the endpoint's connection? */
static __always_inline bool submit_owns(const struct conn *c, const struct submit *s)
{
	return c->generation == s->generation && c->state != CONN_FREE && !c->detached &&
	       c->endpoint == s->endpoint;
}

/* Under the lock: is this what comes next in the stream? */
static __always_inline bool submit_is_next(const struct conn *c, const struct submit *s)
{
	return (c->state == CONN_ESTABLISHED || c->state == CONN_CLOSE_WAIT) && !c->fin &&
	       s->pos == c->queued && s->len <= c->frame_mss && (s->len || s->fin) &&
	       s->pos < ETRAN_TCP_MAX_STREAM;
}

/* Under the lock: the application has read. */
static __always_inline void submit_read(struct conn *c, struct after *a, const struct submit *s)
{
	__u64 read = min64(s->read, c->rcv_nxt);

	if (!c->accepted) {
		c->accepted = 1;
		a->listener = c->listener;
	}
	if (read > c->read)
		c->read = read;
}

/* Under the lock: the same, and nothing is sent that says so. */
static __always_inline void submit_read_only(struct conn *c, struct after *a, const struct submit *s)
{
	submit_read(c, a, s);
	if (window_wants(c))
		ack_want(c, a, true, s->now);
}

/* Under the lock: take the frame, or FIN alone. True: it is sent now, which @direct allows, and @o says how. */
static __always_inline bool submit_take(struct conn *c, struct after *a, const struct submit *s,
					struct out *o, bool direct)
{
	__u64 end = s->pos + s->len, pipe;
	bool now = false;

	if (s->len) {
		if (!c->out_head)
			c->out_head = s->handle;
		if (c->releasing && !c->rel_first)
			c->rel_first = s->handle;
		c->out_tail = s->handle;
		c->queued = end;
		pipe = pipe_bytes(c);
		now = direct && c->nxt == s->pos && c->loss == LOSS_OPEN && end <= c->edge &&
		      (!pipe || pipe + s->len <= c->cwnd) && !(c->pending & PENDING_DATA);
		if (now) {
			if (s->wants)
				window_tell(c, s->room);
			sent_new(c, a, o, s->handle, s->pos, end, s->now);
		}
	}
	/* Not sent, or only later, or without room for more as long as nobody reads on. */
	if (window_wants(c) || (now && o->departure_ns && s->wants))
		ack_want(c, a, true, s->now);
	if (s->fin) {
		c->fin = 1;
		c->state = c->state == CONN_ESTABLISHED ? CONN_FIN_WAIT_1 : CONN_LAST_ACK;
	}
	if (out_waits(c))
		work_add(c, a, PENDING_DATA);
	return now;
}

/*
 * Before the frame is held, and without lock: is it the endpoint's, and what comes next in the stream? What is wrong is told
 * here, so that no frame is held for it; under the lock egress_take() looks once more.
 */
__noinline int submit_look(struct submit *s)
{
	struct conn *c;

	if (!s)
		return 0;
	c = conn_at(s->slot);
	if (!c)
		return 0;
	s->owns = submit_owns(c, s);
	if (!s->owns || !submit_is_next(c, s))
		return 0;
	s->handle = c->out_tail;
	s->parts = s->len > c->mss;
	s->later = !s->fin && nagle_waits(c, s->len, s->waits);
	s->wants = window_wants_at(c, max64(c->read, min64(s->read, c->rcv_nxt)));
	if (s->wants)
		s->room = room_bytes(s->endpoint, c->rcvbuf, c->rcv_mss);
	return 1;
}

static __always_inline __u32 egress_take(struct etran_pkt *pkt, struct etran_hdr *hdr, struct submit *s,
					 struct scratch *scratch, bool direct)
{
	struct conn *c = conn_at(s->slot);
	struct after *a = &scratch->after;
	struct out *o = &scratch->out;
	bool ok, now = false;

	if (!c)
		return ETRAN_DROP;
	a->slot = s->slot;
	a->generation = s->generation;
	if (s->len) {
		s->handle = bpf_etran_hold(pkt, s->handle, frame_cookie(s->pos, s->len));
		/* The one before was acknowledged and given back meanwhile: see end.h. */
		if (!s->handle)
			s->handle = bpf_etran_hold(pkt, 0, frame_cookie(s->pos, s->len));
	}
	bpf_spin_lock(&c->lock);
	s->owns = submit_owns(c, s);
	ok = s->owns && submit_is_next(c, s);
	if (ok && s->len && !s->handle) {
		/* The stream cannot go on. */
		conn_reset(c, a, ENOBUFS, s->now);
		ok = false;
	} else if (ok) {
		c->waits = s->waits;
		submit_read(c, a, s);
		now = submit_take(c, a, s, o, direct);
	}
	bpf_spin_unlock(&c->lock);
	if (after_any(a))
		after_settle(a);
	if (!ok) {
		count(s->owns ? COUNTER_req_not_held : COUNTER_req_no_connection);
		return ETRAN_DROP;
	}
	if (!s->len)
		return ETRAN_DROP;
	if (!now)
		return ETRAN_HOLD;
	count(COUNTER_tx_data);
	if (o->departure_ns)
		count(COUNTER_tx_paced);
	put_data(pkt, hdr, o);
	return ETRAN_TX | ETRAN_RETAIN;
}

static __noinline __u32 egress_direct(struct etran_pkt *pkt, struct etran_hdr *hdr, struct submit *s,
				      struct scratch *scratch)
{
	return egress_take(pkt, hdr, s, scratch, true);
}

/*
 * Nothing but gen sends parts of frames, and several frames at once. A function of its own, as the one above has all the stack
 * that there is.
 */
static __noinline __u32 egress_later(struct etran_pkt *pkt, struct etran_hdr *hdr, struct submit *s,
				     struct scratch *scratch)
{
	return egress_take(pkt, hdr, s, scratch, false);
}

static __always_inline __u32 egress_send(struct etran_pkt *pkt, struct etran_hdr *hdr, struct submit *s,
					 struct scratch *scratch)
{
	if (!submit_look(s)) {
		count(s->owns ? COUNTER_req_not_next : COUNTER_req_no_connection);
		return ETRAN_DROP;
	}
	if (s->parts || s->later)
		return egress_later(pkt, hdr, s, scratch);
	return egress_direct(pkt, hdr, s, scratch);
}

/* Under the lock: a connection that waited for that goes out: see ETRAN_TCP_CONNECT_LATER. */
static __always_inline void connect_now(struct conn *c, struct after *a, __u64 now)
{
	c->begun_ns = now;
	c->heard_ns = now;
	c->rtt_ns = now;
	c->rto_at = now + us_ns(c->rto_us);
	work_add(c, a, PENDING_SYN);
	conn_due(c, a, now);
}

/* What has no payload. */
static __noinline __u32 egress_other(struct submit *s, struct scratch *scratch)
{
	struct conn *c = conn_at(s->slot);
	struct after *a = &scratch->after;
	bool owns;

	if (!c)
		return ETRAN_DROP;
	a->slot = s->slot;
	a->generation = s->generation;
	bpf_spin_lock(&c->lock);
	owns = submit_owns(c, s);
	if (owns) {
		if (s->op != ETRAN_TCP_OP_ABORT)
			submit_read_only(c, a, s);
		if (s->op == ETRAN_TCP_OP_PUSH) {
			c->waits = 0;
			if (c->state == CONN_SYN_SENT && !c->rto_at)
				connect_now(c, a, s->now);
			if (out_waits(c))
				work_add(c, a, PENDING_DATA);
		} else if (s->op != ETRAN_TCP_OP_READ) {
			conn_detach(c, a, s->op == ETRAN_TCP_OP_ABORT, s->now);
		}
	}
	bpf_spin_unlock(&c->lock);
	if (!owns)
		count(COUNTER_req_no_connection);
	after_settle(a);
	return ETRAN_DROP;
}

SEC("struct_ops/egress")
__u32 BPF_PROG(egress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	const struct etran_tcp_req *req = (const void *)pkt->req.data;
	struct scratch *scratch = scratch_get(SCRATCH_EGRESS);
	struct submit s = {};

	if (!scratch)
		return ETRAN_DROP;
	s.slot = (__u32)req->conn;
	s.generation = req->conn >> 32;
	s.endpoint = pkt->endpoint;
	s.len = pkt->payload_len;
	s.op = pkt->req.op;
	s.fin = req->flags & ETRAN_TCP_REQ_FIN;
	s.waits = req->flags & (ETRAN_TCP_REQ_NAGLE | ETRAN_TCP_REQ_MORE);
	s.pos = req->offset + 1;
	s.read = req->read + 1;
	s.now = bpf_ktime_get_ns();
	/* Nobody was told of such an id. */
	if (!s.generation || s.slot >= TCP_MAX_CONNS) {
		count(COUNTER_req_no_connection);
		return ETRAN_DROP;
	}
	switch (s.op) {
	case ETRAN_TCP_OP_SEND:
		return egress_send(pkt, hdr, &s, scratch);
	case ETRAN_TCP_OP_READ:
	case ETRAN_TCP_OP_CLOSE:
	case ETRAN_TCP_OP_ABORT:
	case ETRAN_TCP_OP_PUSH:
		return egress_other(&s, scratch);
	}
	count(COUNTER_req_bad_op);
	return ETRAN_DROP;
}

#endif /* _TCP_SEND_H */
