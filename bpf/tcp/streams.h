/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Programs stream_open, stream_close, stream_share: a connection or a listener gets a file of its own, and loses it. The tag is the id;
 * a listener's has nothing in its upper half. Opening the file of a connection accepts it; the last close is
 * ETRAN_TCP_OP_CLOSE, or ETRAN_TCP_OP_ABORT if the application wants that, or ETRAN_TCP_UNLISTEN.
 *
 * A connection that is shared belongs to an endpoint of the module's. Its requests and records are laid out as those of
 * applications, so nothing else knows of that.
 */
#ifndef _TCP_STREAMS_H
#define _TCP_STREAMS_H

static __noinline int stream_open_listener(struct etran_stream *st)
{
	__u32 id = st->tag, number = st->id;
	struct listener *l = listener_of(id);

	if (!l || l->endpoint != st->endpoint)
		return -ENOENT;
	if (l->stream)
		return -EBUSY;
	/* With a barrier: listener_arrived() sees it, or its count is seen here. */
	__sync_lock_test_and_set(&l->stream, number);
	bpf_etran_stream_set(l->endpoint, number, id, l->arrived, 0);
	return 0;
}

static __noinline int stream_open_conn(struct etran_stream *st)
{
	__u32 slot = st->tag, generation = st->tag >> 32, number = st->id, endpoint = st->endpoint;
	struct scratch *scratch = scratch_get(SCRATCH_CALL);
	struct conn *c = conn_at(slot);
	struct after *a;
	int err = 0;

	if (!scratch || !c)
		return -ENOENT;
	a = &scratch->after;
	a->slot = slot;
	a->generation = generation;
	bpf_spin_lock(&c->lock);
	if (c->generation != generation || c->state == CONN_FREE || c->detached ||
	    c->endpoint != endpoint) {
		err = -ENOENT;
	} else if (c->stream) {
		err = -EBUSY;
	} else {
		c->stream = number;
		if (!c->accepted) {
			c->accepted = 1;
			a->listener = c->listener;
		}
		stream_note(c, a, 0);
	}
	bpf_spin_unlock(&c->lock);
	if (!err)
		after_settle(a);
	return err;
}

SEC("struct_ops/stream_open")
__s32 BPF_PROG(stream_open, struct etran_stream *st)
{
	return st->tag >> 32 ? stream_open_conn(st) : stream_open_listener(st);
}

static __noinline int stream_close_listener(struct etran_stream *st)
{
	struct leaving leaving = { .listener = st->tag, .now = bpf_ktime_get_ns() };
	struct listener *l = listener_of(leaving.listener);

	if (!l || l->endpoint != st->endpoint)
		return 0;
	listener_close(l);
	for_each_slot(conn_leave, &leaving);
	return 0;
}

static __noinline int stream_close_conn(struct etran_stream *st)
{
	__u32 slot = st->tag, generation = st->tag >> 32, number = st->id, endpoint = st->endpoint;
	struct scratch *scratch = scratch_get(SCRATCH_CALL);
	bool abort = st->flags & ETRAN_STREAM_ABORT;
	__u64 read = st->read + 1, now = bpf_ktime_get_ns();
	struct conn *c = conn_at(slot);
	struct after *a;

	if (!scratch || !c)
		return 0;
	a = &scratch->after;
	a->slot = slot;
	a->generation = generation;
	bpf_spin_lock(&c->lock);
	if (c->generation == generation && c->state != CONN_FREE && !c->detached &&
	    c->endpoint == endpoint && c->stream == number) {
		c->stream = 0;
		read = min64(read, c->rcv_nxt);
		if (read > c->read)
			c->read = read;
		conn_detach(c, a, abort, now);
	}
	bpf_spin_unlock(&c->lock);
	after_settle(a);
	return 0;
}

SEC("struct_ops/stream_close")
void BPF_PROG(stream_close, struct etran_stream *st)
{
	if (st->tag >> 32)
		stream_close_conn(st);
	else
		stream_close_listener(st);
}

_Static_assert(sizeof(struct etran_tcp_req) == sizeof(struct etran_stream_req) &&
	       offsetof(struct etran_tcp_req, conn) == offsetof(struct etran_stream_req, tag) &&
	       offsetof(struct etran_tcp_req, offset) == offsetof(struct etran_stream_req, offset) &&
	       offsetof(struct etran_tcp_req, read) == offsetof(struct etran_stream_req, read) &&
	       offsetof(struct etran_tcp_req, flags) == offsetof(struct etran_stream_req, flags) &&
	       sizeof(struct etran_tcp_rec) == sizeof(struct etran_stream_rec) &&
	       offsetof(struct etran_tcp_rec, conn) == offsetof(struct etran_stream_rec, tag) &&
	       offsetof(struct etran_tcp_rec, offset) == offsetof(struct etran_stream_rec, offset) &&
	       offsetof(struct etran_tcp_rec, stream) == offsetof(struct etran_stream_rec, stream),
	       "as shared streams have them");

SEC("struct_ops/stream_share")
__s32 BPF_PROG(stream_share, struct etran_stream *st)
{
	__u32 slot = st->tag, generation = st->tag >> 32, number = st->id, endpoint = st->endpoint;
	__u32 to_endpoint = st->to_endpoint, to_number = st->to_id, segment = 0;
	struct scratch *scratch = scratch_get(SCRATCH_CALL);
	struct conn *c = conn_at(slot);
	__u64 sent = 0;
	struct after *a;
	int err = 0;

	if (!generation)
		return -ENOTCONN;
	if (!scratch || !c)
		return -ENOENT;
	a = &scratch->after;
	a->slot = slot;
	a->generation = generation;
	bpf_spin_lock(&c->lock);
	if (c->generation != generation || c->state == CONN_FREE || c->detached ||
	    c->endpoint != endpoint || c->stream != number) {
		err = -ENOENT;
	} else if (!conn_synchronized(c) && c->state != CONN_CLOSED) {
		err = -ENOTCONN;
	} else {
		c->endpoint = to_endpoint;
		c->stream = to_number;
		sent = c->queued - 1;
		/* Of one that never came to be nothing is sent. */
		segment = c->frame_mss ? c->frame_mss : 1;
		stream_note(c, a, 0);
	}
	bpf_spin_unlock(&c->lock);
	if (err)
		return err;
	st->sent = sent;
	st->segment = segment;
	after_settle(a);
	return 0;
}

#endif /* _TCP_STREAMS_H */
