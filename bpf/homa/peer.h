/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is known of peers: the cutoffs that they told in CUTOFFS, which say what priority unscheduled DATA
 * for them has; when they were told the same of this host; and RPCs that are finished here, but whose server
 * was not told yet.
 *
 * Homa packets can wear TCP's clothes: IP protocol 6, and the checksum is right. Networks and NICs that
 * spread or accept TCP alone then take them for TCP. A peer is answered in the clothes that its last packet
 * came in, so what each sends is the other's choice. Frames are held without headers, which are
 * built anew for each packet that leaves, DATA sent again included: so a change counts from the next packet
 * on, and no RPC has to remember. Until a packet in clothes was seen, or homa_hijack_tcp is set, nobody
 * looks anything up. Rejected: a choice of each RPC, which would have to be changed in all of them.
 *
 * ACKs wait for a packet of DATA to the same host, which has room for one. When too many wait, all go as
 * a packet of their own. A server that nobody talks to any more asks soon (homa_request_ack_ticks), and is
 * told all at once. So in a busy conversation acknowledgements cost no packets.
 *
 * A cache: sets of a few peers, of which the oldest entry makes room for a new one. A peer that is evicted is
 * sent to with the default priority until it sees the old version in a packet and tells again, and
 * asks for the ACKs that it misses. Rejected: BPF_MAP_TYPE_LRU_HASH, which this was before: a look costs
 * four times as much, and what lies in it cannot be locked.
 */
#ifndef _HOMA_PEER_H
#define _HOMA_PEER_H

#define PEER_SETS	(HOMA_MAX_RPCS / 16 > 4096 ? 4096 : HOMA_MAX_RPCS / 16)
#define PEER_WAYS	4

/**
 * struct peer - a peer
 * @addr: its address
 * @link: link device, 0: no peer
 * @version: of @cutoffs, network byte order, 0: it sent none
 * @acks: entries of @ack
 * @protocol: IP protocol of its last packet, 0: not known
 * @told_ns: when it was sent CUTOFFS last
 * @cutoffs: entry i: the longest message whose unscheduled DATA has priority i
 * @ack_local: address at this host of the RPCs in @ack
 * @ack: RPCs that it may forget
 */
struct peer {
	struct address addr;
	__u32 link;
	__be16 version;
	__u8 acks;
	__u8 protocol;
	__u64 told_ns;
	__u32 cutoffs[PRIORITIES];
	struct address ack_local;
	struct finished_rpc ack[ACKS_WAITING];
};

/**
 * struct peer_set - peers whose hashes are equal
 * @lock: guards all; but a look may do without, as a wrong priority does little harm
 * @next: the one that makes room next
 * @way: peers
 */
struct peer_set {
	struct bpf_spin_lock lock;
	__u32 next;
	struct peer way[PEER_WAYS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PEER_SETS);
	__type(key, __u32);
	__type(value, struct peer_set);
} peers SEC(".maps");

static __always_inline struct peer_set *peer_set_of(__u32 link, const struct address *addr)
{
	__u32 words[5] = { link, addr->a[0], addr->a[1], addr->a[2], addr->a[3] };
	__u32 key = hash_words(words, 5) % PEER_SETS;

	return bpf_map_lookup_elem(&peers, &key);
}

/* A peer of the set, NULL when it is not there. Callable under the lock. */
static __always_inline struct peer *peer_in(struct peer_set *set, __u32 link,
					    const struct address *addr)
{
	int i;

#pragma unroll
	for (i = 0; i < PEER_WAYS; i++)
		if (set->way[i].link == link && address_same(&set->way[i].addr, addr))
			return &set->way[i];
	return NULL;
}

/* Under the lock: the same; one that is not there takes the place of another. */
static __always_inline struct peer *peer_enter(struct peer_set *set, __u32 link,
					       const struct address *addr)
{
	struct peer *peer = peer_in(set, link, addr);

	if (peer)
		return peer;
	peer = &set->way[bounded(set->next, PEER_WAYS)];
	set->next++;
	__builtin_memset(peer, 0, sizeof(*peer));
	peer->link = link;
	peer->addr = *addr;
	return peer;
}

/* A packet in TCP's clothes was seen. */
volatile __u8 dressed_any;

/* A packet came in these clothes. */
static __noinline int peer_wears(__u32 link, const struct address *addr, __u8 protocol)
{
	struct peer_set *set = peer_set_of(link, addr);
	struct peer *peer;

	if (!set)
		return 0;
	/* It seldom changes. */
	peer = peer_in(set, link, addr);
	if (peer && peer->protocol == protocol)
		return 0;
	if (protocol != HOMA_IPPROTO)
		dressed_any = 1;
	bpf_spin_lock(&set->lock);
	peer = peer_enter(set, link, addr);
	peer->protocol = protocol;
	bpf_spin_unlock(&set->lock);
	return 0;
}

static __noinline int peer_protocol_look(const struct rpc_key *key)
{
	__u8 protocol = homa_hijack_tcp ? HOMA_TCP_PROTOCOL : HOMA_IPPROTO;
	struct peer_set *set = peer_set_of(key->link, &key->peer);
	struct peer *peer;

	if (!set)
		return protocol;
	peer = peer_in(set, key->link, &key->peer);
	if (peer && peer->protocol)
		protocol = peer->protocol;
	return protocol;
}

/* What is the IP protocol of packets to a peer? */
static __always_inline __u8 peer_protocol(const struct rpc_key *key)
{
	return dressed_any || homa_hijack_tcp ? peer_protocol_look(key) : HOMA_IPPROTO;
}

/**
 * struct dispatch - what is to be known of the peer of a message
 * @len: in: bytes of the message
 * @want_ack: in: its first packet leaves now, and may acknowledge something
 * @priority: out: of its unscheduled DATA
 * @version: out: what DATA echoes, network byte order
 * @ack: out: acknowledge this; id 0 for nothing
 */
struct dispatch {
	__u32 len;
	__u8 want_ack;
	__u8 priority;
	__be16 version;
	struct finished_rpc ack;
};

static __noinline int peer_look(const struct rpc_key *key, struct dispatch *d)
{
	struct peer_set *set = peer_set_of(key->link, &key->peer);
	struct peer *peer = NULL;
	__u32 n;
	int i;

	d->priority = PRIORITY_UNSCHEDULED;
	d->version = 0;
	d->ack.id = 0;
	if (set)
		peer = peer_in(set, key->link, &key->peer);
	if (!peer)
		return 0;
	if (peer->version) {
		d->version = peer->version;
		for (i = PRIORITIES - 1; i > 0; i--)
			if (peer->cutoffs[i] >= d->len)
				break;
		d->priority = i;
	}
	if (!d->want_ack || !peer->acks)
		return 0;
	bpf_spin_lock(&set->lock);
	n = peer->acks;
	if (n && address_same(&peer->addr, &key->peer) && peer->link == key->link) {
		d->ack = peer->ack[0];
		peer->ack[0] = peer->ack[bounded(n - 1, ACKS_WAITING)];
		peer->acks = n - 1;
	}
	bpf_spin_unlock(&set->lock);
	return 0;
}

/*
 * May a peer be sent CUTOFFS now? Its packets go on to have the old version for a
 * round trip: hence not for each.
 */
static __noinline bool peer_tell(__u32 link, const struct address *addr, __u64 now)
{
	struct peer_set *set = peer_set_of(link, addr);
	struct peer *peer;
	bool tell;

	if (!set)
		return false;
	bpf_spin_lock(&set->lock);
	peer = peer_enter(set, link, addr);
	tell = !peer->told_ns || now - peer->told_ns >= homa_resend_ticks * homa_tick_ns;
	if (tell)
		peer->told_ns = now;
	bpf_spin_unlock(&set->lock);
	return tell;
}

/**
 * struct cutoffs - what a peer sent in CUTOFFS
 * @cutoffs: as in struct peer
 * @version: network byte order
 */
struct cutoffs {
	__u32 cutoffs[PRIORITIES];
	__be16 version;
	__u16 zero;
};

static __always_inline void peer_told(__u32 link, const struct address *addr,
				      const struct cutoffs *told)
{
	struct peer_set *set = peer_set_of(link, addr);
	struct peer *peer;
	int i;

	if (!set)
		return;
	bpf_spin_lock(&set->lock);
	peer = peer_enter(set, link, addr);
#pragma unroll
	for (i = 0; i < PRIORITIES; i++)
		peer->cutoffs[i] = told->cutoffs[i];
	peer->version = told->version;
	bpf_spin_unlock(&set->lock);
}

/*
 * A client's RPC is finished: tell its server, @now or with the next message to that host. All that waits
 * for that host goes along when there is a packet.
 */
__noinline int peer_acknowledge(const struct rpc_key *key, const struct address *local, bool now)
{
	struct control c = { .type = HOMA_ACK };
	struct peer_set *set;
	struct peer *peer;
	bool same;
	__u32 n;
	int i;

	if (!key || !local)
		return 0;
	set = peer_set_of(key->link, &key->peer);
	if (!set)
		return 0;
	c.key = *key;
	c.local = *local;
	bpf_spin_lock(&set->lock);
	peer = peer_enter(set, key->link, &key->peer);
	n = peer->acks;
	same = address_same(&peer->ack_local, local);
	if (!now && n < ACKS_WAITING && (same || !n)) {
		n = bounded(n, ACKS_WAITING);
		peer->ack_local = *local;
		peer->ack[n].id = key->id;
		peer->ack[n].port = key->peer_port;
		peer->acks = n + 1;
		bpf_spin_unlock(&set->lock);
		return 0;
	}
	/* Those of another address of this host have to wait for their server to ask. */
	if (same) {
#pragma unroll
		for (i = 0; i < ACKS_WAITING; i++)
			c.ack[i] = peer->ack[i];
		c.acks = n;
	}
	peer->acks = 0;
	bpf_spin_unlock(&set->lock);
	control_queue(&c);
	return 0;
}

#endif /* _HOMA_PEER_H */
