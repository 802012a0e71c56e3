// SPDX-License-Identifier: GPL-2.0
/*
 * etranctl check: is this machine ready? One line for each thing that matters, with the cure where
 * it is not as it should be. Needs no privileges for most of it, and no module.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <linux/capability.h>
#include <linux/if_link.h>
#include <linux/netdev.h>

#include "etranctl.h"

/* An AF_XDP socket's buffers are locked memory; a useful pool has several megabytes. */
#define MEMLOCK_MIN	(64UL << 20)

enum verdict { V_OK, V_WARN, V_FAIL };

struct check {
	struct json_object *list;
	bool kernel_failed;
	bool device_failed;
};

static void line(struct check *c, enum verdict v, const char *what, const char *text,
		 const char *cure)
{
	static const char * const word[] = { "ok", "warn", "fail" };
	struct json_object *obj = json_object_new_object();

	out_str(obj, "check", what);
	out_str(obj, "verdict", word[v]);
	out_str(obj, "text", text);
	out_str(obj, "cure", v == V_OK ? NULL : cure);
	json_object_array_add(c->list, obj);
	if (opt_json)
		return;
	printf("%-4s  %s: %s\n", word[v], what, text);
	if (v != V_OK)
		printf("      -> %s\n", cure);
}

static void check_kernel(struct check *c)
{
	struct kernel_check res;
	bool module = true;
	int need;

	for (need = 0; need < KERNEL_NEEDS; need++) {
		/* Without the module the rest of it is one and the same problem. */
		if (!module && need > KERNEL_MODULE)
			break;
		kernel_check(need, &res);
		line(c, res.ok ? V_OK : V_FAIL, kernel_need_name(need), res.text, res.cure);
		if (!res.ok)
			c->kernel_failed = true;
		if (need == KERNEL_MODULE)
			module = res.ok;
	}
	kernel_check_direct(&res);
	line(c, res.ok ? V_OK : V_WARN, "direct mode", res.text, res.cure);
}

static void check_user(struct check *c)
{
	const char *missing = caps_missing(1ULL << CAP_NET_ADMIN | 1ULL << CAP_BPF |
					   1ULL << CAP_PERFMON | 1ULL << CAP_SYS_ADMIN);
	struct rlimit lim;
	char text[256];

	if (bpffs_present())
		line(c, V_OK, "BPF file system", "mounted at " BPFFS_DIR, NULL);
	else
		line(c, V_WARN, "BPF file system", "not mounted at " BPFFS_DIR
		     ", load would mount it", "mount -t bpf bpf " BPFFS_DIR);

	snprintf(text, sizeof(text), *missing ? "missing to load transports: %s" :
		 "all that loading a transport needs%s", missing);
	line(c, *missing ? V_WARN : V_OK, "capabilities", text, "run it as root (sudo etranctl ...)");

	if (getrlimit(RLIMIT_MEMLOCK, &lim))
		return;
	if (lim.rlim_cur == RLIM_INFINITY)
		line(c, V_OK, "locked memory", "no limit", NULL);
	else {
		snprintf(text, sizeof(text), "%llu kB for an application without CAP_IPC_LOCK",
			 (unsigned long long)lim.rlim_cur >> 10);
		line(c, lim.rlim_cur < MEMLOCK_MIN ? V_WARN : V_OK, "locked memory", text,
		     "ulimit -l unlimited, or LimitMEMLOCK= in the unit of a service");
	}
}

static enum verdict check_xmit(const struct link_info *info, const char *driver, uint64_t features,
			       char *cure, size_t len)
{
	if (features & NETDEV_XDP_ACT_NDO_XMIT)
		return V_OK;
	if (!strcmp(driver, "veth"))
		snprintf(cure, len, "load a transport on the other end too, or there:"
			 " ethtool -K DEV gro on");
	else if (!info->xdp_id)
		snprintf(cure, len, "some drivers offer it once a program is attached:"
			 " try etranctl load OBJ --dev %s", info->name);
	else {
		snprintf(cure, len, "use a device whose driver has ndo_xdp_xmit");
		return V_FAIL;
	}
	return V_WARN;
}

/* What a device is for direct mode, of which the kernel's part is looked at once for all. */
static void check_direct(struct check *c, const char *dev, const char *driver, uint64_t features)
{
	char what[320], text[128];

	snprintf(what, sizeof(what), "direct mode on %s", dev);
	if (features & NETDEV_XDP_ACT_XSK_ZEROCOPY) {
		snprintf(text, sizeof(text), "driver %s has AF_XDP zero-copy", driver);
		line(c, V_OK, what, text, NULL);
	} else {
		snprintf(text, sizeof(text), "driver %s has no AF_XDP zero-copy: it would copy frames",
			 driver);
		line(c, V_WARN, what, text,
		     "use a NIC whose driver has it (ice, i40e, ixgbe, igc, mlx5, stmmac ...)");
	}
}

/* In the network namespace of the device. */
static void check_one(struct check *c, const struct link_info *info, const char *dev, bool asked)
{
	char text[320], name[300], driver[32] = "", cure[256] = "", prog[64];
	uint64_t features = 0;
	uint32_t segs = 0;
	enum verdict v;
	int err;

	snprintf(name, sizeof(name), "device %s", dev);
	if (link_driver(info->name, driver, sizeof(driver)) || !*driver)
		snprintf(driver, sizeof(driver), "%s", *info->kind ? info->kind : "unknown");
	err = xdp_features(info->ifindex, &features, &segs);
	snprintf(text, sizeof(text), "driver %s, MTU %u, %u queue%s%s", driver, info->mtu,
		 info->rx_queues, info->rx_queues == 1 ? "" : "s",
		 features & NETDEV_XDP_ACT_XSK_ZEROCOPY ? ", AF_XDP zero-copy" : "");
	if (err) {
		line(c, V_WARN, name, text, "this kernel does not tell what a device can do with XDP");
		return;
	}
	if (!(features & NETDEV_XDP_ACT_BASIC) || !(features & NETDEV_XDP_ACT_REDIRECT)) {
		size_t n = strlen(text);

		snprintf(text + n, sizeof(text) - n, ": no native XDP");
		/* A machine has many devices that nobody means: that is no failure. */
		v = asked ? V_FAIL : V_WARN;
		line(c, v, name, text, "use a device whose driver has native XDP");
		c->device_failed |= v == V_FAIL;
		return;
	}
	v = check_xmit(info, driver, features, cure, sizeof(cure));
	snprintf(text + strlen(text), sizeof(text) - strlen(text), ", native XDP%s",
		 v == V_OK ? ", ndo_xdp_xmit" : ": no ndo_xdp_xmit");
	if (info->xdp_id) {
		xdp_prog_name(info->xdp_id, prog, sizeof(prog));
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ", runs '%s'%s", prog,
			 xdp_attached(info->ifindex) ? " with etran's dispatcher" : "");
		if (v == V_OK && strcmp(prog, "xdp_dispatcher") && strcmp(prog, "?") &&
		    strcmp(prog, "etran_rx")) {
			v = V_WARN;
			snprintf(cure, sizeof(cure), "that program does not share the device: attach it"
				 " with libxdp (xdp-loader load)");
		}
	}
	if (v == V_OK && info->mtu < 576) {
		v = V_FAIL;
		snprintf(cure, sizeof(cure), "ip link set dev %s mtu 1500", info->name);
	}
	line(c, v, name, text, cure);
	c->device_failed |= v == V_FAIL;
	if (asked)
		check_direct(c, dev, driver, features);
}

static int check_any(const struct link_info *info, void *arg)
{
	if (!strcmp(info->kind, "etran") || (info->flags & IFF_LOOPBACK))
		return 0;
	check_one(arg, info, info->name, false);
	return 0;
}

static int check_dev(struct check *c, const char *dev)
{
	char ifname[IFNAMSIZ];
	struct link_info info;
	struct netns ns;
	int err;

	err = netns_parse_dev(dev, &ns, ifname);
	if (err == -EINVAL || err == -ENAMETOOLONG)
		return fail(CTL_USAGE, "'%s' is no device name; give it as [NETNS/]IF", dev);
	if (!err)
		err = netns_enter(&ns);
	if (err) {
		netns_close(&ns);
		return fail(CTL_FAILURE, "cannot enter the network namespace of '%s': %s;"
			    " 'ip netns list' shows which there are", dev, strerror(-err));
	}
	err = link_get(ifname, &info);
	if (!err)
		check_one(c, &info, dev, true);
	netns_leave();
	netns_close(&ns);
	if (err)
		return fail(CTL_FAILURE, "there is no device '%s' (%s); 'ip link' shows which there are",
			    dev, strerror(-err));
	return CTL_OK;
}

int cmd_check(const struct ctl_args *args)
{
	struct check c = { .list = json_object_new_array() };
	struct json_object *obj;
	int i, status = CTL_OK;

	check_kernel(&c);
	check_user(&c);
	for (i = 0; i < args->nargs && !status; i++)
		status = check_dev(&c, args->arg[i]);
	for (i = 0; i < args->ndev && !status; i++)
		status = check_dev(&c, args->dev[i]);
	if (!args->nargs && !args->ndev)
		link_each(check_any, &c);

	obj = json_object_new_object();
	out_bool(obj, "ready", !c.kernel_failed && !c.device_failed);
	json_object_object_add(obj, "checks", c.list);
	answer(obj);
	if (status)
		return status;
	if (!opt_json)
		puts(c.kernel_failed ? "This machine is not ready: see the lines that begin with fail." :
		     c.device_failed ? "The kernel is ready, a device is not." :
		     "This machine is ready.");
	return c.kernel_failed ? CTL_NOT_READY : c.device_failed ? CTL_FAILURE : CTL_OK;
}
