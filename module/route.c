// SPDX-License-Identifier: GPL-2.0
/*
 * Next hops: the kernel's routes and neighbours, looked up once for each destination.
 *
 * A hash table for each link device keeps the kernel's own dst and neighbour entries. dst_check()
 * says when a route is out of date (any change of the routing table or of an address), the
 * neighbour's state is read for each packet, so nothing here has to be told of changes. The table
 * is bounded; when it is full, all of it is dropped: a working set that large looks them up again.
 */
#include <linux/hash.h>
#include <linux/inetdevice.h>
#include <net/ip.h>
#include <net/ip_fib.h>
#include <net/neighbour.h>
#include <net/route.h>
#include "etran.h"

#define ROUTE_BITS	8
#define ROUTE_MAX	4096

static struct hlist_head *bucket(struct etran_link *link, __be32 daddr)
{
	return &link->routes[hash_32((__force u32)daddr, ROUTE_BITS)];
}

static void route_free(struct rcu_head *rcu)
{
	struct etran_route *r = container_of(rcu, struct etran_route, rcu);

	neigh_release(r->neigh);
	dst_release(r->dst);
	kfree(r);
}

/* Context: route_lock held. */
static void route_del(struct etran_link *link, struct etran_route *r)
{
	hlist_del_rcu(&r->node);
	link->nr_routes--;
	call_rcu(&r->rcu, route_free);
}

static struct etran_route *find(struct etran_link *link, __be32 daddr)
{
	struct etran_route *r;

	hlist_for_each_entry_rcu(r, bucket(link, daddr), node,
				 lockdep_is_held(&link->route_lock))
		if (r->daddr == daddr)
			return r;
	return NULL;
}

static struct etran_route *make(struct etran_link *link, struct net_device *lower, __be32 daddr)
{
	struct flowi4 fl4 = { .flowi4_oif = lower->ifindex, .daddr = daddr };
	struct etran_route *r, *old;
	struct fib_result res;
	struct rtable *rt;
	int i, err;

	if (ipv4_is_multicast(daddr) || ipv4_is_lbcast(daddr) || ipv4_is_zeronet(daddr))
		return ERR_PTR(-EINVAL);
	/*
	 * First, because ip_route_output_key() takes any host without a route for a neighbour when
	 * it is told the device.
	 */
	err = fib_lookup(dev_net(lower), &fl4, &res, 0);
	if (err)
		return ERR_PTR(err == -EHOSTUNREACH ? err : -ENETUNREACH);
	rt = ip_route_output_key(dev_net(lower), &fl4);
	if (IS_ERR(rt))
		return ERR_CAST(rt);
	if (rt->dst.dev != lower || rt->rt_type != RTN_UNICAST) {
		ip_rt_put(rt);
		return ERR_PTR(-EINVAL);
	}
	r = kzalloc(sizeof(*r), GFP_ATOMIC | __GFP_NOWARN);
	if (!r) {
		ip_rt_put(rt);
		return ERR_PTR(-ENOMEM);
	}
	r->daddr = daddr;
	r->saddr = fl4.saddr;
	r->dst = &rt->dst;
	r->neigh = dst_neigh_lookup(&rt->dst, &daddr);
	if (!r->neigh) {
		ip_rt_put(rt);
		kfree(r);
		return ERR_PTR(-EHOSTUNREACH);
	}

	spin_lock_bh(&link->route_lock);
	if (link->nr_routes >= ROUTE_MAX)
		for (i = 0; i < 1 << ROUTE_BITS; i++)
			while (!hlist_empty(&link->routes[i]))
				route_del(link, hlist_entry(link->routes[i].first,
							    struct etran_route, node));
	old = find(link, daddr);
	if (old)
		route_del(link, old);
	hlist_add_head_rcu(&r->node, bucket(link, daddr));
	link->nr_routes++;
	spin_unlock_bh(&link->route_lock);
	return r;
}

/**
 * etran_route_get - the next hop for a destination
 * @link: link device that the packet leaves by
 * @lower: its lower device
 * @daddr: destination
 *
 * Return: the next hop, valid within this RCU read side; or ERR_PTR: -EINVAL (not a host that is
 * reached over @lower), -ENETUNREACH, -EHOSTUNREACH, -ENOMEM.
 * Context: RCU read side, bottom halves off. Allocates on the first packet to a destination.
 */
struct etran_route *etran_route_get(struct etran_link *link, struct net_device *lower,
				    __be32 daddr)
{
	struct etran_route *r = find(link, daddr);

	if (likely(r && dst_check(r->dst, 0) && !r->neigh->dead))
		return r;
	return make(link, lower, daddr);
}

/**
 * etran_route_flush - forget all next hops
 * @link: the link device
 *
 * They hold references to the lower device, which must go before it can.
 * Context: process, may sleep.
 */
void etran_route_flush(struct etran_link *link)
{
	struct etran_route *r;
	struct hlist_node *n;
	int i;

	spin_lock_bh(&link->route_lock);
	for (i = 0; i < 1 << ROUTE_BITS; i++)
		hlist_for_each_entry_safe(r, n, &link->routes[i], node)
			route_del(link, r);
	spin_unlock_bh(&link->route_lock);
}

int etran_route_init(struct etran_link *link)
{
	spin_lock_init(&link->route_lock);
	link->nr_routes = 0;
	link->routes = kcalloc(1 << ROUTE_BITS, sizeof(*link->routes), GFP_KERNEL);
	return link->routes ? 0 : -ENOMEM;
}

/* Context: the link device is not reachable any more. */
void etran_route_exit(struct etran_link *link)
{
	if (link->routes)
		etran_route_flush(link);
	kfree(link->routes);
	link->routes = NULL;
}
