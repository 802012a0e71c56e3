// SPDX-License-Identifier: GPL-2.0
/*
 * Channels: an AF_XDP socket bound to a queue of a link device, and delivery into it.
 *
 * The module is the driver behind the socket. Nothing is allocated for a queue until a socket is
 * bound there, so a link device can have thousands.
 *
 * Delivery writes into the application's fill ring buffers from any CPU, under one lock a channel.
 * The AF_XDP core exports no function that puts a buffer into a socket's RX ring except by way of a
 * redirect to an XSKMAP, so the redirect is filled in by hand: the socket, a map id that exists for
 * nobody, and a program of our own that tracepoints can look at. It is flushed at once: a driver
 * that drops the packet which we are called for need not flush, and a left-over flush list would
 * point into a dead stack frame.
 */
#include <linux/dma-mapping.h>
#include <linux/platform_device.h>
#include <linux/random.h>
#include <linux/vmalloc.h>
#include "copy.h"
#include "etran.h"

/* AF_XDP wants a zero-copy driver's buffers mapped for DMA by some device. */
static struct platform_device *dma_device;

static struct bpf_prog_aux redirect_prog_aux;
static struct bpf_prog redirect_prog = { .aux = &redirect_prog_aux };

/* By id, because handles are looked up for each packet: an array costs less than a tree. */
struct etran_channel __rcu **etran_channels;
static u32 next_channel;	/* under RTNL */

static void channel_free(struct work_struct *work)
{
	struct etran_channel *ch = container_of(work, struct etran_channel, free_work);

	/* Applications may still have the mapping; its pages live until they unmap it. */
	vfree(ch->status);
	kvfree(ch->frames);
	if (ch->mode == ETRAN_HUB)
		vfree(ch->umem);
	kfree(ch);
}

static void channel_free_rcu(struct rcu_head *rcu)
{
	struct etran_channel *ch = container_of(rcu, struct etran_channel, rcu);

	queue_work(etran_wq, &ch->free_work);
}

/**
 * etran_channel_put - give up a reference
 * @ch: the channel
 *
 * Context: any.
 */
void etran_channel_put(struct etran_channel *ch)
{
	if (refcount_dec_and_test(&ch->ref))
		call_rcu(&ch->rcu, channel_free_rcu);
}

/* A number that was not used for as long as possible. Context: RTNL held. */
static u32 new_id(void)
{
	u32 i, id;

	for (i = 1; i < ETRAN_MAX_CHANNELS; i++) {
		id = (next_channel + i) % ETRAN_MAX_CHANNELS;
		if (id && !rcu_access_pointer(etran_channels[id])) {
			next_channel = id;
			return id;
		}
	}
	return 0;
}

/* Bytes of payload behind the record. */
static u32 pool_room(struct xsk_buff_pool *pool)
{
	u32 size = xsk_pool_get_rx_frame_size(pool);

	return size > sizeof(struct etran_rec) ? size - sizeof(struct etran_rec) : 0;
}

/**
 * etran_channel_new - a place for frames
 * @link: link device, or the one on top of the NIC
 * @queue: the queue
 * @mode: whose frames
 * @umem: the first chunk; of ETRAN_HUB the channel's from here on, if it was made
 * @chunks: how many
 * @chunk_shift: log2 of a chunk's size
 *
 * Return: the channel, which nobody finds before etran_channel_publish(); ERR_PTR: -ENOMEM, -ENOSPC (too many channels).
 * Context: RTNL held.
 */
struct etran_channel *etran_channel_new(struct etran_link *link, u32 queue,
					enum etran_channel_mode mode, void *umem, u32 chunks,
					u32 chunk_shift)
{
	struct etran_channel *ch;
	u32 i, tag, id;

	id = new_id();
	if (!id)
		return ERR_PTR(-ENOSPC);

	ch = kzalloc(sizeof(*ch), GFP_KERNEL_ACCOUNT);
	if (!ch)
		return ERR_PTR(-ENOMEM);
	refcount_set(&ch->ref, 1);
	ch->mode = mode;
	ch->link = link;
	ch->queue = queue;
	ch->id = id;
	ch->chunk_shift = chunk_shift;
	ch->chunks = chunks;
	spin_lock_init(&ch->tx_lock);
	spin_lock_init(&ch->rx_lock);
	init_waitqueue_head(&ch->wait);
	init_waitqueue_head(&ch->rx_wait);
	INIT_WORK(&ch->free_work, channel_free);

	ch->frames = kvcalloc(ch->chunks, sizeof(*ch->frames), GFP_KERNEL_ACCOUNT);
	ch->map_size = PAGE_SIZE + PAGE_ALIGN(ch->chunks);
	ch->status = vmalloc_user(ch->map_size);
	if (!ch->frames || !ch->status) {
		channel_free(&ch->free_work);
		return ERR_PTR(-ENOMEM);
	}
	ch->umem = umem;
	tag = get_random_u32() & -ETRAN_FRAME_GEN;
	for (i = 0; i < ch->chunks; i++)
		ch->frames[i].tag = tag;
	ch->busy = (u8 *)ch->status + PAGE_SIZE;
	ch->status->chunks = ch->chunks;
	ch->status->chunk_offset = PAGE_SIZE;
	ch->status->mtu = link->dev->mtu;
	return ch;
}

/**
 * etran_channel_publish - frames of a new channel can be found by their handles
 * @ch: the channel, complete
 *
 * Context: RTNL held.
 */
void etran_channel_publish(struct etran_channel *ch)
{
	rcu_assign_pointer(etran_channels[ch->id], ch);
}

/**
 * etran_channel_make - what the module needs for an AF_XDP socket
 * @link: link device, or the one on top of the NIC
 * @pool: the socket's buffers
 * @queue: the queue
 * @mode: how it is bound
 *
 * Return: the channel; ERR_PTR: -EOPNOTSUPP (unaligned chunks), -E2BIG (too many chunks for a
 * handle), or as etran_channel_new(). Context: RTNL held.
 */
struct etran_channel *etran_channel_make(struct etran_link *link, struct xsk_buff_pool *pool,
					 u32 queue, enum etran_channel_mode mode)
{
	struct etran_channel *ch;

	if (pool->unaligned)
		return ERR_PTR(-EOPNOTSUPP);
	if (pool->addrs_cnt >> pool->chunk_shift >= 1U << 20)
		return ERR_PTR(-E2BIG);
	ch = etran_channel_new(link, queue, mode, pool->addrs, pool->addrs_cnt >> pool->chunk_shift,
			       pool->chunk_shift);
	if (IS_ERR(ch))
		return ch;
	ch->pool = pool;
	ch->rx_room = pool_room(pool);
	etran_channel_publish(ch);
	etran_count(link, NULL, channels);
	return ch;
}

/**
 * etran_channel_kill - nothing of a socket moves any more
 * @ch: its channel; the caller still has to give up its reference
 *
 * Context: RTNL held. When it returns nothing touches the socket's buffers any more.
 */
void etran_channel_kill(struct etran_channel *ch)
{
	/* Whoever is woken below looks for the reason. */
	WRITE_ONCE(ch->status->flags, ch->status->flags | ETRAN_STATUS_DEVICE_GONE);
	etran_endpoints_dead_channel(ch);
	synchronize_net();
	etran_frames_end_channel(ch);
	RCU_INIT_POINTER(etran_channels[ch->id], NULL);
	synchronize_net();
	wake_up_interruptible_all(&ch->wait);
	if (ch->mode != ETRAN_HUB)
		etran_add(ch->link, NULL, channels, -1);
}

/**
 * etran_channel_bind - an AF_XDP socket is bound to a queue of a link device
 * @link: the link device
 * @pool: the socket's buffers
 * @queue: the queue
 *
 * Return: 0; -EBUSY (the queue has a socket), or as etran_channel_make(). Context: RTNL held.
 */
int etran_channel_bind(struct etran_link *link, struct xsk_buff_pool *pool, u32 queue)
{
	struct etran_channel *ch;
	int err;

	if (queue >= link->dev->num_rx_queues)
		return -EINVAL;
	if (rtnl_dereference(link->channels[queue]))
		return -EBUSY;
	ch = etran_channel_make(link, pool, queue, ETRAN_LINK);
	if (IS_ERR(ch))
		return PTR_ERR(ch);
	err = xdp_rxq_info_reg(&ch->rxq, link->dev, queue, 0);
	if (err)
		goto kill;
	err = xdp_rxq_info_reg_mem_model(&ch->rxq, MEM_TYPE_XSK_BUFF_POOL, NULL);
	if (!err)
		err = xsk_pool_dma_map(pool, &dma_device->dev, 0);
	if (err)
		goto unreg;
	xsk_pool_set_rxq_info(pool, &ch->rxq);
	/* Again: a device that maps them may want some of it. */
	ch->rx_room = pool_room(pool);
	rcu_assign_pointer(link->channels[queue], ch);
	link->bound++;
	return 0;
unreg:
	xdp_rxq_info_unreg(&ch->rxq);
kill:
	etran_channel_kill(ch);
	etran_channel_put(ch);
	return err;
}

/**
 * etran_channel_unbind - the AF_XDP socket of a queue goes, or the device does
 * @link: the link device
 * @queue: the queue
 *
 * Context: RTNL held. When it returns nothing touches the socket's buffers any more.
 */
void etran_channel_unbind(struct etran_link *link, u32 queue)
{
	struct etran_channel *ch;

	if (queue >= link->dev->num_rx_queues)
		return;
	ch = rtnl_dereference(link->channels[queue]);
	if (!ch)
		return;
	RCU_INIT_POINTER(link->channels[queue], NULL);
	etran_channel_kill(ch);
	while (ch->rx_count)
		xsk_buff_free(ch->rx_buffers[--ch->rx_count]);
	xsk_pool_dma_unmap(ch->pool, 0);
	xdp_rxq_info_unreg(&ch->rxq);
	link->bound--;
	etran_channel_put(ch);
}

/**
 * etran_channel_redirect - put a buffer into an application's RX ring
 * @ch: its channel
 * @xs: its AF_XDP socket
 * @xdp: the buffer; consumed when 0 is returned
 *
 * Return: 0, -ENOBUFS, -ENETDOWN. Context: RCU read side, bottom halves off.
 */
int etran_channel_redirect(struct etran_channel *ch, struct xdp_sock *xs, struct xdp_buff *xdp)
{
	struct bpf_net_context net_ctx, *old;
	int err;

	old = etran_net_ctx_enter(&net_ctx);
	etran_redirect_to(ch, xs);
	err = xdp_do_redirect(xs->dev, xdp, &redirect_prog);
	xdp_do_flush();
	etran_net_ctx_leave(old);
	if (!err) {
		atomic64_inc(&ch->delivered);
		return 0;
	}
	/* No room in the RX ring, or the socket is being unbound. */
	return err == -ENXIO ? -ENETDOWN : -ENOBUFS;
}

/* Context: rx_lock held. */
static void count_delivery(struct etran_channel *ch)
{
	struct etran_status *st = ch->status;

	/* Behind the record: who has read the new number finds that in the ring. */
	smp_store_release(&st->delivered, st->delivered + 1);
	etran_channel_look(ch);
}

/**
 * etran_channel_wake - ETRAN_IOC_WAKE
 * @ch: the channel
 *
 * Context: process.
 */
void etran_channel_wake(struct etran_channel *ch)
{
	spin_lock_bh(&ch->rx_lock);
	count_delivery(ch);
	spin_unlock_bh(&ch->rx_lock);
}

/* A buffer of the application's. Of a NIC's queue, its driver takes them too. Context: rx_lock held. */
static struct xdp_buff *take_buffer(struct etran_channel *ch)
{
	if (ch->mode != ETRAN_LINK)
		return xsk_buff_alloc(ch->pool);
	if (!ch->rx_count)
		ch->rx_count = xsk_buff_alloc_batch(ch->pool, ch->rx_buffers, ETRAN_RX_BATCH);
	return ch->rx_count ? ch->rx_buffers[--ch->rx_count] : NULL;
}

/**
 * etran_channel_deliver - put a record and payload into an application's RX ring
 * @ch: its channel
 * @xs: its AF_XDP socket
 * @rec: the record
 * @data: payload
 * @len: bytes of payload
 *
 * Return: 0, -ENOBUFS, -EMSGSIZE, -ENETDOWN. Context: RCU read side, bottom halves off.
 */
int etran_channel_deliver(struct etran_channel *ch, struct xdp_sock *xs,
			  const struct etran_rec *rec, const void *data, u32 len)
{
	struct etran_rec *to;
	struct xdp_buff *xdp;
	int err;

	if (len > ch->rx_room)
		return -EMSGSIZE;

	spin_lock(&ch->rx_lock);
	xdp = take_buffer(ch);
	if (!xdp) {
		err = -ENOBUFS;
		goto out;
	}
	xsk_buff_set_size(xdp, sizeof(*rec) + len);
	xdp->flags = 0;
	to = xdp->data;
	memcpy(to, rec, sizeof(*rec));
	etran_copy(to + 1, data, len);
	err = etran_channel_redirect(ch, xs, xdp);
	/* Newer kernels have freed it already when the RX ring was full; a second time does nothing. */
	if (err)
		xsk_buff_free(xdp);
	else if (ch->mode == ETRAN_LINK)
		count_delivery(ch);
out:
	spin_unlock(&ch->rx_lock);
	return err;
}

/* How many buffers there are, up to @most. Context: rx_lock held. */
static u32 count_buffers(const struct etran_channel *ch, u32 most)
{
	u32 some = 0, all, half;

	if (ch->rx_count >= most)
		return most;
	all = most - ch->rx_count;
	if (xsk_buff_can_alloc(ch->pool, all))
		return most;
	/* AF_XDP tells whether there are so many, not how many. */
	while (all - some > 1) {
		half = some + (all - some) / 2;
		if (xsk_buff_can_alloc(ch->pool, half))
			some = half;
		else
			all = half;
	}
	return ch->rx_count + some;
}

/**
 * etran_channel_buffers - how many buffers are there to deliver into?
 * @ch: the channel
 * @most: do not count further; not 0
 *
 * Return: buffers, or -EOPNOTSUPP. Context: RCU read side, bottom halves off.
 */
int etran_channel_buffers(struct etran_channel *ch, u32 most)
{
	u32 n;

	/* The driver takes buffers as well, without our lock. */
	if (ch->mode != ETRAN_LINK)
		return -EOPNOTSUPP;
	spin_lock(&ch->rx_lock);
	n = count_buffers(ch, most);
	spin_unlock(&ch->rx_lock);
	return n;
}

void etran_channel_exit(void)
{
	platform_device_unregister(dma_device);
	kvfree(etran_channels);
}

int etran_channel_init(void)
{
	int err;

	etran_channels = kvcalloc(ETRAN_MAX_CHANNELS, sizeof(*etran_channels), GFP_KERNEL);
	if (!etran_channels)
		return -ENOMEM;
	dma_device = platform_device_register_simple("etran", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(dma_device)) {
		kvfree(etran_channels);
		return PTR_ERR(dma_device);
	}
	err = dma_coerce_mask_and_coherent(&dma_device->dev, DMA_BIT_MASK(64));
	if (err)
		etran_channel_exit();
	return err;
}
