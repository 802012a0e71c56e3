/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Endpoints: what is asked for with ETRAN_IOC_BIND, and their end. Nothing is kept of an endpoint itself; listeners and
 * connections know whose they are. Closing one looks at all slots that were ever used.
 */
#ifndef _TCP_ENDPOINT_H
#define _TCP_ENDPOINT_H

/* Ports tried for a connection. */
#define PORT_TRIES	1024

/**
 * struct leaving - whose connections end
 * @endpoint: all of this endpoint, or 0
 * @listener: those of this listener that were not accepted
 * @token: those of spare listeners with this, likewise
 * @now: ns
 */
struct leaving {
	__u32 endpoint;
	__u32 listener;
	__u64 token;
	__u64 now;
};

static __always_inline long conn_leave(struct conn *c, struct leaving *l)
{
	struct scratch *scratch;
	struct after *a;

	if (c->state == CONN_FREE || c->detached)
		return 0;
	if (l->endpoint ? c->endpoint != l->endpoint : c->listener != l->listener || c->accepted)
		return 0;
	scratch = scratch_get(SCRATCH_CALL);
	if (!scratch)
		return 1;
	a = &scratch->after;
	bpf_spin_lock(&c->lock);
	a->slot = c->slot;
	a->generation = c->generation;
	if (c->state != CONN_FREE &&
	    (l->endpoint ? c->endpoint == l->endpoint : c->listener == l->listener && !c->accepted))
		/* Nobody ever took it: the peer must not believe that somebody did. */
		conn_detach(c, a, c->passive && !c->accepted, l->now);
	bpf_spin_unlock(&c->lock);
	after_settle(a);
	return 0;
}

CONN_EACH(conn_leave, struct leaving)

static __always_inline void listener_close(struct listener *l)
{
	port_give(l->link, l->port, l->id);
	/* First: segment_syn() looks once more under the lock of its new connection. */
	__sync_lock_test_and_set(&l->id, 0);
}

static __always_inline __u32 rcvbuf_of(__u64 options)
{
	__u32 rcvbuf = (__u32)options;

	if (!rcvbuf)
		rcvbuf = etran_bounded(tcp_rcvbuf);
	return rcvbuf < tcp_rcvbuf_min ? tcp_rcvbuf_min :
	       rcvbuf > tcp_rcvbuf_max ? tcp_rcvbuf_max : rcvbuf;
}

/* May the endpoint say that it is there, and nowhere else? As bind() of the kernel's sockets has it. */
static __always_inline int local_allowed(const struct etran_endpoint *ep, const struct address *addr, __u32 port)
{
	struct address at = *addr;

	if (port && port < ep->port_least)
		return -EACCES;
	if (!(at.a[0] | at.a[1] | at.a[3]) && (!at.a[2] || at.a[2] == bpf_htonl(0xffff)))
		return 0;
	return bpf_etran_is_local(ep->link, &at, sizeof(at));
}

/* Who begins to take connections in the place of those that wait only for that. */
static __always_inline long spare_leave(struct conn *c, struct leaving *l)
{
	struct listener *of = c->listener ? listener_of(c->listener) : NULL;

	if (of && of->spare && of->token == l->token && !c->accepted) {
		l->listener = c->listener;
		return conn_leave(c, l);
	}
	return 0;
}

CONN_EACH(spare_leave, struct leaving)

/* Return: a place of the table that is free, 0 for none. One at a time is opened, of all endpoints: it stays free. */
__noinline int listener_unused(void)
{
	struct listener *l;
	__u32 index;

	/* Index 0 is none. */
	bpf_for(index, 1, TCP_MAX_LISTENERS) {
		__u32 key = index;

		l = bpf_map_lookup_elem(&listeners, &key);
		if (l && !l->id)
			return index;
	}
	return 0;
}

/* Return: the port that listener @id has now, -EADDRINUSE, or as port_take(). */
__noinline int port_take_any(__u32 link, __u32 id)
{
	__u32 tries, port;
	int err = -EADDRINUSE;

	bpf_for(tries, 0, PORT_TRIES) {
		port = etran_bounded(tcp_port_min);
		port += bpf_get_prandom_u32() % (0x10000 - port);
		if (port_group(link, port))
			continue;
		err = port_take(link, port, id);
		if (!err)
			return port;
		if (err != -EADDRINUSE)
			break;
	}
	return err;
}

static __noinline int listen_begin(struct etran_endpoint *ep)
{
	__u32 index, id, cc = ep->arg[1] >> 32, port = ep->port, flags = ep->arg[2] >> 32;
	__u32 backlog = ep->arg[2];
	struct listener *l;
	struct address addr;
	int err, i;

	if (!cc_known(cc) || flags & ~(ETRAN_TCP_LISTEN_REUSEPORT | ETRAN_TCP_LISTEN_SPARE))
		return -EINVAL;
#pragma unroll
	for (i = 0; i < 4; i++)
		addr.a[i] = ep->addr[i];
	err = local_allowed(ep, &addr, port);
	if (err)
		return err;
	index = listener_unused();
	l = index ? bpf_map_lookup_elem(&listeners, &index) : NULL;
	if (!l)
		return -ENOMEM;
	id = __sync_fetch_and_add(&listener_generation, TCP_MAX_LISTENERS) + TCP_MAX_LISTENERS + index;
	l->addr = addr;
	l->uid = ep->uid;
	l->reuse = !!(flags & ETRAN_TCP_LISTEN_REUSEPORT);
	l->spare = !!(flags & ETRAN_TCP_LISTEN_SPARE);
	l->joins = ep->arg[3];
	l->token = l->joins ? l->joins : bpf_etran_random() | 1;
	if (port) {
		err = port_allows(ep->link, port, index);
		if (!err)
			err = port_take(ep->link, port, id);
	} else {
		err = port_take_any(ep->link, id);
		if (err > 0) {
			port = err;
			err = 0;
		}
	}
	if (err)
		return err;
	l->endpoint = ep->id;
	l->link = ep->link;
	l->port = port;
	l->cc = cc;
	l->rcvbuf = rcvbuf_of(ep->arg[1]);
	l->backlog = backlog > 0xffff ? 0xffff : backlog ? backlog : 1;
	l->waiting = 0;
	l->stream = 0;
	l->arrived = 0;
	__builtin_memset(&l->opt, 0, sizeof(l->opt));
	l->cookie_ns = 0;
	/* Last: SYNs find it from here on. */
	__sync_lock_test_and_set(&l->id, id);
	ep->port = port;
	ep->arg[0] = id;
	ep->arg[1] = l->token;
	if (l->joins && !l->spare) {
		struct leaving leaving = { .token = l->joins, .now = bpf_ktime_get_ns() };

		for_each_slot(spare_leave, &leaving);
	}
	return 0;
}

static __noinline int listen_end(struct etran_endpoint *ep)
{
	struct leaving leaving = { .listener = ep->arg[1], .now = bpf_ktime_get_ns() };
	struct listener *l = listener_of(leaving.listener);

	if (!l || l->endpoint != ep->id)
		return -ENOENT;
	listener_close(l);
	for_each_slot(conn_leave, &leaving);
	return 0;
}

/* The rest of connect_begin(): a global function does not count for its complexity. */
__noinline int connect_slot(struct conn_key *key, struct begin *b)
{
	__u32 slot, generation;
	struct scratch *scratch;
	struct after *a;
	struct conn *c;

	if (!key || !b)
		return -EINVAL;
	scratch = scratch_get(SCRATCH_CALL);
	slot = conn_alloc(key);
	c = slot ? conn_at(slot) : NULL;
	if (!scratch || !c)
		return 0;
	a = &scratch->after;
	b->hash = isn_hash(key, 0);
	generation = __sync_fetch_and_add(&conn_generation, 2) | 1;
	a->slot = slot;
	a->generation = generation;
	bpf_spin_lock(&c->lock);
	conn_begin(c, b, generation, CONN_SYN_SENT);
	c->accepted = 1;
	a->push = !b->later;
	conn_due(c, a, b->now);
	bpf_spin_unlock(&c->lock);
	count(COUNTER_conn_active);
	b->hash = (__u64)generation << 32 | slot;
	after_settle(a);
	return 1;
}

/* The same from a port of those that are for it (RFC 6056, 3.3.1). */
__noinline int connect_slot_any(struct conn_key *key, struct begin *b)
{
	__u32 first = etran_bounded(tcp_port_min), last = etran_bounded(tcp_port_max), tries, start;

	if (!key || !b)
		return -EINVAL;
	if (last < first)
		last = first;
	start = bpf_get_prandom_u32();
	bpf_for(tries, 0, PORT_TRIES) {
		key->port = first + (start + tries) % (last - first + 1);
		if (!port_group(key->link, key->port) && connect_slot(key, b))
			return 1;
	}
	bpf_for(tries, 0, PORT_TRIES) {
		key->port = first + (start + tries) % (last - first + 1);
		if (time_wait_reuse(key) && connect_slot(key, b))
			return 1;
	}
	return 0;
}

static __noinline int connect_begin(struct etran_endpoint *ep)
{
	__u32 local = ep->arg[0] >> 32;
	struct etran_path path = {};
	struct conn_key key = {};
	struct begin b = {};
	int err, i;

	b.cc = (ep->arg[1] & ~ETRAN_TCP_CONNECT_LATER) >> 32;
	b.later = !!(ep->arg[1] & ETRAN_TCP_CONNECT_LATER);
	if (local > 0xffff || !ep->port || !cc_known(b.cc))
		return -EINVAL;
	key.link = ep->link;
	key.peer_port = ep->port;
#pragma unroll
	for (i = 0; i < 4; i++)
		key.peer.a[i] = ep->addr[i];
	if (!is_host_address(&key.peer))
		return -EINVAL;
	err = bpf_etran_path(key.link, &key.peer, sizeof(key.peer), &path, sizeof(path));
	if (err < 0)
		return err;
	if (path.mtu < 256)
		return -EINVAL;
	key.local.a[0] = ep->arg[2];
	key.local.a[1] = ep->arg[2] >> 32;
	key.local.a[2] = ep->arg[3];
	key.local.a[3] = ep->arg[3] >> 32;
	if (!(key.local.a[0] | key.local.a[1] | key.local.a[2] | key.local.a[3])) {
#pragma unroll
		for (i = 0; i < 4; i++)
			key.local.a[i] = path.saddr[i];
	}
	if (!is_host_address(&key.local) ||
	    address_is_ipv4(&key.local) != address_is_ipv4(&key.peer))
		return -EINVAL;
	err = local_allowed(ep, &key.local, local);
	if (err)
		return err;
	b.endpoint = ep->id;
	b.rcvbuf = rcvbuf_of(ep->arg[1]);
	b.mtu = path.mtu;
	b.now = bpf_ktime_get_ns();
	if (local) {
		key.port = local;
		if ((conn_find(&key) && !time_wait_reuse(&key)) || !connect_slot(&key, &b))
			return -EADDRINUSE;
	} else if (!connect_slot_any(&key, &b)) {
		return -EADDRNOTAVAIL;
	}
	ep->arg[0] = b.hash;
	ep->arg[1] = key.port;
	ep->arg[2] = (__u64)key.local.a[1] << 32 | key.local.a[0];
	ep->arg[3] = (__u64)key.local.a[3] << 32 | key.local.a[2];
	return 0;
}

SEC("struct_ops/endpoint_open")
__s32 BPF_PROG(endpoint_open, struct etran_endpoint *ep)
{
	/* Endpoints are opened one at a time. */
	if (!isn_key[0]) {
		isn_key[1] = bpf_etran_random();
		isn_key[0] = bpf_etran_random() | 1;
	}
	hash_init();
	return 0;
}

SEC("struct_ops/endpoint_bind")
__s32 BPF_PROG(endpoint_bind, struct etran_endpoint *ep)
{
	__u32 what = ep->arg[0];

	/* Who has one connection has no right to others. */
	if (ep->flags & ETRAN_ENDPOINT_SHARED && what != ETRAN_TCP_SET && what != ETRAN_TCP_INFO)
		return -EPERM;
	switch (what) {
	case ETRAN_TCP_LISTEN:
		return listen_begin(ep);
	case ETRAN_TCP_UNLISTEN:
		return listen_end(ep);
	case ETRAN_TCP_CONNECT:
		return connect_begin(ep);
	case ETRAN_TCP_SET:
		return set_option(ep);
	case ETRAN_TCP_INFO:
		return conn_info(ep);
	}
	return -EINVAL;
}

SEC("struct_ops/endpoint_close")
void BPF_PROG(endpoint_close, struct etran_endpoint *ep)
{
	struct leaving leaving = { .endpoint = ep->id, .now = bpf_ktime_get_ns() };
	struct listener *l;
	__u32 index;

	bpf_for(index, 1, TCP_MAX_LISTENERS) {
		__u32 key = index;

		l = bpf_map_lookup_elem(&listeners, &key);
		if (l && l->id && l->endpoint == leaving.endpoint)
			listener_close(l);
	}
	for_each_slot(conn_leave, &leaving);
}

#endif /* _TCP_ENDPOINT_H */
