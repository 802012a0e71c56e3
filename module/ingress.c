// SPDX-License-Identifier: GPL-2.0
/*
 * Ingress: from the XDP dispatcher on a lower device to a transport.
 *
 * What no transport claims goes on to the kernel untouched: other protocols, packets for another
 * host's address (the kernel may be routing or bridging them). What a transport does claim never
 * reaches the kernel's stack unless its program says PASS: a kernel that knows nothing of the
 * protocol would answer with ICMP.
 *
 * A transport also sees ICMP "destination unreachable" about its own packets, else it could not tell
 * its applications; everything else of ICMP is the kernel's.
 */
#include <linux/etherdevice.h>
#include <linux/icmp.h>
#include <linux/inetdevice.h>
#include <linux/ip.h>
#include <net/ip.h>
#include "etran.h"
#include "trace.h"

/* Transport of a packet that an ICMP error quotes. */
static struct etran_transport *quoted(const struct iphdr *ip, u32 len)
{
	const struct icmphdr *icmp = (const void *)(ip + 1);
	const struct iphdr *inner = (const void *)(icmp + 1);

	if (len < sizeof(*ip) + sizeof(*icmp) + sizeof(*inner) + 8 ||
	    icmp->type != ICMP_DEST_UNREACH || inner->ihl != 5)
		return NULL;
	return etran_transport_by_proto(inner->protocol);
}

/**
 * etran_ingress - see bpf_etran_rx()
 * @xdp: a frame on a lower device
 *
 * Return: XDP action. Context: XDP program, RCU read side.
 */
int etran_ingress(struct xdp_buff *xdp)
{
	u32 room = xdp->data_end - xdp->data, len;
	struct net_device *lower = xdp->rxq->dev;
	const struct ethhdr *eth = xdp->data;
	struct etran_transport *t;
	struct etran_link *link;
	struct etran_hdr copy;
	struct etran_pkt pkt;
	struct etran_ops *ops;
	struct iphdr *ip;
	u32 verdict;

	if (room < ETH_HLEN + sizeof(*ip) || eth->h_proto != htons(ETH_P_IP))
		return XDP_PASS;
	ip = xdp->data + ETH_HLEN;
	room -= ETH_HLEN;
	/* The quoted header's own checks need only what lies within the frame. */
	if (ip->protocol == IPPROTO_ICMP)
		t = ip->ihl == 5 && !ip_is_fragment(ip) ? quoted(ip, room) : NULL;
	else
		t = etran_transport_by_proto(ip->protocol);
	if (!t)
		return XDP_PASS;
	link = etran_link_by_lower(lower);
	if (!link)
		return XDP_PASS;
	if (!ether_addr_equal_unaligned(eth->h_dest, lower->dev_addr) ||
	    !__ip_dev_find(dev_net(lower), ip->daddr, false))
		return XDP_PASS;
	ops = rcu_dereference(t->ops);
	if (!ops)
		return XDP_PASS;

	etran_count(link, t, rx_packets);
	len = ntohs(ip->tot_len);
	if (len < sizeof(*ip) || len > room) {
		etran_count(link, t, rx_truncated);
		goto drop;
	}
	if (ip->version != 4 || ip->ihl != 5) {
		etran_count(link, t, rx_options);
		goto drop;
	}
	if (ip_is_fragment(ip)) {
		etran_count(link, t, rx_fragment);
		goto drop;
	}
	if (ip_fast_csum(ip, 5)) {
		etran_count(link, t, rx_checksum);
		goto drop;
	}

	memset(&pkt, 0, sizeof(pkt));
	pkt.len = len;
	pkt.link = link->id;
	pkt.kind = ETRAN_PKT_INGRESS;
	pkt.data = ip;
	pkt.xdp = xdp;
	pkt.transport = t;
	/*
	 * veth makes buffers as small as the packet, for what the kernel's own stack sends, such as
	 * ICMP errors. All of such a packet fits the copy.
	 */
	if (unlikely((void *)ip + ETRAN_HDR_LEN > xdp_data_hard_end(xdp))) {
		memcpy(&copy, ip, room);
		memset(copy.b + room, 0, sizeof(copy) - room);
		pkt.data = &copy;
	}

	verdict = etran_run(ops->prog[ETRAN_INGRESS], &pkt, pkt.data);

	trace_ingress(t->name, link->id, len, verdict);
	switch (verdict) {
	case ETRAN_DELIVER:
		if (!pkt.delivered)
			break;
		etran_count(link, t, rx_delivered);
		return XDP_DROP;
	case ETRAN_CONSUME:
		etran_count(link, t, rx_consumed);
		return XDP_DROP;
	case ETRAN_PASS:
		etran_count(link, t, rx_passed);
		if (pkt.data == &copy)
			memcpy(ip, &copy, room);
		return XDP_PASS;
	case ETRAN_DROP:
		etran_count(link, t, rx_verdict);
		goto drop;
	}
	etran_count(link, t, bad_verdict);
drop:
	etran_count(link, t, rx_dropped);
	return XDP_DROP;
}
