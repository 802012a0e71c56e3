// SPDX-License-Identifier: GPL-2.0
/*
 * Packets: checked, completed with what the kernel knows, and given to the lower device.
 *
 * A packet is one page: struct xdp_frame, struct etran_packet, ETRAN_HDR_LEN bytes in which the program
 * built headers, the payload. It goes out by ndo_xdp_xmit: no skb, no qdisc, and nobody can change a
 * header after it was checked. Only a packet whose neighbour is not known yet becomes an skb and is
 * left to the kernel's own neighbour code: that bounds how many wait for each neighbour and for how long,
 * asks for the address, and sends or frees them; how many may begin to wait is bounded in route.c. (Rejected: a waiting list of our own with a netevent notifier:
 * the same bounds written again.)
 *
 * TCP, and what leaves in TCP's clothes (etran_ops.tcp_urgent), gets its checksum here, as it covers the source that
 * only the route may know. It is found behind the test for the transport's own protocol, which all others
 * pass: they pay for nothing. Rejected: leaving the checksum to the NIC, of which XDP cannot ask that.
 *
 * A device that has no room just now (veth: a ring of 256) refuses. Those packets wait in the link
 * device's backlog, which is bounded and tried again soon; while it is long, egress leaves descriptors
 * in the TX rings and gen is not called, and both go on when it is short. (Rejected: dropping them: a
 * burst of a transport that does nothing wrong would cost it a timeout.) What comes back is not what was
 * given: the headroom is the driver's to write to, and virtio_net puts its own header in front of the
 * packet before it knows whether there is room. So the packet is restored from notes that lie elsewhere.
 *
 * Pages come from one page_pool a CPU, used with bottom halves off only: its cache has one consumer. Each
 * packet that waits for its time, or is held with its headers, has one, and what comes back at once after a
 * burst stays with the pool up to a number (parameter pages=): a page from the kernel's allocator and back
 * cost 270 of a timed release's 963 instructions.
 */
#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/moduleparam.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>
#include <net/neighbour.h>
#include <net/page_pool/helpers.h>
#include "etran.h"

/* Packets that may wait for one lower device; so many, and nobody makes more. */
#define BACKLOG_MAX	2048
#define BACKLOG_HIGH	256
/* A device that takes nothing for so long has a problem of another kind. */
#define RETRY_NS	(50 * NSEC_PER_USEC)
#define RETRY_MAX_NS	(1 * NSEC_PER_MSEC)
#define RETRIES		1000

/* page_pool allows 32768. 8192: 32 MiB a CPU, after as many packets waited there at a time. */
#define PAGES_MIN	256U
#define PAGES_MAX	32768U
static unsigned int pages = 8192;
module_param(pages, uint, 0444);
MODULE_PARM_DESC(pages, "free pages that each CPU keeps at most, 256 to 32768 (default 8192)");

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

/* With bottom halves off; empty whenever they are on. */
DEFINE_PER_CPU(struct etran_xmit, etran_xmits);

/**
 * etran_page_alloc - page for one packet
 *
 * Return: its address or NULL. Context: bottom halves off.
 */
void *etran_page_alloc(void)
{
	struct packet_pool *p = this_cpu_ptr(&packet_pools);
	struct xdp_frame *xdpf;
	struct page *page;

	page = page_pool_alloc_pages(p->pool, GFP_ATOMIC | __GFP_NOWARN);
	if (!page)
		return NULL;
	xdpf = page_address(page);
	/* Here, because the CPU that sends it may be another one. */
	xdpf->mem = p->mem;
	return xdpf;
}

/**
 * etran_page_free - give back a page that was not sent
 * @page: from etran_page_alloc() on this CPU, bottom halves off since
 */
void etran_page_free(void *page)
{
	page_pool_put_full_page(this_cpu_ptr(&packet_pools)->pool, virt_to_page(page), true);
}

/**
 * etran_page_put - give back a page that may come from another CPU
 * @page: the page
 *
 * Context: any but hardirq.
 */
void etran_page_put(void *page)
{
	struct page *p = virt_to_page(page);

	page_pool_put_full_page(p->pp, p, false);
}

/* ---- what becomes of the frames ---- */

/* A packet left, or did not: tell whatever waits for it. Context: RCU read side, BH off. */
static void leave(struct etran_link *link, const struct etran_leave *l, bool sent)
{
	struct etran_channel *ch = l->channel;
	struct etran_transport *t = l->transport;

	if (l->frame) {
		etran_frame_left(ch, l->frame, sent, 0);
	} else if (ch) {
		if (sent) {
			etran_count(link, t, frames_transmitted);
			atomic64_inc(&ch->transmitted);
		} else {
			etran_count(link, t, frames_dropped);
			etran_count(link, t, frame_packet);
			atomic64_inc(&ch->dropped);
		}
	} else if (l->handle && sent) {
		etran_frames_sent(t, l->handle, l->joined);
	}
}

/* The first @n of @l were sent. One step for all that are of one kind, as in a burst they are. */
static void all_left(struct etran_link *link, const struct etran_leave *l, int n)
{
	int i, from;

	for (from = 0; from < n; from = i) {
		struct etran_transport *t = l[from].transport;
		struct etran_channel *ch = l[from].channel;
		bool plain = ch && !l[from].frame;

		for (i = from + 1; i < n && l[i].transport == t; i++)
			if (plain && (l[i].channel != ch || l[i].frame))
				break;
			else if (!plain && l[i].channel && !l[i].frame)
				break;
		etran_add(link, t, packets_built, i - from);
		etran_add(link, t, packets_sent, i - from);
		if (plain) {
			etran_add(link, t, frames_transmitted, i - from);
			atomic64_add(i - from, &ch->transmitted);
			continue;
		}
		for (; from < i; from++)
			leave(link, &l[from], true);
	}
}

static void dropped(struct etran_link *link, const struct etran_leave *l)
{
	etran_count(link, l->transport, packets_built);
	etran_count(link, l->transport, packets_dropped);
	leave(link, l, false);
}

/* ---- the backlog ---- */

/* A driver has refused a packet and may have moved its begin and written to all that is in front of it. */
static void restore(struct xdp_frame *xdpf, const struct etran_leave *l, u16 headroom)
{
	struct etran_packet *p = etran_packet_of(xdpf);
	void *data = (void *)(xdpf + 1) + headroom;

	xdpf->len -= data - xdpf->data;
	xdpf->data = data;
	xdpf->headroom = headroom;
	p->leave = *l;
	p->headroom = headroom;
}

/* Context: backlog_lock held. */
static bool backlog_add(struct etran_link *link, void *page)
{
	struct etran_packet *p = etran_packet_of(page);

	if (link->backlog_len >= BACKLOG_MAX)
		return false;
	if (p->leave.channel) {
		refcount_inc(&p->leave.channel->ref);
		if (p->leave.frame)
			etran_frame_stays(p->leave.channel, p->leave.frame);
		else
			etran_frame_waits(p->leave.channel, p->leave.transport, true);
	}
	list_add_tail(&p->timed.list, &link->backlog);
	if (!link->backlog_len) {
		link->retries = 0;
		hrtimer_start(&link->retry, ns_to_ktime(RETRY_NS), HRTIMER_MODE_REL_SOFT);
	}
	/* Read without the lock by who would add to it. */
	WRITE_ONCE(link->backlog_len, link->backlog_len + 1);
	return true;
}

/* Context: backlog_lock held. */
static void backlog_take(struct etran_packet *p)
{
	list_del(&p->timed.list);
	if (p->leave.channel && !p->leave.frame)
		etran_frame_waits(p->leave.channel, p->leave.transport, false);
}

static void refuse(struct etran_link *link, void *page)
{
	struct etran_packet *p = etran_packet_of(page);

	etran_count(link, p->leave.transport, packet_refused);
	dropped(link, &p->leave);
	etran_page_put(page);
}

static int lower_xmit(struct net_device *lower, int n, struct xdp_frame **frames)
{
	struct bpf_net_context net_ctx, *old;
	int sent;

	if (unlikely(!lower || !netif_running(lower) || !netif_carrier_ok(lower)))
		return -ENETDOWN;
	/* Drivers may redirect from within; give them a context of their own. */
	old = etran_net_ctx_enter(&net_ctx);
	sent = lower->netdev_ops->ndo_xdp_xmit(lower, n, frames, XDP_XMIT_FLUSH);
	etran_net_ctx_leave(old);
	return sent;
}

/* Those that stopped for the backlog get behind those whose turn it is. Context: the retry timer, or it is off. */
static void queue_stopped(struct etran_link *link)
{
	struct llist_node *last = llist_del_all(&link->stopped), *first = llist_reverse_order(last);

	if (!first)
		return;
	if (link->turn)
		link->turn_end->next = first;
	else
		link->turn = first;
	link->turn_end = last;
}

/* The next one, which may stop again: behind the others, then. */
static struct etran_channel *next_turn(struct etran_link *link)
{
	struct etran_channel *ch;

	if (!link->turn)
		return NULL;
	ch = llist_entry(link->turn, struct etran_channel, stopped_node);
	link->turn = link->turn->next;
	clear_bit(0, &ch->stopped);
	return ch;
}

/*
 * Those that stopped for the backlog go on, as long as there is room; the others keep their places. (Rejected:
 * to call all. Who has no luck stops again, behind those that have just filled the backlog.)
 */
static void restart(struct etran_link *link)
{
	struct etran_channel *ch;

	queue_stopped(link);
	while (!etran_link_full(link) && (ch = next_turn(link))) {
		if (etran_channel_dead(ch))
			;
		else if (ch->mode == ETRAN_HUB)
			etran_hub_room(ch);
		else if (ch->direct)
			etran_direct_egress(ch);
		else if (etran_egress(ch) == -EAGAIN)
			/* A budget is not a ring: nobody else would go on. */
			etran_link_stop(link, ch);
		etran_channel_put(ch);
	}
	etran_gen_kick();
}

/**
 * etran_link_retry - timer: send what the lower device had no room for
 * @timer: link->retry
 *
 * Context: softirq.
 */
enum hrtimer_restart etran_link_retry(struct hrtimer *timer)
{
	struct etran_link *link = container_of(timer, struct etran_link, retry);
	struct xdp_frame *frames[ETRAN_BULK];
	struct etran_leave leaves[ETRAN_BULK];
	u16 headroom[ETRAN_BULK];
	struct net_device *lower;
	int n, sent, i;
	u64 again = 0;
	bool low;

	rcu_read_lock();
	lower = rcu_dereference(link->lower);
	spin_lock(&link->backlog_lock);
	do {
		struct etran_packet *p, *next;

		n = 0;
		list_for_each_entry_safe(p, next, &link->backlog, timed.list) {
			leaves[n] = p->leave;
			headroom[n] = p->headroom;
			frames[n++] = etran_page_of(p);
			if (n == ETRAN_BULK)
				break;
		}
		if (!n)
			break;
		/*
		 * Out of the list first: what was sent is not ours to look at. What was not goes
		 * back to its head. The length falls when they are sent, so that nobody overtakes.
		 */
		for (i = 0; i < n; i++)
			backlog_take(etran_packet_of(frames[i]));
		sent = lower_xmit(lower, n, frames);
		for (i = max(sent, 0); i < n; i++)
			restore(frames[i], &leaves[i], headroom[i]);
		if (sent < 0 || (!sent && ++link->retries >= RETRIES)) {
			for (i = 0; i < n; i++)
				refuse(link, frames[i]);
		} else {
			if (sent)
				link->retries = 0;
			all_left(link, leaves, sent);
			for (i = n - 1; i >= sent; i--) {
				p = etran_packet_of(frames[i]);
				list_add(&p->timed.list, &link->backlog);
				if (p->leave.channel && !p->leave.frame)
					etran_frame_waits(p->leave.channel, p->leave.transport, true);
			}
			n = sent;
		}
		WRITE_ONCE(link->backlog_len, link->backlog_len - n);
		for (i = 0; i < n; i++)
			if (leaves[i].channel)
				etran_channel_put(leaves[i].channel);
	} while (n == ETRAN_BULK);
	if (link->backlog_len)
		again = min(RETRY_NS << min(link->retries, 5U), RETRY_MAX_NS);
	/* Not by forwarding it: somebody may have started it already. */
	if (again)
		hrtimer_start(timer, ns_to_ktime(again), HRTIMER_MODE_REL_SOFT);
	low = link->backlog_len < BACKLOG_HIGH / 2;
	spin_unlock(&link->backlog_lock);
	if (low)
		restart(link);
	rcu_read_unlock();
	return HRTIMER_NORESTART;
}

/**
 * etran_link_purge - drop packets of a link device's backlog
 * @link: the link device
 * @t: whose; NULL: all
 *
 * Context: RCU read side.
 */
void etran_link_purge(struct etran_link *link, struct etran_transport *t)
{
	struct etran_packet *p, *next;
	struct etran_channel *ch;

	spin_lock_bh(&link->backlog_lock);
	list_for_each_entry_safe(p, next, &link->backlog, timed.list) {
		if (t && p->leave.transport != t)
			continue;
		ch = p->leave.channel;
		backlog_take(p);
		WRITE_ONCE(link->backlog_len, link->backlog_len - 1);
		refuse(link, etran_page_of(p));
		if (ch)
			etran_channel_put(ch);
	}
	spin_unlock_bh(&link->backlog_lock);
}

/**
 * etran_link_drain - end everything that waits for a link device's lower device
 * @link: the link device, which is down
 *
 * Context: process, may sleep.
 */
void etran_link_drain(struct etran_link *link)
{
	struct etran_channel *ch;

	hrtimer_cancel(&link->retry);
	rcu_read_lock();
	etran_link_purge(link, NULL);
	queue_stopped(link);
	while ((ch = next_turn(link))) {
		if (ch->mode == ETRAN_HUB)
			etran_hub_room(ch);
		etran_channel_put(ch);
	}
	rcu_read_unlock();
}

/**
 * etran_link_full - should nobody make packets for this link device now?
 * @link: the link device
 */
bool etran_link_full(const struct etran_link *link)
{
	return unlikely(READ_ONCE(link->backlog_len) >= BACKLOG_HIGH);
}

/**
 * etran_link_stop - have a socket's egress called again when there is room
 * @link: the link device
 * @ch: a channel of it
 *
 * Context: RCU read side, bottom halves off.
 */
void etran_link_stop(struct etran_link *link, struct etran_channel *ch)
{
	if (test_and_set_bit(0, &ch->stopped) || !refcount_inc_not_zero(&ch->ref))
		return;
	llist_add(&ch->stopped_node, &link->stopped);
	/* It may have become empty just now, and its timer not run again. */
	if (!READ_ONCE(link->backlog_len))
		hrtimer_start(&link->retry, ns_to_ktime(RETRY_NS), HRTIMER_MODE_REL_SOFT);
}

/* ---- sending ---- */

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

/**
 * etran_xmit_flush - give the collected packets to the lower device
 * @x: the collection; empty afterwards
 *
 * Context: RCU read side, bottom halves off.
 */
void etran_xmit_flush(struct etran_xmit *x)
{
	struct etran_link *link = x->link;
	int n = x->n, sent = 0, i;

	if (!n)
		return;
	x->n = 0;
	if (likely(!READ_ONCE(link->backlog_len))) {
		sent = lower_xmit(rcu_dereference(link->lower), n, x->frame);
		all_left(link, x->leave, max(sent, 0));
		if (likely(sent == n))
			return;
	}
	for (i = max(sent, 0); i < n; i++)
		restore(x->frame[i], &x->leave[i], x->headroom[i]);
	if (sent < 0) {
		for (i = 0; i < n; i++) {
			if (sent == -ENETDOWN)
				etran_count(link, x->leave[i].transport, packet_device);
			else
				etran_count(link, x->leave[i].transport, packet_refused);
			dropped(link, &x->leave[i]);
			etran_page_put(x->frame[i]);
		}
		return;
	}
	spin_lock(&link->backlog_lock);
	for (i = sent; i < n && backlog_add(link, x->frame[i]); i++)
		;
	spin_unlock(&link->backlog_lock);
	for (; i < n; i++)
		refuse(link, x->frame[i]);
}

/**
 * etran_xmit_drop - a packet is not sent after all
 * @page: the packet; consumed
 *
 * Context: RCU read side, bottom halves off.
 */
void etran_xmit_drop(void *page)
{
	struct etran_packet *p = etran_packet_of(page);

	dropped(etran_link_by_id(p->link), &p->leave);
	etran_page_put(page);
}

/*
 * Does a transport that sends TCP's protocol number say what it must? @hdr_len: bytes of headers from @ip
 * on, @ip_len of them the IP header's. In direct mode all may change meanwhile, but for the lengths.
 */
static noinline bool may_dress(const struct etran_transport *t, const void *ip, u32 ip_len,
			       u32 hdr_len)
{
	const struct tcphdr *tcp = ip + ip_len;

	if (hdr_len < ip_len + sizeof(*tcp))
		return false;
	/* TCP itself does not look like anything else. */
	if (t->ip_proto == IPPROTO_TCP)
		return !etran_tcp_marked(tcp);
	return t->tcp_urgent && etran_tcp_marked(tcp) && ntohs(tcp->urg_ptr) == t->tcp_urgent;
}

/* The TCP checksum of such a packet, complete but for that. @len: as @hdr_len, with payload. */
static noinline void dress(void *ip, u32 ip_len, u32 len)
{
	struct tcphdr *tcp = ip + ip_len;
	__wsum sum;

	len -= ip_len;
	tcp->check = 0;
	sum = csum_partial(tcp, len, 0);
	if (ip_len == sizeof(struct iphdr))
		tcp->check = csum_tcpudp_magic(((struct iphdr *)ip)->saddr,
					       ((struct iphdr *)ip)->daddr, len, IPPROTO_TCP, sum);
	else
		tcp->check = csum_ipv6_magic(&((struct ipv6hdr *)ip)->saddr,
					     &((struct ipv6hdr *)ip)->daddr, len, IPPROTO_TCP, sum);
}

static noinline int complete6(struct etran_xmit *x, struct etran_link *link,
			      struct etran_transport *t, void *hdr, u32 hdr_len, u32 len)
{
	struct etran_hop *hop = x->hop;
	struct ipv6hdr *ip = hdr;
	bool tcp = hdr_len >= sizeof(*ip) && ip->nexthdr == IPPROTO_TCP, dressed = false;
	int err = 0;

	if (tcp)
		dressed = may_dress(t, ip, sizeof(*ip), hdr_len);
	if ((tcp ? !dressed : !etran_ip_check(ip, hdr_len, t->ip_proto)) || ip->version != 6) {
		etran_count(link, t, packet_ip);
		return -EINVAL;
	}
	if (hop->link != link || hop->eth.h_proto != htons(ETH_P_IPV6) ||
	    !ipv6_addr_equal(&hop->daddr, &ip->daddr)) {
		err = etran_hop_find(x, link, t, ip);
		if (err < 0)
			return err;
		hop = x->hop;
	}
	if (len > hop->mtu) {
		etran_count(link, t, packet_mtu);
		return -EINVAL;
	}
	if (ipv6_addr_any(&ip->saddr))
		ip->saddr = hop->saddr;
	ip->payload_len = htons(len - sizeof(*ip));
	if (dressed)
		dress(ip, sizeof(*ip), len);
	return err;
}

/* See etran_packet_complete(). */
static __always_inline int complete_packet(struct etran_xmit *x, struct etran_link *link,
					   struct etran_transport *t, void *hdr, u32 hdr_off,
					   u32 hdr_len, u32 payload_len, u32 endpoint,
					   struct ethhdr **eth)
{
	struct etran_hop *hop = x->hop;
	u32 end = hdr_off + hdr_len, len = hdr_len + payload_len;
	struct iphdr *ip = hdr + hdr_off;
	bool dressed = false;
	int err = 0;

	if (unlikely(hdr_off < ALIGN(ETH_HLEN, 4) || hdr_len < sizeof(*ip) ||
		     end > ETRAN_HDR_LEN || (payload_len && end != ETRAN_HDR_LEN))) {
		etran_count(link, t, packet_header);
		return -EINVAL;
	}
	if (likely(ip->version == 4)) {
		if (unlikely(ip->ihl != 5 || ip->protocol != t->ip_proto ||
			     ip->protocol == IPPROTO_TCP)) {
			dressed = ip->protocol == IPPROTO_TCP &&
				  may_dress(t, ip, sizeof(*ip), hdr_len);
			if (ip->ihl != 5 || (!dressed && ip->protocol != IPPROTO_ICMP)) {
				etran_count(link, t, packet_ip);
				return -EINVAL;
			}
		}
		if (unlikely(hop->link != link || hop->daddr.s6_addr32[0] != ip->daddr ||
			     hop->eth.h_proto != htons(ETH_P_IP) || !link)) {
			err = etran_hop_find(x, link, t, ip);
			if (err < 0)
				return err;
			hop = x->hop;
		}
		if (unlikely(len > hop->mtu)) {
			etran_count(link, t, packet_mtu);
			return -EINVAL;
		}
		if (!ip->saddr)
			ip->saddr = hop->saddr.s6_addr32[0];
		ip->tot_len = htons(len);
		ip->id = 0;
		ip->frag_off = htons(IP_DF);
		ip->check = 0;
		ip->check = ip_fast_csum(ip, 5);
		if (unlikely(dressed))
			dress(ip, sizeof(*ip), len);
	} else {
		err = complete6(x, link, t, ip, hdr_len, len);
		if (err < 0)
			return err;
	}
	if (!etran_filter_egress(link, t, endpoint, ip, len)) {
		etran_count(link, t, packet_filtered);
		return -EINVAL;
	}
	*eth = (void *)ip - ETH_HLEN;
	**eth = x->hop->eth;
	return err;
}

/**
 * etran_packet_complete - check a packet's headers, and write what the kernel knows
 * @x: the run
 * @link: link device that it leaves by, or NULL
 * @hdr: ETRAN_HDR_LEN bytes that end where the payload begins
 * @p: its lengths and transport
 * @eth: where its Ethernet header begins
 *
 * Return: 0; 1 when the neighbour's address is not known and @eth lacks the destination; -EINVAL when
 * the packet must be dropped, which was counted with the reason.
 * Context: RCU read side, bottom halves off.
 */
int etran_packet_complete(struct etran_xmit *x, struct etran_link *link, void *hdr,
			  const struct etran_packet *p, struct ethhdr **eth)
{
	return complete_packet(x, link, p->leave.transport, hdr, p->hdr_off, p->hdr_len,
			       p->payload_len, p->endpoint, eth);
}

/**
 * etran_egress_complete - the same for a frame of egress, after its program
 * @x: the run
 * @link: link device that it leaves by, or NULL
 * @hdr: as above
 * @pkt: the frame
 * @eth: as above
 *
 * Return: as above. Context: RCU read side, bottom halves off.
 */
int etran_egress_complete(struct etran_xmit *x, struct etran_link *link, void *hdr,
			  const struct etran_pkt *pkt, struct ethhdr **eth)
{
	return complete_packet(x, link, pkt->transport, hdr, pkt->hdr_off, pkt->hdr_len,
			       pkt->payload_len, pkt->endpoint, eth);
}

/* Leave a complete packet to the kernel until the neighbour's address is known. Consumes it. */
static void wait_for_neighbour(struct etran_link *link, struct xdp_frame *xdpf,
			       const struct etran_leave *leave, const void *ip)
{
	struct net_device *lower = rcu_dereference(link->lower);
	/* It is not ours any more when we know. */
	struct etran_leave l = *leave;
	struct etran_route *route;
	bool sent = false;

	etran_count(link, l.transport, packets_waiting);
	route = lower ? etran_ip_route(link, lower, ip) : ERR_PTR(-ENODEV);
	if (IS_ERR(route))
		etran_page_put(xdpf);
	else
		sent = send_later(lower, route->neigh, xdpf);
	if (sent) {
		all_left(link, &l, 1);
	} else {
		etran_count(link, l.transport, packet_refused);
		dropped(link, &l);
	}
}

static __always_inline void fill_frame(void *page, struct ethhdr *eth, u32 len)
{
	struct xdp_frame *xdpf = page;

	xdpf->data = eth;
	xdpf->len = ETH_HLEN + len;
	xdpf->headroom = (void *)eth - page - sizeof(*xdpf);
	xdpf->metasize = 0;
	xdpf->frame_sz = PAGE_SIZE;
	xdpf->flags = 0;
}

/* Room for one more packet that leaves by @link. */
static __always_inline struct etran_leave *next_slot(struct etran_xmit *x, struct etran_link *link)
{
	if (unlikely(x->n == ETRAN_BULK || (x->n && x->link != link)))
		etran_xmit_flush(x);
	x->link = link;
	return &x->leave[x->n];
}

/* The slot's packet is complete. */
static __always_inline void collect(struct etran_xmit *x, struct xdp_frame *xdpf)
{
	x->headroom[x->n] = xdpf->headroom;
	x->frame[x->n++] = xdpf;
}

/**
 * etran_xmit_add - check and complete a packet, and collect it for the lower device
 * @x: the collection
 * @page: the packet, its struct etran_packet filled in; consumed
 *
 * Context: RCU read side, bottom halves off.
 */
void etran_xmit_add(struct etran_xmit *x, void *page)
{
	struct etran_packet *p = etran_packet_of(page);
	struct etran_link *link = x->hop->link;
	struct ethhdr *eth;
	int err;

	/* The link device of the one before it, as a rule. */
	if (!link || link->id != p->link)
		link = etran_link_by_id(p->link);
	err = etran_packet_complete(x, link, page + XDP_PACKET_HEADROOM, p, &eth);
	if (err < 0) {
		dropped(link, &p->leave);
		etran_page_put(page);
		return;
	}
	fill_frame(page, eth, p->hdr_len + p->payload_len);
	if (unlikely(err)) {
		wait_for_neighbour(link, page, &p->leave, (void *)eth + ETH_HLEN);
		return;
	}
	*next_slot(x, link) = p->leave;
	collect(x, page);
}

/**
 * etran_xmit_now - the same for a frame of egress, without detour
 * @x: the collection
 * @link: link device that it leaves by
 * @page: the packet; consumed
 * @pkt: its frame, after the program
 * @f: its entry, GOING; NULL: it is not kept
 *
 * Context: RCU read side, bottom halves off.
 */
void etran_xmit_now(struct etran_xmit *x, struct etran_link *link, void *page,
		    const struct etran_pkt *pkt, struct etran_frame *f)
{
	struct etran_leave *l = next_slot(x, link);
	struct ethhdr *eth;
	int err;

	l->transport = pkt->transport;
	l->channel = pkt->channel;
	l->frame = f;
	l->handle = 0;
	l->joined = 0;
	err = complete_packet(x, link, pkt->transport, page + XDP_PACKET_HEADROOM, pkt->hdr_off,
			      pkt->hdr_len, pkt->payload_len, pkt->endpoint, &eth);
	if (unlikely(err < 0)) {
		dropped(link, l);
		etran_page_put(page);
		return;
	}
	fill_frame(page, eth, pkt->hdr_len + pkt->payload_len);
	if (unlikely(err)) {
		wait_for_neighbour(link, page, l, (void *)eth + ETH_HLEN);
		return;
	}
	collect(x, page);
}

/**
 * etran_xmit_frame - send a LEAVING frame's packet
 * @x: the collection
 * @ch: the frame's channel
 * @f: the frame
 *
 * Context: RCU read side, bottom halves off.
 */
void etran_xmit_frame(struct etran_xmit *x, struct etran_channel *ch, struct etran_frame *f)
{
	void *page = f->page;

	if (ch->mode == ETRAN_DIRECT) {
		etran_direct_send(x, ch, f);
		return;
	}
	f->page = NULL;
	etran_packet_of(page)->leave.frame = f;
	etran_packet_of(page)->leave.channel = ch;
	etran_xmit_add(x, page);
}

/**
 * etran_xmit_later - send a packet now or at its time
 * @x: the collection
 * @page: the packet, its struct etran_packet filled in; consumed
 * @departure_ns: when, CLOCK_MONOTONIC; 0: now
 *
 * Context: RCU read side, bottom halves off.
 */
void etran_xmit_later(struct etran_xmit *x, void *page, u64 departure_ns)
{
	struct etran_packet *p = etran_packet_of(page);
	struct etran_transport *t = p->leave.transport;
	struct etran_channel *ch = p->leave.channel;
	struct etran_frame *f = p->leave.frame;
	struct etran_link *link;
	int err;

	if (!departure_ns) {
		etran_xmit_add(x, page);
		return;
	}
	link = ch ? READ_ONCE(ch->link) : NULL;
	if (!link || link->id != p->link)
		link = etran_link_by_id(p->link);
	if (f) {
		f->page = page;
		err = etran_timed_add(&f->timed, departure_ns, ch, f);
	} else {
		err = etran_timed_add(&p->timed, departure_ns, NULL, NULL);
	}
	/* With a frame, its packet may have left already. */
	if (!err) {
		etran_count(link, t, packets_timed);
		return;
	}
	if (f)
		f->page = NULL;
	etran_count(link, t, packet_horizon);
	etran_xmit_drop(page);
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

	BUILD_BUG_ON(ETRAN_PACKET_OFF + sizeof(struct etran_packet) > XDP_PACKET_HEADROOM);
	for_each_possible_cpu(cpu) {
		struct page_pool_params params = {
			.pool_size = clamp(pages, PAGES_MIN, PAGES_MAX),
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
