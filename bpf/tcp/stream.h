/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the file of a connection or listener is told (module/stream.c), where there is one. Under a connection's lock
 * it is noted down what is so; after_settle() says it, behind all that was delivered. Everything told only ever
 * grows, so two CPUs that say it in the wrong order do no harm.
 *
 * A connection's file counts as the stream from the peer does, FIN for one; a listener's counts connections.
 */
#ifndef _TCP_STREAM_H
#define _TCP_STREAM_H

static __always_inline __u32 stream_state(const struct conn *c)
{
	__u32 set = 0;

	if (conn_synchronized(c))
		set |= ETRAN_STREAM_CONNECTED;
	if (c->rcv_fin && c->rcv_nxt > c->rcv_fin)
		set |= ETRAN_STREAM_FIN;
	if (c->state == CONN_CLOSED)
		set |= ETRAN_STREAM_ENDED |
		       (c->error ? ETRAN_STREAM_ERROR | c->error << ETRAN_STREAM_ERRNO_SHIFT : 0);
	return set;
}

/* Under the lock: its file, if it has one, is to be told how it is. @set: ETRAN_STREAM_ROOM or 0 */
static __always_inline void stream_note(const struct conn *c, struct after *a, __u32 set)
{
	if (!c->stream)
		return;
	a->stream = c->stream;
	a->stream_endpoint = c->endpoint;
	a->stream_tag = conn_id(c);
	a->stream_avail = c->rcv_nxt - 1;
	a->stream_set |= set | stream_state(c);
}

static __always_inline void stream_tell(const struct after *a)
{
	bpf_etran_stream_set(a->stream_endpoint, a->stream, a->stream_tag, a->stream_avail,
			     a->stream_set);
}

/* A listener's application was told of one more connection. */
static __always_inline void listener_arrived(__u32 id)
{
	struct listener *l = listener_of(id);
	__u64 n;

	if (!l)
		return;
	n = __sync_fetch_and_add(&l->arrived, 1) + 1;
	if (l->stream)
		bpf_etran_stream_set(l->endpoint, l->stream, id, n, 0);
}

#endif /* _TCP_STREAM_H */
