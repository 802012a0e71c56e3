/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Endpoints and their ports. An endpoint has one port: from HOMA_MIN_DEFAULT_PORT on when it only
 * sends requests, below when it was bound to one, which makes it a server. Homa ignores the local
 * address of bind(), and so does this.
 *
 * They have an array, as egress looks for one for each frame: an endpoint is at the place that its id
 * says, or at one of the next few. Ids count up, so that most have the first.
 */
#ifndef _HOMA_ENDPOINT_H
#define _HOMA_ENDPOINT_H

#define ENDPOINT_PLACES		8

/**
 * struct endpoint - an endpoint
 * @id: its id, 0: no endpoint
 * @link: link device
 * @port: host byte order
 * @ipv4: its application knows IPv4 only
 * @last_id: of the newest request; the library counts upwards. Written by egress only, which does
 *	not run twice at once for one AF_XDP socket.
 */
struct endpoint {
	__u64 last_id;
	__u32 id;
	__u32 link;
	__u16 port;
	__u16 ipv4;
	__u32 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HOMA_MAX_ENDPOINTS);
	__type(key, __u32);
	__type(value, struct endpoint);
} endpoints SEC(".maps");

static __always_inline struct endpoint *endpoint_at(__u32 place)
{
	__u32 key = place % HOMA_MAX_ENDPOINTS;

	return bpf_map_lookup_elem(&endpoints, &key);
}

/* An endpoint; NULL: there is none, or it is being closed. @id 0: a free place for @near. */
static __noinline struct endpoint *endpoint_search(__u32 id, __u32 near)
{
	struct endpoint *endpoint;
	__u32 i;

	for (i = 0; i < ENDPOINT_PLACES; i++) {
		endpoint = endpoint_at(near + i);
		if (endpoint && endpoint->id == id)
			return endpoint;
	}
	return NULL;
}

static __always_inline struct endpoint *endpoint_find(__u32 id)
{
	struct endpoint *endpoint = endpoint_at(id);

	if (endpoint && endpoint->id == id)
		return endpoint;
	return endpoint_search(id, id);
}

/* Has an endpoint not been closed? Whoever closes it looks for RPCs afterwards, and one of both sees the other. */
static __always_inline bool endpoint_is_open(struct endpoint *endpoint, __u32 id)
{
	/* An atomic operation is a barrier, too. */
	return __sync_fetch_and_add(&endpoint->id, 0) == id;
}

struct port_key {
	__u32 link;
	__u16 port;
	__u16 zero;
};

/**
 * struct port - who has a port
 * @endpoint: its id
 * @ipv4: as in struct endpoint
 */
struct port {
	__u32 endpoint;
	__u32 ipv4;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, HOMA_MAX_ENDPOINTS);
	__type(key, struct port_key);
	__type(value, struct port);
} ports SEC(".maps");

/* Where the search for a free client port begins. */
__u32 next_port;

static __always_inline bool is_server_port(__u16 port)
{
	return port && port < HOMA_MIN_DEFAULT_PORT;
}

/*
 * Endpoint of the server that these RPCs are for, 0 for none. Endpoint ids are never 0. A server that knows
 * IPv4 only could not answer over IPv6.
 */
static __always_inline __u32 server_of(const struct rpc_key *rpc)
{
	struct port_key key = { .link = rpc->link, .port = rpc->port };
	struct port *port;

	if (!is_server_port(rpc->port))
		return 0;
	port = bpf_map_lookup_elem(&ports, &key);
	if (!port || (port->ipv4 && !address_is_ipv4(&rpc->peer)))
		return 0;
	return port->endpoint;
}

static __always_inline int port_take(__u32 link, __u16 port, const struct port *owner)
{
	struct port_key key = { .link = link, .port = port };

	return bpf_map_update_elem(&ports, &key, owner, BPF_NOEXIST);
}

static __always_inline int port_take_server(__u32 link, __u16 port, const struct port *owner)
{
	int err;

	if (!is_server_port(port))
		return -EINVAL;
	err = port_take(link, port, owner);
	if (err == -EEXIST)
		return -EADDRINUSE;
	return err ? -ENOMEM : 0;
}

/* Any free client port, 0 for none. */
static __noinline __u32 port_take_client(__u32 link, const struct port *owner)
{
	__u32 port;
	int i, err;

	bpf_for(i, 0, 0x10000 - HOMA_MIN_DEFAULT_PORT) {
		port = __sync_fetch_and_add(&next_port, 1);
		port = HOMA_MIN_DEFAULT_PORT + port % (0x10000 - HOMA_MIN_DEFAULT_PORT);
		err = port_take(link, port, owner);
		if (!err)
			return port;
		if (err != -EEXIST)
			break;
	}
	return 0;
}

static __always_inline void port_give(__u32 link, __u16 port)
{
	struct port_key key = { .link = link, .port = port };

	bpf_map_delete_elem(&ports, &key);
}

/*
 * Is this an IPv4 address? An application that knows IPv4 only says so by opening its endpoint with one,
 * ::ffff:0.0.0.0 for any; all zero is any of both.
 */
static __always_inline bool is_ipv4(const struct etran_endpoint *ep)
{
	return !ep->addr[0] && !ep->addr[1] && ep->addr[2] == bpf_htonl(0xffff);
}

SEC("struct_ops/endpoint_open")
__s32 BPF_PROG(endpoint_open, struct etran_endpoint *ep)
{
	__u32 id = ep->id, link = ep->link;
	struct port owner = { .endpoint = id, .ipv4 = is_ipv4(ep) };
	struct endpoint *endpoint;
	__u16 port = ep->port;
	__u64 first_id;
	int err = 0;

	hash_init();
	/* One at a time is opened, so the place stays free. */
	endpoint = endpoint_search(0, id);
	if (!endpoint)
		return -ENOMEM;
	if (port)
		err = port_take_server(link, port, &owner);
	else
		port = port_take_client(link, &owner);
	if (err)
		return err;
	if (!port)
		return -EADDRINUSE;
	/*
	 * The first request's id. Random, because servers tell RPCs apart by address, port and id,
	 * and may still know some of an earlier endpoint with this port.
	 */
	first_id = ((__u64)(bpf_get_prandom_u32() & 0xffff) << 32 | bpf_get_prandom_u32()) << 1 | 2;
	endpoint->last_id = first_id - 1;
	endpoint->link = link;
	endpoint->port = port;
	endpoint->ipv4 = owner.ipv4;
	*most_found_of(id) = 0;
	/* Last, and seen before any of its frames is. */
	__sync_lock_test_and_set(&endpoint->id, id);
	ep->port = port;
	ep->arg[0] = first_id;
	return 0;
}

SEC("struct_ops/endpoint_bind")
__s32 BPF_PROG(endpoint_bind, struct etran_endpoint *ep)
{
	struct port owner = { .endpoint = ep->id };
	struct endpoint *endpoint;
	__u32 id = ep->id;
	__u16 port = ep->port, old;
	int err;

	endpoint = endpoint_find(id);
	if (!endpoint)
		return -EINVAL;
	owner.ipv4 = endpoint->ipv4;
	if (owner.ipv4 && !is_ipv4(ep) &&
	    (ep->addr[0] | ep->addr[1] | ep->addr[2] | ep->addr[3]))
		return -EAFNOSUPPORT;
	old = endpoint->port;
	if (port && port != old) {
		err = port_take_server(endpoint->link, port, &owner);
		if (err)
			return err;
		endpoint->port = port;
		/* RPCs that run keep the old one in their key, which is all that they need. */
		port_give(endpoint->link, old);
	}
	ep->port = endpoint->port;
	return 0;
}

/**
 * struct closing - what close_rpc() is told
 * @endpoint: the one that is closed
 * @now: ns
 */
struct closing {
	__u32 endpoint;
	__u32 zero;
	__u64 now;
};

/*
 * What becomes of an RPC when its endpoint is closed. A message that the application has submitted
 * completely is still sent, until the peer has it or has been silent for too long: a program may
 * exit right after its last send. All else ends: the peer hears of that when it asks.
 */
static __always_inline long close_rpc(struct rpc *rpc, struct closing *closing)
{
	struct remains remains = {};
	bool end = false, ack = false;
	struct rpc_key key;
	struct address local;

	if (rpc->endpoint != closing->endpoint)
		return 0;
	bpf_spin_lock(&rpc->lock);
	key = rpc->key;
	local = rpc->local;
	if (rpc->endpoint == closing->endpoint && rpc_is(rpc, &key) && !rpc->orphan) {
		rpc->orphan = 1;
		rpc->orphan_ns = closing->now;
		end = rpc->state != RPC_OUTGOING || rpc->out_submitted != rpc->out_len;
		ack = is_client(key.id) && rpc->state == RPC_INCOMING;
		if (end)
			rpc_bury(rpc, &remains);
	}
	bpf_spin_unlock(&rpc->lock);
	if (!end)
		return 0;
	count(COUNTER_rpc_abandoned);
	rpc_remove(&key, &remains);
	/* Nobody wants the rest of the response, so let the server forget it. */
	if (ack)
		peer_acknowledge(&key, &local, true);
	return 0;
}

RPC_EACH(close_rpc, struct closing)

SEC("struct_ops/endpoint_close")
void BPF_PROG(endpoint_close, struct etran_endpoint *ep)
{
	struct closing closing = { .endpoint = ep->id, .now = bpf_ktime_get_ns() };
	struct endpoint *endpoint;

	endpoint = endpoint_find(closing.endpoint);
	if (!endpoint)
		return;
	port_give(endpoint->link, endpoint->port);
	/* First: whoever begins an RPC looks for the endpoint afterwards. */
	__sync_lock_test_and_set(&endpoint->id, 0);
	for_each_slot(close_rpc, &closing);
}

#endif /* _HOMA_ENDPOINT_H */
