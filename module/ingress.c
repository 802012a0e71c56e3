// SPDX-License-Identifier: GPL-2.0
/*
 * Ingress: from the XDP dispatcher on a lower device to a transport.
 *
 * What no transport claims goes on to the kernel untouched: other protocols, VLAN-tagged frames,
 * packets for another host's address (the kernel may be routing or bridging them). What a transport
 * does claim never reaches the kernel's stack unless its program says PASS: a kernel that knows
 * nothing of the protocol would answer with ICMP. For the same reason packets of its protocol that a
 * program is not shown (IPv4 options, IPv6 extension headers, fragments) are dropped and counted. A transport that
 * shares its protocol with the kernel (ETRAN_OPS_SHARED: TCP) leaves all that to it, uncounted. ICMP errors about its
 * packets it sees, as others do, and passes on those that are not about its own.
 *
 * A transport also sees ICMP "destination unreachable" and ICMPv6 "destination unreachable", "packet too
 * big" and "unrecognized next header" about its own packets, else it could not tell its applications;
 * everything else of ICMP is the kernel's.
 *
 * Of TCP, what is marked as a transport's (etran_ops.tcp_urgent) is taken, and only whole: neither
 * fragments nor what is cut short, nor with options. All else is TCP's, whoever has that. Packets of other
 * protocols pay one comparison. Rejected: a table by urgent pointer: there are one or two transports.
 *
 * Of a bond, frames arrive on a device below it; they are the bond's.
 */
#include <linux/etherdevice.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/ip.h>
#include "etran.h"
#include "trace.h"

/**
 * struct arrived - a received packet
 * @transport: whose it is
 * @ip: IP header
 * @room: bytes from there to the end of the frame
 * @len: bytes of the packet as its header says
 * @extended: IPv6 extension headers come between the header and the transport's
 * @fragment: it is a fragment
 */
struct arrived {
	struct etran_transport *transport;
	void *ip;
	u32 room;
	u32 len;
	bool extended;
	bool fragment;
};

/* Whose is what has TCP's number? @len: bytes that there are of the segment. */
static noinline struct etran_transport *tcp_owner(const void *tcp, u32 len, bool whole)
{
	struct etran_transport *t = NULL;

	if (whole && len >= sizeof(struct tcphdr))
		t = etran_transport_dressed(tcp);
	return t ?: etran_transport_by_proto(IPPROTO_TCP);
}

/* Whose is this? There is an IP header, and @room bytes from there on. */
static __always_inline struct etran_transport *owner4(const struct iphdr *ip, u32 room)
{
	u32 len;

	if (likely(ip->protocol != IPPROTO_TCP))
		return etran_transport_by_proto(ip->protocol);
	len = ntohs(ip->tot_len);
	return tcp_owner(ip + 1, len - sizeof(*ip), *(const u8 *)ip == 0x45 && len <= room &&
			 len >= sizeof(*ip) && !ip_is_fragment(ip));
}

static struct etran_transport *owner6(const struct ipv6hdr *ip, u32 room)
{
	u32 len;

	if (likely(ip->nexthdr != IPPROTO_TCP))
		return etran_transport_by_proto(ip->nexthdr);
	len = ntohs(ip->payload_len);
	return tcp_owner(ip + 1, len, ip->version == 6 && len + sizeof(*ip) <= room);
}

/* Transport of a packet that an ICMP error quotes. The quoted header's checks need what is there. */
static struct etran_transport *quoted4(const struct iphdr *ip, u32 len)
{
	const struct icmphdr *icmp = (const void *)(ip + 1);
	const struct iphdr *inner = (const void *)(icmp + 1);

	if (ip->ihl != 5 || ip_is_fragment(ip) ||
	    len < sizeof(*ip) + sizeof(*icmp) + sizeof(*inner) + 8 ||
	    icmp->type != ICMP_DEST_UNREACH || inner->ihl != 5)
		return NULL;
	if (inner->protocol == IPPROTO_TCP)
		return tcp_owner(inner + 1, len - sizeof(*ip) - sizeof(*icmp) - sizeof(*inner), true);
	return etran_transport_by_proto(inner->protocol);
}

static struct etran_transport *quoted6(const struct ipv6hdr *ip, u32 len)
{
	const struct icmp6hdr *icmp = (const void *)(ip + 1);
	const struct ipv6hdr *inner = (const void *)(icmp + 1);

	if (len < sizeof(*ip) + sizeof(*icmp) + sizeof(*inner) + 8 || inner->version != 6)
		return NULL;
	switch (icmp->icmp6_type) {
	case ICMPV6_DEST_UNREACH:
	case ICMPV6_PKT_TOOBIG:
		break;
	case ICMPV6_PARAMPROB:
		/* What IPv4 calls "protocol unreachable". */
		if (icmp->icmp6_code == ICMPV6_UNK_NEXTHDR)
			break;
		return NULL;
	default:
		return NULL;
	}
	if (inner->nexthdr == IPPROTO_TCP)
		return tcp_owner(inner + 1, len - sizeof(*ip) - sizeof(*icmp) - sizeof(*inner), true);
	return etran_transport_by_proto(inner->nexthdr);
}

/* Does it go to the kernel's stack when the transport's program is not shown it? */
static bool shared(const struct etran_transport *t)
{
	return READ_ONCE(t->flags) & ETRAN_OPS_SHARED;
}

/* Whose is it? Return: false when it is no transport's, or not for this host. */
static bool claimed4(struct arrived *a, struct etran_link *link, struct net_device *lower)
{
	const struct iphdr *ip = a->ip;

	if (a->room < sizeof(*ip))
		return false;
	if (ip->protocol == IPPROTO_ICMP) {
		a->transport = quoted4(ip, a->room);
	} else {
		a->transport = owner4(ip, a->room);
	}
	a->len = ntohs(ip->tot_len);
	a->fragment = ip_is_fragment(ip);
	return a->transport && etran_ip_is_local4(link, lower, ip->daddr);
}

static bool claimed6(struct arrived *a, struct net_device *lower)
{
	const struct ipv6hdr *ip = a->ip;
	u8 proto;

	if (a->room < sizeof(*ip))
		return false;
	proto = ip->nexthdr;
	if (proto == IPPROTO_ICMPV6) {
		a->transport = quoted6(ip, a->room);
	} else {
		a->transport = owner6(ip, a->room);
		if (!a->transport) {
			proto = etran_ip6_final(ip, a->room, &a->fragment);
			a->extended = true;
			a->transport = etran_transport_by_proto(proto);
		}
	}
	/* Of a jumbogram (length 0) nothing but the header is taken. */
	a->len = sizeof(*ip) + ntohs(ip->payload_len);
	return a->transport && etran_ip_is_local6(lower, &ip->daddr);
}

/* Why a program is not shown a packet of its transport. */
enum flaw {
	FLAW_NONE,
	FLAW_TRUNCATED,
	FLAW_OPTIONS,
	FLAW_FRAGMENT,
	FLAW_CHECKSUM,
};

static enum flaw flaw_of(const struct arrived *a, bool six)
{
	const struct iphdr *ip = a->ip;

	if (a->len < (six ? sizeof(struct ipv6hdr) : sizeof(*ip)) || a->len > a->room)
		return FLAW_TRUNCATED;
	if (ip->version != (six ? 6 : 4) || (!six && ip->ihl != 5))
		return FLAW_OPTIONS;
	if (a->fragment)
		return FLAW_FRAGMENT;
	if (a->extended)
		return FLAW_OPTIONS;
	if (!six && ip_fast_csum(ip, 5))
		return FLAW_CHECKSUM;
	return FLAW_NONE;
}

static void count_flaw(struct etran_link *link, struct etran_transport *t, enum flaw flaw)
{
	switch (flaw) {
	case FLAW_TRUNCATED:
		etran_count(link, t, rx_truncated);
		break;
	case FLAW_OPTIONS:
		etran_count(link, t, rx_options);
		break;
	case FLAW_FRAGMENT:
		etran_count(link, t, rx_fragment);
		break;
	default:
		etran_count(link, t, rx_checksum);
	}
	etran_count(link, t, rx_dropped);
}

/* Not on the stack: most of it need not be written for each packet. No two run on one CPU at a time. */
static DEFINE_PER_CPU(struct etran_pkt, ingress_pkt);

/*
 * veth makes buffers as small as the packet, for what the kernel's own stack sends, such as ICMP
 * errors. All of such a packet fits a copy.
 */
static DEFINE_PER_CPU(struct etran_hdr, ingress_copy);

static noinline void *make_copy(const void *ip, u32 room)
{
	struct etran_hdr *copy = this_cpu_ptr(&ingress_copy);

	memcpy(copy, ip, room);
	memset(copy->b + room, 0, sizeof(*copy) - room);
	return copy;
}

/* A packet ends here. In direct mode its buffer may be of use. */
static int end(struct xdp_buff *xdp)
{
	return unlikely(xdp->rxq->mem.type == MEM_TYPE_XSK_BUFF_POOL) ? etran_direct_recycle(xdp) :
									XDP_DROP;
}

/* Run the transport's program on @len bytes at @ip, in a frame that has @room. Return: XDP action. */
static __always_inline int run(struct xdp_buff *xdp, struct etran_link *link,
			       struct etran_transport *t, struct etran_ops *ops, void *ip,
			       u32 room, u32 len)
{
	struct etran_pkt *pkt = this_cpu_ptr(&ingress_pkt);
	void *hdr = ip;
	u32 verdict;

	if (unlikely(hdr + ETRAN_HDR_LEN > xdp_data_hard_end(xdp)))
		hdr = make_copy(ip, room);
	if (!etran_filter_ingress(link, t, hdr, len)) {
		etran_count(link, t, rx_filtered);
		goto drop;
	}
	/*
	 * All else is 0 since the module was loaded: programs can write only these, and functions
	 * nothing that a program sees here.
	 */
	pkt->hdr_off = 0;
	pkt->hdr_len = 0;
	pkt->departure_ns = 0;
	pkt->delivered = 0;
	pkt->len = len;
	pkt->link = link->id;
	pkt->kind = ETRAN_PKT_INGRESS;
	pkt->data = hdr;
	pkt->xdp = xdp;
	pkt->transport = t;
	verdict = etran_run(ops->prog[ETRAN_INGRESS], pkt, hdr);

	trace_ingress(t->name, link->id, len, verdict);
	switch (verdict) {
	case ETRAN_DELIVER:
		if (!pkt->delivered)
			break;
		etran_count(link, t, rx_delivered);
		return end(xdp);
	case ETRAN_CONSUME:
		etran_count(link, t, rx_consumed);
		return end(xdp);
	case ETRAN_PASS:
		etran_count(link, t, rx_passed);
		if (unlikely(hdr != ip))
			memcpy(ip, hdr, room);
		return XDP_PASS;
	case ETRAN_DROP:
		etran_count(link, t, rx_verdict);
		goto drop;
	}
	etran_bad_verdict(link, t, ETRAN_INGRESS, verdict);
drop:
	etran_count(link, t, rx_dropped);
	return end(xdp);
}

/* Every packet, step by step. Return: XDP action. */
static noinline int look_closer(struct xdp_buff *xdp)
{
	struct net_device *lower = xdp->rxq->dev;
	const struct ethhdr *eth = xdp->data;
	struct arrived a = {};
	struct etran_link *link;
	struct etran_ops *ops;
	enum flaw flaw;

	a.room = xdp->data_end - xdp->data;
	if (a.room < ETH_HLEN ||
	    (eth->h_proto != htons(ETH_P_IP) && eth->h_proto != htons(ETH_P_IPV6)))
		return XDP_PASS;
	a.room -= ETH_HLEN;
	a.ip = xdp->data + ETH_HLEN;
	link = etran_link_by_lower(lower);
	if (!link) {
		if (!netif_is_bond_slave(lower))
			return XDP_PASS;
		lower = netdev_master_upper_dev_get_rcu(lower);
		link = lower ? etran_link_by_lower(lower) : NULL;
		if (!link)
			return XDP_PASS;
	}
	if (!(eth->h_proto == htons(ETH_P_IP) ? claimed4(&a, link, lower) : claimed6(&a, lower)) ||
	    !ether_addr_equal_unaligned(eth->h_dest, lower->dev_addr))
		return XDP_PASS;
	ops = rcu_dereference(a.transport->ops);
	if (!ops)
		return XDP_PASS;

	flaw = flaw_of(&a, eth->h_proto == htons(ETH_P_IPV6));
	if (flaw && shared(a.transport))
		return XDP_PASS;
	etran_count(link, a.transport, rx_packets);
	if (flaw) {
		count_flaw(link, a.transport, flaw);
		return XDP_DROP;
	}
	return run(xdp, link, a.transport, ops, a.ip, a.room, a.len);
}

/**
 * etran_ingress - see bpf_etran_rx()
 * @xdp: a frame on a lower device
 *
 * First the usual packet is recognised, with as few steps as possible: whole IPv4 for the address that
 * was the host's a packet ago. Whatever is not that is looked at closer, from the beginning.
 *
 * Return: XDP action. Context: XDP program, RCU read side.
 */
int etran_ingress(struct xdp_buff *xdp)
{
	struct net_device *lower = xdp->rxq->dev;
	const struct ethhdr *eth = xdp->data;
	struct iphdr *ip = xdp->data + ETH_HLEN;
	u32 room = xdp->data_end - xdp->data, len;
	struct etran_transport *t;
	struct etran_link *link;
	struct etran_ops *ops;

	if (unlikely(room < ETH_HLEN + sizeof(*ip) || eth->h_proto != htons(ETH_P_IP) ||
		     *(const u8 *)ip != 0x45))
		return look_closer(xdp);
	t = owner4(ip, room - ETH_HLEN);
	if (!t)
		return ip->protocol == IPPROTO_ICMP ? look_closer(xdp) : XDP_PASS;
	link = etran_link_on(lower);
	room -= ETH_HLEN;
	len = ntohs(ip->tot_len);
	if (unlikely(!link || !etran_ip_is_known4(link, ip->daddr) ||
		     !ether_addr_equal_unaligned(eth->h_dest, lower->dev_addr) ||
		     len < sizeof(*ip) || len > room || ip_is_fragment(ip) ||
		     ip_fast_csum(ip, 5)))
		return look_closer(xdp);
	ops = rcu_dereference(t->ops);
	if (unlikely(!ops))
		return XDP_PASS;
	etran_count(link, t, rx_packets);
	return run(xdp, link, t, ops, ip, room, len);
}
