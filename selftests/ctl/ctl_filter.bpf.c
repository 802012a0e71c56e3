// SPDX-License-Identifier: GPL-2.0
/*
 * The smallest filter, with a tunable. Compiled several times, with the macros below, into the objects
 * that must be refused.
 */
#include <stdbool.h>
#include "etran.bpf.h"

#ifndef FILTER_NAME
#define FILTER_NAME	"ctlfilter"
#endif
#ifndef FILTER_VERSION
#define FILTER_VERSION	ETRAN_FILTER_VERSION
#endif

const volatile __u32 ctl_verdict = ETRAN_PASS;
ETRAN_LIVE(bool, ctl_counts, true, 0, 1, "", "are packets counted?");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

SEC("struct_ops/ctl_in")
__u32 BPF_PROG(ctl_in, struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	__u32 key = 0;
	__u64 *n = bpf_map_lookup_elem(&seen, &key);

	if (n && ctl_counts)
		__sync_fetch_and_add(n, 1);
	return ctl_verdict;
}

#ifdef FILTER_INIT_FAILS
SEC("struct_ops/ctl_init")
__s32 BPF_PROG(ctl_init)
{
	return -71;	/* EPROTO */
}
#endif

SEC(".struct_ops.link")
struct etran_filter_ops ctl_filter = {
#ifndef FILTER_NO_PROGRAM
	.ingress = (void *)ctl_in,
#endif
#ifdef FILTER_INIT_FAILS
	.init = (void *)ctl_init,
#endif
	.version = FILTER_VERSION,
	.priority = 7,
	.name = FILTER_NAME,
};

char LICENSE[] SEC("license") = "GPL";
