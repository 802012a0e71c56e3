/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A transport's own counters, which 'etranctl stats' finds by name: include this behind enum transport_counter, the
 * last of which is COUNTER_MAX.
 */
#ifndef _ETRAN_COUNT_H
#define _ETRAN_COUNT_H

/* Makes the enum part of the object's BTF. */
const enum transport_counter counter_max = COUNTER_MAX;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTER_MAX);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static __always_inline void count(enum transport_counter which)
{
	__u32 key = which;
	__u64 *value = bpf_map_lookup_elem(&counters, &key);

	if (value)
		*value += 1;
}

#endif /* _ETRAN_COUNT_H */
