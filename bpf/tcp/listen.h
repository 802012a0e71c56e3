/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Listeners, and whose a port is. A listener has a port of a link, whatever addresses the link's host has; if it was
 * given an address it takes connections to that alone. Its backlog counts connections from their SYN until
 * the application accepts them: a flood of SYNs costs so many slots of the table, and no more.
 *
 * Several can be at a port: for different addresses, of one user who wants that of all of them (SO_REUSEPORT), or because one
 * was told the other's token, as a process is that inherited a listener by fork(). SYNs are spread over them by a hash.
 * Connections do not move from one to another: they are in the memory of one endpoint, and what it has been given
 * may be acknowledged. So who listens only for its children must get none as long as these listen: it is spare. Rejected:
 * connections that nobody accepted yet go to another listener when theirs ends; the peer is told by RST, as by the kernel.
 */
#ifndef _TCP_LISTEN_H
#define _TCP_LISTEN_H

/**
 * struct listener - a listener
 * @id: its id: a generation, and its index below; 0: free
 * @endpoint: id of its application's
 * @link: link device
 * @backlog: how many connections may wait
 * @waiting: how many do; atomic
 * @rcvbuf: of its connections
 * @port: host byte order
 * @cc: of its connections, ETRAN_TCP_CC_*
 * @addr: local address; all zero: any; ::ffff:0.0.0.0: any of IPv4
 * @stream: number of its file, 0: it has none (stream.h)
 * @arrived: connections that its application was told of
 * @opt: of its connections
 * @cookie_ns: when the last SYN was answered with a cookie, 0: none was
 * @token: who knows it may be at the same port; @joins: that of which it knew
 * @uid: whose it is
 * @reuse: others of this user may be at the same port, if they say so, too
 * @spare: the others are asked first
 */
struct listener {
	__u32 id;
	__u32 endpoint;
	__u32 link;
	__u32 backlog;
	__u32 waiting;
	__u32 rcvbuf;
	__u16 port;
	__u16 cc;
	struct address addr;
	__u32 stream;
	__u64 arrived;
	struct conn_options opt;
	__u64 cookie_ns;
	__u64 token;
	__u64 joins;
	__u32 uid;
	__u8 reuse;
	__u8 spare;
	__u16 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TCP_MAX_LISTENERS);
	__type(key, __u32);
	__type(value, struct listener);
} listeners SEC(".maps");

__u32 listener_generation;

static __always_inline struct listener *listener_of(__u32 id)
{
	__u32 index = id % TCP_MAX_LISTENERS;
	struct listener *l = bpf_map_lookup_elem(&listeners, &index);

	return l && id && l->id == id ? l : NULL;
}

struct port_key {
	__u32 link;
	__u16 port;
	__u16 zero;
};

/* Most listeners at a port. */
#define PORT_LISTENERS	32

/**
 * struct port_group - the listeners at a port
 * @lock: guards changes; who looks does not take it
 * @n: how many; 0: the last one has gone, and this goes, too
 * @id: which
 */
struct port_group {
	struct bpf_spin_lock lock;
	__u32 n;
	__u32 id[PORT_LISTENERS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TCP_MAX_LISTENERS);
	__type(key, struct port_key);
	__type(value, struct port_group);
} ports SEC(".maps");

/* How many ports have listeners: without any, no port need be looked for. */
volatile __u32 ports_used;

static __always_inline struct port_group *port_group(__u32 link, __u16 port)
{
	struct port_key key = { .link = link, .port = port };

	return ports_used ? bpf_map_lookup_elem(&ports, &key) : NULL;
}

/* Tries against those who leave a group at that moment. */
#define GROUP_TRIES	16

/* One more listener at a port, which may. One at a time, of all endpoints. */
__noinline int port_take(__u32 link, __u16 port, __u32 id)
{
	struct port_key key = { .link = link, .port = port };
	struct port_group first = { .n = 1, .id = { id } }, *g;
	int err = -EADDRINUSE, i;
	__u32 n;

	for (i = 0; i < GROUP_TRIES; i++) {
		g = bpf_map_lookup_elem(&ports, &key);
		if (!g) {
			if (bpf_map_update_elem(&ports, &key, &first, BPF_NOEXIST))
				return -ENOMEM;
			__sync_fetch_and_add(&ports_used, 1);
			return 0;
		}
		bpf_spin_lock(&g->lock);
		n = g->n;
		if (n && n < PORT_LISTENERS) {
			g->id[bounded(n, PORT_LISTENERS)] = id;
			/* Last, for those who look. */
			barrier();
			g->n = n + 1;
			err = 0;
		}
		bpf_spin_unlock(&g->lock);
		if (n)
			break;
	}
	return err;
}

__noinline int port_give(__u32 link, __u16 port, __u32 id)
{
	struct port_key key = { .link = link, .port = port };
	struct port_group *g = bpf_map_lookup_elem(&ports, &key);
	bool last = false;
	__u32 i, n;

	if (!g)
		return 0;
	bpf_spin_lock(&g->lock);
	n = g->n;
	for (i = 0; i < PORT_LISTENERS; i++) {
		if (i >= n || g->id[i] != id)
			continue;
		g->id[i] = g->id[bounded(n - 1, PORT_LISTENERS)];
		g->n = n - 1;
		last = n == 1;
		break;
	}
	bpf_spin_unlock(&g->lock);
	if (last) {
		bpf_map_delete_elem(&ports, &key);
		__sync_fetch_and_sub(&ports_used, 1);
	}
	return 0;
}

static __always_inline bool address_any(const struct address *a)
{
	return !(a->a[0] | a->a[1] | a->a[2] | a->a[3]) || (address_is_ipv4(a) && !a->a[3]);
}

/* Does it take connections to this address? A global function, which the verifier looks at once: see bpf/README.md. */
__noinline int listener_takes(const struct listener *l, const struct address *local)
{
	if (!l || !local)
		return false;
	if (!(l->addr.a[0] | l->addr.a[1] | l->addr.a[2] | l->addr.a[3]))
		return true;
	if (address_is_ipv4(&l->addr) && !l->addr.a[3])
		return address_is_ipv4(local);
	return address_same(&l->addr, local);
}

/*
 * The id of the listener that takes connections of this key, 0 for none. Of several, those win that have the very address,
 * then those that are not spare; between equals the key decides, always in the same way as long as they stay the same.
 */
__noinline int listener_for(const struct conn_key *key)
{
	__u32 n, i, id, rank, best = 0, hash, equals = 0, found = 0;
	struct port_group *g;
	struct listener *l;

	if (!key)
		return 0;
	g = port_group(key->link, key->port);
	if (!g)
		return 0;
	n = g->n;
	hash = n > 1 ? conn_sum(key) : 0;
	bpf_for(i, 0, PORT_LISTENERS) {
		if (i >= n)
			break;
		id = g->id[bounded(i, PORT_LISTENERS)];
		l = listener_of(id);
		if (!l || !listener_takes(l, &key->local))
			continue;
		rank = 1 + !l->spare + 2 * !address_any(&l->addr);
		if (rank < best)
			continue;
		if (rank > best)
			equals = 0;
		best = rank;
		/* Each of the equals with the same chance. */
		if (!(hash % ++equals))
			found = id;
		hash = hash * 2654435761U + 1;
		hash ^= hash >> 15;
	}
	return found;
}

/* May the listener @index, which is not there yet, be at that port, with what is? 0, or a negative errno. */
__noinline int port_allows(__u32 link, __u16 port, __u32 index)
{
	struct listener *l, *new = bpf_map_lookup_elem(&listeners, &index);
	struct port_group *g = port_group(link, port);
	bool overlap, joined;
	__u32 i, n;

	if (!new)
		return -ENOENT;
	joined = !new->joins;
	n = g ? g->n : 0;
	bpf_for(i, 0, PORT_LISTENERS) {
		if (i >= n)
			break;
		l = listener_of(g->id[bounded(i, PORT_LISTENERS)]);
		if (!l)
			continue;
		if (new->joins && l->token == new->joins) {
			joined = true;
			continue;
		}
		overlap = listener_takes(l, &new->addr) || listener_takes(new, &l->addr);
		if (overlap && (!l->reuse || !new->reuse || l->uid != new->uid))
			return -EADDRINUSE;
	}
	return joined ? 0 : -ENOENT;
}

/* A place in its backlog is free again. */
static __always_inline void listener_left(__u32 id)
{
	struct listener *l = listener_of(id);

	if (l)
		__sync_fetch_and_sub(&l->waiting, 1);
}

#endif /* _TCP_LISTEN_H */
