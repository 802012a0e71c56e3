// SPDX-License-Identifier: GPL-2.0
/*
 * IP headers of both versions: what a program must have built, what the module completes, what of a
 * received packet is this host's.
 *
 * The version is what the program wrote into the first four bits, so one transport can speak both.
 * Neither IPv4 options nor IPv6 extension headers come between the IP header and the transport's:
 * a program would have to parse them before it finds its own.
 */
#include <linux/inetdevice.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/ipv6_stubs.h>
#include "etran.h"

/* Counts changes of addresses and devices; under RTNL. */
u32 etran_address_changes = 1;

/**
 * etran_ip_proto_ok - can a transport have this IP protocol?
 * @proto: IP protocol number
 *
 * Not ICMP, which is the kernel's, and not what IPv6 uses for extension headers.
 */
bool etran_ip_proto_ok(u8 proto)
{
	switch (proto) {
	case NEXTHDR_HOP:	/* also "none" in struct etran_ops */
	case NEXTHDR_ROUTING:
	case NEXTHDR_FRAGMENT:
	case NEXTHDR_ESP:
	case NEXTHDR_AUTH:
	case NEXTHDR_NONE:
	case NEXTHDR_DEST:
	case NEXTHDR_MOBILITY:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return false;
	}
	return true;
}

/**
 * etran_ip_check - is this an IP header that a transport may send?
 * @hdr: what its program built, in memory that only the kernel writes
 * @len: bytes of headers
 * @proto: the transport's IP protocol
 *
 * Return: true when it is IPv4 without options or IPv6, of @proto or ICMP (ICMPv6).
 */
bool etran_ip_check(const void *hdr, u32 len, u8 proto)
{
	const struct iphdr *ip = hdr;
	const struct ipv6hdr *ip6 = hdr;

	if (ip->version == 4)
		return len >= sizeof(*ip) && ip->ihl == 5 &&
		       (ip->protocol == proto || ip->protocol == IPPROTO_ICMP);
	return ip->version == 6 && len >= sizeof(*ip6) &&
	       (ip6->nexthdr == proto || ip6->nexthdr == IPPROTO_ICMPV6);
}

/**
 * etran_ip_route - the next hop of a packet
 * @link: link device that it leaves by
 * @lower: its lower device
 * @hdr: IP header, passed etran_ip_check()
 *
 * Return and context: see etran_route_get().
 */
struct etran_route *etran_ip_route(struct etran_link *link, struct net_device *lower,
				   const void *hdr)
{
	const struct iphdr *ip = hdr;
	struct in6_addr daddr;

	if (ip->version == 6)
		return etran_route_get(link, lower, &((const struct ipv6hdr *)hdr)->daddr);
	ipv6_addr_set_v4mapped(ip->daddr, &daddr);
	return etran_route_get(link, lower, &daddr);
}

/*
 * An address of this host is the lower device's, or one that the host has by whatever device
 * (a service address on lo); but not one of a device that is itself on top of the lower device:
 * NICs take VLAN tags off before XDP sees a frame, and so a VLAN device's packets look like ours.
 */
static bool address_is_ours(struct net_device *lower, struct net_device *owner)
{
	return owner && (owner == lower || !netdev_has_upper_dev_all_rcu(lower, owner));
}

/**
 * etran_ip_is_local4 - is a received packet for this host?
 * @link: link device
 * @lower: where it arrived
 * @daddr: its destination
 *
 * The last address that was is remembered until some address or device changes.
 * Context: RCU read side.
 */
bool etran_ip_is_local4(struct etran_link *link, struct net_device *lower, __be32 daddr)
{
	u32 changes = READ_ONCE(etran_address_changes);
	u64 known = (u64)changes << 32 | (__force u32)daddr;

	if (likely(READ_ONCE(link->local4) == known))
		return true;
	/* The number was read before the address is looked up, and before it changes that does. */
	smp_rmb();
	if (!address_is_ours(lower, __ip_dev_find(dev_net(lower), daddr, false)))
		return false;
	WRITE_ONCE(link->local4, known);
	return true;
}

static int address_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	/* All is done that the event is about; never 0, which is what a new link device has. */
	smp_wmb();
	WRITE_ONCE(etran_address_changes, etran_address_changes + 1 ?: 1);
	return NOTIFY_DONE;
}

static struct notifier_block inet_notifier = { .notifier_call = address_event };
static struct notifier_block device_notifier = { .notifier_call = address_event };

int etran_ip_init(void)
{
	int err = register_inetaddr_notifier(&inet_notifier);

	if (err)
		return err;
	err = register_netdevice_notifier(&device_notifier);
	if (err)
		unregister_inetaddr_notifier(&inet_notifier);
	return err;
}

void etran_ip_exit(void)
{
	unregister_netdevice_notifier(&device_notifier);
	unregister_inetaddr_notifier(&inet_notifier);
}

/**
 * etran_ip_is_local6 - the same for IPv6
 * @lower: where it arrived
 * @daddr: its destination; a link-local one must be @lower's
 *
 * Context: RCU read side.
 */
bool etran_ip_is_local6(struct net_device *lower, const struct in6_addr *daddr)
{
	struct net *net = dev_net(lower);

	if (ipv6_stub->ipv6_dev_find(net, daddr, lower))
		return true;
	if (ipv6_addr_type(daddr) & (IPV6_ADDR_LINKLOCAL | IPV6_ADDR_MULTICAST))
		return false;
	return address_is_ours(lower, ipv6_stub->ipv6_dev_find(net, daddr, NULL));
}

/**
 * etran_ip6_final - the protocol behind extension headers
 * @ip: IPv6 header
 * @len: bytes from it to the end of the frame, at least its size
 * @fragment: set to whether there was a fragment header
 *
 * Bounded: what has more headers than anybody sends is taken for no protocol.
 * Return: IP protocol; NEXTHDR_NONE when it cannot be told.
 */
u8 etran_ip6_final(const struct ipv6hdr *ip, u32 len, bool *fragment)
{
	u32 off = sizeof(*ip), n;
	u8 next = ip->nexthdr;
	const u8 *h;

	*fragment = false;
	for (n = 0; n < 8; n++) {
		if (next != NEXTHDR_HOP && next != NEXTHDR_ROUTING && next != NEXTHDR_DEST &&
		    next != NEXTHDR_FRAGMENT)
			return next;
		if (off + 8 > len)
			return NEXTHDR_NONE;
		h = (const u8 *)ip + off;
		if (next == NEXTHDR_FRAGMENT) {
			*fragment = true;
			next = h[0];
			/* Only the first fragment has what follows. */
			if ((h[2] << 8 | h[3]) & IP6_OFFSET)
				return next;
			off += 8;
		} else {
			next = h[0];
			off += (h[1] + 1) * 8;
		}
	}
	return NEXTHDR_NONE;
}
