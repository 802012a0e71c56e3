/* SPDX-License-Identifier: GPL-2.0 */
/*
 * testnic: a pair of virtual NICs for tests and measurements.
 *
 * What one end sends is copied once, as DMA would, into a buffer that the other end's queue posted
 * in its receive ring: a page of the queue's page pool, or a buffer of an AF_XDP socket. The sender
 * does the copying (xmit.c) and then schedules the receiving queue's NAPI (receive.c), which runs
 * the XDP program and posts new buffers. So nothing is allocated on the way, and a receiver that is
 * late loses frames as hardware does. The same NAPI takes AF_XDP descriptors to send (zerocopy.c).
 *
 * Faults (wire.c) are between the two: a direction without any costs one test a batch.
 * (Rejected: a ring of frames between the ends, as veth has. Zero-copy would take two copies then.)
 *
 * Locks, in this order:
 *	RTNL		devices, queues, AF_XDP pools, the peer
 *	wire->lock	the faults of one direction; of the sender
 *	ring->lock	the filling side of a receive ring; of the receiver
 * Both spinlocks are taken with bottom halves off, never across a call out of this module.
 */
#ifndef TESTNIC_H
#define TESTNIC_H

#include <linux/bits.h>
#include <linux/hrtimer.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <linux/siphash.h>
#include <net/xdp.h>
#include "compat.h"
#include "counters.h"

#define TESTNIC_MIN_MTU		576
#define TESTNIC_MAX_MTU		9000
/* Ethernet header and two VLAN tags. */
#define TESTNIC_HEADER		(ETH_HLEN + 2 * VLAN_HLEN)
/* As many as bits in testnic_batch.kick. */
#define TESTNIC_MAX_QUEUES	64
#define TESTNIC_DEFAULT_QUEUES	16
#define TESTNIC_MIN_RING	64
#define TESTNIC_MAX_RING	4096
#define TESTNIC_DEFAULT_RING	1024
/* Descriptors of an AF_XDP socket that one poll takes. */
#define TESTNIC_TX_BUDGET	64
/* Batches whose completion can be outstanding, a power of two. */
#define TESTNIC_COMPLETIONS	256

struct testnic_queue;

/**
 * struct testnic_slot - place in a receive ring
 * @data: where a frame is copied to
 * @buffer: struct page or, in a queue of an AF_XDP socket, struct xdp_buff
 * @len: bytes of the frame
 * @checksummed: its checksum is known to be good
 */
struct testnic_slot {
	void *data;
	void *buffer;
	u32 len;
	bool checksummed;
};

/**
 * struct testnic_ring - receive ring
 * @lock: held by who fills
 * @up: there are slots; @lock
 * @slots: as many as @mask + 1
 * @mask: number of slots less one
 * @room: bytes of a frame that fit into a buffer; @lock
 * @filled: slots that were filled, ever; written under @lock
 * @posted: slots that were given a buffer, ever; written by NAPI
 * @cleaned: slots that were taken, ever; NAPI's
 */
struct testnic_ring {
	spinlock_t lock;
	bool up;
	struct testnic_slot *slots;
	u32 mask;
	u32 room;
	u32 filled;
	u32 posted ____cacheline_aligned_in_smp;
	u32 cleaned;
};

/**
 * struct testnic_completion - descriptors that were sent in one poll
 * @due: when they are completed, ns
 * @count: how many
 */
struct testnic_completion {
	u64 due;
	u32 count;
};

/**
 * struct testnic_queue - a receive queue and the transmit queue of the same number
 * @napi: does both
 * @nic: whose queue this is
 * @id: number
 * @started: between testnic_queue_start() and _stop(); RTNL
 * @ring: receive ring
 * @pages: where received frames lie without @pool
 * @pool: AF_XDP buffers; RTNL, changed while the queue is stopped
 * @rxq: of XDP
 * @timer: polls again later
 * @descs: AF_XDP descriptors of this poll; NAPI's
 * @completions: what was sent and not completed; NAPI's, a ring
 * @completion_head: next of @completions to complete
 * @completion_tail: next to write
 */
struct testnic_queue {
	struct napi_struct napi;
	struct testnic *nic;
	u16 id;
	bool started;
	struct testnic_ring ring;
	struct page_pool *pages;
	struct xsk_buff_pool *pool;
	struct xdp_rxq_info rxq;
	struct hrtimer timer;
	struct xdp_desc descs[TESTNIC_TX_BUDGET];
	struct testnic_completion completions[TESTNIC_COMPLETIONS];
	u32 completion_head;
	u32 completion_tail;
};

/* Choices of testnic.rx_queue above any queue's number. */
#define TESTNIC_RX_HASH		0x10000
#define TESTNIC_RX_SENDER	0x10001

/**
 * struct testnic_wire - the direction that a NIC sends in; all under @lock
 * @lock: see above
 * @active: anything has to be done for a packet; read without lock
 * @up: packets are taken
 * @loss: setting: probability of loss, ppm
 * @duplicate: setting: of duplication, ppm
 * @corrupt: setting: of a flipped bit, ppm
 * @reorder: setting: of being held back, ppm
 * @reorder_gap: setting: for how many packets
 * @reorder_wait: setting: for how long at most, ns
 * @delay: setting: from queue to arrival, ns
 * @rate: setting: of the queue, bits/s, 0: infinite
 * @queue_bytes: setting: that are queued at most, 0: any
 * @queue_packets: setting: that are queued at most
 * @ecn_bytes: setting: queued, above which is marked, 0: never
 * @trim_bytes: setting: queued, above which is trimmed, 0: never
 * @trim_header: setting: bytes that trimming leaves
 * @seed: setting: of all that is random
 * @number: packets since @seed was set
 * @queue: packets that wait for the rate, FIFO
 * @flight: packets that wait for the delay, FIFO, all before those on @queue
 * @held: packets that are held back, oldest first
 * @spare: memory for packets
 * @queued_bytes: on @queue
 * @queued_packets: on @queue
 * @most_bytes: that were on @queue at a time since somebody asked
 * @most_packets: the same
 * @stored: packets on @queue, @flight, @held
 * @spares: on @spare
 * @departs: when the last packet leaves the queue, ns
 * @due: when it arrives, ns
 * @timer: fires when the next packet arrives or is not held back any longer
 * @timer_due: when it does, ns
 */
struct testnic_wire {
	spinlock_t lock;
	bool active;
	bool up;
	u64 loss;
	u64 duplicate;
	u64 corrupt;
	u64 reorder;
	u64 reorder_gap;
	u64 reorder_wait;
	u64 delay;
	u64 rate;
	u64 queue_bytes;
	u64 queue_packets;
	u64 ecn_bytes;
	u64 trim_bytes;
	u64 trim_header;
	u64 seed;
	u64 number;
	struct list_head queue;
	struct list_head flight;
	struct list_head held;
	struct list_head spare;
	u64 queued_bytes;
	u32 queued_packets;
	u64 most_bytes;
	u32 most_packets;
	u32 stored;
	u32 spares;
	u64 departs;
	u64 due;
	struct hrtimer timer;
	u64 timer_due;
};

/**
 * struct testnic - one end of a pair; private part of its net_device
 * @dev: the device
 * @peer: the other end; RCU, RTNL
 * @prog: XDP program; RCU, RTNL
 * @queues: all there can be, dev->num_rx_queues
 * @queue_count: how many those are
 * @ring_size: slots of a receive ring; RTNL
 * @counters: see counters.h
 * @folder: in debugfs; RTNL
 * @rx_queue: setting: TESTNIC_RX_HASH, TESTNIC_RX_SENDER or a queue's number
 * @tx_batch: setting: 1: take AF_XDP descriptors with the batched API
 * @completion_delay: setting: ns from sending to completion of AF_XDP descriptors
 * @refuse: setting: ppm of frames for which ndo_xdp_xmit has no room, nor for those behind them
 * @wire: what it sends on
 */
struct testnic {
	struct net_device *dev;
	struct testnic __rcu *peer;
	struct bpf_prog __rcu *prog;
	struct testnic_queue *queues;
	u32 queue_count;
	u32 ring_size;
	struct testnic_counters __percpu *counters;
	struct dentry *folder;
	u64 rx_queue;
	u64 tx_batch;
	u64 completion_delay;
	u64 refuse;
	struct testnic_wire wire;
};

/**
 * struct testnic_queue_length - what waits for the rate, the frame being sent included
 * @packets: now
 * @bytes: now
 * @most_packets: at a time since the last question
 * @most_bytes: the same
 */
struct testnic_queue_length {
	u32 packets;
	u64 bytes;
	u32 most_packets;
	u64 most_bytes;
};

#define testnic_add(nic, counter, n)	\
	this_cpu_add((nic)->counters->v[TESTNIC_##counter], (n))
#define testnic_count(nic, counter)	testnic_add(nic, counter, 1)

/**
 * struct testnic_frame - what is to be sent
 * @data: its beginning
 * @linear: bytes that lie at @data
 * @len: bytes in all
 * @skb: where the rest is, and how to complete the checksum; or NULL
 * @flip: bit to flip on arrival plus one, or 0
 * @checksummed: the checksum is known to be good
 */
struct testnic_frame {
	const u8 *data;
	u32 linear;
	u32 len;
	const struct sk_buff *skb;
	u32 flip;
	bool checksummed;
};

/**
 * struct testnic_batch - frames that are sent together
 * @nic: the sender
 * @peer: the receiver or NULL
 * @from: queue number of the sender
 * @faulty: nic->wire.lock is held, each frame goes through wire.c
 * @to: queue whose ring->lock is held, or NULL
 * @kick: queues of @peer whose NAPI is to be scheduled
 * @packets: how many were put on the wire
 * @bytes: their bytes
 */
struct testnic_batch {
	struct testnic *nic;
	struct testnic *peer;
	u16 from;
	bool faulty;
	struct testnic_queue *to;
	u64 kick;
	u32 packets;
	u32 bytes;
};

/* queue.c */
void testnic_queue_init(struct testnic *nic, struct testnic_queue *q, u16 id);
int testnic_queue_start(struct testnic_queue *q);
void testnic_queue_stop(struct testnic_queue *q);
void testnic_poll_later(struct testnic_queue *q, u64 ns);

/* receive.c */
int testnic_receive(struct testnic_queue *q, int budget);
void testnic_post(struct testnic_queue *q);
void testnic_ring_flush(struct testnic_queue *q);

/* hash.c */
u32 testnic_choose_queue(const struct testnic *receiver, const struct testnic_frame *f, u16 from);

/* wire.c */
void testnic_wire_send(struct testnic_batch *b, const struct testnic_frame *f);
void testnic_wire_changed(struct testnic *nic, bool seed);
void testnic_wire_queue(struct testnic *nic, struct testnic_queue_length *q);
void testnic_wire_init(struct testnic *nic);
void testnic_wire_up(struct testnic *nic);
void testnic_wire_down(struct testnic *nic);

/* xmit.c */
void testnic_copy_frame(u8 *to, const struct testnic_frame *f);
void testnic_deliver(struct testnic_batch *b, const struct testnic_frame *f);
void testnic_begin(struct testnic_batch *b, struct testnic *nic, u16 from);
void testnic_send(struct testnic_batch *b, const struct testnic_frame *f);
void testnic_end(struct testnic_batch *b);
netdev_tx_t testnic_start_xmit(struct sk_buff *skb, struct net_device *dev);
int testnic_xdp_xmit(struct net_device *dev, int n, struct xdp_frame **frames, u32 flags);

/* zerocopy.c */
bool testnic_zerocopy(struct testnic_queue *q);
void testnic_complete_all(struct testnic_queue *q);
int testnic_wakeup(struct net_device *dev, u32 queue, u32 flags);
int testnic_set_pool(struct testnic *nic, struct xsk_buff_pool *pool, u16 queue);
int testnic_zerocopy_init(void);
void testnic_zerocopy_exit(void);

/* ethtool.c */
extern const struct ethtool_ops testnic_ethtool_ops;
u64 testnic_counter(const struct testnic *nic, enum testnic_counter counter);
const char *testnic_counter_name(enum testnic_counter counter);

/* settings.c */
void testnic_settings_add(struct testnic *nic);
void testnic_settings_rename(struct testnic *nic);
void testnic_settings_remove(struct testnic *nic);
void testnic_settings_init(void);
void testnic_settings_exit(void);

/* device.c */
int testnic_start_queues(struct testnic *nic, u32 from, u32 to);
void testnic_stop_queues(struct testnic *nic, u32 from, u32 to);

#endif /* TESTNIC_H */
