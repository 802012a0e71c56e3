/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What peers told about themselves in CUTOFFS: which priorities to use for unscheduled DATA; and when
 * they were told the same of this host. A cache: a peer that is evicted is sent to with the default
 * priority until it sees the old version in a packet and tells again.
 */
#ifndef _HOMA_PEER_H
#define _HOMA_PEER_H

struct peer_key {
	__u32 link;
	struct address addr;
};

/**
 * struct peer - a peer
 * @told_ns: when it was sent CUTOFFS last
 * @cutoffs: entry i: the longest message whose unscheduled DATA has priority i
 * @version: of these, network byte order, 0: it sent none
 */
struct peer {
	__u64 told_ns;
	__u32 cutoffs[PRIORITIES];
	__be16 version;
	__u16 zero[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct peer_key);
	__type(value, struct peer);
} peers SEC(".maps");

/* Priority of unscheduled DATA of a message of @len bytes. *@version gets what DATA echoes. */
static __always_inline __u8 peer_priority(__u32 link, const struct address *addr, __u32 len,
					  __be16 *version)
{
	struct peer_key key = { .link = link, .addr = *addr };
	const struct peer *peer = bpf_map_lookup_elem(&peers, &key);
	int i;

	*version = 0;
	if (!peer || !peer->version)
		return PRIORITY_UNSCHEDULED;
	*version = peer->version;
	for (i = PRIORITIES - 1; i > 0; i--)
		if (peer->cutoffs[i] >= len)
			return i;
	return 0;
}

/*
 * May a peer be sent CUTOFFS now? Its packets go on to have the old version for a
 * round trip: hence not for each.
 */
static __noinline bool peer_tell(__u32 link, const struct address *addr, __u64 now)
{
	struct peer_key key = { .link = link, .addr = *addr };
	struct peer *peer = bpf_map_lookup_elem(&peers, &key), new = { .told_ns = now };

	if (!peer)
		return !bpf_map_update_elem(&peers, &key, &new, BPF_NOEXIST);
	if (now - peer->told_ns < homa_resend_ticks * homa_tick_ns)
		return false;
	peer->told_ns = now;
	return true;
}

/* What a peer sent in CUTOFFS. */
static __always_inline void peer_told(__u32 link, const struct address *addr,
				      const struct peer *told)
{
	struct peer_key key = { .link = link, .addr = *addr };
	struct peer *peer = bpf_map_lookup_elem(&peers, &key);
	int i;

	if (!peer) {
		bpf_map_update_elem(&peers, &key, told, BPF_ANY);
		return;
	}
	/* Whoever looks at the same time gets a priority that is wrong for one message. */
	for (i = 0; i < PRIORITIES; i++)
		peer->cutoffs[i] = told->cutoffs[i];
	peer->version = told->version;
}

#endif /* _HOMA_PEER_H */
