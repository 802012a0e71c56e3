// SPDX-License-Identifier: GPL-2.0
/*
 * etranctl replace: other programs for a loaded transport, under traffic, by an update of its BPF
 * link. Held frames, queues and endpoints are the module's and stay; maps stay because the new
 * object gets the pinned ones in place of its own. All or nothing: what can fail comes before the
 * update, which the module does or refuses as a whole.
 *
 * Whether the new programs understand what they find is the transport's word, by state_version.
 * What etranctl can see for itself it looks at too: kind and size of each map, and where each global
 * variable lies. Constants and tunables are part of the programs and always new; tunables keep their
 * values by name, so that a repaired program runs as the broken one was set.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/capability.h>

#include "etranctl.h"

/* Under this a new map is pinned until the update is done; no C identifier begins so. */
#define PIN_NEW		"0new-"

struct replacement {
	int fd;
	struct transport_object o;
	struct etran_transport_info old;
	struct json_object *kept, *made, *gone;
};

/* What the module would refuse, with both sides named. */
static int check_fits(struct replacement *r)
{
	const struct etran_transport_info *old = &r->old;
	const struct transport_object *o = &r->o;
	uint32_t id = 0;

	if (device_transport_by_name(r->fd, o->name, &r->old)) {
		for (; !device_transport(r->fd, id, &r->old); id = r->old.id + 1)
			if (r->old.ip_proto == o->ip_proto)
				return fail(CTL_FAILURE, "IP protocol %u is '%s', and '%s' cannot replace"
					    " a transport of another name; 'etranctl unload %s' and load it",
					    o->ip_proto, r->old.name, o->name, r->old.name);
		return fail(CTL_FAILURE, "no transport '%s' is loaded that could be replaced;"
			    " 'etranctl load' loads it", o->name);
	}
	if (old->ip_proto != o->ip_proto)
		return fail(CTL_FAILURE, "'%s' is loaded for IP protocol %u, the object is for %u;"
			    " 'etranctl unload %s' and load it", o->name, old->ip_proto, o->ip_proto,
			    o->name);
	if (old->state_version != o->state_version)
		return fail(CTL_FAILURE, "the state of '%s' is of version %u, the object's is of version"
			    " %u and would not understand it; 'etranctl unload %s' and load it", o->name,
			    old->state_version, o->state_version, o->name);
	if (old->queues != o->queues || old->queue_depth != o->queue_depth)
		return fail(CTL_FAILURE, "'%s' has %u queues of %u frames, the object wants %u of %u;"
			    " 'etranctl unload %s' and load it", o->name, old->queues, old->queue_depth,
			    o->queues, o->queue_depth, o->name);
	return CTL_OK;
}

static const struct btf_type *section(const struct btf *btf, const char *name)
{
	int id = btf ? btf__find_by_name_kind(btf, name, BTF_KIND_DATASEC) : -ENOENT;

	return id < 0 ? NULL : btf__type_by_id(btf, id);
}

/* The first variable that is not where it was, NULL when all are. */
static const char *moved_variable(const struct btf *now, const struct btf *was, const char *name)
{
	const struct btf_type *a = section(now, name), *b = section(was, name);
	const struct btf_var_secinfo *v, *w;
	const char *var;
	int i, k;

	/* Nothing to compare is as good as a difference. */
	if (!a || !b)
		return name;
	v = btf_var_secinfos(a);
	for (i = 0; i < btf_vlen(a); i++, v++) {
		var = btf__name_by_offset(now, btf__type_by_id(now, v->type)->name_off);
		w = btf_var_secinfos(b);
		for (k = 0; k < btf_vlen(b); k++, w++)
			if (!strcmp(var, btf__name_by_offset(was,
					btf__type_by_id(was, w->type)->name_off)))
				break;
		if (k == btf_vlen(b) || w->offset != v->offset || w->size != v->size)
			return var;
	}
	return btf_vlen(a) == btf_vlen(b) ? NULL : name;
}

/* Constants and tunables: the new programs bring their own. */
static bool is_of_programs(const struct bpf_map *map)
{
	const char *sec = bpf_map__is_internal(map) ? strchr(bpf_map__name(map), '.') : NULL;

	return sec && (!strncmp(sec, ".rodata", strlen(".rodata")) || !strcmp(sec, TUNABLE_SECTION));
}

/* Gives @map the pinned one of its name instead of one of its own, if there is any. */
static int reuse_map(struct replacement *r, struct bpf_map *map)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	const char *var = NULL, *sec;
	struct btf *btf;
	char name[128];
	int fd, err;

	/* libbpf makes a new one when the map is reused. */
	snprintf(name, sizeof(name), "%s", pin_map_name(map));
	if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS ||
	    is_of_programs(map) || !bpf_map__autocreate(map))
		return CTL_OK;
	if (!strcmp(name, PIN_LINK))
		return fail(CTL_FAILURE, "a map of '%s' is called 'link', which is what its BPF link is"
			    " pinned as; rename it", r->o.name);
	fd = pin_map_fd(r->o.name, name);
	if (fd == -ENOENT) {
		json_object_array_add(r->made, json_object_new_string(name));
		return CTL_OK;
	}
	if (fd < 0 || bpf_map_get_info_by_fd(fd, &info, &len)) {
		err = fd < 0 ? -fd : errno;
		if (fd >= 0)
			close(fd);
		return fail(CTL_FAILURE, "cannot open the map %s: %s; are you root?",
			    pin_path(r->o.name, name), strerror(err));
	}
	if (info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
	    info.value_size != bpf_map__value_size(map) ||
	    info.max_entries != bpf_map__max_entries(map)) {
		close(fd);
		return fail(CTL_FAILURE, "the map '%s' of '%s' is %s of %u entries, %u and %u bytes each,"
			    " the object's is %s of %u, %u and %u; raise state_version, unload and load",
			    name, r->o.name, libbpf_bpf_map_type_str(info.type), info.max_entries,
			    info.key_size, info.value_size,
			    libbpf_bpf_map_type_str(bpf_map__type(map)), bpf_map__max_entries(map),
			    bpf_map__key_size(map), bpf_map__value_size(map));
	}
	if (bpf_map__is_internal(map)) {
		btf = info.btf_id ? btf__load_from_kernel_by_id(info.btf_id) : NULL;
		/* ".bss" of "homa_bpf.bss". */
		sec = strchr(bpf_map__name(map), '.');
		var = moved_variable(bpf_object__btf(r->o.obj), btf, sec);
		if (var)
			fail(CTL_FAILURE, "the global variable '%s' of '%s' is not where it was in %s;"
			     " raise state_version, unload and load", var, r->o.name, sec);
		btf__free(btf);
	}
	err = var ? -EINVAL : bpf_map__reuse_fd(map, fd);
	close(fd);
	if (!var && err)
		fail(CTL_FAILURE, "the map '%s' of '%s' cannot be used again: %s; unload and load", name,
		     r->o.name, strerror(-err));
	if (err)
		return CTL_FAILURE;
	json_object_array_add(r->kept, json_object_new_string(name));
	return CTL_OK;
}

/* Tunables that both have go on with the values that they have now. */
static int keep_tunables(struct replacement *r)
{
	struct json_object *was = tunables_of_pins(r->o.name), *is = tunables_of_object(&r->o);
	struct json_object *a, *b, *value;
	char assignment[256];
	int status = CTL_OK;
	size_t i, k;

	for (i = 0; !status && i < json_object_array_length(was); i++) {
		a = json_object_array_get_idx(was, i);
		for (k = 0; k < json_object_array_length(is); k++) {
			b = json_object_array_get_idx(is, k);
			if (strcmp(json_object_get_string(json_object_object_get(a, "name")),
				   json_object_get_string(json_object_object_get(b, "name"))))
				continue;
			value = json_object_object_get(a, "value");
			snprintf(assignment, sizeof(assignment), "%s=%s",
				 json_object_get_string(json_object_object_get(a, "name")),
				 json_object_get_string(value));
			status = tunable_set(&r->o, assignment);
		}
	}
	json_object_put(was);
	json_object_put(is);
	return status;
}

static bool is_reused(const struct replacement *r, const char *name)
{
	size_t i;

	for (i = 0; i < json_object_array_length(r->kept); i++)
		if (!strcmp(json_object_get_string(json_object_array_get_idx(r->kept, i)), name))
			return true;
	return false;
}

static bool is_of_object(const struct replacement *r, const char *name)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, r->o.obj)
		if (bpf_map__fd(map) >= 0 && !strcmp(pin_map_name(map), name))
			return true;
	return false;
}

static const char *new_name(const char *name)
{
	static char buf[128];

	snprintf(buf, sizeof(buf), PIN_NEW "%s", name);
	return buf;
}

static int remove_new(const char *name, void *arg)
{
	if (!strncmp(name, PIN_NEW, strlen(PIN_NEW)))
		unlink(pin_path(arg, name));
	return 0;
}

static int pin_new_maps(struct replacement *r)
{
	struct bpf_map *map;
	int err;

	/* Of a replace that was killed. */
	pin_each(r->o.name, remove_new, r->o.name);
	bpf_object__for_each_map(map, r->o.obj) {
		const char *name = pin_map_name(map);

		if (bpf_map__fd(map) < 0 || is_reused(r, name))
			continue;
		if (bpf_obj_pin(bpf_map__fd(map), pin_path(r->o.name, new_name(name))))
			return fail(CTL_FAILURE, "cannot pin the map '%s' at %s: %s; is the BPF file system"
				    " read-only?", name, pin_path(r->o.name, ""), strerror(errno));
	}
	err = iters_pin(r->o.obj, r->o.name, new_name);
	if (err)
		return fail(CTL_FAILURE, "cannot pin the iterators of '%s': %s; is the BPF file system"
			    " read-only?", r->o.name, strerror(-err));
	return CTL_OK;
}

static int settle_pin(const char *name, void *arg)
{
	struct replacement *r = arg;
	char from[512];

	if (!strncmp(name, PIN_NEW, strlen(PIN_NEW))) {
		snprintf(from, sizeof(from), "%s", pin_path(r->o.name, name));
		if (rename(from, pin_path(r->o.name, name + strlen(PIN_NEW))))
			warning("cannot rename %s: %s; rename it by hand", from, strerror(errno));
	} else if (iter_is_pin(name)) {
		/* The new one is there already, or has none. */
		if (!iter_has(r->o.obj, name))
			unlink(pin_path(r->o.name, name));
	} else if (strcmp(name, PIN_LINK) && !is_of_object(r, name)) {
		unlink(pin_path(r->o.name, name));
		json_object_array_add(r->gone, json_object_new_string(name));
	}
	return 0;
}

/*
 * Makes the kernel take the ops of the object. The map that holds them is given its value by
 * attaching it, says libbpf's interface, and attaching must fail: its place is taken.
 */
static int prepare_ops(struct replacement *r)
{
	struct bpf_link *link;

	log_reset();
	link = bpf_map__attach_struct_ops(r->o.ops);
	if (link) {
		bpf_link__destroy(link);
		return fail(CTL_FAILURE, "'%s' was ejected or unloaded meanwhile; 'etranctl load' loads the"
			    " object", r->o.name);
	}
	if (errno == EEXIST)
		return CTL_OK;
	return fail(CTL_FAILURE, "the module refused '%s': %s; dmesg tells what it minded", r->o.name,
		    strerror(errno));
}

static int update(struct replacement *r)
{
	int link_fd = pin_link_fd(r->o.name), status, err;

	if (link_fd < 0)
		return fail(CTL_FAILURE, "'%s' is loaded, but %s cannot be opened: %s; it was loaded from"
			    " another mount namespace or by another program: replace it there", r->o.name,
			    pin_path(r->o.name, PIN_LINK), strerror(-link_fd));
	status = prepare_ops(r);
	if (!status)
		status = pin_new_maps(r);
	if (!status && bpf_link_update(link_fd, bpf_map__fd(r->o.ops), NULL)) {
		err = errno;
		if (err == ENOLINK)
			status = fail(CTL_FAILURE, "'%s' was ejected or unloaded meanwhile; 'etranctl show %s'"
				      " tells", r->o.name, r->o.name);
		else
			status = fail(CTL_FAILURE, "the module did not replace '%s': %s; its init may have"
				      " refused, dmesg tells what the module minded", r->o.name,
				      strerror(err));
	}
	close(link_fd);
	pin_each(r->o.name, status ? remove_new : settle_pin, status ? (void *)r->o.name : r);
	return status;
}

static int replace(struct replacement *r, const struct ctl_args *args)
{
	struct bpf_map *map;
	int status, i;

	status = check_fits(r);
	if (!status)
		status = keep_tunables(r);
	for (i = 0; !status && i < args->nset; i++)
		status = tunable_set(&r->o, args->set[i]);
	bpf_object__for_each_map(map, r->o.obj)
		if (!status)
			status = reuse_map(r, map);
	if (!status)
		status = object_load(&r->o);
	if (!status)
		status = update(r);
	return status;
}

static void answer_replace(struct replacement *r)
{
	struct json_object *obj = json_object_new_object();
	struct etran_transport_info info = {};

	device_transport_by_name(r->fd, r->o.name, &info);
	out_str(obj, "name", r->o.name);
	out_u64(obj, "id", info.id);
	out_u64(obj, "link_id", info.link_id);
	out_u64(obj, "state_version", info.state_version);
	out_str(obj, "object", r->o.path);
	json_object_object_add(obj, "maps_kept", json_object_get(r->kept));
	json_object_object_add(obj, "maps_new", json_object_get(r->made));
	json_object_object_add(obj, "maps_gone", json_object_get(r->gone));
	if (!opt_json)
		printf("%s: replaced, %zu maps kept, %zu new, %zu gone\n", r->o.name,
		       json_object_array_length(r->kept), json_object_array_length(r->made),
		       json_object_array_length(r->gone));
	answer(obj);
}

int cmd_replace(const struct ctl_args *args)
{
	struct replacement r = { .fd = -1 };
	int lock, status, i;
	sigset_t all, old;

	if (args->nargs != 1)
		return fail(CTL_USAGE, "replace needs one BPF object; 'etranctl help replace' tells more");
	status = object_open(args->arg[0], &r.o);
	/* What is wrong with an assignment is wrong whatever is loaded. */
	for (i = 0; !status && i < args->nset; i++)
		status = tunable_set(&r.o, args->set[i]);
	if (!status)
		status = caps_need("replacing a transport", 1ULL << CAP_NET_ADMIN | 1ULL << CAP_BPF |
				   1ULL << CAP_PERFMON | 1ULL << CAP_SYS_ADMIN);
	if (!status)
		status = kernel_open(&r.fd);
	if (!status)
		status = bpffs_require();
	if (status)
		goto out;

	r.kept = json_object_new_array();
	r.made = json_object_new_array();
	r.gone = json_object_new_array();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	lock = bpffs_lock();
	if (lock < 0) {
		status = fail(CTL_FAILURE, "cannot create %s: %s; is the BPF file system read-only?",
			      PIN_DIR, strerror(-lock));
	} else {
		status = replace(&r, args);
		if (!status)
			answer_replace(&r);
		else
			pin_remove_root();
		close(lock);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	json_object_put(r.kept);
	json_object_put(r.made);
	json_object_put(r.gone);
out:
	if (r.fd >= 0)
		close(r.fd);
	object_close(&r.o);
	return status;
}
