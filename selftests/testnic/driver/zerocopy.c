// SPDX-License-Identifier: GPL-2.0
/*
 * AF_XDP zero-copy: sending for sockets, and their pools coming and going.
 *
 * Descriptors are taken with xsk_tx_peek_desc(), or with the batched function when the setting
 * tx_batch says so: drivers do the one or the other, and what stands between socket and driver has
 * to work with both. All of a poll are taken before the first is sent, so that no lock of ours is
 * held in AF_XDP's functions.
 */
#include <linux/dma-mapping.h>
#include <linux/platform_device.h>
#include "testnic.h"

/* What pools are mapped for: there has to be a device that does DMA. */
static struct platform_device *dma_device;

static void complete_due(struct testnic_queue *q)
{
	struct testnic_completion *c;
	u64 now = 0;
	u32 n = 0;

	while (q->completion_head != q->completion_tail) {
		c = &q->completions[q->completion_head % TESTNIC_COMPLETIONS];
		if (!now)
			now = ktime_get_ns();
		if (c->due > now) {
			testnic_poll_later(q, c->due - now);
			break;
		}
		n += c->count;
		q->completion_head++;
	}
	if (n)
		xsk_tx_completed(q->pool, n);
}

static void complete_batch(struct testnic_queue *q, u32 n)
{
	u64 delay = READ_ONCE(q->nic->completion_delay);
	struct testnic_completion *c;

	if (!delay && q->completion_head == q->completion_tail) {
		xsk_tx_completed(q->pool, n);
		return;
	}
	if (q->completion_tail - q->completion_head == TESTNIC_COMPLETIONS) {
		/* The newest waits for all before it anyway. */
		c = &q->completions[(q->completion_tail - 1) % TESTNIC_COMPLETIONS];
		c->count += n;
		return;
	}
	c = &q->completions[q->completion_tail++ % TESTNIC_COMPLETIONS];
	c->due = ktime_get_ns() + delay;
	c->count = n;
	testnic_poll_later(q, delay);
}

/**
 * testnic_complete_all - complete all that was sent, due or not
 * @q: queue with a pool, which is down
 */
void testnic_complete_all(struct testnic_queue *q)
{
	u32 n = 0;

	while (q->completion_head != q->completion_tail)
		n += q->completions[q->completion_head++ % TESTNIC_COMPLETIONS].count;
	/* As in NAPI, where completions come from otherwise. */
	local_bh_disable();
	if (n)
		xsk_tx_completed(q->pool, n);
	local_bh_enable();
}

/* Return: how many descriptors are in @descs, whose address is set. */
static u32 take(struct testnic_queue *q, const struct xdp_desc **descs)
{
	u32 n;

	if (READ_ONCE(q->nic->tx_batch)) {
		n = xsk_tx_peek_release_desc_batch(q->pool, TESTNIC_TX_BUDGET);
		*descs = q->pool->tx_descs;
		return n;
	}
	for (n = 0; n < TESTNIC_TX_BUDGET; n++)
		if (!xsk_tx_peek_desc(q->pool, &q->descs[n]))
			break;
	if (n)
		xsk_tx_release(q->pool);
	*descs = q->descs;
	return n;
}

/**
 * testnic_zerocopy - send what the sockets of a queue have in their TX rings
 * @q: queue with a pool
 *
 * Return: whether there may be more. Context: NAPI, RCU read side.
 */
bool testnic_zerocopy(struct testnic_queue *q)
{
	struct xsk_buff_pool *pool = q->pool;
	const struct xdp_desc *descs;
	struct testnic_batch b;
	u32 n, i;

	complete_due(q);
	n = take(q, &descs);
	if (n) {
		testnic_begin(&b, q->nic, q->id);
		for (i = 0; i < n; i++) {
			u64 addr = descs[i].addr;
			struct testnic_frame f = {
				.data = xsk_buff_raw_get_data(pool, addr),
				.linear = descs[i].len,
				.len = descs[i].len,
			};

			xsk_buff_raw_dma_sync_for_device(pool, xsk_buff_raw_get_dma(pool, addr),
							 f.len);
			testnic_send(&b, &f);
		}
		testnic_add(q->nic, tx_zerocopy, b.packets);
		testnic_end(&b);
		complete_batch(q, n);
	}
	if (xsk_uses_need_wakeup(pool))
		xsk_set_tx_need_wakeup(pool);
	return n == TESTNIC_TX_BUDGET;
}

/**
 * testnic_wakeup - ndo_xsk_wakeup
 * @dev: device
 * @queue: queue
 * @flags: ignored: the poll does all
 *
 * Return: 0, -ENETDOWN, -EINVAL (no such queue), -ENXIO (no pool there). Context: RCU read side.
 */
int testnic_wakeup(struct net_device *dev, u32 queue, u32 flags)
{
	struct testnic *nic = netdev_priv(dev);
	struct testnic_queue *q;

	if (!netif_running(dev))
		return -ENETDOWN;
	if (queue >= nic->queue_count)
		return -EINVAL;
	q = &nic->queues[queue];
	if (!READ_ONCE(q->pool))
		return -ENXIO;
	if (!napi_if_scheduled_mark_missed(&q->napi)) {
		local_bh_disable();
		napi_schedule(&q->napi);
		local_bh_enable();
	}
	return 0;
}

/* The queue with another pool, or none. */
static int change_pool(struct testnic_queue *q, struct xsk_buff_pool *pool)
{
	bool restart = q->started;

	if (restart)
		testnic_queue_stop(q);
	WRITE_ONCE(q->pool, pool);
	return restart ? testnic_queue_start(q) : 0;
}

/**
 * testnic_set_pool - XDP_SETUP_XSK_POOL
 * @nic: device
 * @pool: the pool, or NULL: the one there is goes
 * @queue: queue
 *
 * Return: 0, -EINVAL (no such queue), -EBUSY (has one already), or why it could not be mapped.
 * Context: RTNL held.
 */
int testnic_set_pool(struct testnic *nic, struct xsk_buff_pool *pool, u16 queue)
{
	struct testnic_queue *q;
	int err;

	if (queue >= nic->queue_count)
		return -EINVAL;
	q = &nic->queues[queue];
	if (!pool) {
		pool = q->pool;
		if (!pool)
			return -EINVAL;
		err = change_pool(q, NULL);
		xsk_pool_dma_unmap(pool, 0);
		if (err)
			netdev_err(nic->dev, "queue %u is down without its socket, error %d: set the device down and up\n",
				   queue, err);
		return 0;
	}
	if (q->pool)
		return -EBUSY;
	err = xsk_pool_dma_map(pool, &dma_device->dev, 0);
	if (err)
		return err;
	err = change_pool(q, pool);
	if (err) {
		if (change_pool(q, NULL) || testnic_queue_start(q))
			netdev_err(nic->dev, "queue %u is down: set the device down and up\n",
				   queue);
		xsk_pool_dma_unmap(pool, 0);
	}
	return err;
}

/**
 * testnic_zerocopy_init - as the module is loaded
 *
 * Return: 0 or an errno.
 */
int testnic_zerocopy_init(void)
{
	int err;

	dma_device = platform_device_register_simple("testnic", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(dma_device))
		return PTR_ERR(dma_device);
	err = dma_coerce_mask_and_coherent(&dma_device->dev, DMA_BIT_MASK(64));
	if (err)
		platform_device_unregister(dma_device);
	return err;
}

/** testnic_zerocopy_exit - as the module goes */
void testnic_zerocopy_exit(void)
{
	platform_device_unregister(dma_device);
}
