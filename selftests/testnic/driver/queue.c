// SPDX-License-Identifier: GPL-2.0
/* A queue: its NAPI, and what it needs while the device is up. */
#include <linux/mm.h>
#include <linux/slab.h>
#include "testnic.h"

static int poll(struct napi_struct *napi, int budget)
{
	struct testnic_queue *q = container_of(napi, struct testnic_queue, napi);
	bool more = false;
	int n;

	if (!budget)
		return 0;
	rcu_read_lock();
	if (q->pool)
		more = testnic_zerocopy(q);
	n = testnic_receive(q, budget);
	rcu_read_unlock();
	if (more)
		return budget;
	if (n < budget)
		napi_complete_done(napi, n);
	return n;
}

static enum hrtimer_restart timer_fired(struct hrtimer *timer)
{
	napi_schedule(&container_of(timer, struct testnic_queue, timer)->napi);
	return HRTIMER_NORESTART;
}

/**
 * testnic_poll_later - schedule a queue's NAPI after some time, or sooner
 * @q: queue
 * @ns: nanoseconds
 *
 * Context: NAPI, or the queue is not up yet.
 */
void testnic_poll_later(struct testnic_queue *q, u64 ns)
{
	if (!hrtimer_is_queued(&q->timer) ||
	    ktime_to_ns(hrtimer_get_remaining(&q->timer)) > (s64)ns)
		hrtimer_start(&q->timer, ns_to_ktime(ns), HRTIMER_MODE_REL_SOFT);
}

/**
 * testnic_queue_init - as the device is made
 * @nic: device
 * @q: queue
 * @id: its number
 */
void testnic_queue_init(struct testnic *nic, struct testnic_queue *q, u16 id)
{
	q->nic = nic;
	q->id = id;
	spin_lock_init(&q->ring.lock);
	hrtimer_init(&q->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
	q->timer.function = timer_fired;
	netif_napi_add(nic->dev, &q->napi, poll);
}

static int make_pages(struct testnic_queue *q)
{
	struct net_device *dev = q->nic->dev;
	u32 size = XDP_PACKET_HEADROOM + dev->mtu + TESTNIC_HEADER +
		   SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
	struct page_pool_params params = {
		.order = get_order(size),
		.pool_size = q->nic->ring_size,
		.nid = NUMA_NO_NODE,
		.napi = &q->napi,
	};

	testnic_pages_netdev(&params, dev);
	q->pages = page_pool_create(&params);
	if (IS_ERR(q->pages)) {
		int err = PTR_ERR(q->pages);

		q->pages = NULL;
		return err;
	}
	return 0;
}

static void free_pages_of(struct testnic_queue *q)
{
	if (q->pages)
		page_pool_destroy(q->pages);
	q->pages = NULL;
}

/* What XDP has to know of the memory that frames lie in. */
static int register_rxq(struct testnic_queue *q)
{
	int err = xdp_rxq_info_reg(&q->rxq, q->nic->dev, q->id, q->napi.napi_id);

	if (err)
		return err;
	if (q->pool)
		err = xdp_rxq_info_reg_mem_model(&q->rxq, MEM_TYPE_XSK_BUFF_POOL, NULL);
	else
		err = xdp_rxq_info_reg_mem_model(&q->rxq, MEM_TYPE_PAGE_POOL, q->pages);
	if (err)
		xdp_rxq_info_unreg(&q->rxq);
	else if (q->pool)
		xsk_pool_set_rxq_info(q->pool, &q->rxq);
	return err;
}

/**
 * testnic_queue_start - bring a queue up
 * @q: queue, down
 *
 * Return: 0 or an errno. Context: RTNL held.
 */
int testnic_queue_start(struct testnic_queue *q)
{
	struct testnic_ring *ring = &q->ring;
	u32 room = q->nic->dev->mtu + TESTNIC_HEADER;
	int err;

	ring->slots = kvcalloc(q->nic->ring_size, sizeof(*ring->slots), GFP_KERNEL);
	if (!ring->slots)
		return -ENOMEM;
	ring->mask = q->nic->ring_size - 1;
	if (q->pool) {
		room = min(room, xsk_pool_get_rx_frame_size(q->pool));
	} else {
		err = make_pages(q);
		if (err)
			goto out_slots;
	}
	err = register_rxq(q);
	if (err)
		goto out_pages;

	/* Before NAPI can do the same: a socket may wake it at any time. */
	local_bh_disable();
	testnic_post(q);
	local_bh_enable();
	napi_enable(&q->napi);
	local_bh_disable();
	spin_lock(&ring->lock);
	ring->room = room;
	ring->up = true;
	spin_unlock(&ring->lock);
	q->started = true;
	/* What a socket wanted to send meanwhile. */
	napi_schedule(&q->napi);
	local_bh_enable();
	return 0;

out_pages:
	free_pages_of(q);
out_slots:
	kvfree(ring->slots);
	ring->slots = NULL;
	return err;
}

/**
 * testnic_queue_stop - take a queue down
 * @q: queue; nothing happens if it is down
 *
 * Context: RTNL held, may sleep.
 */
void testnic_queue_stop(struct testnic_queue *q)
{
	struct testnic_ring *ring = &q->ring;

	if (!q->started)
		return;
	q->started = false;
	spin_lock_bh(&ring->lock);
	ring->up = false;
	spin_unlock_bh(&ring->lock);
	napi_disable(&q->napi);
	hrtimer_cancel(&q->timer);
	testnic_ring_flush(q);
	if (q->pool)
		testnic_complete_all(q);
	xdp_rxq_info_unreg(&q->rxq);
	free_pages_of(q);
	kvfree(ring->slots);
	ring->slots = NULL;
	ring->filled = 0;
	ring->posted = 0;
	ring->cleaned = 0;
}
