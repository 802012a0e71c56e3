/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Work for gen, which makes every packet that egress does not send itself.
 *
 * "work" holds connections with something to send, each at most once: a connection is in the queue, or in the hands
 * of the gen that took it out, exactly as long as conn->pending is not 0. So any number of segments that arrive
 * in one burst make one ACK. "controls" holds segments that need no connection: RST, and
 * the ACK that DCTCP's receiver sends of a moment ago. When a queue is full, timers and peers bring it back.
 *
 * What is to be done once the lock is given up is noted down in a struct after; after_settle() does it.
 */
#ifndef _TCP_WORK_H
#define _TCP_WORK_H

#include "queues.h"

/**
 * struct work - names a connection of which something is to be sent
 * @slot: where it is
 * @generation: tells it from another of the same slot
 */
struct work {
	__u32 slot;
	__u32 generation;
};

/* Twice the connections, because entries of those that ended stay until gen comes to them. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 2 * TCP_MAX_CONNS);
	__type(value, struct work);
} work SEC(".maps");

volatile __u64 work_entries;

/**
 * struct control - a segment without connection
 * @key: between whom
 * @seq: sequence number
 * @ack: acknowledgement number
 * @flags: TCP_*
 * @ts_ok: with timestamps
 * @window: as it stands in the header
 * @tsval: with @ts_ok
 * @tsecr: likewise
 * @mss: of a SYN, as the next two: see struct out
 * @wscale: likewise
 * @sack_ok: likewise
 */
struct control {
	struct conn_key key;
	__u32 seq;
	__u32 ack;
	__u8 flags;
	__u8 ts_ok;
	__u16 window;
	__u32 tsval;
	__u32 tsecr;
	__u16 mss;
	__u8 wscale;
	__u8 sack_ok;
};

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 8192);
	__type(value, struct control);
} controls SEC(".maps");

volatile __u64 controls_entries;

/**
 * struct after - what is to be done after unlocking; zero at first, up to @key
 * @slot: of the connection
 * @generation: its
 * @push: it has to be queued for gen
 * @release: frames may be given back
 * @report: the application has to be told something
 * @control: send the segment below
 * @free: the slot is free
 * @counts: AFTER_*: what is to be counted
 * @time_wait: it has gone into TIME_WAIT
 * @zero: 0
 * @delay: start the timer so, ns; 0: it is all right
 * @listener: id of the listener that has a place in its backlog again, 0: none
 * @stream: number of the connection's file that is to be told the following, 0: none (stream.h)
 * @chain: frames to be given back with all behind them, 0 for none
 * @acked: frames to be given back up to position @acked_upto, which nobody else knows any more; 0 for none
 * @acked_upto: see @acked
 * @stream_endpoint: whose it is
 * @stream_set: ETRAN_STREAM_*
 * @stream_tag: its tag
 * @stream_avail: how far deliveries go
 * @key: with @free: of the connection whose slot is free
 * @segment: with @control
 */
struct after {
	__u32 slot;
	__u32 generation;
	__u8 push;
	__u8 release;
	__u8 report;
	__u8 control;
	__u8 free;
	__u8 counts;
	__u8 time_wait;
	__u8 zero;
	__u64 delay;
	__u32 listener;
	__u32 stream;
	__u64 chain[2];
	__u64 acked;
	__u64 acked_upto;
	__u32 stream_endpoint;
	__u32 stream_set;
	__u64 stream_tag;
	__u64 stream_avail;
	struct conn_key key;
	struct control segment;
};

/* What a struct after says in one byte each, at once. */
_Static_assert(__builtin_offsetof(struct after, delay) == 16, "eight bytes of yes or no");

/* Is there anything to do but to give back @acked? Mostly not, and then after_settle() need not be called. */
static __always_inline bool after_any(const struct after *a)
{
	return *(const __u64 *)&a->push | a->delay | a->listener | a->stream | a->chain[0] | a->chain[1];
}

static __always_inline void after_begin(struct after *a)
{
	__builtin_memset(a, 0, __builtin_offsetof(struct after, key));
}

/* struct after.counts */
#define AFTER_RECOVERY	(1U << 0)
#define AFTER_CWR	(1U << 1)
#define AFTER_RTO	(1U << 2)

/* Under the lock, where nothing can be counted. */
static __always_inline void count_later(struct after *a, __u8 what)
{
	a->counts |= what;
}

/**
 * struct out - a segment to be sent, as noted down under the lock
 * @key: its connection
 * @seq: host byte order, as all of these
 * @ack: likewise
 * @tsval: with @ts_ok
 * @tsecr: likewise
 * @window: as it stands in the header
 * @mss: of a SYN
 * @flags: TCP_*
 * @ts_ok: with timestamps
 * @ect: of an ECN-capable transport
 * @sacks: entries of @sack
 * @wscale: of a SYN; 0xff: not offered
 * @sack_ok: of a SYN: SACK is permitted
 * @zero: 0
 * @departure_ns: when it shall leave, 0: at once
 * @sack: blocks
 */
struct out {
	struct conn_key key;
	__u32 seq;
	__u32 ack;
	__u32 tsval;
	__u32 tsecr;
	__u16 window;
	__u16 mss;
	__u8 flags;
	__u8 ts_ok;
	__u8 ect;
	__u8 sacks;
	__u8 wscale;
	__u8 sack_ok;
	__u16 zero;
	__u64 departure_ns;
	struct {
		__u32 start;
		__u32 end;
	} sack[OPTION_SACKS];
};

enum step_what {
	STEP_NONE,
	STEP_SYN,
	STEP_BARE,	/* no payload */
	STEP_LATER,	/* data, but another CPU is at it */
	STEP_NEW,	/* the frame at @pos, for the first time */
	STEP_AGAIN,	/* that frame, again */
};

/**
 * struct step - what is to be sent, as noted down under the lock
 * @what: enum step_what
 * @tail: it is a tail loss probe
 * @again: a segment without payload was sent before
 * @dsack: it says what came twice
 * @rescue: STEP_AGAIN: it is the one that RFC 6675 allows on suspicion alone
 * @count: COUNTER_* of a segment without payload
 * @pos: position
 * @most: data: bytes that may be sent of a frame
 * @join: bytes of payload that several frames may make; 0: a segment has one frame
 * @end: STEP_AGAIN: behind what was ever sent
 * @from: frame from which to look on, 0 to begin with @first
 * @first: first kept frame
 * @cpu: which asks
 * @zero2: 0
 * @cookie: of the frame that was found
 */
struct step {
	__u8 what;
	__u8 tail;
	__u8 again;
	__u8 dsack;
	__u8 rescue;
	__u8 zero[3];
	__u32 count;
	__u32 most;
	__u32 join;
	__u64 pos;
	__u64 end;
	__u64 from;
	__u64 first;
	__u32 cpu;
	__u32 zero2;
	__u64 cookie;
};

/* Segments that one train may have: as long as other connections of the CPU wait for it. */
#define TRAIN_MOST	16
/* A CPU that is not held up has sent them by then. */
#define TRAIN_NS	100000

/**
 * struct train - segments that leave behind one that gen made without another look at the congestion window: full ones of the
 *	same connection, whose headers differ by the sequence number
 * @out: how they look like; @out.seq: of the last one
 * @handle: frame of the last one
 * @pos: position of the next one
 * @end_ns: when the next one would be too late: other CPUs do not wait any longer
 * @slot: of the connection
 * @generation: its
 * @len: payload of each
 * @left: how many are left, 0: there is no train
 */
struct train {
	struct out out;
	__u64 handle;
	__u64 pos;
	__u64 end_ns;
	__u32 slot;
	__u32 generation;
	__u32 len;
	__u32 left;
};

/* What one run of a program needs, and its stack has no room for. Programs of one kind do not nest. */
struct scratch {
	struct segment segment;
	struct after after;
	struct out out;
	struct step step;
	struct control control;
	struct train train;
};

enum scratch_of {
	SCRATCH_INGRESS,
	SCRATCH_EGRESS,
	SCRATCH_GEN,
	SCRATCH_TIMER,
	SCRATCH_CALL,
	SCRATCH_TIME_WAIT,
	SCRATCH_MAX,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCH_MAX);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline struct scratch *scratch_at(__u32 which)
{
	return bpf_map_lookup_elem(&scratches, &which);
}

static __always_inline struct scratch *scratch_get(__u32 which)
{
	struct scratch *s = scratch_at(which);

	if (s)
		after_begin(&s->after);
	return s;
}

/* Under the lock: note what gen has to send. */
static __always_inline void work_add(struct conn *c, struct after *a, __u8 pending)
{
	if (!c->pending && pending)
		a->push = 1;
	c->pending |= pending;
}

static __always_inline void work_push(const struct work *w)
{
	struct conn *c;

	if (!queue_push(work, w)) {
		bpf_etran_gen_kick();
		return;
	}
	count(COUNTER_queue_full);
	c = conn_at(w->slot);
	if (!c)
		return;
	/* So that it can be queued again, by its timer or a packet. */
	bpf_spin_lock(&c->lock);
	if (c->generation == w->generation)
		c->pending = 0;
	bpf_spin_unlock(&c->lock);
}

__u64 challenge_second;
__u64 challenge_count;

/* May one more answer be sent to what may be an attack? RFC 5961, 7. */
static __always_inline bool challenge_allowed(__u64 now)
{
	__u64 second = now / 1000000000;

	if (challenge_second != second) {
		challenge_second = second;
		challenge_count = 0;
	}
	if (__sync_fetch_and_add(&challenge_count, 1) < etran_bounded(tcp_challenge_acks))
		return true;
	count(COUNTER_challenge_limited);
	return false;
}

#endif /* _TCP_WORK_H */
