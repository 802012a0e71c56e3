// SPDX-License-Identifier: GPL-2.0
/*
 * The etran link device: a software NIC with many queues on top of any NIC that has native XDP and
 * ndo_xdp_xmit.
 *
 *	ip link add etran0 link eth0 type etran [numrxqueues N]
 *
 * It exists so that any number of processes can bind AF_XDP sockets without owning a hardware queue.
 * It carries no skbs: what the kernel's own stack sends into it is dropped. A socket bound with
 * XDP_COPY would use that path, and so sends nothing either: the only way to the wire is through a
 * transport.
 *
 * The device goes with its lower device, and with its own network namespace, into which it may be
 * moved: see README.md. (Rejected: finding it by the lower device's
 * rx_handler_data, which bridge and macvlan use; hence the hash table.)
 */
#include <linux/etherdevice.h>
#include <linux/hashtable.h>
#include <linux/if_arp.h>
#include <linux/if_vlan.h>
#include <linux/moduleparam.h>
#include <linux/rtnetlink.h>
#include <net/rtnetlink.h>
#include "etran.h"

static unsigned int queues = 256;
module_param(queues, uint, 0644);
MODULE_PARM_DESC(queues, "queues of a new link device when numrxqueues does not say (1-4096)");

LIST_HEAD(etran_links);
static DEFINE_HASHTABLE(by_lower, 6);
static DEFINE_XARRAY_ALLOC1(by_id);
static u32 next_link;

static const struct net_device_ops link_netdev_ops;

/**
 * etran_is_link - is this one of our devices?
 * @dev: any device
 */
bool etran_is_link(const struct net_device *dev)
{
	return dev && dev->netdev_ops == &link_netdev_ops;
}

/**
 * etran_link_by_lower - the link device on top of a device
 * @lower: the device
 *
 * Return: it or NULL. Context: RCU read side.
 */
struct etran_link *etran_link_by_lower(const struct net_device *lower)
{
	struct etran_link *link;

	hash_for_each_possible_rcu(by_lower, link, hash, (unsigned long)lower)
		if (rcu_access_pointer(link->lower) == lower)
			return link;
	return NULL;
}

DEFINE_PER_CPU(struct etran_link_seen, etran_link_seen);

/**
 * etran_link_see - etran_link_by_lower(), and this CPU remembers it
 * @lower: the device
 *
 * Return: it or NULL. Context: RCU read side, bottom halves off.
 */
struct etran_link *etran_link_see(const struct net_device *lower)
{
	struct etran_link *link = etran_link_by_lower(lower);

	if (link) {
		this_cpu_write(etran_link_seen.link, link);
		this_cpu_write(etran_link_seen.lower, lower);
	}
	return link;
}

/*
 * No CPU remembers a link device that is not found any more. Twice, because who is just finding it may
 * remember it after the first time. Context: may sleep.
 */
static void forget(void)
{
	int i, cpu;

	for (i = 0; i < 2; i++) {
		for_each_possible_cpu(cpu)
			WRITE_ONCE(per_cpu(etran_link_seen.lower, cpu), NULL);
		synchronize_net();
	}
}

/* As above. Context: RTNL held. */
static struct etran_link *link_of(const struct net_device *lower)
{
	struct etran_link *link;

	list_for_each_entry(link, &etran_links, list)
		if (rtnl_dereference(link->lower) == lower)
			return link;
	return NULL;
}

/**
 * etran_link_by_id - the link device with this id
 * @id: id
 *
 * Return: it or NULL. Context: RCU read side.
 */
struct etran_link *etran_link_by_id(u32 id)
{
	return xa_load(&by_id, id);
}

/**
 * etran_links_purge - drop a transport's packets that wait for a lower device
 * @t: detached
 *
 * Context: process, may sleep.
 */
void etran_links_purge(struct etran_transport *t)
{
	struct etran_link *link;
	unsigned long id;

	rcu_read_lock();
	xa_for_each(&by_id, id, link)
		etran_link_purge(link, t);
	rcu_read_unlock();
}

static int link_open(struct net_device *dev)
{
	netif_tx_start_all_queues(dev);
	return 0;
}

static int link_stop(struct net_device *dev)
{
	netif_tx_stop_all_queues(dev);
	/* Nobody adds to the backlog of a device that is down. */
	synchronize_net();
	etran_link_drain(netdev_priv(dev));
	return 0;
}

static netdev_tx_t link_start_xmit(struct sk_buff *skb, struct net_device *dev)
{
	dev_core_stats_tx_dropped_inc(dev);
	kfree_skb(skb);
	return NETDEV_TX_OK;
}

static int link_wakeup(struct net_device *dev, u32 queue, u32 flags)
{
	struct etran_link *link = netdev_priv(dev);
	struct etran_channel *ch;
	int err = -ENXIO;

	if (!netif_running(dev))
		return -ENETDOWN;
	if (!(flags & XDP_WAKEUP_TX))
		return 0;
	if (queue >= dev->num_rx_queues)
		return -EINVAL;
	rcu_read_lock();
	ch = rcu_dereference(link->channels[queue]);
	if (ch)
		err = etran_egress(ch);
	rcu_read_unlock();
	return err == -EBUSY ? -EAGAIN : err;
}

static int link_bpf(struct net_device *dev, struct netdev_bpf *bpf)
{
	struct etran_link *link = netdev_priv(dev);

	if (bpf->command != XDP_SETUP_XSK_POOL)
		return -EOPNOTSUPP;
	if (bpf->xsk.pool)
		return etran_channel_bind(link, bpf->xsk.pool, bpf->xsk.queue_id);
	etran_channel_unbind(link, bpf->xsk.queue_id);
	return 0;
}

static void link_get_stats64(struct net_device *dev, struct rtnl_link_stats64 *s)
{
	struct etran_link *link = netdev_priv(dev);
	int cpu;

	for_each_possible_cpu(cpu) {
		const u64 *v = per_cpu_ptr(link->counters, cpu)->v;

		s->tx_packets += v[ETRAN_C_packets_sent];
		s->tx_dropped += v[ETRAN_C_packets_dropped];
		s->rx_packets += v[ETRAN_C_rx_packets];
		s->rx_dropped += v[ETRAN_C_rx_dropped];
	}
}

static int link_get_iflink(const struct net_device *dev)
{
	const struct etran_link *link = netdev_priv(dev);
	const struct net_device *lower = rcu_access_pointer(link->lower);

	return lower ? READ_ONCE(lower->ifindex) : 0;
}

/* Context: RTNL held. Leaves the lower device alone; what is on its way through goes on. */
static void link_detach(struct etran_link *link)
{
	struct net_device *lower = rtnl_dereference(link->lower);

	if (!lower)
		return;
	etran_direct_link_gone(link);
	etran_hubs_link_gone(link);
	hash_del_rcu(&link->hash);
	RCU_INIT_POINTER(link->lower, NULL);
	forget();
	netdev_upper_dev_unlink(lower, link->dev);
	etran_route_flush(link);
	netdev_put(lower, &link->lower_tracker);
}

static int link_init(struct net_device *dev)
{
	struct etran_link *link = netdev_priv(dev);

	link->dev = dev;
	INIT_LIST_HEAD(&link->list);
	INIT_LIST_HEAD(&link->direct);
	INIT_LIST_HEAD(&link->backlog);
	spin_lock_init(&link->backlog_lock);
	init_llist_head(&link->stopped);
	hrtimer_init(&link->retry, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
	link->retry.function = etran_link_retry;
	link->counters = alloc_percpu(struct etran_counter_set);
	link->channels = kvcalloc(dev->num_rx_queues, sizeof(*link->channels), GFP_KERNEL);
	if (!link->counters || !link->channels || etran_route_init(link)) {
		free_percpu(link->counters);
		kvfree(link->channels);
		link->counters = NULL;
		link->channels = NULL;
		return -ENOMEM;
	}
	return 0;
}

static void link_uninit(struct net_device *dev)
{
	struct etran_link *link = netdev_priv(dev);

	link_detach(link);
	list_del_init(&link->list);
	if (link->id)
		xa_erase(&by_id, link->id);
}

static void link_free(struct net_device *dev)
{
	struct etran_link *link = netdev_priv(dev);

	etran_route_exit(link);
	kvfree(link->channels);
	free_percpu(link->counters);
}

static const struct net_device_ops link_netdev_ops = {
	.ndo_init = link_init,
	.ndo_uninit = link_uninit,
	.ndo_open = link_open,
	.ndo_stop = link_stop,
	.ndo_start_xmit = link_start_xmit,
	.ndo_get_stats64 = link_get_stats64,
	.ndo_get_iflink = link_get_iflink,
	.ndo_bpf = link_bpf,
	.ndo_xsk_wakeup = link_wakeup,
};

static void link_setup(struct net_device *dev)
{
	ether_setup(dev);
	dev->netdev_ops = &link_netdev_ops;
	dev->needs_free_netdev = true;
	dev->priv_destructor = link_free;
	dev->priv_flags |= IFF_NO_QUEUE;
	dev->priv_flags &= ~IFF_TX_SKB_SHARING;
	dev->flags |= IFF_NOARP;
	dev->flags &= ~(IFF_BROADCAST | IFF_MULTICAST);
	dev->min_mtu = ETRAN_MIN_MTU;
	dev->max_mtu = ETRAN_MAX_MTU;
	eth_hw_addr_random(dev);
	xdp_set_features_flag(dev, NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_REDIRECT |
				   NETDEV_XDP_ACT_XSK_ZEROCOPY);
}

static void link_follow_mtu(struct etran_link *link, struct net_device *lower)
{
	struct etran_channel *ch;
	u32 i;

	dev_set_mtu(link->dev, clamp_t(u32, lower->mtu, ETRAN_MIN_MTU, ETRAN_MAX_MTU));
	for (i = 0; i < link->dev->num_rx_queues; i++) {
		ch = rtnl_dereference(link->channels[i]);
		if (ch)
			WRITE_ONCE(ch->status->mtu, link->dev->mtu);
	}
	list_for_each_entry(ch, &link->direct, direct_node)
		WRITE_ONCE(ch->status->mtu, link->dev->mtu);
}

/* Master devices, other than a VRF, take over the addresses of what they have below them. */
static bool has_other_master(struct net_device *lower)
{
	struct net_device *master = netdev_master_upper_dev_get(lower);

	return master && !netif_is_l3_master(master);
}

static int link_newlink(struct net *src_net, struct net_device *dev, struct nlattr *tb[],
			struct nlattr *data[], struct netlink_ext_ack *ack)
{
	struct etran_link *link = netdev_priv(dev);
	struct net_device *lower;
	int err;

	if (!tb[IFLA_LINK]) {
		NL_SET_ERR_MSG(ack, "a lower device is needed: ip link add link DEV type etran");
		return -EINVAL;
	}
	lower = __dev_get_by_index(src_net, nla_get_u32(tb[IFLA_LINK]));
	if (!lower) {
		NL_SET_ERR_MSG(ack, "no such lower device");
		return -ENODEV;
	}
	if (etran_is_link(lower) || lower->type != ARPHRD_ETHER || (lower->flags & IFF_LOOPBACK)) {
		NL_SET_ERR_MSG(ack, "the lower device must be an Ethernet device, and no etran one");
		return -EINVAL;
	}
	if (is_vlan_dev(lower)) {
		NL_SET_ERR_MSG(ack, "a VLAN device has no native XDP, and what is below it carries untagged packets only: put the link device on a NIC, or a virtual function, of that VLAN");
		return -EOPNOTSUPP;
	}
	if (netif_is_macvlan(lower)) {
		NL_SET_ERR_MSG(ack, "a macvlan device has no native XDP: put the link device on the device below it, and move that link device to where the application is");
		return -EOPNOTSUPP;
	}
	if (netif_is_bridge_master(lower)) {
		NL_SET_ERR_MSG(ack, "a bridge has no native XDP: give the host an address on a NIC of its own, or on a veth device whose peer is a port of the bridge");
		return -EOPNOTSUPP;
	}
	if (has_other_master(lower)) {
		NL_SET_ERR_MSG(ack, "the lower device belongs to a bridge, bond or other master, which has its addresses and routes: put the link device on the master, or take the lower device out of it");
		return -EINVAL;
	}
	if (netif_is_bond_master(lower) && !lower->xdp_features) {
		NL_SET_ERR_MSG(ack, "the bond cannot do XDP: it needs mode balance-rr, active-backup, balance-xor (not with vlan+srcmac) or 802.3ad, and devices in it that all have native XDP with ndo_xdp_xmit");
		return -EOPNOTSUPP;
	}
	if (!lower->netdev_ops->ndo_bpf || !lower->netdev_ops->ndo_xdp_xmit) {
		NL_SET_ERR_MSG(ack, "the lower device has no native XDP with ndo_xdp_xmit");
		return -EOPNOTSUPP;
	}
	if (lower->mtu < ETRAN_MIN_MTU) {
		NL_SET_ERR_MSG(ack, "the lower device's MTU is below 576");
		return -EINVAL;
	}
	if (link_of(lower)) {
		NL_SET_ERR_MSG(ack, "the lower device has an etran device already");
		return -EBUSY;
	}
	if (dev->num_rx_queues > ETRAN_MAX_QUEUES) {
		NL_SET_ERR_MSG(ack, "at most 4096 queues");
		return -EINVAL;
	}
	if (!tb[IFLA_MTU])
		dev->mtu = min_t(u32, lower->mtu, ETRAN_MAX_MTU);

	err = register_netdevice(dev);
	if (err)
		return err;
	err = xa_alloc_cyclic(&by_id, &link->id, NULL, xa_limit_31b, &next_link, GFP_KERNEL);
	if (err < 0)
		goto unregister;
	err = netdev_upper_dev_link(lower, dev, ack);
	if (err)
		goto unregister;
	netdev_hold(lower, &link->lower_tracker, GFP_KERNEL);
	rcu_assign_pointer(link->lower, lower);
	hash_add_rcu(by_lower, &link->hash, (unsigned long)lower);
	list_add_tail(&link->list, &etran_links);
	xa_store(&by_id, link->id, link, GFP_KERNEL);
	netif_stacked_transfer_operstate(lower, dev);
	return 0;
unregister:
	unregister_netdevice(dev);
	return err;
}

/* The namespace in which IFLA_LINK is to be understood. */
static struct net *link_get_net(const struct net_device *dev)
{
	const struct etran_link *link = netdev_priv(dev);
	const struct net_device *lower = rcu_access_pointer(link->lower);

	return dev_net(lower ?: dev);
}

static void link_dellink(struct net_device *dev, struct list_head *head)
{
	unregister_netdevice_queue(dev, head);
}

static unsigned int link_rx_queues(void)
{
	return clamp(READ_ONCE(queues), 1U, (unsigned int)ETRAN_MAX_QUEUES);
}

/* Sending takes no queue of the kernel's; AF_XDP looks at the larger of both numbers. */
static unsigned int link_tx_queues(void)
{
	return 1;
}

static struct rtnl_link_ops link_ops __read_mostly = {
	.kind = "etran",
	.priv_size = sizeof(struct etran_link),
	.setup = link_setup,
	.newlink = link_newlink,
	.dellink = link_dellink,
	.get_num_rx_queues = link_rx_queues,
	.get_num_tx_queues = link_tx_queues,
	.get_link_net = link_get_net,
};

static int link_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct net_device *lower = netdev_notifier_info_to_dev(ptr);
	struct etran_link *link = link_of(lower);
	struct netdev_notifier_changeupper_info *upper;

	if (!link)
		return NOTIFY_DONE;
	switch (event) {
	case NETDEV_PRECHANGEUPPER:
		upper = ptr;
		if (!upper->master || !upper->linking || netif_is_l3_master(upper->upper_dev))
			break;
		NL_SET_ERR_MSG(netdev_notifier_info_to_extack(ptr),
			       "it has an etran device on top, which works with its addresses: delete that first");
		return notifier_from_errno(-EBUSY);
	case NETDEV_UNREGISTER:
		/* Moved to another namespace, it leaves its addresses; the link device goes. */
		unregister_netdevice(link->dev);
		break;
	case NETDEV_CHANGEMTU:
		link_follow_mtu(link, lower);
		break;
	case NETDEV_UP:
	case NETDEV_DOWN:
	case NETDEV_CHANGE:
		netif_stacked_transfer_operstate(lower, link->dev);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block link_notifier = {
	.notifier_call = link_event,
};

int etran_link_init(void)
{
	int err = register_netdevice_notifier(&link_notifier);

	if (err)
		return err;
	err = rtnl_link_register(&link_ops);
	if (err)
		unregister_netdevice_notifier(&link_notifier);
	return err;
}

void etran_link_exit(void)
{
	/* Deletes all link devices. */
	rtnl_link_unregister(&link_ops);
	unregister_netdevice_notifier(&link_notifier);
}

MODULE_ALIAS_RTNL_LINK("etran");
