// SPDX-License-Identifier: GPL-2.0
/*
 * A device that transports run on: a link device stacked on it, and the dispatcher attached to it.
 * Both serve all transports, so a second load on the same device finds them there.
 *
 * The link device comes first, because it is the module that knows whether a device will do and can
 * say so. Whether the device can transmit is looked at when all devices of a call are enabled: several
 * drivers offer ndo_xdp_xmit only once a program is attached, and veth once its other end has one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <linux/if_link.h>
#include <linux/netdev.h>

#include "etranctl.h"

#define XDP_NATIVE	(NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_REDIRECT)
/* The smallest MTU that IPv4 hosts must be able to take; room for any transport's headers. */
#define MTU_MIN		576

static const char *full_name(const struct target *t)
{
	static char buf[256];

	return netns_ifname(&t->ns, t->lower.name, buf, sizeof(buf));
}

static int check_device(struct target *t)
{
	uint64_t features = 0;
	uint32_t segs = 0;

	if (!strcmp(t->lower.kind, "etran"))
		return fail(CTL_FAILURE, "'%s' is a link device itself; name the device underneath",
			    full_name(t));
	if (t->lower.flags & IFF_LOOPBACK)
		return fail(CTL_FAILURE, "'%s' is a loopback device; transports need an Ethernet device"
			    " with native XDP, a veth pair for example", full_name(t));
	if (t->lower.mtu < MTU_MIN)
		return fail(CTL_FAILURE, "the MTU of '%s' is %u, too small; 'ip link set dev %s mtu 1500'"
			    " (at least %u)", full_name(t), t->lower.mtu, t->lower.name, MTU_MIN);
	if (!xdp_features(t->lower.ifindex, &features, &segs) &&
	    (features & XDP_NATIVE) != XDP_NATIVE) {
		if (!strcmp(t->lower.kind, "veth"))
			return fail(CTL_FAILURE, "'%s' has no native XDP because its other end has more"
				    " transmit queues than it has receive queues; make both numbers equal"
				    " (ethtool -L)", full_name(t));
		return fail(CTL_FAILURE, "'%s' has no native XDP; use a device whose driver has it"
			    " ('etranctl check' tells)", full_name(t));
	}
	return CTL_OK;
}

int target_open(const char *dev, struct target *t)
{
	char ifname[IFNAMSIZ];
	int err, status;

	memset(t, 0, sizeof(*t));
	err = netns_parse_dev(dev, &t->ns, ifname);
	if (err == -EINVAL || err == -ENAMETOOLONG)
		return fail(CTL_USAGE, "--dev %s: not a device name; give it as --dev [NETNS/]IF", dev);
	if (err)
		return fail(CTL_FAILURE, "--dev %s: cannot open that network namespace: %s;"
			    " 'ip netns list' shows which there are", dev, strerror(-err));
	err = netns_enter(&t->ns);
	if (err) {
		netns_close(&t->ns);
		return fail(CTL_FAILURE, "--dev %s: cannot enter that network namespace: %s;"
			    " it needs CAP_SYS_ADMIN", dev, strerror(-err));
	}
	err = link_get(ifname, &t->lower);
	if (err == -ENODEV)
		status = fail(CTL_FAILURE, "there is no device '%s'; 'ip link' shows which there are"
			      " (--dev NETNS/IF for one in a network namespace)", dev);
	else if (err)
		status = fail(CTL_FAILURE, "cannot look at device '%s': %s; check its name", dev,
			      strerror(-err));
	else
		status = check_device(t);
	netns_leave();
	if (status)
		netns_close(&t->ns);
	return status;
}

static int attach_failed(struct target *t, int err)
{
	const char *kernel = log_find("Kernel error message: ");
	struct link_info info = {};
	char name[32];

	if (kernel)
		kernel += strlen("Kernel error message: ");
	if (!link_get_ifindex(t->lower.ifindex, &info) && info.xdp_id) {
		xdp_prog_name(info.xdp_id, name, sizeof(name));
		if (!strcmp(name, "xdp_dispatcher"))
			return fail(CTL_FAILURE, "cannot join the XDP programs on '%s': %s; were they"
				    " attached from another mount namespace, or in another mode?"
				    " 'xdp-loader status' shows them", full_name(t), strerror(-err));
		return fail(CTL_FAILURE, "the XDP program '%s' (id %u) on '%s' does not share its device;"
			    " attach it with libxdp (xdp-loader load), or take it off:"
			    " 'ip link set dev %s xdp off'", name, info.xdp_id, full_name(t),
			    t->lower.name);
	}
	return fail(CTL_FAILURE, "cannot attach to '%s' with native XDP: %s%s%s%s; is its MTU (%u) too"
		    " large for XDP, or does its driver lack it?", full_name(t), strerror(-err),
		    kernel ? " (" : "", kernel ? kernel : "", kernel ? ")" : "", t->lower.mtu);
}

static int make_link(struct target *t)
{
	int err;

	err = link_find_etran(t->lower.ifindex, &t->link);
	if (err == -ENODEV) {
		err = link_create_etran(t->lower.ifindex);
		/* It has one, but not here: whoever moved it into a namespace looks after it. */
		if (err == -EBUSY) {
			t->moved_link = true;
			return CTL_OK;
		}
		/* Somebody was quicker: just as good. */
		if (err && err != -EEXIST)
			return fail(CTL_FAILURE, "cannot create a link device on '%s': %s%s%s%s%s",
				    full_name(t), strerror(-err), *link_error() ? " (" : "",
				    link_error(), *link_error() ? ")" : "",
				    err == -EOPNOTSUPP ? "; is the etran module loaded?" :
				    "; does its driver have native XDP and ndo_xdp_xmit?");
		t->made_link = !err;
		err = link_find_etran(t->lower.ifindex, &t->link);
	}
	if (!err && (t->made_link || !(t->link.flags & IFF_UP)))
		err = link_set_up(t->link.ifindex, t->made_link ? LINK_ALIAS : NULL);
	if (err)
		return fail(CTL_FAILURE, "cannot set up the link device on '%s': %s%s%s%s; see dmesg",
			    full_name(t), strerror(-err), *link_error() ? " (" : "", link_error(),
			    *link_error() ? ")" : "");
	return CTL_OK;
}

static int make_xdp(struct target *t)
{
	int ret;

	log_reset();
	ret = xdp_attach(t->lower.ifindex);
	if (ret < 0)
		return attach_failed(t, ret);
	t->made_xdp = ret;
	return CTL_OK;
}

static int enter(struct target *t)
{
	int err = netns_enter(&t->ns);

	return err ? fail(CTL_FAILURE, "cannot enter the network namespace of '%s': %s; is it gone?",
			  full_name(t), strerror(-err)) : CTL_OK;
}

int target_enable(struct target *t)
{
	int status = enter(t);

	if (status)
		return status;
	status = make_link(t);
	if (!status)
		status = make_xdp(t);
	netns_leave();
	return status;
}

int target_check(struct target *t)
{
	uint64_t features = 0;
	uint32_t segs;
	int err, status = enter(t);

	if (status)
		return status;
	err = xdp_features(t->lower.ifindex, &features, &segs);
	netns_leave();

	if (!(t->lower.flags & IFF_UP))
		warning("'%s' is down; 'ip link set dev %s up'", full_name(t), t->lower.name);
	if (err || (features & NETDEV_XDP_ACT_NDO_XMIT))
		return CTL_OK;
	if (strcmp(t->lower.kind, "veth"))
		return fail(CTL_FAILURE, "'%s' has native XDP but cannot transmit with it (no"
			    " ndo_xdp_xmit); use a device whose driver can", full_name(t));
	warning("'%s' cannot transmit until the other end of the veth pair receives with NAPI;"
		" load a transport on that end too, or there: 'ethtool -K DEV gro on'", full_name(t));
	return CTL_OK;
}

void target_undo(struct target *t)
{
	if (!t->made_link && !t->made_xdp)
		return;
	if (netns_enter(&t->ns))
		return;
	if (t->made_xdp)
		xdp_detach(t->lower.ifindex);
	if (t->made_link && t->link.ifindex)
		link_delete(t->link.ifindex);
	netns_leave();
	t->made_xdp = t->made_link = false;
}

void target_close(struct target *t)
{
	netns_close(&t->ns);
}
