/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Endpoints and their ports. An endpoint has one port: from HOMA_MIN_DEFAULT_PORT on when it only
 * sends requests, below when it was bound to one, which makes it a server. Homa ignores the local
 * address of bind(), and so does this.
 */
#ifndef _HOMA_ENDPOINT_H
#define _HOMA_ENDPOINT_H

/**
 * struct endpoint - an endpoint
 * @link: link device
 * @port: host byte order
 * @ipv4: its application knows IPv4 only
 * @last_id: of the newest request; the library counts upwards. Written by egress only, which does
 *	not run twice at once for one AF_XDP socket.
 */
struct endpoint {
	__u32 link;
	__u16 port;
	__u16 ipv4;
	__u64 last_id;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, HOMA_MAX_ENDPOINTS);
	__type(key, __u32);
	__type(value, struct endpoint);
} endpoints SEC(".maps");

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
	struct endpoint new = { .link = ep->link, .ipv4 = is_ipv4(ep) };
	struct port owner = { .endpoint = ep->id, .ipv4 = new.ipv4 };
	__u32 id = ep->id;
	__u16 port = ep->port;
	__u64 first_id;
	int err = 0;

	hash_init();
	if (port)
		err = port_take_server(new.link, port, &owner);
	else
		port = port_take_client(new.link, &owner);
	if (err)
		return err;
	if (!port)
		return -EADDRINUSE;
	/*
	 * The first request's id. Random, because servers tell RPCs apart by address, port and id,
	 * and may still know some of an earlier endpoint with this port.
	 */
	first_id = ((__u64)(bpf_get_prandom_u32() & 0xffff) << 32 | bpf_get_prandom_u32()) << 1 | 2;
	new.last_id = first_id - 1;
	new.port = port;
	if (bpf_map_update_elem(&endpoints, &id, &new, BPF_NOEXIST)) {
		port_give(new.link, port);
		return -ENOMEM;
	}
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

	endpoint = bpf_map_lookup_elem(&endpoints, &id);
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
		control_push_ack(&key, &local);
	return 0;
}

RPC_EACH(close_rpc, struct closing)

SEC("struct_ops/endpoint_close")
void BPF_PROG(endpoint_close, struct etran_endpoint *ep)
{
	struct closing closing = { .endpoint = ep->id, .now = bpf_ktime_get_ns() };
	struct endpoint *endpoint;

	endpoint = bpf_map_lookup_elem(&endpoints, &closing.endpoint);
	if (endpoint)
		port_give(endpoint->link, endpoint->port);
	/* First: whoever begins an RPC looks for the endpoint afterwards. */
	bpf_map_delete_elem(&endpoints, &closing.endpoint);
	for_each_rpc(close_rpc, &closing);
}

#endif /* _HOMA_ENDPOINT_H */
