// SPDX-License-Identifier: GPL-2.0
/*
 * The smallest transport, with what etranctl shows of one: tunables of several types, counters of
 * its own. Compiled several times, with the macros below, into the objects that must be refused.
 */
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <etran/rpc.h>
#include <etran/conn.h>
#include "etran.bpf.h"

#ifndef CTL_NAME
#define CTL_NAME	"ctltest"
#endif
#ifndef CTL_PROTO
#define CTL_PROTO	253
#endif
#ifndef CTL_VERSION
#define CTL_VERSION	ETRAN_OPS_VERSION
#endif
#ifndef CTL_SECTION
#define CTL_SECTION	".struct_ops.link"
#endif

#ifndef CTL_STATE
#define CTL_STATE	0
#endif
#ifndef CTL_QUEUES
#define CTL_QUEUES	0
#define CTL_DEPTH	0
#endif

enum transport_counter {
	COUNTER_INGRESS,
	COUNTER_NEVER,
#ifdef CTL_BIGGER
	COUNTER_MORE,
#endif
	COUNTER_MAX,
};

enum ctl_mode {
	CTL_SLOW = 3,
	CTL_FAST = 7,
};

const volatile __u32 ctl_ticks ETRAN_MEANING("how often, ticks") = 100;
const volatile __s16 ctl_offset = -5;
const volatile bool ctl_enabled = true;
const volatile enum ctl_mode ctl_mode = CTL_SLOW;
const volatile __u64 ctl_large = 1;
#ifdef CTL_NEXT
const volatile __u32 ctl_added = 11;
#endif
#ifdef CTL_LIVE
/* Among the live ones, so that others lie elsewhere than in the object without. */
ETRAN_LIVE(__u64, ctltest_first, 1, 0, 9, "", "there is none before it");
#endif
#if defined(CTL_LIVE) || defined(CTL_NEXT_LIVE)
ETRAN_LIVE(__u32, ctltest_room, 10, 1, 1000000, "bytes", "how much fits");
ETRAN_LIVE(__u64, ctltest_pause, 1000, 1000, 2000000000, "us", "how long nothing is done");
ETRAN_LIVE(__u8, ctltest_share, 5, 0, 100, "1/100", "how much of all");
ETRAN_LIVE(__s16, ctltest_shift, -3, -10, 10, "", "which way");
ETRAN_LIVE(bool, ctltest_on, true, 0, 1, "", "is it on?");
ETRAN_LIVE(enum ctl_mode, ctltest_mode, CTL_SLOW, 3, 7, "", "in which way");
ETRAN_AT_LOAD(__u32, ctltest_fixed, 7, 1, 8, "packets", "how many");
#endif

/* State in a global variable: packets seen, whoever saw them. */
#ifdef CTL_MOVED
#define ctl_seen	ctl_other
#endif
__u64 ctl_seen;
/* No tunable: the compiler may have folded it already. */
const __u32 ctl_table[4] = { 1, 2, 3, 4 };

/* What keeps the enum in the object's BTF, although all code with it is inlined. */
const enum transport_counter counter_max = COUNTER_MAX;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTER_MAX);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

#ifdef CTL_NEXT
/* Only the successor has it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} added SEC(".maps");
#else
/* It has this no more. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} dropped SEC(".maps");
#endif

#ifdef CTL_LINK_MAP
/* The name of a pin that etranctl needs for itself. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} link SEC(".maps");
#endif

#ifdef CTL_RPCS
/* One entry for each packet that came. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u64);
} rpcs SEC(".maps");

SEC("iter/bpf_map_elem")
int show_rpcs(struct bpf_iter__bpf_map_elem *ctx)
{
	struct etran_rpc_record r = { .size = sizeof(r), .state = "odd" };
	const __u64 *key = ctx->key, *value = ctx->value;

	if (!key || !value)
		return 0;
	r.id = *key;
	r.flags = *key & 1 ? ETRAN_RPC_SERVER : 0;
	if (!(*key & 1))
		__builtin_memcpy(r.state, "even", sizeof("even"));
	/* 10.9.0.2, or 2001:db8::<id> for every fourth. */
	r.peer[2] = bpf_htonl(0xffff);
	r.peer[3] = bpf_htonl(0x0a090002);
	if (!(*key & 3)) {
		r.peer[0] = bpf_htonl(0x20010db8);
		r.peer[2] = 0;
		r.peer[3] = bpf_htonl(*key);
	}
	r.peer_port = 1000 + *key;
	r.port = 500;
	r.age_ns = bpf_ktime_get_ns() - *value;
	r.quiet_ns = 1500000;
	r.send_len = 100000;
	r.sent = *key;
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}

/* The same as connections. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u64);
} conns SEC(".maps");

SEC("iter/bpf_map_elem")
int show_conns(struct bpf_iter__bpf_map_elem *ctx)
{
	struct etran_conn_record r = { .size = sizeof(r), .state = "ESTAB", .cc = "dctcp" };
	const __u64 *key = ctx->key, *value = ctx->value;

	if (!key || !value)
		return 0;
	r.id = *key;
	r.flags = ETRAN_CONN_ECN | (*key & 1 ? ETRAN_CONN_PASSIVE : 0);
	if (!(*key & 1))
		__builtin_memcpy(r.state, "TIME-WAIT", sizeof("TIME-WAIT"));
	r.addr[2] = bpf_htonl(0xffff);
	r.addr[3] = bpf_htonl(0x0a090001);
	r.peer[2] = bpf_htonl(0xffff);
	r.peer[3] = bpf_htonl(0x0a090002);
	if (!(*key & 3)) {
		r.peer[0] = bpf_htonl(0x20010db8);
		r.peer[2] = 0;
		r.peer[3] = bpf_htonl(*key);
	}
	r.peer_port = 1000 + *key;
	r.port = 500;
	r.mss = 1000;
	r.cwnd = 12000;
	r.ssthresh = 0x7fffffff;
	r.alpha = 512;
	r.srtt_us = 1500;
	r.rttvar_us = 250;
	r.rto_us = 200000;
	r.retransmits = *key;
	r.pacing_rate = 12500000;
	r.sent = 5000;
	r.acked = 3000;
	r.unsent = 500;
	r.unread = 77;
	r.age_ns = bpf_ktime_get_ns() - *value;
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}
#endif

static void count(enum transport_counter which)
{
	__u32 key = which;
	__u64 *value = bpf_map_lookup_elem(&counters, &key);

	if (value)
		*value += 1;
}

SEC("struct_ops/ctl_egress")
__u32 BPF_PROG(ctl_egress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	return ETRAN_DROP;
}

SEC("struct_ops/ctl_ingress")
__u32 BPF_PROG(ctl_ingress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	__u32 key = 0;
#if defined(CTL_LIVE) || defined(CTL_NEXT_LIVE)
	int share, shift;
#endif

	count(COUNTER_INGRESS);
#ifdef CTL_RPCS
	__u64 id = __sync_fetch_and_add(&ctl_seen, 1) + 1, now = bpf_ktime_get_ns();

	bpf_map_update_elem(&rpcs, &id, &now, BPF_ANY);
	bpf_map_update_elem(&conns, &id, &now, BPF_ANY);
#else
	__sync_fetch_and_add(&ctl_seen, 1);
#endif
#ifdef CTL_NEXT
	count(COUNTER_NEVER);
	if (bpf_map_lookup_elem(&added, &key) && ctl_added)
		return ETRAN_DROP;
#else
	if (bpf_map_lookup_elem(&dropped, &key))
		return ETRAN_DROP;
#endif
#if defined(CTL_LIVE) || defined(CTL_NEXT_LIVE)
	/* Packets that come while it has this value show that programs see it. */
	if (ctltest_room == 777 && ctltest_on && ctltest_fixed)
		count(COUNTER_NEVER);
	/* Where harm is to be kept off, what is out of range is not seen. */
	share = etran_bounded(ctltest_share);
	barrier_var(share);
	shift = etran_bounded(ctltest_shift);
	barrier_var(shift);
	if (share > 100 || shift < -10 || shift > 10)
		etran_error(-43, "ctl: a tunable is out of range");
#endif
#ifdef CTL_LINK_MAP
	if (!bpf_map_lookup_elem(&link, &key))
		return ETRAN_DROP;
#endif
#ifdef CTL_ERROR
	etran_error(-42, "ctl: packet %llu is one too many", ctl_seen);
#endif
	/* All are used, so that none is left out of the object. */
	if (ctl_enabled && ctl_ticks + ctl_offset + ctl_mode + ctl_large + ctl_table[pkt->len & 3])
		return ETRAN_CONSUME;
	return ETRAN_DROP;
}

#ifdef CTL_INIT_FAILS
SEC("struct_ops/ctl_init")
__s32 BPF_PROG(ctl_init)
{
	return -71;	/* EPROTO */
}
#endif

#ifdef CTL_BAD_PROGRAM
/* Reads without a NULL check: the verifier must mind. */
SEC("struct_ops/ctl_gen")
__u32 BPF_PROG(ctl_gen, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	return *bpf_etran_slice(pkt, 0, 4);
}
#endif

SEC(CTL_SECTION)
struct etran_ops ctl_ops = {
	.egress = (void *)ctl_egress,
#ifndef CTL_NO_INGRESS
	.ingress = (void *)ctl_ingress,
#endif
#ifdef CTL_INIT_FAILS
	.init = (void *)ctl_init,
#endif
#ifdef CTL_BAD_PROGRAM
	.gen = (void *)ctl_gen,
#endif
	.version = CTL_VERSION,
	.ip_proto = CTL_PROTO,
	.tcp_urgent = 0xe7a1,
	.name = CTL_NAME,
	.queues = CTL_QUEUES,
	.queue_depth = CTL_DEPTH,
	.state_version = CTL_STATE,
};

#ifdef CTL_TWO
SEC(".struct_ops.link")
struct etran_ops ctl_ops_2 = {
	.egress = (void *)ctl_egress,
	.ingress = (void *)ctl_ingress,
	.version = CTL_VERSION,
	.ip_proto = CTL_PROTO + 1,
	.name = "ctltest2",
};
#endif

char LICENSE[] SEC("license") = "GPL";
