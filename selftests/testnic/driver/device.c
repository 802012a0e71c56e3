// SPDX-License-Identifier: GPL-2.0
/*
 * The devices: made in pairs, each may be moved to a network namespace, they go together.
 *
 *	ip link add tn0 numrxqueues 4 type testnic
 *
 * makes tn0 and tn1. iproute2 knows no arguments of this type, so the peer's name is the device's
 * with the number at its end plus one, and its queues are as many. Programs can pass attributes of
 * the peer in VETH_INFO_PEER as for veth.
 */
#include <linux/etherdevice.h>
#include <linux/filter.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/rtnetlink.h>
#include "testnic.h"

static struct rtnl_link_ops link_ops;

/**
 * testnic_start_queues - bring queues up
 * @nic: device
 * @from: first
 * @to: the one behind the last; nothing happens if not above @from
 *
 * Return: 0, or an errno and none of them is up. Context: RTNL held.
 */
int testnic_start_queues(struct testnic *nic, u32 from, u32 to)
{
	u32 i;
	int err;

	for (i = from; i < to; i++) {
		err = testnic_queue_start(&nic->queues[i]);
		if (err) {
			testnic_stop_queues(nic, from, i);
			return err;
		}
	}
	return 0;
}

/**
 * testnic_stop_queues - take queues down
 * @nic: device
 * @from: first
 * @to: the one behind the last; nothing happens if not above @from
 *
 * Context: RTNL held.
 */
void testnic_stop_queues(struct testnic *nic, u32 from, u32 to)
{
	u32 i;

	for (i = from; i < to; i++)
		testnic_queue_stop(&nic->queues[i]);
}

static int open(struct net_device *dev)
{
	struct testnic *nic = netdev_priv(dev), *peer = rtnl_dereference(nic->peer);
	int err = testnic_start_queues(nic, 0, dev->real_num_rx_queues);

	if (err)
		return err;
	testnic_wire_up(nic);
	netif_tx_start_all_queues(dev);
	if (peer && netif_running(peer->dev)) {
		netif_carrier_on(dev);
		netif_carrier_on(peer->dev);
	}
	return 0;
}

static int stop(struct net_device *dev)
{
	struct testnic *nic = netdev_priv(dev), *peer = rtnl_dereference(nic->peer);

	netif_carrier_off(dev);
	if (peer)
		netif_carrier_off(peer->dev);
	netif_tx_disable(dev);
	testnic_stop_queues(nic, 0, nic->queue_count);
	testnic_wire_down(nic);
	return 0;
}

/* Other buffers are needed; without memory for them it stays as it was. */
static int change_mtu(struct net_device *dev, int mtu)
{
	struct testnic *nic = netdev_priv(dev);
	u32 count = dev->real_num_rx_queues, old = dev->mtu;
	int err;

	testnic_stop_queues(nic, 0, count);
	WRITE_ONCE(dev->mtu, mtu);
	if (!netif_running(dev))
		return 0;
	err = testnic_start_queues(nic, 0, count);
	if (!err)
		return 0;
	WRITE_ONCE(dev->mtu, old);
	if (testnic_start_queues(nic, 0, count))
		netdev_err(dev, "all queues are down: set the device down and up\n");
	return err;
}

static int bpf(struct net_device *dev, struct netdev_bpf *bpf)
{
	struct testnic *nic = netdev_priv(dev);
	struct bpf_prog *old;

	switch (bpf->command) {
	case XDP_SETUP_PROG:
		/* Each buffer has headroom anyway: nothing is stopped for it. */
		old = rtnl_dereference(nic->prog);
		rcu_assign_pointer(nic->prog, bpf->prog);
		if (old)
			bpf_prog_put(old);
		return 0;
	case XDP_SETUP_XSK_POOL:
		return testnic_set_pool(nic, bpf->xsk.pool, bpf->xsk.queue_id);
	default:
		return -EINVAL;
	}
}

static void get_stats64(struct net_device *dev, struct rtnl_link_stats64 *s)
{
	const struct testnic *nic = netdev_priv(dev);

	s->tx_packets = testnic_counter(nic, TESTNIC_tx_packets);
	s->tx_bytes = testnic_counter(nic, TESTNIC_tx_bytes);
	s->tx_dropped = testnic_counter(nic, TESTNIC_tx_too_short) +
			testnic_counter(nic, TESTNIC_tx_too_long) +
			testnic_counter(nic, TESTNIC_tx_no_peer);
	s->rx_packets = testnic_counter(nic, TESTNIC_rx_packets);
	s->rx_bytes = testnic_counter(nic, TESTNIC_rx_bytes);
	s->rx_missed_errors = testnic_counter(nic, TESTNIC_rx_no_buffer);
	s->rx_dropped = testnic_counter(nic, TESTNIC_rx_memory) +
			testnic_counter(nic, TESTNIC_rx_down) +
			testnic_counter(nic, TESTNIC_rx_flushed);
	s->rx_length_errors = testnic_counter(nic, TESTNIC_rx_too_long);
	s->rx_errors = s->rx_length_errors;
}

static int get_iflink(const struct net_device *dev)
{
	const struct testnic *nic = netdev_priv(dev), *peer;
	int iflink;

	rcu_read_lock();
	peer = rcu_dereference(nic->peer);
	iflink = peer ? READ_ONCE(peer->dev->ifindex) : 0;
	rcu_read_unlock();
	return iflink;
}

static int init(struct net_device *dev)
{
	struct testnic *nic = netdev_priv(dev);
	u32 i;

	nic->dev = dev;
	nic->queue_count = min(dev->num_rx_queues, dev->num_tx_queues);
	nic->ring_size = TESTNIC_DEFAULT_RING;
	nic->rx_queue = TESTNIC_RX_HASH;
	testnic_wire_init(nic);
	nic->counters = alloc_percpu(struct testnic_counters);
	nic->queues = kvcalloc(nic->queue_count, sizeof(*nic->queues), GFP_KERNEL);
	if (!nic->counters || !nic->queues) {
		free_percpu(nic->counters);
		kvfree(nic->queues);
		return -ENOMEM;
	}
	for (i = 0; i < nic->queue_count; i++)
		testnic_queue_init(nic, &nic->queues[i], i);
	return 0;
}

static void uninit(struct net_device *dev)
{
	struct testnic *nic = netdev_priv(dev);
	u32 i;

	testnic_settings_remove(nic);
	for (i = 0; i < nic->queue_count; i++)
		__netif_napi_del(&nic->queues[i].napi);
	synchronize_net();
}

/* Nobody can reach the device any more, its peer included. */
static void destructor(struct net_device *dev)
{
	struct testnic *nic = netdev_priv(dev);

	kvfree(nic->queues);
	free_percpu(nic->counters);
}

static const struct net_device_ops netdev_ops = {
	.ndo_init = init,
	.ndo_uninit = uninit,
	.ndo_open = open,
	.ndo_stop = stop,
	.ndo_start_xmit = testnic_start_xmit,
	.ndo_change_mtu = change_mtu,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_get_stats64 = get_stats64,
	.ndo_get_iflink = get_iflink,
	.ndo_bpf = bpf,
	.ndo_xdp_xmit = testnic_xdp_xmit,
	.ndo_xsk_wakeup = testnic_wakeup,
};

static void setup(struct net_device *dev)
{
	ether_setup(dev);
	dev->netdev_ops = &netdev_ops;
	dev->ethtool_ops = &testnic_ethtool_ops;
	dev->needs_free_netdev = true;
	dev->priv_destructor = destructor;
	dev->priv_flags &= ~IFF_TX_SKB_SHARING;
	dev->priv_flags |= IFF_LIVE_ADDR_CHANGE | IFF_DISABLE_NETPOLL | IFF_NO_QUEUE;
	dev->min_mtu = TESTNIC_MIN_MTU;
	dev->max_mtu = TESTNIC_MAX_MTU;
	/* Segmentation is the stack's: what is sent here are packets. */
	dev->hw_features = NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_RXCSUM;
	dev->features = dev->hw_features | NETIF_F_HIGHDMA;
	dev->vlan_features = dev->features;
	xdp_set_features_flag(dev, NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_REDIRECT |
			      NETDEV_XDP_ACT_NDO_XMIT | NETDEV_XDP_ACT_XSK_ZEROCOPY);
}

static int validate(struct nlattr *tb[], struct nlattr *data[], struct netlink_ext_ack *extack)
{
	if (tb[IFLA_ADDRESS] && (nla_len(tb[IFLA_ADDRESS]) != ETH_ALEN ||
				 !is_valid_ether_addr(nla_data(tb[IFLA_ADDRESS])))) {
		NL_SET_ERR_MSG(extack, "testnic: no valid Ethernet address");
		return -EADDRNOTAVAIL;
	}
	if ((tb[IFLA_NUM_RX_QUEUES] &&
	     nla_get_u32(tb[IFLA_NUM_RX_QUEUES]) > TESTNIC_MAX_QUEUES) ||
	    (tb[IFLA_NUM_TX_QUEUES] &&
	     nla_get_u32(tb[IFLA_NUM_TX_QUEUES]) > TESTNIC_MAX_QUEUES)) {
		NL_SET_ERR_MSG(extack, "testnic: a device has at most 64 queues");
		return -EINVAL;
	}
	return 0;
}

/* One queue unless numrxqueues or numtxqueues says more; of both, as many as the lesser. */
static int set_queues(struct net_device *dev, struct nlattr *tb[])
{
	struct testnic *nic = netdev_priv(dev);
	u32 n = 1;

	if (tb[IFLA_NUM_RX_QUEUES] || tb[IFLA_NUM_TX_QUEUES])
		n = nic->queue_count;
	if (!tb[IFLA_NUM_RX_QUEUES] && tb[IFLA_NUM_TX_QUEUES])
		n = min(n, nla_get_u32(tb[IFLA_NUM_TX_QUEUES]));
	if (!tb[IFLA_NUM_TX_QUEUES] && tb[IFLA_NUM_RX_QUEUES])
		n = min(n, nla_get_u32(tb[IFLA_NUM_RX_QUEUES]));
	return netif_set_real_num_queues(dev, n, n);
}

/* "tn0" has the peer "tn1"; a name without a number at its end has "<name>1". */
static void name_peer(char *name, const char *of)
{
	size_t len = strlen(of);
	unsigned int number;

	while (len && isdigit(of[len - 1]))
		len--;
	if (!of[len] || kstrtouint(of + len, 10, &number) ||
	    snprintf(name, IFNAMSIZ, "%.*s%u", (int)len, of, number + 1) >= IFNAMSIZ)
		snprintf(name, IFNAMSIZ, "%.*s1", IFNAMSIZ - 2, of);
}

static int newlink(struct net *src_net, struct net_device *dev, struct nlattr *tb[],
		   struct nlattr *data[], struct netlink_ext_ack *extack)
{
	struct nlattr *peer_tb[IFLA_MAX + 1], **ptb = tb;
	struct ifinfomsg *ifm = NULL;
	struct testnic *nic, *peer_nic;
	struct net_device *peer;
	char name[IFNAMSIZ];
	struct net *net;
	int err;

	if (data && data[VETH_INFO_PEER]) {
		ifm = nla_data(data[VETH_INFO_PEER]);
		err = rtnl_nla_parse_ifinfomsg(peer_tb, data[VETH_INFO_PEER], extack);
		if (!err)
			err = validate(peer_tb, NULL, extack);
		if (err)
			return err;
		ptb = peer_tb;
	}

	if (!tb[IFLA_ADDRESS])
		eth_hw_addr_random(dev);
	err = register_netdevice(dev);
	if (err)
		return err;

	if (ifm && ptb[IFLA_IFNAME])
		nla_strscpy(name, ptb[IFLA_IFNAME], IFNAMSIZ);
	else
		name_peer(name, dev->name);
	net = ifm ? rtnl_link_get_net(src_net, ptb) : get_net(dev_net(dev));
	if (IS_ERR(net)) {
		err = PTR_ERR(net);
		goto out_dev;
	}
	peer = rtnl_create_link(net, name, NET_NAME_USER, &link_ops, ptb, extack);
	if (IS_ERR(peer)) {
		put_net(net);
		err = PTR_ERR(peer);
		goto out_dev;
	}
	if (ifm)
		peer->ifindex = ifm->ifi_index;
	/* Without attributes of its own it takes all but the address. */
	if (!ifm || !ptb[IFLA_ADDRESS])
		eth_hw_addr_random(peer);
	err = register_netdevice(peer);
	put_net(net);
	if (err) {
		NL_SET_ERR_MSG_FMT(extack, "testnic: the peer %s cannot be made", name);
		free_netdev(peer);
		goto out_dev;
	}
	netif_carrier_off(dev);
	netif_carrier_off(peer);
	err = rtnl_configure_link(peer, ifm, 0, NULL);
	if (!err)
		err = set_queues(dev, tb);
	if (!err)
		err = set_queues(peer, ptb);
	if (err)
		goto out_peer;
	nic = netdev_priv(dev);
	peer_nic = netdev_priv(peer);
	rcu_assign_pointer(nic->peer, peer_nic);
	rcu_assign_pointer(peer_nic->peer, nic);
	return 0;

out_peer:
	unregister_netdevice(peer);
out_dev:
	unregister_netdevice(dev);
	return err;
}

/* Devices are freed after a grace period: senders in their RCU read side still find them. */
static void dellink(struct net_device *dev, struct list_head *head)
{
	struct testnic *nic = netdev_priv(dev), *peer = rtnl_dereference(nic->peer);

	RCU_INIT_POINTER(nic->peer, NULL);
	unregister_netdevice_queue(dev, head);
	if (peer) {
		RCU_INIT_POINTER(peer->peer, NULL);
		unregister_netdevice_queue(peer->dev, head);
	}
}

static struct net *get_link_net(const struct net_device *dev)
{
	const struct testnic *nic = netdev_priv(dev), *peer = rtnl_dereference(nic->peer);

	return dev_net(peer ? peer->dev : dev);
}

static unsigned int get_num_queues(void)
{
	return TESTNIC_DEFAULT_QUEUES;
}

static const struct nla_policy policy[VETH_INFO_MAX + 1] = {
	[VETH_INFO_PEER] = { .len = sizeof(struct ifinfomsg) },
};

static struct rtnl_link_ops link_ops = {
	.kind = "testnic",
	.priv_size = sizeof(struct testnic),
	.setup = setup,
	.validate = validate,
	.newlink = newlink,
	.dellink = dellink,
	.policy = policy,
	.maxtype = VETH_INFO_MAX,
	.get_link_net = get_link_net,
	.get_num_tx_queues = get_num_queues,
	.get_num_rx_queues = get_num_queues,
};

/* Its folder follows a device; registered is also what comes into a namespace. */
static int device_event(struct notifier_block *nb, unsigned long event, void *info)
{
	struct net_device *dev = netdev_notifier_info_to_dev(info);
	struct testnic *nic = netdev_priv(dev);

	if (dev->netdev_ops != &netdev_ops)
		return NOTIFY_DONE;
	switch (event) {
	case NETDEV_REGISTER:
		if (!nic->folder) {
			testnic_settings_add(nic);
			break;
		}
		fallthrough;
	case NETDEV_CHANGENAME:
		testnic_settings_rename(nic);
	}
	return NOTIFY_DONE;
}

static struct notifier_block notifier = {
	.notifier_call = device_event,
};

static int __init testnic_init(void)
{
	int err = testnic_zerocopy_init();

	if (err)
		return err;
	testnic_settings_init();
	err = register_netdevice_notifier(&notifier);
	if (err)
		goto out;
	err = rtnl_link_register(&link_ops);
	if (!err)
		return 0;
	unregister_netdevice_notifier(&notifier);
out:
	testnic_settings_exit();
	testnic_zerocopy_exit();
	return err;
}

static void __exit testnic_exit(void)
{
	rtnl_link_unregister(&link_ops);
	unregister_netdevice_notifier(&notifier);
	testnic_settings_exit();
	testnic_zerocopy_exit();
}

module_init(testnic_init);
module_exit(testnic_exit);
MODULE_DESCRIPTION("Pair of virtual NICs with AF_XDP zero-copy and seeded faults");
MODULE_LICENSE("GPL");
MODULE_ALIAS_RTNL_LINK("testnic");
