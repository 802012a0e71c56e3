/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Work for gen, which makes every packet that no application sends now.
 *
 * "work" holds RPCs with something to send, each at most once: an RPC is in the queue, or in the
 * hands of the one gen that took it out, exactly as long as rpc->pending is not 0. That makes gen's
 * work on an RPC exclusive, and lets any number of reasons to send a GRANT before the next poll end
 * in one GRANT that tells the newest offset. gen sends one packet and queues the RPC again behind
 * the others when there is more.
 *
 * "controls" and "unreachables" hold packets about RPCs of which nothing is known here, or not any
 * more; all that they need is in the entry.
 *
 * Nothing depends on an entry getting through: when a queue is full, timers and the peer's own
 * retries bring the packet back.
 */
#ifndef _HOMA_WORK_H
#define _HOMA_WORK_H

#include "queues.h"

/**
 * struct work - names an RPC of which something is to be sent
 * @key: its key
 * @generation: tells it from another of the same slot
 * @slot: where it is
 */
struct work {
	struct rpc_key key;
	__u32 generation;
	__u32 slot;
};

/* Twice the RPCs, because entries of RPCs that ended stay until gen comes to them. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 2 * HOMA_MAX_RPCS);
	__type(value, struct work);
} work SEC(".maps");

volatile __u64 work_entries;

/* How many ACKs may wait, for one peer. With one more they fill a packet. */
#define ACKS_WAITING		4

/**
 * struct finished_rpc - an RPC that its server may forget
 * @id: at the client
 * @port: of the server, host byte order
 * @zero: 0
 */
struct finished_rpc {
	__u64 id;
	__u16 port;
	__u16 zero[3];
};

static const struct finished_rpc no_ack;

/**
 * struct control - a packet without RPC
 * @key: of the RPC that it is about
 * @local: its source
 * @type: HOMA_RPC_UNKNOWN, HOMA_ACK or HOMA_CUTOFFS
 * @acks: HOMA_ACK: entries of @ack
 * @ack: HOMA_ACK: further RPCs
 */
struct control {
	struct rpc_key key;
	struct address local;
	__u32 type;
	__u32 acks;
	struct finished_rpc ack[ACKS_WAITING];
};

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 8192);
	__type(value, struct control);
} controls SEC(".maps");

volatile __u64 controls_entries;

/* What is quoted of a packet: its IP header and the whole common header, so that the id is known. */
#define UNREACHABLE_QUOTE4	(IP4_LEN + sizeof(struct homa_common_hdr))
#define UNREACHABLE_QUOTE6	(IP6_LEN + sizeof(struct homa_common_hdr))

/**
 * struct unreachable - ICMP or ICMPv6 port unreachable
 * @link: link device to send it on
 * @quote: beginning of the packet that it answers, whose addresses are its own
 */
struct unreachable {
	__u32 link;
	__u32 quote[UNREACHABLE_QUOTE6 / 4];
};

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 1024);
	__type(value, struct unreachable);
} unreachables SEC(".maps");

volatile __u64 unreachables_entries;

/* Under the lock: note what is to be sent. True: call work_push() after unlocking. */
static __always_inline bool work_add(struct rpc *rpc, __u8 pending)
{
	bool idle = !rpc->pending;

	rpc->pending |= pending;
	return idle && pending;
}

/* A queue was full, @sending: the pacer's. So that the RPC can be queued again, by its timer or a packet. */
static __always_inline void work_lost(const struct work *w, bool sending)
{
	struct rpc *rpc;

	count(COUNTER_queue_full);
	rpc = rpc_at(w->slot);
	if (!rpc)
		return;
	bpf_spin_lock(&rpc->lock);
	if (rpc_is(rpc, &w->key) && rpc->generation == w->generation) {
		if (sending)
			rpc->sending = 0;
		else
			rpc->pending = 0;
	}
	bpf_spin_unlock(&rpc->lock);
}

static __always_inline int work_push_inline(const struct work *w)
{
	if (!queue_push(work, w))
		bpf_etran_gen_kick();
	else
		work_lost(w, false);
	return 0;
}

/* Queue an RPC that is not locked. */
__noinline int work_push(const struct work *w)
{
	return w ? work_push_inline(w) : 0;
}

static __always_inline void control_queue(const struct control *c)
{
	if (queue_push(controls, c))
		count(COUNTER_queue_full);
	bpf_etran_gen_kick();
}

/* Have a packet sent about an RPC that is not known here, or not any more. A global function: see end.h. */
__noinline int control_push(const struct rpc_key *key, const struct address *local, __u32 type)
{
	struct control c = { .type = type };

	if (!key || !local)
		return 0;
	c.key = *key;
	c.local = *local;
	control_queue(&c);
	return 0;
}

#endif /* _HOMA_WORK_H */
