// SPDX-License-Identifier: GPL-2.0
/* etranctl list: which transports there are, and on which devices. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

void show_time(uint64_t boot_ns, const char *format, char *buf, size_t len)
{
	time_t t = boot_to_wall(boot_ns);
	struct tm tm;

	strftime(buf, len, format, localtime_r(&t, &tm));
}

struct json_object *json_transport(const struct etran_transport_info *t)
{
	struct json_object *obj = json_object_new_object();
	char buf[64];

	out_str(obj, "name", t->name);
	out_u64(obj, "id", t->id);
	out_u64(obj, "ip_proto", t->ip_proto);
	out_u64(obj, "tcp_urgent", t->tcp_urgent);
	out_u64(obj, "ops_version", t->ops_version);
	out_u64(obj, "endpoints", t->endpoints);
	out_u64(obj, "link_id", t->link_id);
	out_u64(obj, "queues", t->queues);
	out_u64(obj, "queue_depth", t->queue_depth);
	out_u64(obj, "timeout_ms", t->timeout_ms);
	out_u64(obj, "state_version", t->state_version);
	out_bool(obj, "drop_worst", t->flags & ETRAN_OPS_DROP_WORST);
	out_bool(obj, "shared", t->flags & ETRAN_OPS_SHARED);
	out_u64(obj, "loaded_ns", t->loaded_ns);
	show_time(t->loaded_ns, "%Y-%m-%dT%H:%M:%S%z", buf, sizeof(buf));
	out_str(obj, "since", buf);
	show_time(t->replaced_ns, "%Y-%m-%dT%H:%M:%S%z", buf, sizeof(buf));
	out_str(obj, "replaced", t->replaced_ns ? buf : NULL);
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
struct json_object *json_links(int fd, char *devices, size_t len)
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
		show_time(t.loaded_ns, "%Y-%m-%d %H:%M:%S", cell[0], sizeof(cell[0]));
		snprintf(cell[1], sizeof(cell[1]), "%u", t.ip_proto);
		snprintf(cell[2], sizeof(cell[2]), "%u", t.endpoints);
		snprintf(cell[3], sizeof(cell[3]), "%u", t.link_id);
		table_row(tab, t.name, cell[1], cell[0], cell[2], cell[3], *devices ? devices : "-");
	}
	json_object_put(links);
	if (!opt_json)
		table_print(tab);
	show_exit_hint(fd);
	close(fd);
	answer(array);
	return CTL_OK;
}
