/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Listeners, and whose a port is. A listener has a port of a link, whatever addresses the link's host has; if it was
 * given an address it takes connections to that alone. Its backlog counts connections from their SYN until
 * the application accepts them: a flood of SYNs costs so many slots of the table, and no more.
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

/* Ids of listeners by their ports. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TCP_MAX_LISTENERS);
	__type(key, struct port_key);
	__type(value, __u32);
} ports SEC(".maps");

/* How many listeners there are: without any, no port need be looked for. */
volatile __u32 ports_used;

static __always_inline __u32 port_owner(__u32 link, __u16 port)
{
	struct port_key key = { .link = link, .port = port };
	__u32 *id;

	if (!ports_used)
		return 0;
	id = bpf_map_lookup_elem(&ports, &key);
	return id ? *id : 0;
}

static __always_inline int port_take(__u32 link, __u16 port, __u32 id)
{
	struct port_key key = { .link = link, .port = port };
	int err = bpf_map_update_elem(&ports, &key, &id, BPF_NOEXIST);

	if (!err)
		__sync_fetch_and_add(&ports_used, 1);
	return err == -EEXIST ? -EADDRINUSE : err ? -ENOMEM : 0;
}

static __always_inline void port_give(__u32 link, __u16 port)
{
	struct port_key key = { .link = link, .port = port };

	if (!bpf_map_delete_elem(&ports, &key))
		__sync_fetch_and_sub(&ports_used, 1);
}

/* Does it take connections to this address? */
static __always_inline bool listener_takes(const struct listener *l, const struct address *local)
{
	if (!(l->addr.a[0] | l->addr.a[1] | l->addr.a[2] | l->addr.a[3]))
		return true;
	if (address_is_ipv4(&l->addr) && !l->addr.a[3])
		return address_is_ipv4(local);
	return address_same(&l->addr, local);
}

/* A place in its backlog is free again. */
static __always_inline void listener_left(__u32 id)
{
	struct listener *l = listener_of(id);

	if (l)
		__sync_fetch_and_sub(&l->waiting, 1);
}

#endif /* _TCP_LISTEN_H */
