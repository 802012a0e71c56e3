// SPDX-License-Identifier: GPL-2.0
/*
 * etranctl show: all about one transport or an object, or in short about all transports; and how
 * the latest ones ended, because whoever asks after a transport that is gone wants to know why.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "etranctl.h"

/* Ejected for an error, not unloaded. */
#define EXIT_ERROR	ETRAN_EXIT_PROGRAM

static const char *kind_name(uint32_t kind)
{
	switch (kind) {
	case ETRAN_EXIT_UNLOAD:
		return "unload";
	case ETRAN_EXIT_PROGRAM:
		return "program";
	case ETRAN_EXIT_VERDICT:
		return "verdict";
	case ETRAN_EXIT_GEN:
		return "gen";
	case ETRAN_EXIT_QUEUE:
		return "queue";
	case ETRAN_EXIT_WATCHDOG:
		return "watchdog";
	}
	return "unknown";
}

/* "2 d 03:04:05" since the boot clock showed @ns. */
static void uptime(uint64_t from, uint64_t to, char *buf, size_t len)
{
	uint64_t s = (to - from) / 1000000000ULL;
	unsigned int n = 0;

	if (s >= 86400)
		n = snprintf(buf, len, "%u d ", (unsigned int)(s / 86400));
	s %= 86400;
	snprintf(buf + n, len - n, "%02u:%02u:%02u", (unsigned int)(s / 3600),
		 (unsigned int)(s / 60 % 60), (unsigned int)(s % 60));
}

static uint64_t boot_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static struct json_object *json_exit(const struct etran_exit_record *r)
{
	struct json_object *obj = json_object_new_object();
	char buf[64];

	out_str(obj, "name", r->name);
	out_u64(obj, "record", r->id);
	out_u64(obj, "id", r->transport);
	out_u64(obj, "ip_proto", r->ip_proto);
	out_bool(obj, "ejected", r->kind >= EXIT_ERROR);
	out_str(obj, "kind", kind_name(r->kind));
	json_object_object_add(obj, "code", json_object_new_int64(r->code));
	out_str(obj, "message", r->msg);
	out_str(obj, "last_programs", r->last);
	out_u64(obj, "frames", r->frames);
	out_u64(obj, "loaded_ns", r->loaded_ns);
	out_u64(obj, "ended_ns", r->ended_ns);
	show_time(r->ended_ns, "%Y-%m-%dT%H:%M:%S%z", buf, sizeof(buf));
	out_str(obj, "ended", buf);
	return obj;
}

static void print_exit(const struct etran_exit_record *r)
{
	char when[64], up[32];

	show_time(r->ended_ns, "%Y-%m-%d %H:%M:%S", when, sizeof(when));
	uptime(r->loaded_ns, r->ended_ns, up, sizeof(up));
	if (r->kind < EXIT_ERROR) {
		printf("%s: unloaded %s after %s\n", r->name, when, up);
		return;
	}
	printf("%s: ejected %s after %s\n", r->name, when, up);
	printf("  why           %s\n", *r->msg ? r->msg : "it did not say");
	printf("  kind, code    %s, %lld\n", kind_name(r->kind), (long long)r->code);
	printf("  last programs %s\n", *r->last ? r->last : "none");
	printf("  frames held   %llu, given back to their applications\n",
	       (unsigned long long)r->frames);
}

/* Records, the latest first, of the transport @name or of all; printed unless in JSON. */
static struct json_object *exits(int fd, const char *name)
{
	struct json_object *array = json_object_new_array();
	struct etran_exit_record list[64];
	int n = 0;

	list[0].id = 0;
	while (n < 64 && !device_exit(fd, n ? list[n - 1].id + 1 : 0, &list[n]))
		n++;
	while (n-- > 0) {
		if (name && strcmp(list[n].name, name))
			continue;
		json_object_array_add(array, json_exit(&list[n]));
		if (!opt_json)
			print_exit(&list[n]);
	}
	return array;
}

void show_exit_hint(int fd)
{
	struct etran_exit_record r, later;
	struct etran_transport_info t;
	uint32_t id = 0, next;

	for (; !device_exit(fd, id, &r); id = r.id + 1) {
		if (r.kind < EXIT_ERROR || !device_transport_by_name(fd, r.name, &t))
			continue;
		/* Only what became of it last. */
		for (next = r.id + 1; !device_exit(fd, next, &later); next = later.id + 1)
			if (!strcmp(later.name, r.name))
				break;
		if (device_exit(fd, next, &later))
			note("'%s' was ejected; 'etranctl show %s' tells why", r.name, r.name);
	}
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

	if (!strcmp(name, PIN_LINK) || iter_is_pin(name))
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
		bool live = json_object_get_boolean(json_object_object_get(t, "live"));
		bool unit = json_object_object_get_ex(t, "unit", NULL);

		printf("  %s %s = %s%s%s (", get_str(t, "type"), get_str(t, "name"), get_str(t, "value"),
		       unit ? " " : "", unit ? get_str(t, "unit") : "");
		if (json_object_object_get_ex(t, "default", NULL))
			printf("default %s, ", get_str(t, "default"));
		if (json_object_object_get_ex(t, "min", NULL))
			printf("from %s to %s, ", get_str(t, "min"), get_str(t, "max"));
		puts(live ? "live)" : "at load)");
		if (json_object_object_get_ex(t, "meaning", NULL))
			printf("      %s\n", get_str(t, "meaning"));
	}
}

static void print_protocol(uint32_t proto, uint32_t tcp_urgent)
{
	printf("IP protocol  %u", proto);
	if (tcp_urgent)
		printf(", or TCP's with SYN, RST and urgent pointer 0x%x", tcp_urgent);
	putchar('\n');
}

static void print_numbers(uint32_t queues, uint32_t depth, uint32_t timeout_ms, uint32_t state)
{
	if (queues)
		printf("queues       %u of %u frames\n", queues, depth);
	if (timeout_ms)
		printf("watchdog     %u ms\n", timeout_ms);
	printf("state        version %u\n", state);
}

static void print_transport(struct json_object *obj, const struct etran_transport_info *t)
{
	struct json_object *array, *e;
	struct table *tab;
	char up[32];
	size_t i;

	uptime(t->loaded_ns, boot_now(), up, sizeof(up));
	printf("name         %s\n", get_str(obj, "name"));
	print_protocol(t->ip_proto, t->tcp_urgent);
	printf("since        %s, for %s\n", get_str(obj, "since"), up);
	if (t->replaced_ns)
		printf("replaced     %s\n", get_str(obj, "replaced"));
	printf("operations   version %s\n", get_str(obj, "ops_version"));
	print_numbers(t->queues, t->queue_depth, t->timeout_ms, t->state_version);
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
	out_u64(obj, "ops_version", o.version);
	if (o.filter) {
		json_object_object_add(obj, "priority", json_object_new_int(o.priority));
	} else {
		out_u64(obj, "ip_proto", o.ip_proto);
		out_u64(obj, "tcp_urgent", o.tcp_urgent);
		out_u64(obj, "queues", o.queues);
		out_u64(obj, "queue_depth", o.queue_depth);
		out_u64(obj, "timeout_ms", o.timeout_ms);
		out_u64(obj, "state_version", o.state_version);
	}
	out_str(obj, "object", o.path);
	json_object_object_add(obj, "tunables", tunables_of_object(&o));
	if (!opt_json) {
		struct json_object *array;

		printf("name         %s (%snot loaded)\n", o.name, o.filter ? "filter, " : "");
		printf("object       %s\n", o.path);
		if (o.filter)
			printf("priority     %d\n", o.priority);
		else
			print_protocol(o.ip_proto, o.tcp_urgent);
		printf("operations   version %u\n", o.version);
		if (!o.filter)
			print_numbers(o.queues, o.queue_depth, o.timeout_ms, o.state_version);
		json_object_object_get_ex(obj, "tunables", &array);
		puts(json_object_array_length(array) ? "tunables (--set TUNABLE=VALUE)" :
		     "tunables     none");
		print_tunables(array);
	}
	object_close(&o);
	answer(obj);
	return CTL_OK;
}

static int show_transport(int fd, const struct etran_transport_info *t)
{
	struct json_object *obj = json_transport(t);
	struct maps m = { .transport = t->name, .array = json_object_new_array() };

	out_bool(obj, "loaded", true);
	out_str(obj, "pin", pin_exists(t->name) ? pin_path(t->name, "") : NULL);
	json_object_object_add(obj, "devices", json_links(fd, NULL, 0));
	json_object_object_add(obj, "tunables", tunables_of_pins(t->name));
	pin_each(t->name, add_map, &m);
	json_object_object_add(obj, "maps", m.array);
	if (!opt_json)
		print_transport(obj, t);
	json_object_object_add(obj, "ended", exits(fd, t->name));
	answer(obj);
	return CTL_OK;
}

static int show_all(int fd)
{
	struct json_object *obj = json_object_new_object(), *array = json_object_new_array();
	struct etran_transport_info t;
	char cell[6][32];
	struct table *tab;
	uint32_t id = 0;
	int n = 0;

	tab = table_new(7, "NAME", "PROTO", "UPTIME", "ENDPOINTS", "QUEUES", "WATCHDOG", "STATE");
	for (; !device_transport(fd, id, &t); id = t.id + 1, n++) {
		json_object_array_add(array, json_transport(&t));
		snprintf(cell[0], sizeof(cell[0]), "%u", t.ip_proto);
		uptime(t.loaded_ns, boot_now(), cell[1], sizeof(cell[1]));
		snprintf(cell[2], sizeof(cell[2]), "%u", t.endpoints);
		snprintf(cell[3], sizeof(cell[3]), t.queues ? "%u of %u" : "-", t.queues,
			 t.queue_depth);
		snprintf(cell[4], sizeof(cell[4]), t.timeout_ms ? "%u ms" : "-", t.timeout_ms);
		snprintf(cell[5], sizeof(cell[5]), "%u", t.state_version);
		table_row(tab, t.name, cell[0], cell[1], cell[2], cell[3], cell[4], cell[5]);
	}
	if (!opt_json)
		table_print(tab);
	json_object_object_add(obj, "transports", array);
	json_object_object_add(obj, "ended", exits(fd, NULL));
	answer(obj);
	return CTL_OK;
}

/* One that is not loaded (any more). */
static int show_gone(int fd, const char *name)
{
	struct json_object *obj, *ended = exits(fd, name);

	if (!json_object_array_length(ended)) {
		json_object_put(ended);
		return fail(CTL_FAILURE, "no transport '%s' is loaded; 'etranctl list' shows which are",
			    name);
	}
	obj = json_object_new_object();
	out_str(obj, "name", name);
	out_bool(obj, "loaded", false);
	json_object_object_add(obj, "ended", ended);
	answer(obj);
	return CTL_OK;
}

int cmd_show(const struct ctl_args *args)
{
	const char *arg = args->nargs ? args->arg[0] : NULL;
	struct etran_transport_info t;
	bool loaded = false;
	char path[4096];
	int fd, status;

	if (args->nargs > 1)
		return fail(CTL_USAGE, "show takes the name of one transport, or one BPF object; 'etranctl list' shows the names");
	/* A loaded transport goes before a file of the same name; a path is always a file. */
	if (arg && !strchr(arg, '/')) {
		fd = device_open();
		if (fd >= 0) {
			loaded = !device_transport_by_name(fd, arg, &t);
			close(fd);
		}
	}
	if (arg && !loaded && (!object_find(arg, path, sizeof(path)) || strchr(arg, '/')))
		return show_object(arg);
	status = kernel_open(&fd);
	if (status)
		return status;
	/* Of another release its answer above may have meant something else. */
	if (!arg)
		status = show_all(fd);
	else if (loaded && !device_transport_by_name(fd, arg, &t))
		status = show_transport(fd, &t);
	else
		status = show_gone(fd, arg);
	close(fd);
	return status;
}
