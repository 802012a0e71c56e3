// SPDX-License-Identifier: GPL-2.0
/* /dev/etran: where applications and etranctl ask. The interface is uapi/linux/etran.h. */
#include <linux/capability.h>
#include <linux/miscdevice.h>
#include <linux/nsproxy.h>
#include <linux/rtnetlink.h>
#include <linux/uaccess.h>
#include <net/net_namespace.h>
#include "etran.h"

static long get_version(struct etran_version __user *arg)
{
	struct etran_version v = { .abi = ETRAN_ABI_VERSION, .ops = ETRAN_OPS_VERSION };

	if (etran_direct_possible())
		v.features |= ETRAN_FEATURE_DIRECT;

	strscpy(v.module, THIS_MODULE->version ?: "unknown");
	return copy_to_user(arg, &v, sizeof(v)) ? -EFAULT : 0;
}

/* @all: also what is in another namespace than the caller's. Context: RTNL held. */
static void describe_link(struct etran_link *link, struct etran_link_info *out, bool all)
{
	struct net_device *lower = rtnl_dereference(link->lower);
	u32 queues = link->dev->num_rx_queues, i, q;

	out->id = link->id;
	out->ifindex = link->dev->ifindex;
	out->netns = dev_net(link->dev)->ns.inum;
	out->queues = queues;
	out->queues_bound = link->bound;
	out->mtu = link->dev->mtu;
	out->lower_ifindex = 0;
	out->lower_netns = 0;
	memset(out->lower_name, 0, sizeof(out->lower_name));
	strscpy_pad(out->name, link->dev->name);
	if (lower && (all || net_eq(dev_net(lower), current->nsproxy->net_ns))) {
		out->lower_ifindex = lower->ifindex;
		out->lower_netns = dev_net(lower)->ns.inum;
		strscpy_pad(out->lower_name, lower->name);
	}
	/* Rotate: the queue of a process that just died stays bound for some milliseconds. */
	out->free_queue = queues;
	for (i = 0; i < queues; i++) {
		q = (link->queue_hint + i) % queues;
		if (!rtnl_dereference(link->channels[q])) {
			out->free_queue = q;
			link->queue_hint = q + 1;
			break;
		}
	}
}

static long get_link(struct etran_link_info __user *arg)
{
	struct etran_link *link, *found = NULL;
	struct etran_link_info q;
	long err = -ENODEV;

	if (copy_from_user(&q, arg, sizeof(q)))
		return -EFAULT;
	if (q.flags & ~ETRAN_LINK_ALL_NETNS)
		return -EINVAL;
	if ((q.flags & ETRAN_LINK_ALL_NETNS) && !capable(CAP_NET_ADMIN))
		return -EPERM;

	rtnl_lock();
	list_for_each_entry(link, &etran_links, list) {
		if (!(q.flags & ETRAN_LINK_ALL_NETNS) &&
		    !net_eq(dev_net(link->dev), current->nsproxy->net_ns))
			continue;
		if (q.ifindex ? link->dev->ifindex != q.ifindex : link->id < q.id)
			continue;
		if (!found || link->id < found->id)
			found = link;
	}
	if (found) {
		describe_link(found, &q, q.flags & ETRAN_LINK_ALL_NETNS);
		err = 0;
	}
	rtnl_unlock();
	if (!err && copy_to_user(arg, &q, sizeof(q)))
		err = -EFAULT;
	return err;
}

static long get_transport(struct etran_transport_info __user *arg)
{
	struct etran_transport_info q;
	struct etran_transport *t;
	long err = -ENOENT;

	if (copy_from_user(&q, arg, sizeof(q)))
		return -EFAULT;
	mutex_lock(&etran_mutex);
	/* In the order of their ids: new ones are added at the end. */
	list_for_each_entry(t, &etran_transports, node) {
		if (t->id < q.id)
			continue;
		memset(&q, 0, sizeof(q));
		q.id = t->id;
		q.ip_proto = t->ip_proto;
		q.ops_version = t->attached ? t->attached->version : 0;
		q.endpoints = atomic_read(&t->endpoints);
		/* The link's id is settled after it was attached. */
		q.link_id = t->attached ? READ_ONCE(t->link->id) : 0;
		q.flags = t->flags;
		q.queues = t->queues;
		q.queue_depth = t->queue_depth;
		q.timeout_ms = t->timeout_ms;
		q.state_version = t->state_version;
		q.tcp_urgent = t->tcp_urgent;
		q.replaced_ns = t->replaced_ns;
		q.loaded_ns = t->loaded_ns;
		strscpy(q.name, t->name);
		err = 0;
		break;
	}
	mutex_unlock(&etran_mutex);
	if (!err && copy_to_user(arg, &q, sizeof(q)))
		err = -EFAULT;
	return err;
}

static long get_filter(struct etran_filter_info __user *arg)
{
	struct etran_filter_info q;
	long err;

	if (copy_from_user(&q, arg, sizeof(q)))
		return -EFAULT;
	err = etran_filter_get(&q);
	if (!err && copy_to_user(arg, &q, sizeof(q)))
		err = -EFAULT;
	return err;
}

static long get_exit(struct etran_exit_record __user *arg)
{
	struct etran_exit_record q;
	long err;

	if (copy_from_user(&q, arg, sizeof(q)))
		return -EFAULT;
	err = etran_exit_get(&q);
	if (!err && copy_to_user(arg, &q, sizeof(q)))
		err = -EFAULT;
	return err;
}

static long get_counters(struct etran_counters __user *arg)
{
	struct etran_counter_set __percpu *set = NULL;
	struct etran_transport *t, *found = NULL;
	struct etran_counters q;
	struct etran_link *link;
	long err = -ENOENT;

	if (copy_from_user(&q, arg, sizeof(q)))
		return -EFAULT;
	switch (q.scope) {
	case ETRAN_COUNTERS_MODULE:
		err = etran_counters_fill(&etran_module_counters, &q);
		break;
	case ETRAN_COUNTERS_TRANSPORT:
		mutex_lock(&etran_mutex);
		list_for_each_entry(t, &etran_transports, node)
			if (t->id == q.id)
				found = t;
		if (found)
			kref_get(&found->ref);
		mutex_unlock(&etran_mutex);
		if (found) {
			err = etran_counters_fill(found->counters, &q);
			etran_transport_put(found);
		}
		break;
	case ETRAN_COUNTERS_LINK:
		rtnl_lock();
		list_for_each_entry(link, &etran_links, list)
			if (link->id == q.id)
				set = link->counters;
		if (set)
			err = etran_counters_fill(set, &q);
		rtnl_unlock();
		break;
	case ETRAN_COUNTERS_ENDPOINT:
		err = etran_endpoint_counters(&q);
		break;
	default:
		err = -EINVAL;
	}
	if (!err && copy_to_user(arg, &q, sizeof(q)))
		err = -EFAULT;
	return err;
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *p = (void __user *)arg;

	switch (cmd) {
	case ETRAN_IOC_VERSION:
		return get_version(p);
	case ETRAN_IOC_LINK:
		return get_link(p);
	case ETRAN_IOC_TRANSPORT:
		return get_transport(p);
	case ETRAN_IOC_FILTER:
		return get_filter(p);
	case ETRAN_IOC_EXIT:
		return get_exit(p);
	case ETRAN_IOC_COUNTERS:
		return get_counters(p);
	case ETRAN_IOC_ENDPOINT_OPEN:
		return etran_endpoint_open(p);
	}
	return -ENOTTY;
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "etran",
	.fops = &device_fops,
	.mode = 0660,
};

/**
 * etran_device_uevent - tell udev and who else listens
 * @env: "NAME=VALUE" each, NULL at the end
 *
 * Context: process, may sleep.
 */
void etran_device_uevent(char **env)
{
	kobject_uevent_env(&device.this_device->kobj, KOBJ_CHANGE, env);
}

int etran_device_init(void)
{
	return misc_register(&device);
}

void etran_device_exit(void)
{
	misc_deregister(&device);
}
