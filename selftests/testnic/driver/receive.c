// SPDX-License-Identifier: GPL-2.0
/*
 * Receiving: frames that the peer copied into the ring's buffers go through the XDP program to
 * where it says. The ring is one producer (whoever holds ring->lock) and one consumer, the NAPI.
 */
#include <linux/bpf_trace.h>
#include <linux/etherdevice.h>
#include <linux/filter.h>
#include "testnic.h"

/* Buffers of an AF_XDP socket that are asked for at once. */
#define POST_BATCH 64

static void free_buffer(struct testnic_queue *q, void *buffer, bool napi)
{
	if (q->pool)
		xsk_buff_free(buffer);
	else
		page_pool_put_full_page(q->pages, buffer, napi);
}

static u32 buffer_size(const struct testnic_queue *q)
{
	return PAGE_SIZE << q->pages->p.order;
}

/* The skb of a frame that lies in a page; the page becomes its. */
static struct sk_buff *skb_of_page(struct testnic_queue *q, const struct xdp_buff *xdp)
{
	struct sk_buff *skb = napi_build_skb(xdp->data_hard_start, buffer_size(q));

	if (!skb)
		return NULL;
	skb_mark_for_recycle(skb);
	skb_reserve(skb, xdp->data - xdp->data_hard_start);
	__skb_put(skb, xdp->data_end - xdp->data);
	if (xdp->data_meta < xdp->data)
		skb_metadata_set(skb, xdp->data - xdp->data_meta);
	return skb;
}

/* The skb of a frame that lies in an AF_XDP socket's buffer: a copy. */
static struct sk_buff *skb_of_pool(struct testnic_queue *q, struct xdp_buff *xdp)
{
	u32 meta = xdp->data - xdp->data_meta, len = xdp->data_end - xdp->data_meta;
	struct sk_buff *skb = napi_alloc_skb(&q->napi, len);

	if (!skb)
		return NULL;
	memcpy(__skb_put(skb, len), xdp->data_meta, len);
	if (meta) {
		skb_metadata_set(skb, meta);
		__skb_pull(skb, meta);
	}
	xsk_buff_free(xdp);
	return skb;
}

static void pass(struct testnic_queue *q, struct xdp_buff *xdp, void *buffer, bool checksummed)
{
	struct net_device *dev = q->nic->dev;
	struct sk_buff *skb = q->pool ? skb_of_pool(q, xdp) : skb_of_page(q, xdp);

	if (unlikely(!skb)) {
		free_buffer(q, buffer, true);
		testnic_count(q->nic, rx_memory);
		return;
	}
	testnic_count(q->nic, rx_pass);
	skb->protocol = eth_type_trans(skb, dev);
	skb_record_rx_queue(skb, q->id);
	if (checksummed && (dev->features & NETIF_F_RXCSUM))
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	napi_gro_receive(&q->napi, skb);
}

static void bounce(struct testnic_queue *q, struct xdp_buff *xdp)
{
	u32 len = xdp->data_end - xdp->data;
	struct testnic_frame f = { .data = xdp->data, .linear = len, .len = len };
	struct testnic_batch b;

	testnic_begin(&b, q->nic, q->id);
	testnic_send(&b, &f);
	testnic_add(q->nic, tx_xdp, b.packets);
	testnic_end(&b);
}

/* Return: whether xdp_do_flush() is needed. */
static bool run_prog(struct testnic_queue *q, struct bpf_prog *prog, struct xdp_buff *xdp,
		     void *buffer, bool checksummed)
{
	struct testnic *nic = q->nic;
	u32 act = bpf_prog_run_xdp(prog, xdp);

	switch (act) {
	case XDP_PASS:
		pass(q, xdp, buffer, checksummed);
		return false;
	case XDP_REDIRECT:
		if (likely(!xdp_do_redirect(nic->dev, xdp, prog))) {
			testnic_count(nic, rx_xdp_redirect);
			return true;
		}
		trace_xdp_exception(nic->dev, prog, act);
		testnic_count(nic, rx_redirect_failed);
		break;
	case XDP_TX:
		testnic_count(nic, rx_xdp_tx);
		bounce(q, xdp);
		break;
	case XDP_DROP:
		testnic_count(nic, rx_xdp_drop);
		break;
	default:
		bpf_warn_invalid_xdp_action(nic->dev, prog, act);
		fallthrough;
	case XDP_ABORTED:
		trace_xdp_exception(nic->dev, prog, act);
		testnic_count(nic, rx_xdp_aborted);
	}
	free_buffer(q, buffer, true);
	return false;
}

/* Return: how many buffers were posted. */
static u32 post_pages(struct testnic_queue *q, u32 want)
{
	struct testnic_ring *ring = &q->ring;
	u32 i;

	for (i = 0; i < want; i++) {
		struct testnic_slot *slot = &ring->slots[(ring->posted + i) & ring->mask];
		struct page *page = page_pool_dev_alloc_pages(q->pages);

		if (!page)
			break;
		slot->buffer = page;
		slot->data = page_address(page) + XDP_PACKET_HEADROOM;
	}
	return i;
}

static u32 post_pool(struct testnic_queue *q, u32 want)
{
	struct xdp_buff *xdp[POST_BATCH];
	struct testnic_ring *ring = &q->ring;
	u32 done = 0, n, i;

	while (done < want) {
		u32 ask = min_t(u32, want - done, POST_BATCH);

		n = xsk_buff_alloc_batch(q->pool, xdp, ask);
		for (i = 0; i < n; i++, done++) {
			struct testnic_slot *slot = &ring->slots[(ring->posted + done) & ring->mask];

			slot->buffer = xdp[i];
			slot->data = xdp[i]->data_hard_start + XDP_PACKET_HEADROOM;
		}
		if (n < ask)
			break;
	}
	return done;
}

static void post_some(struct testnic_queue *q)
{
	struct testnic_ring *ring = &q->ring;
	u32 want = ring->mask + 1 - (ring->posted - ring->cleaned);
	u32 n = q->pool ? post_pool(q, want) : post_pages(q, want);

	/* Pairs with the acquire in testnic_deliver(). */
	smp_store_release(&ring->posted, ring->posted + n);
}

static bool has_buffers(const struct testnic_ring *ring)
{
	return READ_ONCE(ring->filled) != ring->posted;
}

/**
 * testnic_post - give the receive ring as many buffers as there are
 * @q: its queue
 *
 * A ring that has none at all looks again: when the application says that it has filled the fill
 * ring, if it uses need_wakeup, else after a millisecond.
 *
 * Context: NAPI, or the queue is not up yet.
 */
void testnic_post(struct testnic_queue *q)
{
	struct testnic_ring *ring = &q->ring;

	post_some(q);
	if (!q->pool || !xsk_uses_need_wakeup(q->pool)) {
		if (unlikely(!has_buffers(ring)))
			testnic_poll_later(q, NSEC_PER_MSEC);
		return;
	}
	if (likely(has_buffers(ring))) {
		xsk_clear_rx_need_wakeup(q->pool);
		return;
	}
	xsk_set_rx_need_wakeup(q->pool);
	/* Buffers that came before the application could see the flag. */
	smp_mb();
	post_some(q);
	if (has_buffers(ring))
		xsk_clear_rx_need_wakeup(q->pool);
}

/**
 * testnic_receive - take frames from the receive ring
 * @q: its queue
 * @budget: how many at most
 *
 * Return: how many. Context: NAPI, RCU read side.
 */
int testnic_receive(struct testnic_queue *q, int budget)
{
	struct testnic_ring *ring = &q->ring;
	struct testnic *nic = q->nic;
	struct bpf_prog *prog = rcu_dereference(nic->prog);
	/* Pairs with the release in testnic_deliver(). */
	u32 filled = smp_load_acquire(&ring->filled);
	bool redirected = false;
	u32 bytes = 0;
	int n = 0;

	while (n < budget && ring->cleaned != filled) {
		struct testnic_slot *slot = &ring->slots[ring->cleaned & ring->mask];
		bool checksummed = slot->checksummed;
		struct xdp_buff local, *xdp;
		void *buffer = slot->buffer;

		ring->cleaned++;
		n++;
		bytes += slot->len;
		if (q->pool) {
			xdp = buffer;
			xsk_buff_set_size(xdp, slot->len);
			testnic_sync_for_cpu(q->pool, xdp);
		} else {
			xdp = &local;
			xdp_init_buff(xdp, buffer_size(q), &q->rxq);
			xdp_prepare_buff(xdp, slot->data - XDP_PACKET_HEADROOM,
					 XDP_PACKET_HEADROOM, slot->len, true);
		}
		if (prog)
			redirected |= run_prog(q, prog, xdp, buffer, checksummed);
		else
			pass(q, xdp, buffer, checksummed);
	}
	if (n) {
		testnic_add(nic, rx_packets, n);
		testnic_add(nic, rx_bytes, bytes);
		if (q->pool)
			testnic_add(nic, rx_zerocopy, n);
	}
	if (redirected)
		xdp_do_flush();
	testnic_post(q);
	return n;
}

/**
 * testnic_ring_flush - free all that is in the receive ring
 * @q: its queue, which is down
 */
void testnic_ring_flush(struct testnic_queue *q)
{
	struct testnic_ring *ring = &q->ring;

	local_bh_disable();
	testnic_add(q->nic, rx_packets, ring->filled - ring->cleaned);
	testnic_add(q->nic, rx_flushed, ring->filled - ring->cleaned);
	local_bh_enable();
	for (; ring->cleaned != ring->posted; ring->cleaned++)
		free_buffer(q, ring->slots[ring->cleaned & ring->mask].buffer, false);
}
