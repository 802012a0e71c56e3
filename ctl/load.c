// SPDX-License-Identifier: GPL-2.0
/*
 * etranctl load: all or nothing. Whatever one call has done it takes back when a later step fails,
 * in reverse order. Signals wait until it is over: half a transport is worse than a late Ctrl-C.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/capability.h>

#include "etranctl.h"

/* A second one with the same protocol or name; says who has it. */
static int check_free(int fd, const struct transport_object *o)
{
	struct etran_transport_info t;
	uint32_t id = 0;

	for (; !device_transport(fd, id, &t); id = t.id + 1) {
		if (!strcmp(t.name, o->name))
			return fail(CTL_FAILURE, "a transport '%s' is loaded already (IP protocol %u, BPF"
				    " link %u); 'etranctl unload %s' first", t.name, t.ip_proto, t.link_id,
				    t.name);
		if (t.ip_proto == o->ip_proto)
			return fail(CTL_FAILURE, "IP protocol %u is taken by the transport '%s' (BPF link"
				    " %u); 'etranctl unload %s' first", t.ip_proto, t.name, t.link_id,
				    t.name);
	}
	return CTL_OK;
}

static int attach(int fd, struct transport_object *o, struct bpf_link **link)
{
	int err;

	log_reset();
	*link = bpf_map__attach_struct_ops(o->ops);
	if (*link)
		return CTL_OK;
	err = -errno;
	/* Between the question above and now somebody else may have been quicker. */
	if ((err == -EEXIST || err == -EBUSY) && check_free(fd, o))
		return CTL_FAILURE;
	return fail(CTL_FAILURE, "the transport '%s' could not be attached: %s; its init may have"
		    " refused, dmesg tells what the module minded", o->name, strerror(-err));
}

static void answer_load(int fd, const struct transport_object *o, struct target *t, int n)
{
	struct json_object *obj = json_object_new_object(), *devs = json_object_new_array(), *d;
	struct etran_transport_info info = {};
	struct etran_link_info link;
	char name[256];
	int i;

	device_transport_by_name(fd, o->name, &info);
	out_str(obj, "name", o->name);
	out_u64(obj, "ip_proto", o->ip_proto);
	out_u64(obj, "id", info.id);
	out_u64(obj, "link_id", info.link_id);
	out_str(obj, "object", o->path);
	out_str(obj, "pinned", pin_path(o->name, ""));
	json_object_object_add(obj, "devices", devs);
	if (!opt_json)
		printf("%s: loaded, IP protocol %u\n", o->name, o->ip_proto);
	for (i = 0; i < n; i++) {
		int err = t[i].moved_link ? -ENODEV : netns_enter(&t[i].ns);

		if (!err) {
			err = device_link_by_ifindex(fd, t[i].link.ifindex, &link);
			netns_leave();
		}
		d = json_object_new_object();
		out_str(d, "link", t[i].moved_link ? NULL : t[i].link.name);
		out_u64(d, "link_ifindex", t[i].link.ifindex);
		if (!err)
			out_u64(d, "link_id", link.id);
		out_str(d, "netns", *t[i].ns.name ? t[i].ns.name : NULL);
		out_str(d, "lower", t[i].lower.name);
		out_bool(d, "created", t[i].made_link);
		out_bool(d, "xdp_attached", t[i].made_xdp);
		json_object_array_add(devs, d);
		if (!opt_json)
			printf("%s: link device %s on %s%s\n", o->name,
			       t[i].moved_link ? "of another network namespace" : t[i].link.name,
			       netns_ifname(&t[i].ns, t[i].lower.name, name, sizeof(name)),
			       t[i].made_link ? "" : " (was there)");
	}
	answer(obj);
}

/* Everything that changes something; the object is open and the machine ready. */
static int load(int fd, struct transport_object *o, struct target *t, int n)
{
	struct bpf_link *link = NULL;
	int err, status, k, i = 0;

	status = object_load(o);
	if (status)
		return status;
	status = attach(fd, o, &link);
	if (status)
		return status;
	err = pin_create(o->name, o->obj, bpf_link__fd(link));
	if (err) {
		status = fail(CTL_FAILURE, "cannot pin '%s' at %s: %s; is a map of it called 'link', or"
			      " the BPF file system read-only?", o->name, pin_path(o->name, ""),
			      strerror(-err));
		goto undo;
	}
	for (i = 0; i < n; i++) {
		status = target_enable(&t[i]);
		if (status) {
			i++;	/* that one may be half done */
			goto undo;
		}
	}
	for (k = 0; k < n; k++) {
		status = target_check(&t[k]);
		if (status)
			goto undo;
	}
	answer_load(fd, o, t, n);
	/* From here on the pin holds it. */
	bpf_link__disconnect(link);
	bpf_link__destroy(link);
	return CTL_OK;
undo:
	while (i-- > 0)
		target_undo(&t[i]);
	pin_remove(o->name);
	bpf_link_detach(bpf_link__fd(link));
	bpf_link__destroy(link);
	return status;
}

/* Pins of that name although no such transport is attached: the module has ejected it. */
static int remove_stale(int fd, const char *name)
{
	struct etran_transport_info info;
	int err;

	if (!pin_exists(name) || !device_transport_by_name(fd, name, &info))
		return CTL_OK;
	note("removing what a detached '%s' left at %s", name, pin_path(name, ""));
	err = pin_remove(name);
	if (err)
		return fail(CTL_FAILURE, "cannot remove %s: %s; remove it by hand", pin_path(name, ""),
			    strerror(-err));
	return CTL_OK;
}

int cmd_load(const struct ctl_args *args)
{
	int fd = -1, lock = -1, status, i, n = 0;
	struct transport_object o = {};
	struct target *t;
	sigset_t all, old;

	if (args->nargs != 1)
		return fail(CTL_USAGE, "load needs one BPF object; 'etranctl help load' tells more");

	t = calloc(args->ndev ? args->ndev : 1, sizeof(*t));
	if (!t)
		return fail(CTL_FAILURE, "out of memory; free some");
	status = object_open(args->arg[0], &o);
	for (i = 0; !status && i < args->nset; i++)
		status = tunable_set(&o, args->set[i]);
	if (!status)
		status = caps_need("loading a transport", 1ULL << CAP_NET_ADMIN | 1ULL << CAP_BPF |
				   1ULL << CAP_PERFMON | 1ULL << CAP_SYS_ADMIN);
	if (!status)
		status = kernel_open(&fd);
	if (!status)
		status = bpffs_require();
	if (status)
		goto out;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	lock = bpffs_lock();
	if (lock < 0) {
		status = fail(CTL_FAILURE, "cannot create %s: %s; is the BPF file system read-only?",
			      PIN_DIR, strerror(-lock));
		goto unblock;
	}
	status = check_free(fd, &o);
	if (!status)
		status = remove_stale(fd, o.name);
	while (!status && n < args->ndev) {
		status = target_open(args->dev[n], &t[n]);
		if (!status)
			n++;
	}
	if (!status)
		status = load(fd, &o, t, n);
	while (n > 0)
		target_close(&t[--n]);
	if (status)
		pin_remove_root();
	close(lock);
unblock:
	sigprocmask(SIG_SETMASK, &old, NULL);
out:
	if (fd >= 0)
		close(fd);
	object_close(&o);
	free(t);
	return status;
}
