/* SPDX-License-Identifier: GPL-2.0 */
/*
 * RPCs: what is known of each, and when it may be looked at. How they are found: table.h.
 *
 * One table for all links and both roles. Two hosts of a test can live in one kernel, so the link
 * is part of the key; the low bit of the id tells the role at this host (even: client).
 *
 * Locking. Each RPC has a spin lock and only one is ever held. Nothing can be called while it is
 * held, so everything works in steps: look at the RPC and change it under the lock, note down what
 * else is to be done, unlock, do it. Slots stay where they are, so memory behind a looked-up
 * pointer always is an RPC but may become another one: rpc_is() after locking tells. For that
 * to be enough an RPC is marked RPC_DEAD under its lock before it leaves the table, and the one that
 * marked it is the only one that releases its frames and frees its slot. A new one is RPC_FREE, or still
 * RPC_DEAD, until its creator has prepared it.
 *
 * The alternative, copies of the state that are written back with BPF_F_LOCK, needs no such care
 * but copies 400 bytes twice for each packet.
 */
#ifndef _HOMA_RPC_H
#define _HOMA_RPC_H

#define RPC_MAX_GAPS	8
#define RPC_MAX_RTX	(RPC_MAX_GAPS + 1)

/*
 * State           client                               server
 * RPC_OUTGOING    request is being sent, or waits      response is being sent, or waits for
 *                 for the response's first packet      its acknowledgement
 * RPC_INCOMING    response arrives                     request arrives
 * RPC_IN_SERVICE  -                                    the application has the request
 * RPC_FAILED      the application must still be told   the same, for an incomplete request
 */
enum rpc_state {
	RPC_FREE,
	RPC_OUTGOING,
	RPC_INCOMING,
	RPC_IN_SERVICE,
	RPC_FAILED,
	RPC_DEAD,
};

/* rpc.pending: packets that gen has to make. Control packets first. */
enum rpc_pending {
	PENDING_BUSY		= 1 << 0,
	PENDING_NEED_ACK	= 1 << 1,
	PENDING_GRANT		= 1 << 2,
	PENDING_RESEND		= 1 << 3,
	PENDING_RETRANSMIT		= 1 << 4,	/* DATA that the peer asked for again */
	PENDING_GAPS		= 1 << 5,	/* RESEND for gaps that nobody asked for yet */
	PENDING_PROBE		= 1 << 6,	/* RESEND of nothing: is the peer still there? */
};

/**
 * struct rpc_key - names an RPC
 * @id: its id at this host
 * @link: link device
 * @peer_port: host byte order
 * @port: port at this host, host byte order
 * @peer: the other host
 */
struct rpc_key {
	__u64 id;
	__u32 link;
	__u16 peer_port;
	__u16 port;
	struct address peer;
};

/**
 * struct rpc_place - where the index has an RPC, see table.h
 * @bucket: where it is
 * @first: where it would be, had there been room
 * @way: entry there; BUCKET_OTHER is set when the two differ
 * @zero: 0
 */
struct rpc_place {
	__u32 bucket;
	__u32 first;
	__u32 way;
	__u32 zero;
};

/* Bytes [start, end) of a message; none when both are equal. */
struct range {
	__u32 start;
	__u32 end;
};

/**
 * struct rpc - an RPC
 * @lock: guards all that follows but @timer, @slot, @place and @timer_epoch
 * @generation: tells it from an earlier or later RPC of this slot; never 0
 * @timer: the slot's: see timer.h
 * @armed_ns: when @timer will go off, 0 for not at all
 * @timer_epoch: timer_epoch + 1 when @timer was told what to call; 0: never. Its creator's.
 * @slot: number of the slot. Does not change.
 * @place: where the index has it: struct rpc_place. Its creator's.
 * @key: its key; see rpc_is(). Its creator writes it while the slot is dead, and nobody else ever.
 * @endpoint: the application's endpoint
 * @local: address at this host; none: the one that the route prefers
 * @state: enum rpc_state
 * @orphan: the endpoint was closed, nobody waits for the response any more
 * @priority: of DATA sent: unscheduled
 * @sched_priority: the same, beyond @unscheduled, told by the last GRANT
 * @rtx_priority: the same, in answer to a RESEND
 * @grant_asked: the message needs grants, and who saw that first has asked for @grant
 * @sending: it is in the pacer's queue, or gen took it from there
 * @report: RPC_FAILED: the application had no buffer for the error, the timer tries again
 * @resends: RESENDs or NEED_ACKs sent since something last moved
 * @unanswered: the same, since the peer last said anything about this RPC
 * @pending: enum rpc_pending; non-zero while the RPC is in the work queue or in gen's hands
 * @cutoff_version: of the last CUTOFFS from the peer, network byte order
 * @repeated: parts of the request were asked for again or came again
 * @starved: the application had no buffer for the last piece that came
 * @resend_next: number of the gap that the next RESEND is for
 * @error: RPC_FAILED: positive errno for the application
 * @begun_ns: when it began at this host
 * @heard_ns: when a packet showed last that the peer works on it, or when there last was
 *	something to do here first
 * @asked_ns: when RESEND or NEED_ACK was sent last
 * @due_ns: when something should be looked at, 0 before that is known for the first time
 * @orphan_ns: when the endpoint was closed
 * @out_len: bytes of the message sent, 0 when there is none yet
 * @out_submitted: how many of them the application gave
 * @out_frames: how many frames these are
 * @out_granted: how many may be sent
 * @out_sent: how many were sent, at least once
 * @unscheduled: how many could be sent without a grant
 * @out_head: first held frame
 * @out_tail: last held frame
 * @out_last: last held frame that was sent, 0 before the first. The next one is found with
 *	bpf_etran_next(), not remembered here, because egress may append at any time.
 * @rtx: what the peer asked for again; unsorted
 * @rtx_cursor: held frame at which the search for them stands, 0 for @out_head
 * @in_len: bytes of the message received, 0 before its first packet
 * @in_end: end of what arrived
 * @in_granted: end of what the peer may send
 * @in_received: bytes that arrived
 * @in_share: bytes of the link's budget that are in use for this message
 * @in_segment: payload of the first packet that came, bytes: so much goes into a buffer
 * @grant: its place among those that get grants, see grant.h; 0 for none
 * @gaps: what is missing below @in_end; unsorted
 * @gaps_asked: a bit for each entry of @gaps: a RESEND asked for it
 */
struct rpc {
	struct bpf_spin_lock lock;
	__u32 generation;
	struct bpf_timer timer;
	__u64 armed_ns;
	__u32 timer_epoch;
	__u32 slot;
	struct rpc_place place;
	struct rpc_key key;
	/* From here on all is 0 at first. */
	__u32 endpoint;
	struct address local;
	__u8 state;
	__u8 orphan;
	__u8 priority;
	__u8 sched_priority;
	__u8 rtx_priority;
	__u8 grant_asked;
	__u8 resends;
	__u8 unanswered;
	__u8 pending;
	__u8 report;
	__u8 resend_next;
	__u8 starved;
	__u8 repeated;
	__u8 sending;
	__be16 cutoff_version;
	__u32 error;
	__u64 begun_ns;
	__u64 heard_ns;
	__u64 asked_ns;
	__u64 due_ns;
	__u64 orphan_ns;
	__u32 out_len;
	__u32 out_submitted;
	__u32 out_frames;
	__u32 out_granted;
	__u32 out_sent;
	__u32 unscheduled;
	__u64 out_head;
	__u64 out_tail;
	__u64 out_last;
	struct range rtx[RPC_MAX_RTX];
	__u64 rtx_cursor;
	__u32 in_len;
	__u32 in_end;
	__u32 in_granted;
	__u32 in_received;
	__u32 in_share;
	__u32 grant;
	struct range gaps[RPC_MAX_GAPS];
	__u32 gaps_asked;
	__u32 in_segment;
};

__u32 rpc_generation;

static __always_inline bool is_client(__u64 id)
{
	return !(id & 1);
}

static __always_inline bool rpc_lives(const struct rpc *rpc)
{
	return rpc->state != RPC_FREE && rpc->state != RPC_DEAD;
}

/* Are two keys equal? By words, as this is asked several times for each packet. */
static __always_inline bool rpc_key_same(const struct rpc_key *x, const struct rpc_key *y)
{
	typedef __u64 __attribute__((may_alias)) word;
	const word *a = (const void *)x, *b = (const void *)y;

	_Static_assert(sizeof(*x) == 4 * sizeof(word), "struct rpc_key has other words");
	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]));
}

/* Is this (locked) RPC the one of this key, and alive? */
static __always_inline bool rpc_is(const struct rpc *rpc, const struct rpc_key *key)
{
	return rpc_lives(rpc) && rpc_key_same(&rpc->key, key);
}

/* Under the lock: a packet about the RPC arrived, and it moved something. */
static __always_inline void rpc_heard(struct rpc *rpc, __u64 now)
{
	rpc->heard_ns = now;
	rpc->resends = 0;
	rpc->unanswered = 0;
}

/*
 * Under the lock: something is due in @delay ns. Returns what to call rpc_timer_start() with after unlocking:
 * the delay, or 0 when the timer goes off before that anyhow.
 */
static __always_inline __u64 rpc_due_in(struct rpc *rpc, __u64 now, __u64 delay)
{
	rpc->due_ns = now + delay;
	if (rpc->armed_ns && rpc->armed_ns <= rpc->due_ns)
		return 0;
	rpc->armed_ns = rpc->due_ns;
	return delay;
}

/* The same, in so many ticks. */
static __always_inline __u64 rpc_due(struct rpc *rpc, __u64 now, __u32 ticks)
{
	return rpc_due_in(rpc, now, ticks_ns(ticks));
}

static __always_inline void rpc_timer_start(struct rpc *rpc, __u64 delay)
{
	if (delay)
		bpf_timer_start(&rpc->timer, delay, 0);
}

/* Under the lock of a new RPC: it exists from here on. */
static __always_inline void rpc_begin(struct rpc *rpc, __u32 generation, __u32 endpoint, __u8 state,
				      __u64 now)
{
	__builtin_memset(&rpc->endpoint, 0, sizeof(*rpc) - __builtin_offsetof(struct rpc, endpoint));
	rpc->generation = generation;
	rpc->endpoint = endpoint;
	rpc->begun_ns = now;
	rpc->heard_ns = now;
	rpc->asked_ns = now;
	rpc->state = state;
}

static __always_inline __u32 rpc_new_generation(void)
{
	/* Odd, so never 0, not even when it wraps. */
	return __sync_fetch_and_add(&rpc_generation, 2) | 1;
}

#endif /* _HOMA_RPC_H */
