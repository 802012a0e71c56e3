/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What peers told about themselves in CUTOFFS: which priorities to use for unscheduled DATA. A
 * cache: a peer that is evicted is sent to with the default priority until it sees the old version
 * in a packet and tells again.
 */
#ifndef _HOMA_PEER_H
#define _HOMA_PEER_H

struct peer_key {
	__u32 link;
	__be32 addr;
};

struct peer {
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
static __always_inline __u8 peer_priority(__u32 link, __be32 addr, __u32 len, __be16 *version)
{
	struct peer_key key = { .link = link, .addr = addr };
	const struct peer *peer = bpf_map_lookup_elem(&peers, &key);
	int i;

	*version = 0;
	if (!peer)
		return PRIORITY_UNSCHEDULED;
	*version = peer->version;
	for (i = PRIORITIES - 1; i > 0; i--)
		if (peer->cutoffs[i] >= len)
			return i;
	return 0;
}

#endif /* _HOMA_PEER_H */
