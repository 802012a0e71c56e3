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
#define TT_QUEUES	8	/* packet queues */
#define TT_DEPTH	256	/* of each */
#define TT_SOCKETS	4	/* that tt_state.kept is for */
#define TT_KEPT		2048	/* chunks of each */
#define TT_FLOWS	8192

/* struct etran_req.op */
enum tt_op {
	TT_SEND,		/* build a packet, return tt_req.verdict */
	TT_KICK,		/* bpf_etran_gen_kick() */
	TT_RELEASE,		/* bpf_etran_release(tt_req.prev) */
	TT_RELEASE_CHAIN,
	TT_RELEASE_UPTO,	/* bpf_etran_release_upto(tt_req.prev, tt_req.cookie) */
	TT_NEXT,
	TT_COOKIE,
	TT_ROUTE,		/* bpf_etran_route(tt_req.seq, tt_req.daddr), see TT_F_V6 */
	TT_NOTIFY,		/* notify endpoint tt_req.seq */
	TT_TIMER,		/* the same, or tt_state.timer_do, from a timer after 1 ms */
	TT_ROUTE_SIZE,		/* bpf_etran_route(tt_req.seq) of an address of 8 bytes */
	TT_PUSH,		/* bpf_etran_queue_push(tt_req.seq, tt_req.prev), tt_req.dport the flags */
	TT_POP,			/* bpf_etran_queue_pop(tt_req.seq) */
	TT_NOTHING,
	TT_CALL,		/* do what tt_state.call[slot] says */
	TT_DO,			/* @verdict: enum tt_what, of @prev, @arg, @queue; @place: its flags */
	TT_CALL_TIMER,		/* as TT_CALL, from a timer after tt_req.arg nanoseconds */
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

/* struct tt_call.what: which function to call */
enum tt_what {
	TT_W_NOTHING,
	TT_W_RELEASE,
	TT_W_SEND,		/* @arg: when; @flags */
	TT_W_PUSH,		/* into @queue; @arg: rank; @flags: where */
	TT_W_POP,		/* @result: handle */
	TT_W_PEEK,		/* @result: handle; @out: rank */
	TT_W_LEN,
	TT_W_COOKIE,		/* @result: cookie */
	TT_W_SPIN,		/* wait until tt_state.spin is 0, for 3 s at most */
	TT_W_KICK,		/* bpf_etran_gen_kick() */
	TT_W_ACT,		/* pop @arg frames at most, do with each what its cookie says */
	TT_W_ROOM,		/* bpf_etran_rx_room(@handle, @arg, @flags) */
	TT_W_STREAM,		/* bpf_etran_stream_set(@handle, @queue, tt_state.stream_tag, @arg, @flags) */
};

/* One call; @result, @out and @cpu are written by the program, then @done is counted up. */
struct tt_call {
	__u64 handle;
	__u64 arg;
	__u64 out;
	__s64 result;
	__u32 what;
	__u32 queue;
	__u32 flags;
	__u32 done;
	__u32 cpu;		/* where it was made */
	__u32 reserved;
};

/*
 * What a cookie says is to be done with a frame by whoever pops it (TT_W_ACT, TT_A_ACT,
 * tt_state.gen_pop). If it cannot be done the frame is released.
 */
enum tt_act {
	TT_ACT_SEND,		/* after the delay */
	TT_ACT_RETAIN,		/* the same, and keep it */
	TT_ACT_RELEASE,
	TT_ACT_LOAD,		/* gen: send its payload, keep it */
	TT_ACT_LOAD_RELEASE,	/* gen: load it, release it, send */
	TT_ACT_PUSH,		/* put it into the queue; gen: send it */
	TT_ACTS
};

#define TT_COOKIE(act, queue, delay_us)						\
	(1ULL | (__u64)(act) << 8 | (__u64)(queue) << 16 | (__u64)(delay_us) << 32)

/* tt_req.flags */
#define TT_F_HOLD	1	/* bpf_etran_hold() first; the handle goes to tt_state.handle[slot] */
#define TT_F_RAW	2	/* take hdr_off, hdr_len and proto from here */
#define TT_F_SLICE	4	/* look at the payload; its first byte goes to tt_state.result */
/* IPv6: tt_state.prefix, then tt_req.daddr as the last four bytes; saddr is tt_state.saddr6 */
#define TT_F_V6		16
#define TT_F_TWICE	8	/* call bpf_etran_hold() once more; what it says goes to result */
#define TT_F_TIME	32	/* departure_ns is tt_req.arg */
#define TT_F_DELAY	64	/* departure_ns is tt_req.arg from now */
#define TT_F_PUSH	128	/* push the held frame into tt_req.queue at once; arg is the rank */
#define TT_F_NO_PACKET	256	/* build no headers */
#define TT_F_CALL	512	/* do what tt_state.call[seq] says before the verdict is returned */
#define TT_F_SPIN	1024	/* then as TT_W_SPIN */
#define TT_F_KICK	2048	/* and bpf_etran_gen_kick() */
#define TT_F_SELF	4096	/* whoever receives it delivers it to its sender */

/* struct etran_req.data */
struct tt_req {
	__u64 prev;		/* handle */
	__u64 cookie;
	__u64 arg;
	__u32 daddr;		/* network byte order */
	__u32 saddr;
	__u32 verdict;
	__u32 seq;
	__u16 dport;
	__u16 hdr_off;
	__u16 hdr_len;
	__u16 queue;
	__u16 flags;
	__u8 slot;
	__u8 place;		/* in the queue; upper four bits: socket, for tt_state.kept */
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
#define TT_A_ACT	16	/* pop a frame of queue tt_hdr.seq, do what its cookie says */
#define TT_A_TIME	32	/* the payload begins with a struct tt_time: look at it */
#define TT_A_CALL	64	/* do what tt_state.call[tt_hdr.seq] says */

/* On the wire, behind the IP header. */
struct tt_hdr {
	__u32 seq;
	__u16 dport;		/* host byte order: both ends are one machine */
	__u8 verdict;
	__u8 action;
	__u32 endpoint;		/* deliver there instead of to dport; 0: no */
};

/* What a packet with a time says of itself. */
struct tt_time {
	__u64 departure_ns;
	__u32 flow;
	__u32 seq;		/* from 1 on in each flow */
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

#define TT_JOIN_MOST	16

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
	__u32 call;		/* first do what tt_state.call[call - 1] says; 0: no */
	__u32 part;		/* bpf_etran_load_part() instead */
	__u32 from;
	__u32 len;
	__u32 payload_len;	/* out: of the packet, after that and bpf_etran_load_next() */
	__u32 join;		/* bpf_etran_load_next() so often, at most TT_JOIN_MOST, also without load, */
	__u32 most;		/* for at most so many bytes */
	__u32 joined;		/* out: frames that it appended */
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
	__u32 proto;		/* of packets, when it is not TT_PROTO */
	__u32 gen;
	__u32 init;
	__u32 exit;
	__u32 exit_kind;	/* what the last exit was told */
	__s64 exit_code;
	char exit_msg[128];
	__u32 error_in;
	__u32 tame;		/* no program returns what is no verdict, whatever it is told */
	__u32 gen_forever;	/* 1: gen returns ETRAN_CONSUME and never stops; 2: ETRAN_TX */
	__u32 timer_do;
	__u32 timer_ms;		/* after so long instead of 1 ms */
	__u32 timer_fired;
	__u64 timer_arg;
	__s64 timer_result;
	__u32 close;
	__u32 room;		/* calls of endpoint_room, and for which endpoint the last one was */
	__u32 room_endpoint;
	__u32 room_again;	/* asks once more from there, for so many at least */
	__u32 stream_opens;	/* calls of stream_open, stream_close, and what the last ones were given */
	__u32 stream_closes;
	__u32 stream_id;
	__u32 stream_endpoint;
	__u32 stream_flags;
	__s32 stream_result;
	__u64 stream_tag;	/* see TT_W_STREAM */
	__u64 stream_opened;	/* tags */
	__u64 stream_closed;
	__u64 stream_read;
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
	struct tt_call call[TT_SLOTS];
	__u64 kept[TT_SOCKETS][TT_KEPT];	/* handles, by tt_req.place and chunk */
	__u32 gen_pop;		/* gen pops from this many queues and does as cookies say */
	__u32 gen_pop_next;
	__u32 spin;		/* see TT_W_SPIN */
	__u32 spinning;		/* programs that wait for it */
	/* TT_A_TIME: */
	__u32 timed;		/* packets */
	__u32 early;		/* of these, before their time */
	__u32 disorder;		/* not the next one of their flow */
	__u64 latest_ns;	/* by how much the latest one was late */
	__u32 late[32];		/* by log2 of that in us, plus 1 */
	__u32 flow_seq[TT_FLOWS];	/* of the last one */
};

#endif /* TT_H */
