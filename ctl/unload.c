// SPDX-License-Identifier: GPL-2.0
/*
 * etranctl unload: detaches a transport and removes its pins. With the last one go the dispatchers
 * and the link devices that etranctl made, in all network namespaces that can be reached, and then
 * it looks whether anything is left. Link devices that somebody else made stay.
 *
 * What there is to remove is found by looking at every device, not from a record: records are lost
 * or wrong exactly when cleaning up matters.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <linux/capability.h>

#include "etranctl.h"

/* As long for whoever unloads to run rmmod next; an application with an open endpoint may stay. */
#define WAIT_UNUSED_STEPS	100

struct sweep {
	struct json_object *removed;
	const struct netns *ns;
	uint32_t *attached;
	size_t n;
	int failed;
};

static void removed(struct sweep *s, const char *what, const char *dev)
{
	struct json_object *obj = json_object_new_object();
	char name[256];

	netns_ifname(s->ns, dev, name, sizeof(name));
	out_str(obj, "what", what);
	out_str(obj, "device", name);
	json_object_array_add(s->removed, obj);
	if (!opt_json)
		printf("%s: %s removed\n", name, what);
}

static int sweep_xdp(const struct link_info *info, void *arg)
{
	struct sweep *s = arg;
	struct link_info now;
	uint32_t *p;
	char name[256];
	int ret;

	if (!info->xdp_id)
		return 0;
	log_reset();
	ret = xdp_detach(info->ifindex);
	if (ret > 0) {
		removed(s, "XDP dispatcher", info->name);
	} else if (ret < 0) {
		/* Only our business if the program there may be ours. */
		xdp_prog_name(info->xdp_id, name, sizeof(name));
		if (!strcmp(name, "xdp_dispatcher") || !strcmp(name, "etran_rx")) {
			netns_ifname(s->ns, info->name, name, sizeof(name));
			warning("cannot look at the XDP programs on '%s': %s; if the dispatcher is among"
				" them, 'ip link set dev %s xdp off' takes them all off", name,
				strerror(-ret), info->name);
		}
	}
	/* What runs here now keeps its pins. */
	if (!link_get_ifindex(info->ifindex, &now) && now.xdp_id) {
		p = realloc(s->attached, (s->n + 1) * sizeof(*p));
		if (!p)
			return -ENOMEM;
		s->attached = p;
		s->attached[s->n++] = now.xdp_id;
	}
	return 0;
}

static int sweep_link(const struct link_info *info, void *arg)
{
	struct sweep *s = arg;
	char name[256];
	int err;

	if (strcmp(info->kind, "etran") || strcmp(info->alias, LINK_ALIAS))
		return 0;
	err = link_delete(info->ifindex);
	if (!err) {
		removed(s, "link device", info->name);
	} else if (err != -ENODEV) {
		netns_ifname(s->ns, info->name, name, sizeof(name));
		fail(CTL_FAILURE, "cannot remove the link device '%s': %s%s%s; 'ip link del %s' there",
		     name, strerror(-err), *link_error() ? ": " : "", link_error(), info->name);
		s->failed = 1;
	}
	return 0;
}

static int sweep_netns(const struct netns *ns, void *arg)
{
	struct sweep *s = arg;

	s->ns = ns;
	/* First nothing comes in any more, then the device goes that it would go to. */
	link_each(sweep_xdp, s);
	link_each(sweep_link, s);
	return 0;
}

/* Maps and links are freed by kernel threads. */
void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
}

/* Says what is left of us in the kernel, if anything is. */
static int verify_gone(int fd)
{
	struct netns ns;
	struct etran_link_info link;
	uint32_t id = 0;
	int i, left = 0, status = CTL_OK;

	for (i = 0; i < WAIT_STEPS; i++) {
		left = xdp_count();
		if (!left)
			break;
		nap();
	}
	if (left)
		warning("%d dispatcher program(s) are still in the kernel: attached in a network"
			" namespace that etranctl cannot see, or held by another process;"
			" 'bpftool prog show name etran_rx' shows them", left);
	for (; fd >= 0 && !device_link(fd, id, &link); id = link.id + 1) {
		if (netns_open_ino(&ns, link.netns)) {
			status = fail(CTL_FAILURE, "link device '%s' on '%s' is left in network namespace %u,"
				      " which no process is in and which has no name in /run/netns;"
				      " end who holds that namespace", link.name, link.lower_name,
				      link.netns);
			continue;
		}
		netns_close(&ns);
	}
	return status;
}

/*
 * Maps and programs let go of the module when they are freed, a moment after the last reference to
 * them went: rmmod would say "in use" just then. The device must be closed.
 */
static void wait_unused(void)
{
	unsigned int users;
	FILE *f;
	int i;

	for (i = 0; i < WAIT_UNUSED_STEPS; i++) {
		f = fopen("/sys/module/etran/refcnt", "re");
		if (!f)
			return;
		if (fscanf(f, "%u", &users) != 1)
			users = 0;
		fclose(f);
		if (!users)
			return;
		nap();
	}
}

static int sweep_all(int fd, struct json_object *list)
{
	struct sweep s = { .removed = list };

	netns_each(sweep_netns, &s);
	xdp_clean_pins(s.attached, s.n);
	free(s.attached);
	if (verify_gone(fd))
		s.failed = 1;
	return s.failed ? CTL_FAILURE : CTL_OK;
}

static int wait_gone(int fd, const char *name)
{
	struct etran_transport_info info;
	int i;

	if (fd < 0)
		return 0;
	for (i = 0; i < WAIT_STEPS; i++) {
		if (device_transport_by_name(fd, name, &info))
			return 0;
		nap();
	}
	return -EBUSY;
}

static int unload_one(int fd, const char *name, bool force)
{
	struct etran_transport_info info;
	bool loaded = fd >= 0 && !device_transport_by_name(fd, name, &info);
	int link_fd, err;

	if (!loaded && !pin_exists(name))
		return fail(CTL_FAILURE, "no transport '%s' is loaded; 'etranctl list' shows which are",
			    name);
	link_fd = pin_link_fd(name);
	if (loaded && link_fd < 0) {
		if (!force)
			return fail(CTL_FAILURE, "'%s' is loaded, but %s cannot be opened: %s; it was loaded"
				    " from another mount namespace or by another program: unload it there,"
				    " or use --force", name, pin_path(name, "link"), strerror(-link_fd));
		link_fd = bpf_link_get_fd_by_id(info.link_id);
		if (link_fd < 0)
			return fail(CTL_FAILURE, "cannot get at BPF link %u of '%s': %s; it needs"
				    " CAP_SYS_ADMIN", info.link_id, name, strerror(errno));
	}
	/*
	 * Detaching works even while other processes hold the link; where the kernel cannot (before
	 * 6.11) removing the pins does it, if they do not. An ejected transport is detached already.
	 */
	if (link_fd >= 0)
		bpf_link_detach(link_fd);
	err = pin_remove(name);
	if (link_fd >= 0)
		close(link_fd);
	if (err)
		return fail(CTL_FAILURE, "cannot remove %s: %s; remove it by hand", pin_path(name, ""),
			    strerror(-err));
	if (loaded && wait_gone(fd, name))
		return fail(CTL_FAILURE, "'%s' is still attached: another process holds its BPF link %u;"
			    " end that process ('bpftool link show id %u' may name it)", name, info.link_id,
			    info.link_id);
	if (!opt_json)
		printf("%s: unloaded%s\n", name, loaded ? "" : " (it was detached already)");
	return CTL_OK;
}

struct all {
	int fd;
	bool force;
	int status;
	struct json_object *names;
};

static int unload_pinned(const char *name, void *arg)
{
	struct all *a = arg;
	int status = unload_one(a->fd, name, a->force);

	if (status)
		a->status = status;
	else
		json_object_array_add(a->names, json_object_new_string(name));
	return 0;
}

int cmd_unload(const struct ctl_args *args)
{
	struct json_object *obj, *gone, *filters;
	struct etran_filter_info filter;
	struct etran_transport_info info;
	struct all a = { .force = args->force };
	sigset_t all, old;
	uint32_t id = 0;
	bool last = false;
	int lock = -1, status;

	if (args->all ? args->nargs != 0 : args->nargs != 1)
		return fail(CTL_USAGE, "unload needs the name of one transport, or --all; 'etranctl list' shows the names");
	if (args->nargs && (strchr(args->arg[0], '/') || args->arg[0][0] == '.' ||
			    strlen(args->arg[0]) >= ETRAN_NAME_LEN))
		return fail(CTL_USAGE, "'%s' is no name of a transport; 'etranctl list' shows the names",
			    args->arg[0]);
	status = caps_need("unloading a transport", 1ULL << CAP_NET_ADMIN | 1ULL << CAP_BPF |
			   1ULL << CAP_SYS_ADMIN);
	if (status)
		return status;
	/* Pins and XDP programs may be left of a module that is gone: --all cleans up without it. */
	if (args->all) {
		a.fd = device_open();
	} else {
		status = kernel_open(&a.fd);
		if (status)
			return status;
	}

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	obj = json_object_new_object();
	a.names = json_object_new_array();
	gone = json_object_new_array();
	filters = json_object_new_array();
	json_object_object_add(obj, "unloaded", a.names);
	json_object_object_add(obj, "filters", filters);
	json_object_object_add(obj, "removed", gone);
	if (bpffs_present())
		lock = bpffs_lock();

	if (args->all) {
		pin_each_transport(unload_pinned, &a);
		/* Those without pins belong to somebody: not touched without --force. */
		for (id = 0; a.fd >= 0 && !device_transport(a.fd, id, &info); id = info.id + 1)
			unload_pinned(info.name, &a);
		if (filter_del_all(a.fd, args->force, filters))
			a.status = CTL_FAILURE;
	} else {
		unload_pinned(args->arg[0], &a);
	}
	status = a.status;
	if (!status && (a.fd < 0 || device_transport(a.fd, 0, &info))) {
		status = sweep_all(a.fd, gone);
		/* A filter keeps the module. */
		last = a.fd < 0 || device_filter(a.fd, 0, &filter);
	}
	pin_remove_root();
	if (lock >= 0)
		close(lock);
	if (a.fd >= 0)
		close(a.fd);
	if (last)
		wait_unused();
	if (args->all && !status && !opt_json && !json_object_array_length(a.names) &&
	    !json_object_array_length(gone) && !json_object_array_length(filters))
		puts("nothing is loaded");
	answer(obj);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return status;
}
