// SPDX-License-Identifier: GPL-2.0
/*
 * acl: allows or denies peers by address prefix, for all transports and in both directions.
 *
 *	etranctl filter add acl					# denies what the lists say
 *	etranctl filter add acl --set acl_default=ACL_DENY	# allows what the lists say
 *
 * A list is a map from prefix to 0 (deny) or 1 (allow); of several that fit, the longest counts, and
 * where none fits acl_default does. A key is the length of the prefix, four bytes, the lowest first,
 * then the address. So 10.0.0.0/24 is denied, and 2001:db8::/32 allowed, by:
 *
 *	cd /sys/fs/bpf/etran/filter/acl
 *	bpftool map update pinned prefixes4 key 24 0 0 0 10 0 0 0 value 0 0 0 0
 *	bpftool map update pinned prefixes6 key 32 0 0 0 hex 20 01 0d b8 0 0 0 0 0 0 0 0 0 0 0 0 \
 *		value 1 0 0 0
 *	bpftool map delete pinned prefixes4 key 24 0 0 0 10 0 0 0
 *	bpftool map dump pinned prefixes4
 *
 * Changes take effect at once. To begin with other lists than empty ones, fill them before anything
 * is sent: a filter can be added before the first transport is loaded.
 */
#include "peer.h"

#define PREFIXES	16384

enum acl_verdict {
	ACL_DENY,
	ACL_ALLOW,
};

/* For peers that no prefix fits. */
const volatile enum acl_verdict acl_default = ACL_ALLOW;

struct prefix4 {
	__u32 len;
	__u8 addr[4];
};

struct prefix6 {
	__u32 len;
	__u8 addr[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PREFIXES);
	__type(key, struct prefix4);
	__type(value, enum acl_verdict);
} prefixes4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PREFIXES);
	__type(key, struct prefix6);
	__type(value, enum acl_verdict);
} prefixes6 SEC(".maps");

static __u32 judge(struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	struct prefix4 p4 = { .len = 32 };
	struct prefix6 p6 = { .len = 128 };
	enum acl_verdict *v = NULL;
	struct peer peer;

	switch (peer_of(pkt, hdr, &peer)) {
	case 4:
		__builtin_memcpy(p4.addr, &peer.b[12], sizeof(p4.addr));
		v = bpf_map_lookup_elem(&prefixes4, &p4);
		break;
	case 6:
		__builtin_memcpy(p6.addr, peer.b, sizeof(p6.addr));
		v = bpf_map_lookup_elem(&prefixes6, &p6);
		break;
	}
	return (v ? *v : acl_default) == ACL_ALLOW ? ETRAN_PASS : ETRAN_DROP;
}

SEC("struct_ops/acl_ingress")
__u32 BPF_PROG(acl_ingress, struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	return judge(pkt, hdr);
}

SEC("struct_ops/acl_egress")
__u32 BPF_PROG(acl_egress, struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	return judge(pkt, hdr);
}

SEC(".struct_ops.link")
struct etran_filter_ops acl = {
	.ingress = (void *)acl_ingress,
	.egress = (void *)acl_egress,
	.version = ETRAN_FILTER_VERSION,
	.priority = 100,
	.name = "acl",
};

char LICENSE[] SEC("license") = "GPL";
