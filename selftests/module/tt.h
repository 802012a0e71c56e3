/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tt, the test transport: what its BPF programs and the tests share.
 *
 * It has no behaviour of its own: each request record, each received packet and each entry of
 * tt_state.gen says what the program that sees it shall do and return, and what it saw is written
 * to tt_state. So one object serves all tests, and a test can make a program misbehave exactly once.
 */
#ifndef TT_H
#define TT_H

#include <linux/types.h>

#ifndef TT_NAME
#define TT_NAME		"tt"
#define TT_PROTO	253	/* RFC 3692: for experiments */
#endif
#define TT_PORTS	64
#define TT_SLOTS	64

/* struct etran_req.op */
enum tt_op {
	TT_SEND,		/* build a packet, return tt_req.verdict */
	TT_KICK,		/* bpf_etran_gen_kick() */
	TT_RELEASE,		/* bpf_etran_release(tt_req.prev) */
	TT_RELEASE_CHAIN,
	TT_NEXT,
	TT_COOKIE,
	TT_ROUTE,		/* bpf_etran_route(tt_req.seq, tt_req.daddr), see TT_F_V6 */
	TT_NOTIFY,		/* notify endpoint tt_req.seq */
	TT_TIMER,		/* the same, or tt_state.timer_do, from a timer after 1 ms */
	TT_ROUTE_SIZE,		/* bpf_etran_route(tt_req.seq) of an address of 8 bytes */
	TT_PUSH,		/* bpf_etran_queue_push(tt_req.seq, tt_req.prev), tt_req.dport the flags */
	TT_POP,			/* bpf_etran_queue_pop(tt_req.seq) */
	TT_NOTHING,
};

/* tt_state.timer_do */
enum tt_timer {
	TT_TIMER_NOTIFY,
	TT_TIMER_ERROR,
	TT_TIMER_RELEASE,	/* bpf_etran_release(tt_state.timer_arg) */
	TT_TIMER_COOKIE,
	TT_TIMER_NEXT,
};

/* tt_state.error_in: which programs shall call etran_error(), one bit each */
#define TT_IN_EGRESS	0
#define TT_IN_INGRESS	1
#define TT_IN_GEN	2
#define TT_IN_OPEN	3
#define TT_IN_BIND	4
#define TT_IN_CLOSE	5
#define TT_IN_INIT	6
#define TT_IN_TIMER	7

/* tt_req.flags */
#define TT_F_HOLD	1	/* bpf_etran_hold() first; the handle goes to tt_state.handle[slot] */
#define TT_F_RAW	2	/* take hdr_off, hdr_len and proto from here */
#define TT_F_SLICE	4	/* look at the payload; its first byte goes to tt_state.result */
/* IPv6: tt_state.prefix, then tt_req.daddr as the last four bytes; saddr is tt_state.saddr6 */
#define TT_F_V6		16
#define TT_F_TWICE	8	/* call bpf_etran_hold() once more; what it says goes to result */

/* struct etran_req.data */
struct tt_req {
	__u64 prev;		/* handle */
	__u64 cookie;
	__u32 daddr;		/* network byte order */
	__u32 saddr;
	__u32 verdict;
	__u32 seq;
	__u16 dport;
	__u16 hdr_off;
	__u16 hdr_len;
	__u8 flags;
	__u8 slot;
	__u8 rx_verdict;
	__u8 rx_action;
	__u8 proto;
	__u8 version_ihl;
};

/* tt_hdr.action */
#define TT_A_KICK	1	/* one more pending, bpf_etran_gen_kick() */
#define TT_A_NOTIFY	2
#define TT_A_DELIVER	4	/* bpf_etran_deliver() whatever the verdict */
#define TT_A_BEYOND	8	/* deliver one byte more than there is */

/* On the wire, behind the IP header. */
struct tt_hdr {
	__u32 seq;
	__u16 dport;		/* host byte order: both ends are one machine */
	__u8 verdict;
	__u8 action;
	__u32 endpoint;		/* deliver there instead of to dport; 0: no */
};

#define TT_HDRS		(20 + sizeof(struct tt_hdr))
#define TT_HDRS6	(40 + sizeof(struct tt_hdr))

/* struct etran_rec.data */
struct tt_rec {
	__u32 seq;
	__u32 saddr;		/* IPv6: the last four bytes */
	__u32 len;
	__u32 version;		/* of IP */
	__u32 saddr6[3];	/* IPv6: those before @saddr */
};

/* struct etran_rec.type */
#define TT_REC_DATA	1
#define TT_REC_NOTE	2
#define TT_REC_TIMER	3

struct tt_gen {
	__u64 handle;		/* bpf_etran_load() this; 0: no */
	__u32 verdict;
	__u32 link;		/* 0: what load said */
	__u32 daddr;
	__u32 seq;
	__u32 dport;
	__u32 rx_verdict;
	__s32 loaded;		/* out: what bpf_etran_load() said */
	__u32 v6;		/* as TT_F_V6 */
	__u32 twice;		/* load once more, and let that be the answer */
};

/* Read and written by both sides. */
struct tt_state {
	__u64 handle[TT_SLOTS];	/* by tt_req.slot */
	__u64 held[TT_SLOTS];	/* by UMEM chunk, which a handle ends with */
	__s64 result;
	__u32 port[TT_PORTS];	/* endpoint id */
	__u32 egress;		/* calls */
	__u32 ingress;
	__u32 icmp;
	__u32 icmp_type;
	__u32 icmp_code;
	__u32 prefix[3];	/* see TT_F_V6 */
	__u32 saddr6[4];
	__u32 gen;
	__u32 init;
	__u32 exit;
	__u32 exit_kind;	/* what the last exit was told */
	__s64 exit_code;
	char exit_msg[128];
	__u32 error_in;
	__u32 tame;		/* no program returns what is no verdict, whatever it is told */
	__u32 gen_forever;	/* gen returns ETRAN_CONSUME and never stops */
	__u32 timer_do;
	__u32 timer_ms;		/* after so long instead of 1 ms */
	__u32 timer_fired;
	__u64 timer_arg;
	__s64 timer_result;
	__u32 close;
	__s32 init_result;
	__s32 open_result;
	__s32 bind_result;
	__u32 rx_force;		/* not 0: verdict for all received packets, plus 1 */
	__s32 deliver;		/* last result of bpf_etran_deliver() */
	__s32 notify;
	__u32 pending;		/* TT_A_KICK since the last gen */
	__u32 coalesce;		/* gen sends one packet for all that are pending */
	__u32 coalesce_daddr;
	__u32 coalesce_link;
	__u32 gen_n;		/* entries of gen_do */
	__u32 gen_next;
	__u32 version;		/* of the programs that ran last, see bump.bpf.c */
	struct tt_gen gen_do[TT_SLOTS];
};

#endif /* TT_H */
