// SPDX-License-Identifier: GPL-2.0
/* etranctl list and show: which transports there are, on which devices, and all about one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "etranctl.h"

/* Wall clock time at which the boot clock showed @ns. */
static time_t boot_to_wall(uint64_t ns)
{
	struct timespec boot, wall;
	int64_t ago;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &wall);
	ago = boot.tv_sec * 1000000000LL + boot.tv_nsec - (int64_t)ns;
	return (wall.tv_sec * 1000000000LL + wall.tv_nsec - ago) / 1000000000LL;
}

static struct json_object *json_transport(const struct etran_transport_info *t)
{
	struct json_object *obj = json_object_new_object();
	time_t since = boot_to_wall(t->loaded_ns);
	struct tm tm;
	char buf[64];

	strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%S%z", localtime_r(&since, &tm));
	out_str(obj, "name", t->name);
	out_u64(obj, "id", t->id);
	out_u64(obj, "ip_proto", t->ip_proto);
	out_u64(obj, "ops_version", t->ops_version);
	out_u64(obj, "endpoints", t->endpoints);
	out_u64(obj, "link_id", t->link_id);
	out_u64(obj, "loaded_ns", t->loaded_ns);
	out_str(obj, "since", buf);
	out_bool(obj, "pinned", pin_exists(t->name));
	return obj;
}

/* The device underneath may be in another namespace than the link device. */
static void out_dispatcher(struct json_object *obj, const struct etran_link_info *link)
{
	struct netns ns = { .fd = -1 };

	if (!link->lower_ifindex) {
		out_bool(obj, "dispatcher", false);
		return;
	}
	if (link->lower_netns != netns_own_ino() && netns_open_ino(&ns, link->lower_netns))
		return;
	if (!netns_enter(&ns)) {
		out_bool(obj, "dispatcher", xdp_attached(link->lower_ifindex));
		netns_leave();
	}
	netns_close(&ns);
}

/* @devices, if not NULL, gets "etran0 on veth0, ..." */
static struct json_object *json_links(int fd, char *devices, size_t len)
{
	struct json_object *array = json_object_new_array(), *obj;
	struct etran_link_info link;
	uint32_t id = 0;
	char name[256];
	int err;

	if (devices)
		*devices = 0;
	for (; !device_link(fd, id, &link); id = link.id + 1) {
		struct netns ns = { .fd = -1 };

		err = link.netns == netns_own_ino() ? 0 : netns_open_ino(&ns, link.netns);
		if (err)
			snprintf(ns.name, sizeof(ns.name), "netns:%u", link.netns);
		obj = json_object_new_object();
		out_u64(obj, "id", link.id);
		out_str(obj, "name", link.name);
		out_u64(obj, "ifindex", link.ifindex);
		out_str(obj, "lower", *link.lower_name ? link.lower_name : NULL);
		out_u64(obj, "lower_ifindex", link.lower_ifindex);
		out_str(obj, "netns", *ns.name ? ns.name : NULL);
		out_u64(obj, "netns_inode", link.netns);
		out_u64(obj, "queues", link.queues);
		out_u64(obj, "queues_bound", link.queues_bound);
		out_u64(obj, "mtu", link.mtu);
		out_u64(obj, "lower_netns_inode", link.lower_netns);
		out_dispatcher(obj, &link);
		json_object_array_add(array, obj);
		if (devices) {
			size_t n = strlen(devices);

			snprintf(devices + n, len - n, "%s%s on %s", n ? ", " : "",
				 netns_ifname(&ns, link.name, name, sizeof(name)),
				 *link.lower_name ? link.lower_name : "nothing");
		}
		netns_close(&ns);
	}
	return array;
}

int cmd_list(const struct ctl_args *args)
{
	struct json_object *array = json_object_new_array(), *links;
	struct etran_transport_info t;
	char devices[512], cell[5][32];
	struct table *tab;
	uint32_t id = 0;
	int fd, status;
	struct tm tm;
	time_t since;

	if (args->nargs)
		return fail(CTL_USAGE, "list takes no argument; 'etranctl show %s' tells more about one",
			    args->arg[0]);
	status = kernel_open(&fd);
	if (status) {
		json_object_put(array);
		return status;
	}
	links = json_links(fd, devices, sizeof(devices));
	tab = table_new(6, "NAME", "PROTO", "SINCE", "ENDPOINTS", "LINK", "DEVICES");
	for (; !device_transport(fd, id, &t); id = t.id + 1) {
		struct json_object *obj = json_transport(&t);

		json_object_object_add(obj, "devices", json_object_get(links));
		json_object_array_add(array, obj);
		since = boot_to_wall(t.loaded_ns);
		strftime(cell[0], sizeof(cell[0]), "%Y-%m-%d %H:%M:%S", localtime_r(&since, &tm));
		snprintf(cell[1], sizeof(cell[1]), "%u", t.ip_proto);
		snprintf(cell[2], sizeof(cell[2]), "%u", t.endpoints);
		snprintf(cell[3], sizeof(cell[3]), "%u", t.link_id);
		table_row(tab, t.name, cell[1], cell[0], cell[2], cell[3], *devices ? devices : "-");
	}
	json_object_put(links);
	close(fd);
	if (!opt_json)
		table_print(tab);
	answer(array);
	return CTL_OK;
}

struct maps {
	const char *transport;
	struct json_object *array;
};

static int add_map(const char *name, void *arg)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	struct maps *m = arg;
	struct json_object *obj;
	int fd;

	if (!strcmp(name, "link"))
		return 0;
	fd = pin_map_fd(m->transport, name);
	if (fd < 0)
		return 0;
	if (!bpf_map_get_info_by_fd(fd, &info, &len)) {
		obj = json_object_new_object();
		out_str(obj, "name", name);
		out_u64(obj, "id", info.id);
		out_str(obj, "type", libbpf_bpf_map_type_str(info.type));
		out_u64(obj, "key_size", info.key_size);
		out_u64(obj, "value_size", info.value_size);
		out_u64(obj, "max_entries", info.max_entries);
		json_object_array_add(m->array, obj);
	}
	close(fd);
	return 0;
}

static const char *get_str(struct json_object *obj, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(obj, key, &v) && v ? json_object_get_string(v) : "-";
}

static void print_tunables(struct json_object *array)
{
	size_t i;

	for (i = 0; i < json_object_array_length(array); i++) {
		struct json_object *t = json_object_array_get_idx(array, i);

		printf("  %s %s = %s\n", get_str(t, "type"), get_str(t, "name"), get_str(t, "value"));
	}
}

static void print_transport(struct json_object *obj)
{
	struct json_object *array, *e;
	struct table *tab;
	size_t i;

	printf("name         %s\n", get_str(obj, "name"));
	printf("IP protocol  %s\n", get_str(obj, "ip_proto"));
	printf("since        %s\n", get_str(obj, "since"));
	printf("operations   version %s\n", get_str(obj, "ops_version"));
	printf("endpoints    %s open\n", get_str(obj, "endpoints"));
	printf("BPF link     %s, %s\n", get_str(obj, "link_id"), get_str(obj, "pin"));
	json_object_object_get_ex(obj, "tunables", &array);
	puts(json_object_array_length(array) ? "tunables" : "tunables     none");
	print_tunables(array);
	json_object_object_get_ex(obj, "devices", &array);
	puts(json_object_array_length(array) ? "devices" : "devices      none");
	for (i = 0; i < json_object_array_length(array); i++) {
		struct json_object *ns;

		e = json_object_array_get_idx(array, i);
		json_object_object_get_ex(e, "netns", &ns);
		printf("  %s%s%s on %s: %s of %s queues in use, MTU %s\n",
		       ns ? json_object_get_string(ns) : "", ns ? "/" : "", get_str(e, "name"),
		       get_str(e, "lower"), get_str(e, "queues_bound"), get_str(e, "queues"),
		       get_str(e, "mtu"));
	}
	json_object_object_get_ex(obj, "maps", &array);
	puts(json_object_array_length(array) ? "maps" : "maps         none pinned");
	tab = table_new(4, "  NAME", "ID", "TYPE", "ENTRIES");
	for (i = 0; i < json_object_array_length(array); i++) {
		char name[64];

		e = json_object_array_get_idx(array, i);
		snprintf(name, sizeof(name), "  %s", get_str(e, "name"));
		table_row(tab, name, get_str(e, "id"), get_str(e, "type"), get_str(e, "max_entries"));
	}
	table_print(tab);
}

/* An object that is not loaded: what could be set. */
static int show_object(const char *arg)
{
	struct transport_object o;
	struct json_object *obj;
	int status;

	status = object_open_any(arg, &o);
	if (status)
		return status;
	obj = json_object_new_object();
	out_str(obj, "name", o.name);
	out_bool(obj, "loaded", false);
	out_bool(obj, "filter", o.filter);
	if (o.filter)
		json_object_object_add(obj, "priority", json_object_new_int(o.priority));
	else
		out_u64(obj, "ip_proto", o.ip_proto);
	out_u64(obj, "ops_version", o.version);
	out_str(obj, "object", o.path);
	json_object_object_add(obj, "tunables", tunables_of_object(&o));
	if (!opt_json) {
		struct json_object *array;

		printf("name         %s (%snot loaded)\n", o.name, o.filter ? "filter, " : "");
		printf("object       %s\n", o.path);
		if (o.filter)
			printf("priority     %d\n", o.priority);
		else
			printf("IP protocol  %u\n", o.ip_proto);
		printf("operations   version %u\n", o.version);
		json_object_object_get_ex(obj, "tunables", &array);
		puts(json_object_array_length(array) ? "tunables (--set NAME=VALUE)" :
		     "tunables     none");
		print_tunables(array);
	}
	object_close(&o);
	answer(obj);
	return CTL_OK;
}

int cmd_show(const struct ctl_args *args)
{
	struct etran_transport_info t;
	struct json_object *obj;
	struct maps m;
	char path[4096];
	int fd = -1, status, map_fd;

	if (args->nargs != 1)
		return fail(CTL_USAGE, "show needs the name of one transport, or a BPF object; 'etranctl list' shows the names");
	/* A loaded transport goes before a file of the same name; a path is always a file. */
	if (!strchr(args->arg[0], '/')) {
		fd = device_open();
		if (fd >= 0 && device_transport_by_name(fd, args->arg[0], &t)) {
			close(fd);
			fd = -1;
		}
	}
	if (fd < 0) {
		if (!object_find(args->arg[0], path, sizeof(path)) || strchr(args->arg[0], '/'))
			return show_object(args->arg[0]);
		status = kernel_open(&fd);
		if (status)
			return status;
		close(fd);
		return fail(CTL_FAILURE, "no transport '%s' is loaded; 'etranctl list' shows which are",
			    args->arg[0]);
	}
	status = kernel_open(&map_fd);
	close(fd);
	if (status)
		return status;
	fd = map_fd;

	obj = json_transport(&t);
	out_bool(obj, "loaded", true);
	out_str(obj, "pin", pin_exists(t.name) ? pin_path(t.name, "") : NULL);
	json_object_object_add(obj, "devices", json_links(fd, NULL, 0));
	map_fd = pin_map_fd(t.name, "rodata");
	json_object_object_add(obj, "tunables", map_fd < 0 ? json_object_new_array() :
			       tunables_of_map(map_fd));
	if (map_fd >= 0)
		close(map_fd);
	m.transport = t.name;
	m.array = json_object_new_array();
	pin_each(t.name, add_map, &m);
	json_object_object_add(obj, "maps", m.array);
	if (!opt_json)
		print_transport(obj);
	close(fd);
	answer(obj);
	return CTL_OK;
}
