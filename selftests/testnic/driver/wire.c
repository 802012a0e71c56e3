// SPDX-License-Identifier: GPL-2.0
/*
 * The wire of one direction, and what goes wrong on it.
 *
 * A packet is lost, or not; is then held back for others, or not; goes through the queue, which
 * drains at the rate, where it is dropped, trimmed or marked; and arrives after the delay. What is
 * to be corrupted is so behind the queue: a switch does not forward what it received damaged.
 *
 * Every fault is drawn anew from (seed, which fault, number of the packet): what happens to the n-th
 * packet since the seed was set depends on nothing else, not on the other faults, the packet's
 * length or the time. (Rejected: a sequence of random numbers, which another fault or one more
 * packet would shift.)
 *
 * Only what has to wait is stored, and takes a second copy; its memory is kept for the next packet.
 * The queue and what is behind it are FIFO whatever the settings become, so one timer for the first
 * of them is enough.
 */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/slab.h>
#include <net/inet_ecn.h>
#include "testnic.h"

/* Packets that a direction stores at most: queue, delay and held back together. */
#define STORED_MAX 65536
/* Of freed ones, how many are kept. */
#define SPARE_MAX 1024

/**
 * struct testnic_packet - packet that is stored
 * @list: one of wire->queue, flight, held, spare
 * @departs: when the queue will have sent it, ns; on held: when it is not held any longer
 * @due: when it arrives, ns
 * @len: bytes
 * @room: bytes that @data can take
 * @flip: bit to flip plus one, or 0
 * @wait: packets that it is held back for
 * @from: queue number of the sender
 * @checksummed: as of a frame
 * @pad: aligns the IP header
 * @data: the frame
 */
struct testnic_packet {
	struct list_head list;
	u64 departs;
	u64 due;
	u32 len;
	u32 room;
	u32 flip;
	u32 wait;
	u16 from;
	bool checksummed;
	u8 pad[3];
	u8 data[];
};

enum draw { LOSS, DUPLICATION, CORRUPTION, BIT, REORDERING };

static u32 draw(const struct testnic_wire *w, enum draw what)
{
	const siphash_key_t key = { { w->seed, what } };

	return siphash_1u64(w->number, &key);
}

static bool happens(const struct testnic_wire *w, enum draw what, u64 ppm)
{
	return ppm && reciprocal_scale(draw(w, what), 1000000) < ppm;
}

/* Whether a packet has to be stored. */
static bool stores(const struct testnic_wire *w)
{
	return w->delay || w->rate || w->reorder || w->stored;
}

static void set_active(struct testnic_wire *w)
{
	WRITE_ONCE(w->active, w->loss || w->duplicate || w->corrupt || stores(w));
}

/* ---- memory ---- */

static struct testnic_packet *get_packet(struct testnic *nic, u32 len)
{
	struct testnic_wire *w = &nic->wire;
	struct testnic_packet *p;
	u32 room;

	if (w->stored >= STORED_MAX)
		return NULL;
	p = list_first_entry_or_null(&w->spare, struct testnic_packet, list);
	if (p) {
		list_del(&p->list);
		w->spares--;
		if (p->room >= len)
			goto out;
		kfree(p);
	}
	room = max(len, READ_ONCE(nic->dev->mtu) + TESTNIC_HEADER);
	p = kmalloc(struct_size(p, data, room), GFP_ATOMIC | __GFP_NOWARN);
	if (!p)
		return NULL;
	p->room = room;
out:
	w->stored++;
	return p;
}

/* A packet that is on no list. */
static void put_packet(struct testnic_wire *w, struct testnic_packet *p)
{
	w->stored--;
	if (w->spares >= SPARE_MAX) {
		kfree(p);
		return;
	}
	list_add(&p->list, &w->spare);
	w->spares++;
}

/* ---- the queue ---- */

/* Congestion experienced, in a packet that can say so. Return: whether it says so now. */
static bool mark(struct testnic_packet *p)
{
	u32 at = ETH_HLEN;
	u16 proto = get_unaligned_be16(p->data + 12);
	struct iphdr *ip;

	while ((proto == ETH_P_8021Q || proto == ETH_P_8021AD) && at + VLAN_HLEN <= p->len &&
	       at < TESTNIC_HEADER) {
		proto = get_unaligned_be16(p->data + at + 2);
		at += VLAN_HLEN;
	}
	ip = (struct iphdr *)(p->data + at);
	if (proto == ETH_P_IP && p->len - at >= sizeof(*ip)) {
		if (INET_ECN_is_not_ect(ip->tos) || INET_ECN_is_ce(ip->tos))
			return false;
		IP_ECN_set_ce(ip);
		return true;
	}
	if (proto == ETH_P_IPV6 && p->len - at >= sizeof(struct ipv6hdr)) {
		/* The traffic class begins in the first byte: its last bits are in the second. */
		u8 *bits = p->data + at + 1, ecn = *bits >> 4 & INET_ECN_MASK;

		if (INET_ECN_is_not_ect(ecn) || INET_ECN_is_ce(ecn))
			return false;
		*bits |= INET_ECN_CE << 4;
		return true;
	}
	return false;
}

/* What the queue has sent by now is on its way. */
static void drain(struct testnic_wire *w, u64 now)
{
	struct testnic_packet *p;

	while ((p = list_first_entry_or_null(&w->queue, struct testnic_packet, list)) &&
	       p->departs <= now) {
		w->queued_packets--;
		w->queued_bytes -= p->len;
		list_move_tail(&p->list, &w->flight);
	}
}

static void enqueue(struct testnic *nic, struct testnic_packet *p, u64 now)
{
	struct testnic_wire *w = &nic->wire;

	drain(w, now);
	if (w->trim_bytes && w->queued_bytes > w->trim_bytes && p->len > w->trim_header) {
		p->len = w->trim_header;
		p->checksummed = false;
		testnic_count(nic, wire_trimmed);
	}
	if (w->queued_packets >= w->queue_packets ||
	    (w->queue_bytes && w->queued_bytes + p->len > w->queue_bytes)) {
		testnic_count(nic, wire_queue_full);
		put_packet(w, p);
		return;
	}
	if (w->ecn_bytes && w->queued_bytes > w->ecn_bytes && mark(p))
		testnic_count(nic, wire_marked);
	w->departs = max(w->departs, now);
	if (w->rate)
		w->departs += div64_u64((u64)p->len * BITS_PER_BYTE * NSEC_PER_SEC, w->rate);
	p->departs = w->departs;
	w->due = max(w->due, p->departs + w->delay);
	p->due = w->due;
	w->queued_packets++;
	w->queued_bytes += p->len;
	w->most_packets = max(w->most_packets, w->queued_packets);
	w->most_bytes = max(w->most_bytes, w->queued_bytes);
	list_add_tail(&p->list, &w->queue);
}

/* A packet that is not held back goes; those that waited for it follow. */
static void go(struct testnic *nic, struct testnic_packet *p, u64 now)
{
	struct testnic_packet *held, *next;

	enqueue(nic, p, now);
	list_for_each_entry_safe(held, next, &nic->wire.held, list)
		if (!--held->wait) {
			list_del(&held->list);
			enqueue(nic, held, now);
		}
}

/* ---- arrival ---- */

static void arrive(struct testnic_batch *b, struct testnic_packet *p)
{
	struct testnic_frame f = {
		.data = p->data, .linear = p->len, .len = p->len,
		.checksummed = p->checksummed, .flip = p->flip,
	};

	list_del(&p->list);
	/* Trimming may have cut the bit off. */
	if (f.flip)
		f.flip = 1 + (f.flip - 1) % (f.len * BITS_PER_BYTE);
	b->from = p->from;
	if (b->peer) {
		if (f.flip)
			testnic_count(b->nic, wire_corrupted);
		testnic_deliver(b, &f);
	} else {
		testnic_count(b->nic, wire_down);
	}
	put_packet(&b->nic->wire, p);
}

static void arm(struct testnic_wire *w)
{
	struct testnic_packet *p;
	u64 next = U64_MAX;

	p = list_first_entry_or_null(&w->flight, struct testnic_packet, list) ?:
	    list_first_entry_or_null(&w->queue, struct testnic_packet, list);
	if (p)
		next = p->due;
	p = list_first_entry_or_null(&w->held, struct testnic_packet, list);
	if (p)
		next = min(next, p->departs);
	if (next == U64_MAX || (hrtimer_is_queued(&w->timer) && w->timer_due <= next))
		return;
	w->timer_due = next;
	hrtimer_start(&w->timer, ns_to_ktime(next), HRTIMER_MODE_ABS_SOFT);
}

static void run(struct testnic_batch *b, u64 now)
{
	struct testnic_wire *w = &b->nic->wire;
	struct testnic_packet *p;

	while ((p = list_first_entry_or_null(&w->held, struct testnic_packet, list)) &&
	       p->departs <= now) {
		list_del(&p->list);
		enqueue(b->nic, p, now);
	}
	drain(w, now);
	while ((p = list_first_entry_or_null(&w->flight, struct testnic_packet, list)) &&
	       p->due <= now)
		arrive(b, p);
	arm(w);
	if (!w->stored)
		set_active(w);
}

static enum hrtimer_restart timer_fired(struct hrtimer *timer)
{
	struct testnic *nic = container_of(timer, struct testnic, wire.timer);
	struct testnic_batch b;

	rcu_read_lock();
	testnic_begin(&b, nic, 0);
	if (b.faulty)
		run(&b, ktime_get_ns());
	testnic_end(&b);
	rcu_read_unlock();
	return HRTIMER_NORESTART;
}

/**
 * testnic_wire_send - send a frame over a wire that has faults
 * @b: the batch
 * @f: the frame
 *
 * Context: wire->lock held.
 */
void testnic_wire_send(struct testnic_batch *b, const struct testnic_frame *f)
{
	struct testnic *nic = b->nic;
	struct testnic_wire *w = &nic->wire;
	struct testnic_frame copy = *f;
	struct testnic_packet *p;
	u32 copies = 1;
	bool hold;
	u64 now;

	w->number++;
	if (!w->up) {
		testnic_count(nic, wire_down);
		return;
	}
	if (happens(w, LOSS, w->loss)) {
		testnic_count(nic, wire_lost);
		return;
	}
	if (happens(w, DUPLICATION, w->duplicate)) {
		testnic_count(nic, wire_duplicated);
		copies++;
	}
	if (happens(w, CORRUPTION, w->corrupt))
		copy.flip = 1 + reciprocal_scale(draw(w, BIT), f->len * BITS_PER_BYTE);
	if (!stores(w)) {
		while (copies--) {
			if (copy.flip)
				testnic_count(nic, wire_corrupted);
			testnic_deliver(b, &copy);
		}
		return;
	}

	now = ktime_get_ns();
	hold = happens(w, REORDERING, w->reorder);
	while (copies--) {
		p = get_packet(nic, f->len);
		if (!p) {
			testnic_count(nic, wire_memory);
			continue;
		}
		testnic_copy_frame(p->data, f);
		p->len = f->len;
		p->flip = copy.flip;
		p->from = b->from;
		p->checksummed = f->checksummed;
		if (hold) {
			testnic_count(nic, wire_reordered);
			p->wait = w->reorder_gap;
			p->departs = now + w->reorder_wait;
			list_add_tail(&p->list, &w->held);
		} else {
			go(nic, p, now);
		}
	}
	run(b, now);
}

/* ---- settings, up and down ---- */

/**
 * testnic_wire_changed - a setting was changed
 * @nic: sender
 * @seed: it is the seed: packets are counted anew
 *
 * Context: wire->lock held.
 */
void testnic_wire_changed(struct testnic *nic, bool seed)
{
	if (seed)
		nic->wire.number = 0;
	set_active(&nic->wire);
}

/**
 * testnic_wire_queue - how long the queue is, and was since the last question
 * @nic: sender
 * @q: filled in
 *
 * Context: process.
 */
void testnic_wire_queue(struct testnic *nic, struct testnic_queue_length *q)
{
	struct testnic_wire *w = &nic->wire;

	spin_lock_bh(&w->lock);
	drain(w, ktime_get_ns());
	q->packets = w->queued_packets;
	q->bytes = w->queued_bytes;
	q->most_packets = w->most_packets;
	q->most_bytes = w->most_bytes;
	w->most_packets = w->queued_packets;
	w->most_bytes = w->queued_bytes;
	spin_unlock_bh(&w->lock);
}

/**
 * testnic_wire_init - as the device is made: no faults
 * @nic: sender
 */
void testnic_wire_init(struct testnic *nic)
{
	struct testnic_wire *w = &nic->wire;

	spin_lock_init(&w->lock);
	INIT_LIST_HEAD(&w->queue);
	INIT_LIST_HEAD(&w->flight);
	INIT_LIST_HEAD(&w->held);
	INIT_LIST_HEAD(&w->spare);
	hrtimer_init(&w->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_SOFT);
	w->timer.function = timer_fired;
	w->seed = 1;
	w->reorder_gap = 3;
	w->reorder_wait = 100 * NSEC_PER_MSEC;
	w->queue_packets = 1000;
	w->trim_header = 64;
}

/**
 * testnic_wire_up - as the sender comes up
 * @nic: sender
 */
void testnic_wire_up(struct testnic *nic)
{
	spin_lock_bh(&nic->wire.lock);
	nic->wire.up = true;
	spin_unlock_bh(&nic->wire.lock);
}

static void drop_list(struct testnic *nic, struct list_head *list)
{
	struct testnic_packet *p, *next;

	list_for_each_entry_safe(p, next, list, list) {
		list_del(&p->list);
		testnic_count(nic, wire_down);
		nic->wire.stored--;
		kfree(p);
	}
}

/**
 * testnic_wire_down - as the sender goes down: what is on the way is lost
 * @nic: sender
 *
 * Context: may sleep.
 */
void testnic_wire_down(struct testnic *nic)
{
	struct testnic_wire *w = &nic->wire;
	struct testnic_packet *p, *next;

	spin_lock_bh(&w->lock);
	w->up = false;
	drop_list(nic, &w->queue);
	drop_list(nic, &w->flight);
	drop_list(nic, &w->held);
	list_for_each_entry_safe(p, next, &w->spare, list) {
		list_del(&p->list);
		kfree(p);
	}
	w->spares = 0;
	w->queued_packets = 0;
	w->queued_bytes = 0;
	w->departs = 0;
	w->due = 0;
	set_active(w);
	spin_unlock_bh(&w->lock);
	/* With nothing stored it is not armed again. */
	hrtimer_cancel(&w->timer);
}
