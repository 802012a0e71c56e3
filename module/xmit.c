// SPDX-License-Identifier: GPL-2.0
/*
 * Packets: checked, completed with what the kernel knows, and given to the lower device.
 *
 * A packet is one page: struct xdp_frame, ETRAN_HDR_LEN bytes in which the program built headers,
 * the payload. It goes out by ndo_xdp_xmit: no skb, no qdisc, and nobody can change a header after
 * it was checked. Only a packet whose neighbour is not known yet becomes an skb and is left to
 * the kernel's own neighbour code: that bounds how many wait and for how long, asks for the address,
 * and sends or frees them. (Rejected: a waiting list of our own with a netevent notifier: the same
 * bounds written again.)
 *
 * Pages come from one page_pool a CPU, used with bottom halves off only: its cache has one consumer.
 */
#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <net/ip.h>
#include <net/neighbour.h>
#include <net/page_pool/helpers.h>
#include "etran.h"

/**
 * struct packet_pool - pages for packets, one a CPU
 * @pool: the pages
 * @mem: how xdp_return_frame() finds @pool
 */
struct packet_pool {
	struct page_pool *pool;
	struct xdp_mem_info mem;
};

static DEFINE_PER_CPU(struct packet_pool, packet_pools);

/**
 * etran_page_alloc - page for one packet
 *
 * Return: its address or NULL. Context: bottom halves off.
 */
void *etran_page_alloc(void)
{
	struct page *page;

	page = page_pool_alloc_pages(this_cpu_ptr(&packet_pools)->pool,
				     GFP_ATOMIC | __GFP_NOWARN);
	return page ? page_address(page) : NULL;
}

/**
 * etran_page_free - give back a page that was not sent
 * @page: from etran_page_alloc() on this CPU, bottom halves off since
 */
void etran_page_free(void *page)
{
	page_pool_put_full_page(this_cpu_ptr(&packet_pools)->pool, virt_to_page(page), true);
}

/* Leave a packet to the kernel until the neighbour's address is known. Consumes @xdpf. */
static bool send_later(struct net_device *lower, struct neighbour *neigh, struct xdp_frame *xdpf)
{
	struct sk_buff *skb = xdp_build_skb_from_frame(xdpf, lower);

	if (!skb) {
		xdp_return_frame(xdpf);
		return false;
	}
	skb_reset_network_header(skb);
	skb->ip_summed = CHECKSUM_NONE;
	READ_ONCE(neigh->output)(neigh, skb);
	return true;
}

static void end_unsent(struct etran_link *link, struct etran_transport *t,
		       struct etran_channel *ends)
{
	etran_count(link, t, packets_dropped);
	if (ends) {
		etran_count(link, t, frames_dropped);
		etran_count(link, t, frame_packet);
		atomic64_inc(&ends->dropped);
	}
}

static void end_sent(struct etran_link *link, struct etran_transport *t,
		     struct etran_channel *ends)
{
	etran_count(link, t, packets_sent);
	if (ends) {
		etran_count(link, t, frames_transmitted);
		atomic64_inc(&ends->transmitted);
	}
}

/**
 * etran_xmit_flush - give the collected packets to the lower device
 * @x: the collection; empty afterwards
 *
 * Context: RCU read side, bottom halves off.
 */
void etran_xmit_flush(struct etran_xmit *x)
{
	struct bpf_net_context net_ctx, *old;
	struct net_device *lower;
	int sent = -ENETDOWN, i;

	if (!x->n)
		return;
	lower = rcu_dereference(x->link->lower);
	if (lower && netif_running(lower) && netif_carrier_ok(lower)) {
		/* Drivers may redirect from within; give them a context of their own. */
		old = etran_net_ctx_enter(&net_ctx);
		sent = lower->netdev_ops->ndo_xdp_xmit(lower, x->n, x->frame, XDP_XMIT_FLUSH);
		etran_net_ctx_leave(old);
	}
	for (i = 0; i < x->n; i++) {
		if (i < sent) {
			end_sent(x->link, x->transport[i], x->channel[i]);
			continue;
		}
		if (sent == -ENETDOWN)
			etran_count(x->link, x->transport[i], packet_device);
		else
			etran_count(x->link, x->transport[i], packet_refused);
		end_unsent(x->link, x->transport[i], x->channel[i]);
		xdp_return_frame(x->frame[i]);
	}
	x->n = 0;
}

/**
 * etran_xmit_add - check and complete a packet, and collect it for the lower device
 * @x: the collection
 * @link: the link device that it leaves by; NULL is counted and drops it
 * @pkt: the packet, headers at @pkt->hdr_off
 * @page: its page; consumed
 * @ends: channel whose frame ends with this packet, or NULL
 *
 * Return: whether it was collected or sent; if not, it was counted with the reason.
 * Context: RCU read side, bottom halves off.
 */
bool etran_xmit_add(struct etran_xmit *x, struct etran_link *link, struct etran_pkt *pkt,
		    void *page, struct etran_channel *ends)
{
	struct etran_transport *t = pkt->transport;
	u32 end = pkt->hdr_off + pkt->hdr_len;
	struct net_device *lower;
	struct etran_route *route;
	struct xdp_frame *xdpf = page;
	struct ethhdr *eth;
	struct iphdr *ip;
	u32 len;

	etran_count(link, t, packets_built);

	if (pkt->hdr_off < ALIGN(ETH_HLEN, 4) || pkt->hdr_len < sizeof(*ip) ||
	    end > ETRAN_HDR_LEN || (pkt->payload_len && end != ETRAN_HDR_LEN)) {
		etran_count(link, t, packet_header);
		goto drop;
	}
	ip = page + XDP_PACKET_HEADROOM + pkt->hdr_off;
	if (ip->version != 4 || ip->ihl != 5 ||
	    (ip->protocol != t->ip_proto && ip->protocol != IPPROTO_ICMP)) {
		etran_count(link, t, packet_ip);
		goto drop;
	}
	lower = link ? rcu_dereference(link->lower) : NULL;
	if (!lower) {
		etran_count(link, t, packet_link);
		goto drop;
	}
	len = pkt->hdr_len + pkt->payload_len;
	if (len > READ_ONCE(link->dev->mtu)) {
		etran_count(link, t, packet_mtu);
		goto drop;
	}
	if (!netif_running(lower) || !netif_carrier_ok(lower)) {
		etran_count(link, t, packet_device);
		goto drop;
	}
	route = etran_route_get(link, lower, ip->daddr);
	if (IS_ERR(route)) {
		etran_count(link, t, packet_route);
		goto drop;
	}

	if (!ip->saddr)
		ip->saddr = route->saddr;
	ip->tot_len = htons(len);
	ip->id = 0;
	ip->frag_off = htons(IP_DF);
	ip->check = 0;
	ip->check = ip_fast_csum(ip, 5);

	eth = (void *)ip - ETH_HLEN;
	ether_addr_copy(eth->h_source, lower->dev_addr);
	eth->h_proto = htons(ETH_P_IP);

	memset(xdpf, 0, sizeof(*xdpf));
	xdpf->data = eth;
	xdpf->len = ETH_HLEN + len;
	xdpf->headroom = (void *)eth - page - sizeof(*xdpf);
	xdpf->frame_sz = PAGE_SIZE;
	xdpf->mem = this_cpu_ptr(&packet_pools)->mem;

	if (neigh_event_send(route->neigh, NULL)) {
		eth_zero_addr(eth->h_dest);
		etran_count(link, t, packets_waiting);
		if (!send_later(lower, route->neigh, xdpf)) {
			etran_count(link, t, packet_refused);
			end_unsent(link, t, ends);
			return false;
		}
		end_sent(link, t, ends);
		return true;
	}
	neigh_ha_snapshot(eth->h_dest, route->neigh, lower);

	if (x->n == ETRAN_BULK || (x->n && x->link != link))
		etran_xmit_flush(x);
	x->link = link;
	x->frame[x->n] = xdpf;
	x->transport[x->n] = t;
	x->channel[x->n] = ends;
	x->n++;
	return true;
drop:
	end_unsent(link, t, ends);
	etran_page_free(page);
	return false;
}

/**
 * etran_xmit_exit - free the pages
 *
 * Pages that are still on their way keep their pool alive until they come back.
 */
void etran_xmit_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct packet_pool *p = per_cpu_ptr(&packet_pools, cpu);

		/* This destroys the pool too. */
		if (p->mem.id)
			xdp_unreg_mem_model(&p->mem);
		else if (p->pool)
			page_pool_destroy(p->pool);
		p->pool = NULL;
		memset(&p->mem, 0, sizeof(p->mem));
	}
}

/**
 * etran_xmit_init - make the pools
 *
 * Return: 0 or a negative errno. Context: process, may sleep.
 */
int etran_xmit_init(void)
{
	int cpu, err;

	for_each_possible_cpu(cpu) {
		struct page_pool_params params = {
			.pool_size = 1024,
			.nid = cpu_to_node(cpu),
		};
		struct packet_pool *p = per_cpu_ptr(&packet_pools, cpu);

		p->pool = page_pool_create_percpu(&params, cpu);
		if (IS_ERR(p->pool)) {
			err = PTR_ERR(p->pool);
			p->pool = NULL;
			goto fail;
		}
		err = xdp_reg_mem_model(&p->mem, MEM_TYPE_PAGE_POOL, p->pool);
		if (err)
			goto fail;
	}
	return 0;
fail:
	etran_xmit_exit();
	return err;
}
