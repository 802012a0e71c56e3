// SPDX-License-Identifier: GPL-2.0
/* ethtool: counters (-S), number of queues (-l, -L), size of the receive rings (-g, -G). */
#include <linux/ethtool.h>
#include <linux/log2.h>
#include "testnic.h"

static const char * const names[] = {
#define C(n, t) [TESTNIC_##n] = #n,
	TESTNIC_COUNTERS(C)
#undef C
};

/**
 * testnic_counter - a counter's value
 * @nic: whose
 * @counter: which
 */
u64 testnic_counter(const struct testnic *nic, enum testnic_counter counter)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(nic->counters, cpu)->v[counter]);
	return sum;
}

/**
 * testnic_counter_name - a counter's name
 * @counter: which
 */
const char *testnic_counter_name(enum testnic_counter counter)
{
	return names[counter];
}

static int get_sset_count(struct net_device *dev, int set)
{
	return set == ETH_SS_STATS ? TESTNIC_COUNTER_COUNT : -EOPNOTSUPP;
}

static void get_strings(struct net_device *dev, u32 set, u8 *data)
{
	int i;

	if (set == ETH_SS_STATS)
		for (i = 0; i < TESTNIC_COUNTER_COUNT; i++)
			testnic_ethtool_puts(&data, names[i]);
}

static void get_stats(struct net_device *dev, struct ethtool_stats *stats, u64 *data)
{
	int i;

	for (i = 0; i < TESTNIC_COUNTER_COUNT; i++)
		data[i] = testnic_counter(netdev_priv(dev), i);
}

static void get_channels(struct net_device *dev, struct ethtool_channels *ch)
{
	struct testnic *nic = netdev_priv(dev);

	ch->max_combined = nic->queue_count;
	ch->combined_count = dev->real_num_rx_queues;
}

/* The core refuses to take a queue from an AF_XDP socket. */
static int set_channels(struct net_device *dev, struct ethtool_channels *ch)
{
	struct testnic *nic = netdev_priv(dev);
	u32 old = dev->real_num_rx_queues, new = ch->combined_count;
	int err;

	if (!new)
		return -EINVAL;
	if (netif_running(dev)) {
		err = testnic_start_queues(nic, old, new);
		if (err)
			return err;
	}
	err = netif_set_real_num_queues(dev, new, new);
	if (err)
		testnic_stop_queues(nic, old, new);
	else
		testnic_stop_queues(nic, new, old);
	return err;
}

static void get_ringparam(struct net_device *dev, struct ethtool_ringparam *ring,
			  struct kernel_ethtool_ringparam *kernel_ring,
			  struct netlink_ext_ack *extack)
{
	struct testnic *nic = netdev_priv(dev);

	ring->rx_max_pending = TESTNIC_MAX_RING;
	ring->rx_pending = nic->ring_size;
}

static int set_ringparam(struct net_device *dev, struct ethtool_ringparam *ring,
			 struct kernel_ethtool_ringparam *kernel_ring,
			 struct netlink_ext_ack *extack)
{
	struct testnic *nic = netdev_priv(dev);
	u32 count = dev->real_num_rx_queues, old = nic->ring_size;
	int err;

	if (!is_power_of_2(ring->rx_pending) || ring->rx_pending < TESTNIC_MIN_RING) {
		NL_SET_ERR_MSG(extack, "a ring has 64 to 4096 slots, a power of two");
		return -EINVAL;
	}
	testnic_stop_queues(nic, 0, count);
	nic->ring_size = ring->rx_pending;
	if (!netif_running(dev))
		return 0;
	err = testnic_start_queues(nic, 0, count);
	if (!err)
		return 0;
	nic->ring_size = old;
	if (testnic_start_queues(nic, 0, count))
		netdev_err(dev, "all queues are down: set the device down and up\n");
	return err;
}

const struct ethtool_ops testnic_ethtool_ops = {
	.get_link = ethtool_op_get_link,
	.get_ts_info = ethtool_op_get_ts_info,
	.get_sset_count = get_sset_count,
	.get_strings = get_strings,
	.get_ethtool_stats = get_stats,
	.get_channels = get_channels,
	.set_channels = set_channels,
	.get_ringparam = get_ringparam,
	.set_ringparam = set_ringparam,
};
