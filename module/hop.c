// SPDX-License-Identifier: GPL-2.0
/*
 * Hops: what a packet needs to know of its next hop, ready to be written.
 *
 * Each CPU remembers the destinations that it sent to last: Ethernet header, source, MTU. One that is remembered is good
 * as long as nothing has changed that it was made of, and all of that is asked for each burst, without a look-up: the kernel's route
 * (dst_check()), the neighbour's state and address (its sequence count), devices and addresses (etran_address_changes). The next-hop table's
 * entry is followed without a reference, and only while no entry was taken out of any table (route.c).
 *
 * There are few of them, found by the address's last bits: who sends to many destinations in turns pays for the look-up in
 * the table, 200 instructions more. (Rejected: one for each CPU. A server with two clients had it never right.)
 */
#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <net/arp.h>
#include <net/neighbour.h>
#include "etran.h"

static bool same_daddr(const struct etran_hop *hop, const void *ip, bool v4)
{
	if (v4)
		return hop->eth.h_proto == htons(ETH_P_IP) &&
		       hop->daddr.s6_addr32[0] == ((const struct iphdr *)ip)->daddr;
	return hop->eth.h_proto == htons(ETH_P_IPV6) &&
	       ipv6_addr_equal(&hop->daddr, &((const struct ipv6hdr *)ip)->daddr);
}

/* Has nothing changed since @hop was made? */
static bool still_good(const struct etran_hop *hop)
{
	struct etran_route *r = hop->route;

	if (hop->changes != READ_ONCE(etran_address_changes) || !etran_route_is_there(hop->gone) ||
	    !etran_route_good(r) || neigh_event_send(r->neigh, NULL) ||
	    read_seqretry(&r->neigh->ha_lock, hop->address_seq))
		return false;
	etran_route_use(r);
	return true;
}

static void copy_address(struct etran_hop *hop, struct neighbour *neigh)
{
	unsigned int seq;

	do {
		seq = read_seqbegin(&neigh->ha_lock);
		ether_addr_copy(hop->eth.h_dest, neigh->ha);
	} while (read_seqretry(&neigh->ha_lock, seq));
	hop->address_seq = seq;
}

/* Return: as etran_hop_find(). */
static noinline int make(struct etran_hop *hop, struct etran_link *link, struct etran_transport *t,
			 const void *ip, bool v4)
{
	struct net_device *lower = link ? rcu_dereference(link->lower) : NULL;
	struct etran_route *route;

	hop->link = NULL;
	if (!lower) {
		etran_count(link, t, packet_link);
		return -EINVAL;
	}
	hop->changes = READ_ONCE(etran_address_changes);
	/* As in etran_ip_is_local4(): the numbers are read before what they tell of. */
	smp_rmb();
	hop->gone = etran_routes_gone();
	if (!netif_running(lower) || !netif_carrier_ok(lower) || !netif_running(link->dev)) {
		etran_count(link, t, packet_device);
		return -EINVAL;
	}
	hop->mtu = READ_ONCE(link->dev->mtu);
	route = etran_ip_route(link, lower, ip);
	if (IS_ERR(route)) {
		etran_count(link, t, packet_route);
		return -EINVAL;
	}
	hop->route = route;
	if (v4) {
		hop->daddr.s6_addr32[0] = ((const struct iphdr *)ip)->daddr;
		hop->saddr.s6_addr32[0] = route->saddr.s6_addr32[3];
	} else {
		hop->daddr = ((const struct ipv6hdr *)ip)->daddr;
		hop->saddr = route->saddr;
	}
	hop->eth.h_proto = v4 ? htons(ETH_P_IP) : htons(ETH_P_IPV6);
	ether_addr_copy(hop->eth.h_source, lower->dev_addr);
	if (neigh_event_send(route->neigh, NULL)) {
		if (!etran_route_may_wait(link)) {
			etran_count(link, t, packet_neighbour);
			return -EINVAL;
		}
		eth_zero_addr(hop->eth.h_dest);
		return 1;
	}
	copy_address(hop, route->neigh);
	hop->link = link;
	return 0;
}

/**
 * etran_hop_find - find out where a packet goes
 * @x: the run; its hop is this one afterwards
 * @link: link device that it leaves by, or NULL
 * @t: whose packet
 * @ip: IP header, passed etran_ip_check()
 *
 * Return: 0; 1 when the neighbour's address is not known: then all but the destination of the Ethernet header is there, for
 * this packet only; -EINVAL when the packet must be dropped, which was counted.
 * Context: RCU read side, bottom halves off.
 */
int etran_hop_find(struct etran_xmit *x, struct etran_link *link, struct etran_transport *t,
		   const void *ip)
{
	bool v4 = ((const struct iphdr *)ip)->version == 4;
	__be32 last = v4 ? ((const struct iphdr *)ip)->daddr :
			   ((const struct ipv6hdr *)ip)->daddr.s6_addr32[3];
	/* Two hosts of one machine send to each other's addresses, which lie next to each other. */
	u32 index = ntohl(last) + (link ? 5 * link->id : 0);
	struct etran_hop *hop = &x->hops[index % ETRAN_HOPS];

	x->hop = hop;
	if (likely(link && hop->link == link && same_daddr(hop, ip, v4) && still_good(hop)))
		return 0;
	return make(hop, link, t, ip, v4);
}
