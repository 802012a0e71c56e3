/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Programs stream_open, stream_close: a connection or a listener gets a file of its own, and loses it. The tag is the id;
 * a listener's has nothing in its upper half. Opening the file of a connection accepts it; the last close is
 * ETRAN_TCP_OP_CLOSE, or ETRAN_TCP_OP_ABORT if the application wants that, or ETRAN_TCP_UNLISTEN.
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

#endif /* _TCP_STREAMS_H */
