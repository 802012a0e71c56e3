// SPDX-License-Identifier: GPL-2.0
/*
 * Next hops: the kernel's routes and neighbours, looked up once for each destination.
 *
 * A hash table for each link device keeps the kernel's own dst and neighbour entries, by destination
 * as an IPv6 address (IPv4 as ::ffff:a.b.c.d). A hit is one look-up: no lock, no reference; and for what each CPU sent to last, none (hop.c).
 * dst_check() says when a route is out of date (any change of the routing table or of an address),
 * the neighbour's state is read for each packet, so nothing here has to be told of changes.
 *
 * An entry keeps its neighbour from the kernel's garbage collection, whose table is small by default
 * (net.ipv4.neigh.default.gc_thresh3 and its IPv6 twin, 1024 each). So what was not used for
 * ROUTE_AGE is let go, and ROUTE_MAX bounds each table: a new entry then takes the place of one that
 * was not used lately (second chance). An entry that cannot be stored serves its one packet and is
 * freed after it. (Rejected: emptying a full table at once: with one peer more than fit, every
 * packet would be a miss.)
 *
 * Which network namespace: always that of the lower device, see README.md.
 */
#include <linux/inetdevice.h>
#include <linux/rhashtable.h>
#include <net/ip.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/ip_fib.h>
#include <net/ipv6_stubs.h>
#include <net/l3mdev.h>
#include <net/neighbour.h>
#include <net/route.h>
#include "etran.h"

#define ROUTE_MAX	16384
/* An entry that is not used goes after one to two of these. */
#define ROUTE_AGE	(10 * HZ)
/* Entries looked at under one hold of the lock, and before one is evicted that was used lately. */
#define ROUTE_BATCH	64
/*
 * Packets a second that a link device may hand to the kernel to wait for a neighbour. It keeps them
 * for some seconds (mcast_solicit and ucast_solicit times retrans_time), and at most unres_qlen_bytes
 * for each neighbour: so the pages that wait are bounded, however many neighbours never answer.
 */
#define WAITING_MAX	1024

/* Entries that were taken out of any table. */
atomic64_t etran_routes_taken;

static int route_cmp(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct etran_route *r = obj;

	return !ipv6_addr_equal(&r->daddr, arg->key);
}

static const struct rhashtable_params route_params = {
	.head_offset = offsetof(struct etran_route, node),
	.key_offset = offsetof(struct etran_route, daddr),
	.key_len = sizeof(struct in6_addr),
	.obj_cmpfn = route_cmp,
	.nelem_hint = 64,
	.automatic_shrinking = true,
};

static void route_free(struct rcu_head *rcu)
{
	struct etran_route *r = container_of(rcu, struct etran_route, rcu);

	neigh_release(r->neigh);
	dst_release(r->dst);
	kfree(r);
}

/* Context: routes.lock held. */
static void route_del(struct etran_routes *routes, struct etran_route *r)
{
	rhashtable_remove_fast(&routes->table, &r->node, route_params);
	list_del(&r->list);
	routes->count--;
	/*
	 * Pairs with etran_routes_gone(). Behind the removal: with the new count it is not found any more. In front of
	 * call_rcu(): who has the old one is a reader for which that waits.
	 */
	atomic64_inc_return(&etran_routes_taken);
	call_rcu(&r->rcu, route_free);
}

/* Make room for one more. Context: routes.lock held. */
static void route_evict(struct etran_routes *routes)
{
	struct etran_route *r;
	int i;

	for (i = 0; i < ROUTE_BATCH; i++) {
		r = list_first_entry(&routes->list, struct etran_route, list);
		if (!READ_ONCE(r->used))
			break;
		WRITE_ONCE(r->used, 0);
		list_move_tail(&r->list, &routes->list);
	}
	route_del(routes, list_first_entry(&routes->list, struct etran_route, list));
}

/* Keep @r for later packets, or only for this one. */
static void route_keep(struct etran_routes *routes, struct etran_route *r)
{
	struct etran_route *old;

	spin_lock_bh(&routes->lock);
	old = rhashtable_lookup_fast(&routes->table, &r->daddr, route_params);
	if (old)
		route_del(routes, old);
	else if (routes->count >= ROUTE_MAX)
		route_evict(routes);
	if (routes->closed ||
	    rhashtable_insert_fast(&routes->table, &r->node, route_params)) {
		/* Nor shall anybody remember it. */
		atomic64_inc_return(&etran_routes_taken);
		call_rcu(&r->rcu, route_free);
	} else {
		list_add_tail(&r->list, &routes->list);
		routes->count++;
		/* Does nothing when it is due already. */
		queue_delayed_work(etran_wq, &routes->age_work, ROUTE_AGE);
	}
	spin_unlock_bh(&routes->lock);
}

/*
 * The kernel's errors as those that programs are told: a host that cannot be reached, no way there
 * at all (also blackhole, prohibit, throw).
 */
static int route_error(int err)
{
	return err == -EHOSTUNREACH || err == -ENOMEM ? err : -ENETUNREACH;
}

static int lookup4(struct etran_route *r, struct net_device *lower, __be32 daddr)
{
	struct flowi4 fl4 = { .flowi4_oif = lower->ifindex, .daddr = daddr };
	struct fib_result res;
	struct rtable *rt;
	int err;

	if (ipv4_is_multicast(daddr) || ipv4_is_lbcast(daddr) || ipv4_is_zeronet(daddr))
		return -EINVAL;
	/*
	 * First, because ip_route_output_key() takes any host without a route for a neighbour when
	 * it is told the device.
	 */
	err = fib_lookup(dev_net(lower), &fl4, &res, 0);
	if (err)
		return route_error(err);
	rt = ip_route_output_key(dev_net(lower), &fl4);
	if (IS_ERR(rt))
		return PTR_ERR(rt);
	r->dst = &rt->dst;
	if (rt->dst.dev != lower || rt->rt_type != RTN_UNICAST)
		return -EINVAL;
	ipv6_addr_set_v4mapped(fl4.saddr, &r->saddr);
	r->neigh = dst_neigh_lookup(r->dst, &daddr);
	return r->neigh ? 0 : -EHOSTUNREACH;
}

/*
 * Does a route say that there is no way? The look-up for a device does not see those, because they
 * lead over none.
 */
static int rejected6(const struct etran_route *r, struct net_device *lower)
{
	struct flowi6 fl6 = {
		.flowi6_l3mdev = l3mdev_master_ifindex_rcu(lower),
		.daddr = r->daddr,
	};
	struct dst_entry *dst;

	if (ipv6_addr_type(&r->daddr) & IPV6_ADDR_LINKLOCAL)
		return 0;
	dst = ipv6_stub->ipv6_dst_lookup_flow(dev_net(lower), NULL, &fl6, NULL);
	if (!IS_ERR(dst)) {
		dst_release(dst);
		return 0;
	}
	switch (PTR_ERR(dst)) {
	case -EHOSTUNREACH:	/* unreachable */
	case -EACCES:		/* prohibit */
	case -EINVAL:		/* blackhole */
		return PTR_ERR(dst);
	}
	return 0;
}

static int lookup6(struct etran_route *r, struct net_device *lower)
{
	struct flowi6 fl6 = { .flowi6_oif = lower->ifindex, .daddr = r->daddr };
	struct dst_entry *dst;
	struct rt6_info *rt;
	int err;

	if (ipv6_addr_is_multicast(&r->daddr) || ipv6_addr_any(&r->daddr) ||
	    ipv6_addr_loopback(&r->daddr))
		return -EINVAL;
	err = rejected6(r, lower);
	if (err)
		return route_error(err);
	/* -EAFNOSUPPORT in a kernel without IPv6. */
	dst = ipv6_stub->ipv6_dst_lookup_flow(dev_net(lower), NULL, &fl6, NULL);
	if (IS_ERR(dst))
		return route_error(PTR_ERR(dst));
	r->dst = dst;
	rt = dst_rt6_info(dst);
	/* IPsec: what it would change, we could not. */
	if (dst->dev != lower || dst_xfrm(dst) ||
	    rt->rt6i_flags & (RTF_LOCAL | RTF_ANYCAST | RTF_REJECT))
		return -EINVAL;
	r->cookie = rt6_get_cookie(rt);
	r->saddr = fl6.saddr;
	r->neigh = dst_neigh_lookup(dst, &r->daddr);
	return r->neigh ? 0 : -EHOSTUNREACH;
}

static struct etran_route *make(struct etran_link *link, struct net_device *lower,
				const struct in6_addr *daddr)
{
	struct etran_route *r;
	int err;

	r = kzalloc(sizeof(*r), GFP_ATOMIC | __GFP_NOWARN);
	if (!r)
		return ERR_PTR(-ENOMEM);
	r->daddr = *daddr;
	if (ipv6_addr_v4mapped(daddr))
		err = lookup4(r, lower, daddr->s6_addr32[3]);
	else
		err = lookup6(r, lower);
	if (err) {
		dst_release(r->dst);
		kfree(r);
		return ERR_PTR(err);
	}
	route_keep(&link->routes, r);
	return r;
}

/**
 * etran_route_get - the next hop for a destination
 * @link: link device that the packet leaves by
 * @lower: its lower device
 * @daddr: destination; IPv4 as ::ffff:a.b.c.d
 *
 * Return: the next hop, valid within this RCU read side; or ERR_PTR: -EINVAL (not a host that is
 * reached over @lower), -ENETUNREACH, -EHOSTUNREACH (also: the kernel's neighbour table is full),
 * -ENOMEM.
 * Context: RCU read side, bottom halves off. Allocates on the first packet to a destination.
 */
struct etran_route *etran_route_get(struct etran_link *link, struct net_device *lower,
				    const struct in6_addr *daddr)
{
	struct etran_route *r = rhashtable_lookup(&link->routes.table, daddr, route_params);

	if (likely(r && etran_route_good(r))) {
		etran_route_use(r);
		return r;
	}
	return make(link, lower, daddr);
}

/* What the kernel's routes are shown of a packet to @daddr. Return: NULL without memory. */
static struct sk_buff *quote(const struct etran_route *r, struct net_device *lower)
{
	struct sk_buff *skb = alloc_skb(sizeof(struct ipv6hdr), GFP_ATOMIC | __GFP_NOWARN);
	bool v4 = ipv6_addr_v4mapped(&r->daddr);
	struct ipv6hdr *ip6;
	struct iphdr *ip;

	if (!skb)
		return NULL;
	skb->dev = lower;
	skb_reset_network_header(skb);
	if (v4) {
		ip = skb_put_zero(skb, sizeof(*ip));
		ip->version = 4;
		ip->ihl = 5;
		ip->daddr = r->daddr.s6_addr32[3];
		ip->saddr = r->saddr.s6_addr32[3];
	} else {
		ip6 = skb_put_zero(skb, sizeof(*ip6));
		ip6->version = 6;
		ip6->daddr = r->daddr;
		ip6->saddr = r->saddr;
	}
	return skb;
}

/**
 * etran_route_too_big - somebody on the way to a destination takes no packets as long as that
 * @link: link device that they leave by
 * @lower: its lower device
 * @daddr: destination; IPv4 as ::ffff:a.b.c.d
 * @mtu: bytes that it takes, IP header included
 *
 * Tells the kernel's routes, as its own protocols do: for them, too, that is the path's MTU until it expires.
 * They have bounds of their own (net.ipv4.route.min_pmtu, 1280 bytes of IPv6).
 *
 * Return: as etran_route_get(). Context: RCU read side, bottom halves off. Allocates.
 */
struct etran_route *etran_route_too_big(struct etran_link *link, struct net_device *lower,
					const struct in6_addr *daddr, u32 mtu)
{
	struct etran_route *r = etran_route_get(link, lower, daddr);
	struct sk_buff *skb;

	if (IS_ERR(r))
		return r;
	if (!ipv6_addr_v4mapped(daddr))
		mtu = max_t(u32, mtu, IPV6_MIN_MTU);
	if (mtu >= dst_mtu(r->dst))
		return r;
	skb = quote(r, lower);
	if (!skb)
		return ERR_PTR(-ENOMEM);
	r->dst->ops->update_pmtu(r->dst, NULL, skb, mtu, false);
	kfree_skb(skb);
	/* That has made what we had out of date. */
	return etran_route_get(link, lower, daddr);
}

/**
 * etran_route_may_wait - may one more packet wait for its neighbour?
 * @link: link device that it leaves by
 *
 * Context: any. A race lets some more through.
 */
bool etran_route_may_wait(struct etran_link *link)
{
	struct etran_routes *routes = &link->routes;
	unsigned long second = jiffies / HZ;

	if (READ_ONCE(routes->waiting_since) != second) {
		WRITE_ONCE(routes->waiting_since, second);
		atomic_set(&routes->waiting, 0);
	}
	return atomic_inc_return(&routes->waiting) <= WAITING_MAX;
}

/* Lets go of what was not used since the last time, or is out of date. */
static void route_age(struct work_struct *work)
{
	struct etran_routes *routes = container_of(work, struct etran_routes, age_work.work);
	struct etran_route *r;
	u32 left, i;

	spin_lock_bh(&routes->lock);
	/* What is added meanwhile comes behind these. */
	for (left = routes->count, i = 0; left && routes->count; left--) {
		r = list_first_entry(&routes->list, struct etran_route, list);
		if (READ_ONCE(r->used) && etran_route_good(r)) {
			WRITE_ONCE(r->used, 0);
			list_move_tail(&r->list, &routes->list);
		} else {
			route_del(routes, r);
		}
		if (++i == ROUTE_BATCH) {
			i = 0;
			spin_unlock_bh(&routes->lock);
			cond_resched();
			spin_lock_bh(&routes->lock);
		}
	}
	if (routes->count && !routes->closed)
		queue_delayed_work(etran_wq, &routes->age_work, ROUTE_AGE);
	spin_unlock_bh(&routes->lock);
}

/**
 * etran_route_flush - forget all next hops, and keep none from here on
 * @link: the link device
 *
 * They hold references to the lower device, which must go before it can.
 * Context: process, may sleep.
 */
void etran_route_flush(struct etran_link *link)
{
	struct etran_routes *routes = &link->routes;
	struct etran_route *r, *n;

	spin_lock_bh(&routes->lock);
	routes->closed = true;
	list_for_each_entry_safe(r, n, &routes->list, list)
		route_del(routes, r);
	spin_unlock_bh(&routes->lock);
}

int etran_route_init(struct etran_link *link)
{
	struct etran_routes *routes = &link->routes;
	int err = rhashtable_init(&routes->table, &route_params);

	if (err)
		return err;
	spin_lock_init(&routes->lock);
	INIT_LIST_HEAD(&routes->list);
	INIT_DELAYED_WORK(&routes->age_work, route_age);
	routes->count = 0;
	routes->closed = false;
	routes->ready = true;
	return 0;
}

/* Context: the link device is not reachable any more; may sleep. */
void etran_route_exit(struct etran_link *link)
{
	struct etran_routes *routes = &link->routes;

	if (!routes->ready)
		return;
	etran_route_flush(link);
	cancel_delayed_work_sync(&routes->age_work);
	rhashtable_destroy(&routes->table);
	routes->ready = false;
}
