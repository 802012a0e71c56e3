// SPDX-License-Identifier: GPL-2.0
/*
 * etranctl filter: adds, lists and removes filters. They are attached and pinned as transports are,
 * so this is the short form of load and unload: no devices, no dispatcher.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/capability.h>

#include "etranctl.h"

static int parse_priority(const char *text, int32_t *priority)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(text, &end, 0);
	if (end == text || *end || errno || v < INT32_MIN || v > INT32_MAX)
		return fail(CTL_USAGE, "--priority %s: not a number from %d to %d; the lowest runs first",
			    text, INT32_MIN, INT32_MAX);
	*priority = v;
	return CTL_OK;
}

static struct json_object *json_filter(const struct etran_filter_info *f)
{
	struct json_object *obj = json_object_new_object();

	out_str(obj, "name", f->name);
	out_u64(obj, "id", f->id);
	json_object_object_add(obj, "priority", json_object_new_int(f->priority));
	out_bool(obj, "ingress", f->directions & ETRAN_FILTER_INGRESS);
	out_bool(obj, "egress", f->directions & ETRAN_FILTER_EGRESS);
	out_u64(obj, "ops_version", f->ops_version);
	out_u64(obj, "link_id", f->link_id);
	out_u64(obj, "loaded_ns", f->loaded_ns);
	out_u64(obj, "ingress_packets", f->ingress_packets);
	out_u64(obj, "ingress_dropped", f->ingress_dropped);
	out_u64(obj, "egress_packets", f->egress_packets);
	out_u64(obj, "egress_dropped", f->egress_dropped);
	out_u64(obj, "bad_verdicts", f->bad_verdicts);
	out_str(obj, "pin", pin_exists(pin_filter(f->name)) ?
		pin_path(pin_filter(f->name), "") : NULL);
	return obj;
}

/* ---- list ---- */

#define CELL	24

/* What it has no program for, it does not look at. */
static void count_cell(char *cell, bool looks, uint64_t count)
{
	if (looks)
		snprintf(cell, CELL, "%llu", (unsigned long long)count);
	else
		snprintf(cell, CELL, "-");
}

/* In the order of running. */
static int running_order(const void *a, const void *b)
{
	const struct etran_filter_info *f = a, *g = b;

	if (f->priority != g->priority)
		return f->priority < g->priority ? -1 : 1;
	return f->id < g->id ? -1 : 1;
}

/* Pins without a filter: the module has ejected it, or its BPF link was detached. */
static int note_detached(const char *name, void *arg)
{
	struct etran_filter_info info;
	const int *fd = arg;

	if (device_filter_by_name(*fd, name, &info))
		note("the filter '%s' was detached, dmesg tells why if the module did it; 'etranctl filter"
		     " del %s' removes what is left", name, name);
	return 0;
}

static int list_filters(const struct ctl_args *args)
{
	struct etran_filter_info *list = NULL, *p, f;
	struct json_object *array;
	struct table *tab;
	size_t n = 0, i;
	uint32_t id = 0;
	int fd, status;

	if (args->nargs != 1)
		return fail(CTL_USAGE, "filter list takes no argument; leave '%s' out", args->arg[1]);
	status = kernel_open(&fd);
	if (status)
		return status;
	for (; !device_filter(fd, id, &f); id = f.id + 1) {
		p = realloc(list, (n + 1) * sizeof(*p));
		if (!p) {
			free(list);
			close(fd);
			return fail(CTL_FAILURE, "out of memory; free some");
		}
		list = p;
		list[n++] = f;
	}
	if (n)
		qsort(list, n, sizeof(*list), running_order);
	array = json_object_new_array();
	tab = table_new(7, "NAME", "PRIORITY", "IN", "DROPPED", "OUT", "DROPPED", "LINK");
	for (i = 0; i < n; i++) {
		char cell[6][CELL];

		json_object_array_add(array, json_filter(&list[i]));
		snprintf(cell[0], CELL, "%d", list[i].priority);
		count_cell(cell[1], list[i].directions & ETRAN_FILTER_INGRESS, list[i].ingress_packets);
		count_cell(cell[2], list[i].directions & ETRAN_FILTER_INGRESS, list[i].ingress_dropped);
		count_cell(cell[3], list[i].directions & ETRAN_FILTER_EGRESS, list[i].egress_packets);
		count_cell(cell[4], list[i].directions & ETRAN_FILTER_EGRESS, list[i].egress_dropped);
		snprintf(cell[5], CELL, "%u", list[i].link_id);
		table_row(tab, list[i].name, cell[0], cell[1], cell[2], cell[3], cell[4], cell[5]);
	}
	free(list);
	if (!opt_json)
		table_print(tab);
	pin_each_filter(note_detached, &fd);
	close(fd);
	answer(array);
	return CTL_OK;
}

/* ---- add ---- */

static int check_free(int fd, const char *name)
{
	struct etran_filter_info f;

	if (device_filter_by_name(fd, name, &f))
		return CTL_OK;
	return fail(CTL_FAILURE, "a filter '%s' is attached already (priority %d, BPF link %u);"
		    " 'etranctl filter del %s' first", name, f.priority, f.link_id, name);
}

/* The object is open, the name free. */
static int attach(int fd, struct transport_object *o)
{
	struct etran_filter_info info;
	struct bpf_link *link;
	int err, status;

	status = object_load(o);
	if (status)
		return status;
	log_reset();
	link = bpf_map__attach_struct_ops(o->ops);
	if (!link) {
		err = -errno;
		/* Between the question before and now somebody else may have been quicker. */
		if (err == -EEXIST && check_free(fd, o->name))
			return CTL_FAILURE;
		return fail(CTL_FAILURE, "the filter '%s' could not be attached: %s; its init may have"
			    " refused, dmesg tells what the module minded", o->name, strerror(-err));
	}
	err = pin_create(pin_filter(o->name), o->obj, bpf_link__fd(link));
	if (!err)
		err = device_filter_by_name(fd, o->name, &info);
	if (err) {
		pin_remove(pin_filter(o->name));
		bpf_link_detach(bpf_link__fd(link));
		bpf_link__destroy(link);
		if (err == -ENOENT)
			return fail(CTL_FAILURE, "the filter '%s' was detached at once; dmesg tells why",
				    o->name);
		return fail(CTL_FAILURE, "cannot pin '%s' at %s: %s; is a map of it called 'link', or"
			    " the BPF file system read-only?", o->name,
			    pin_path(pin_filter(o->name), ""), strerror(-err));
	}
	answer(json_filter(&info));
	if (!opt_json)
		printf("%s: attached, priority %d; maps in %s\n", o->name, o->priority,
		       pin_path(pin_filter(o->name), ""));
	/* From here on the pin holds it. */
	bpf_link__disconnect(link);
	bpf_link__destroy(link);
	return CTL_OK;
}

static int add_filter(const struct ctl_args *args)
{
	struct transport_object o = {};
	int fd = -1, lock, status, err, i;
	int32_t priority = 0;
	sigset_t all, old;

	if (args->nargs != 2)
		return fail(CTL_USAGE, "filter add needs one BPF object; 'etranctl help filter' tells more");
	if (args->priority && parse_priority(args->priority, &priority))
		return CTL_USAGE;
	status = object_open_filter(args->arg[1], &o);
	if (status)
		return status;
	if (args->priority)
		object_set_priority(&o, priority);
	for (i = 0; !status && i < args->nset; i++)
		status = tunable_set(&o, args->set[i]);
	if (!status)
		status = caps_need("adding a filter", 1ULL << CAP_NET_ADMIN | 1ULL << CAP_BPF |
				   1ULL << CAP_PERFMON | 1ULL << CAP_SYS_ADMIN);
	if (!status)
		status = kernel_open(&fd);
	if (!status)
		status = bpffs_require();
	if (status)
		goto out;

	/* Half a filter is worse than a late Ctrl-C. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	lock = bpffs_lock();
	if (lock < 0) {
		status = fail(CTL_FAILURE, "cannot create %s: %s; is the BPF file system read-only?",
			      PIN_DIR, strerror(-lock));
		goto unblock;
	}
	status = check_free(fd, o.name);
	if (!status && pin_exists(pin_filter(o.name))) {
		note("removing what a detached '%s' left at %s", o.name,
		     pin_path(pin_filter(o.name), ""));
		err = pin_remove(pin_filter(o.name));
		if (err)
			status = fail(CTL_FAILURE, "cannot remove %s: %s; remove it by hand",
				      pin_path(pin_filter(o.name), ""), strerror(-err));
	}
	if (!status)
		status = attach(fd, &o);
	if (status)
		pin_remove_root();
	close(lock);
unblock:
	sigprocmask(SIG_SETMASK, &old, NULL);
out:
	if (fd >= 0)
		close(fd);
	object_close(&o);
	return status;
}

/* ---- del ---- */

static int wait_gone(int fd, const char *name)
{
	struct etran_filter_info info;
	int i;

	for (i = 0; fd >= 0 && i < WAIT_STEPS; i++) {
		if (device_filter_by_name(fd, name, &info))
			return 0;
		nap();
	}
	return fd < 0 ? 0 : -EBUSY;
}

/* @fd may be negative: pins can be left of a module that is gone. */
static int del_one(int fd, const char *name, bool force)
{
	struct etran_filter_info info;
	bool attached = fd >= 0 && !device_filter_by_name(fd, name, &info);
	int link_fd, err;

	if (!attached && !pin_exists(pin_filter(name)))
		return fail(CTL_FAILURE, "no filter '%s' is attached; 'etranctl filter list' shows which"
			    " are", name);
	link_fd = pin_link_fd(pin_filter(name));
	if (attached && link_fd < 0) {
		if (!force)
			return fail(CTL_FAILURE, "'%s' is attached, but %s cannot be opened: %s; it was"
				    " attached from another mount namespace or by another program: detach"
				    " it there, or use --force", name, pin_path(pin_filter(name), "link"),
				    strerror(-link_fd));
		link_fd = bpf_link_get_fd_by_id(info.link_id);
		if (link_fd < 0)
			return fail(CTL_FAILURE, "cannot get at BPF link %u of '%s': %s; it needs"
				    " CAP_SYS_ADMIN", info.link_id, name, strerror(errno));
	}
	/* As for transports: see unload.c. */
	if (link_fd >= 0)
		bpf_link_detach(link_fd);
	err = pin_remove(pin_filter(name));
	if (link_fd >= 0)
		close(link_fd);
	if (err)
		return fail(CTL_FAILURE, "cannot remove %s: %s; remove it by hand",
			    pin_path(pin_filter(name), ""), strerror(-err));
	if (attached && wait_gone(fd, name))
		return fail(CTL_FAILURE, "'%s' is still attached: another process holds its BPF link %u;"
			    " end that process ('bpftool link show id %u' may name it)", name, info.link_id,
			    info.link_id);
	if (!opt_json)
		printf("%s: filter detached%s\n", name, attached ? "" : " (it was detached already)");
	return CTL_OK;
}

struct all {
	int fd;
	bool force;
	int status;
	struct json_object *names;
};

static int del_each(const char *name, void *arg)
{
	struct all *a = arg;

	if (del_one(a->fd, name, a->force))
		a->status = CTL_FAILURE;
	else
		json_object_array_add(a->names, json_object_new_string(name));
	return 0;
}

int filter_del_all(int fd, bool force, struct json_object *names)
{
	struct all a = { .fd = fd, .force = force, .names = names };
	struct etran_filter_info info;
	uint32_t id = 0;

	pin_each_filter(del_each, &a);
	/* Those without pins belong to somebody: not touched without --force. */
	for (; fd >= 0 && !device_filter(fd, id, &info); id = info.id + 1)
		del_each(info.name, &a);
	return a.status;
}

static int del_filter(const struct ctl_args *args)
{
	struct json_object *obj;
	sigset_t all, old;
	int fd, lock = -1, status;

	if (args->nargs != 2)
		return fail(CTL_USAGE, "filter del needs the name of one filter; 'etranctl filter list' shows the names");
	if (strchr(args->arg[1], '/') || args->arg[1][0] == '.' || !*args->arg[1] ||
	    strlen(args->arg[1]) >= ETRAN_NAME_LEN)
		return fail(CTL_USAGE, "'%s' is no name of a filter; 'etranctl filter list' shows the names",
			    args->arg[1]);
	status = caps_need("removing a filter", 1ULL << CAP_NET_ADMIN | 1ULL << CAP_BPF |
			   1ULL << CAP_SYS_ADMIN);
	if (!status)
		status = kernel_open(&fd);
	if (status)
		return status;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	if (bpffs_present())
		lock = bpffs_lock();
	status = del_one(fd, args->arg[1], args->force);
	pin_remove_root();
	if (lock >= 0)
		close(lock);
	close(fd);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (!status) {
		obj = json_object_new_object();
		out_str(obj, "detached", args->arg[1]);
		answer(obj);
	}
	return status;
}

int cmd_filter(const struct ctl_args *args)
{
	static const struct {
		const char *name;
		int (*run)(const struct ctl_args *args);
		bool set, force;
	} verbs[] = {
		{ "add", add_filter, true, false },
		{ "list", list_filters, false, false },
		{ "del", del_filter, false, true },
	};
	const char *wrong = NULL;
	size_t i;

	if (!args->nargs)
		return fail(CTL_USAGE, "filter needs one of add, list, del; 'etranctl help filter' tells more");
	for (i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (*args->arg[0] && !strncmp(verbs[i].name, args->arg[0], strlen(args->arg[0])))
			break;
	if (i == sizeof(verbs) / sizeof(*verbs))
		return fail(CTL_USAGE, "filter has no '%s'; it has add, list and del", args->arg[0]);
	if (args->nset && !verbs[i].set)
		wrong = "--set";
	if (args->priority && !verbs[i].set)
		wrong = "--priority";
	if (args->force && !verbs[i].force)
		wrong = "--force";
	if (wrong)
		return fail(CTL_USAGE, "filter %s takes no %s; 'etranctl help filter' shows what it takes",
			    verbs[i].name, wrong);
	return verbs[i].run(args);
}
