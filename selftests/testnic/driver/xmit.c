// SPDX-License-Identifier: GPL-2.0
/*
 * Sending: a frame is copied into a receive buffer of the peer.
 *
 * The lock of a receive ring is kept while frames of a batch go to the same ring, the NAPIs are
 * scheduled when all have been copied.
 */
#include <linux/etherdevice.h>
#include <linux/filter.h>
#include "testnic.h"

/* Taken in one function and released in another, by conditions that sparse cannot follow. */
static void lock(spinlock_t *l)
{
	spin_lock(l);
	__release(l);
}

static void unlock(spinlock_t *l)
{
	__acquire(l);
	spin_unlock(l);
}

/**
 * testnic_copy_frame - copy a whole frame; a checksum that the stack left to the NIC is completed
 * @to: where to, f->len bytes
 * @f: the frame
 */
void testnic_copy_frame(u8 *to, const struct testnic_frame *f)
{
	const struct sk_buff *skb = f->skb;
	u16 *sum;

	if (!skb) {
		memcpy(to, f->data, f->len);
	} else if (skb->ip_summed == CHECKSUM_PARTIAL) {
		skb_copy_and_csum_dev(skb, to);
		sum = (u16 *)(to + skb_checksum_start_offset(skb) + skb->csum_offset);
		/* Zero would be UDP's "no checksum". */
		if (!*sum)
			*sum = (__force u16)CSUM_MANGLED_0;
	} else {
		skb_copy_bits(skb, 0, to, f->len);
	}
}

/**
 * testnic_deliver - put a frame into the peer's receive ring
 * @b: the batch; it has a peer
 * @f: the frame
 */
void testnic_deliver(struct testnic_batch *b, const struct testnic_frame *f)
{
	struct testnic *peer = b->peer;
	struct testnic_queue *q = &peer->queues[testnic_choose_queue(peer, f, b->from)];
	struct testnic_ring *ring = &q->ring;
	struct testnic_slot *slot;

	if (b->to != q) {
		if (b->to)
			unlock(&b->to->ring.lock);
		lock(&ring->lock);
		b->to = q;
	}
	if (!ring->up) {
		testnic_count(peer, rx_down);
		return;
	}
	/* Also when there is no buffer: the poll may find some. */
	b->kick |= BIT_ULL(q->id);
	if (f->len > ring->room) {
		testnic_count(peer, rx_too_long);
		return;
	}
	/* Pairs with the release in testnic_post(). */
	if (ring->filled == smp_load_acquire(&ring->posted)) {
		testnic_count(peer, rx_no_buffer);
		return;
	}
	slot = &ring->slots[ring->filled & ring->mask];
	testnic_copy_frame(slot->data, f);
	slot->len = f->len;
	slot->checksummed = f->checksummed;
	if (unlikely(f->flip)) {
		((u8 *)slot->data)[(f->flip - 1) / BITS_PER_BYTE] ^= BIT((f->flip - 1) % BITS_PER_BYTE);
		slot->checksummed = false;
	}
	/* Pairs with the acquire in testnic_receive(). */
	smp_store_release(&ring->filled, ring->filled + 1);
}

/**
 * testnic_begin - begin a batch
 * @b: the batch
 * @nic: the sender
 * @from: number of the queue that it sends from
 *
 * Context: RCU read side, bottom halves off until testnic_end().
 */
void testnic_begin(struct testnic_batch *b, struct testnic *nic, u16 from)
{
	b->nic = nic;
	b->peer = rcu_dereference(nic->peer);
	b->from = from;
	b->to = NULL;
	b->kick = 0;
	b->packets = 0;
	b->bytes = 0;
	b->faulty = READ_ONCE(nic->wire.active);
	if (b->faulty)
		lock(&nic->wire.lock);
}

/**
 * testnic_send - send a frame
 * @b: the batch
 * @f: the frame; not needed any more afterwards
 *
 * Context: between testnic_begin() and testnic_end().
 */
void testnic_send(struct testnic_batch *b, const struct testnic_frame *f)
{
	struct testnic *nic = b->nic;

	if (unlikely(f->len < ETH_HLEN)) {
		testnic_count(nic, tx_too_short);
		return;
	}
	if (unlikely(f->len > READ_ONCE(nic->dev->mtu) + TESTNIC_HEADER)) {
		testnic_count(nic, tx_too_long);
		return;
	}
	if (unlikely(!b->peer)) {
		testnic_count(nic, tx_no_peer);
		return;
	}
	b->packets++;
	b->bytes += f->len;
	if (b->faulty)
		testnic_wire_send(b, f);
	else
		testnic_deliver(b, f);
}

/**
 * testnic_end - end a batch: locks are released, the peer's NAPIs scheduled
 * @b: the batch
 *
 * Context: as testnic_begin().
 */
void testnic_end(struct testnic_batch *b)
{
	u64 kick = b->kick;

	if (b->to)
		unlock(&b->to->ring.lock);
	if (b->faulty)
		unlock(&b->nic->wire.lock);
	if (b->packets) {
		testnic_add(b->nic, tx_packets, b->packets);
		testnic_add(b->nic, tx_bytes, b->bytes);
	}
	while (kick) {
		napi_schedule(&b->peer->queues[__ffs64(kick)].napi);
		kick &= kick - 1;
	}
}

/**
 * testnic_start_xmit - ndo_start_xmit
 * @skb: the frame
 * @dev: the sender
 *
 * Return: NETDEV_TX_OK always: what does not fit is lost, as on a wire.
 */
netdev_tx_t testnic_start_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct testnic_frame f = {
		.data = skb->data, .linear = skb_headlen(skb), .len = skb->len, .skb = skb,
		.checksummed = skb->ip_summed != CHECKSUM_NONE,
	};
	struct testnic_batch b;

	rcu_read_lock();
	testnic_begin(&b, netdev_priv(dev), skb_get_queue_mapping(skb));
	skb_tx_timestamp(skb);
	testnic_send(&b, &f);
	testnic_end(&b);
	rcu_read_unlock();
	dev_consume_skb_any(skb);
	return NETDEV_TX_OK;
}

/*
 * Give a frame back as a driver may: it had put a header of its own in front, as virtio_net does before it
 * looks for room, and used the rest of the headroom for notes.
 */
static void refuse(struct xdp_frame *frame)
{
	const u32 header = 12;

	memset(frame + 1, 0x5a, frame->headroom);
	if (frame->headroom < header)
		return;
	frame->headroom -= header;
	frame->data -= header;
	frame->len += header;
}

/**
 * testnic_xdp_xmit - ndo_xdp_xmit
 * @dev: the sender
 * @n: number of frames
 * @frames: the frames
 * @flags: XDP_XMIT_FLUSH or 0; a batch is always flushed
 *
 * Return: how many were taken, @n unless the setting refuse says otherwise; or an errno. Context: bottom halves off.
 */
int testnic_xdp_xmit(struct net_device *dev, int n, struct xdp_frame **frames, u32 flags)
{
	struct testnic *nic = netdev_priv(dev);
	u32 count = READ_ONCE(dev->real_num_tx_queues);
	u64 ppm = READ_ONCE(nic->refuse);
	struct testnic_batch b;
	int i;

	if (flags & ~XDP_XMIT_FLAGS_MASK)
		return -EINVAL;
	if (!netif_running(dev) || !count)
		return -ENETDOWN;
	rcu_read_lock();
	testnic_begin(&b, nic, smp_processor_id() % count);
	for (i = 0; i < n; i++) {
		struct testnic_frame f = {
			.data = frames[i]->data, .linear = frames[i]->len, .len = frames[i]->len,
		};

		if (ppm && get_random_u32_below(1000000) < ppm) {
			testnic_add(nic, tx_refused, n - i);
			refuse(frames[i]);
			n = i;
			break;
		}
		testnic_send(&b, &f);
	}
	testnic_add(nic, tx_xdp, b.packets);
	testnic_end(&b);
	rcu_read_unlock();
	/* Not _rx_napi: their pool may be that of another CPU, whose cache only that one may touch. */
	for (i = 0; i < n; i++)
		xdp_return_frame(frames[i]);
	return n;
}
