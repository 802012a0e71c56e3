// SPDX-License-Identifier: GPL-2.0
/*
 * etranctl stats: the module's counters (which describe themselves, so that this tool needs no list
 * of them), those of each transport and link device, and a transport's own.
 *
 * A transport's own counters are a convention: a map `counters` (BPF_MAP_TYPE_PERCPU_ARRAY of u64)
 * whose indices are an `enum transport_counter { COUNTER_<NAME>, ... }` in the object's BTF.
 *
 * The conservation sums are printed with every scope that has their terms. Counters move while they
 * are read, so under traffic a sum may be off by what was on its way; at rest it may not.
 *
 * With -w all of that is asked for anew each time, /dev/etran included, so that a tool which only
 * looks keeps nobody from unloading the module. Rates come from the answer before, which is kept as
 * it was given, in JSON.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "etranctl.h"

#define COUNTER_PREFIX	"COUNTER_"

#define NSEC_PER_SEC	1000000000LL

/* Of -w; the first time there is nothing to compare with. */
static struct json_object *answer_before;
static double seconds_since;

/* One conservation law: the first counter is the sum of the others. */
static const struct sum {
	const char *name;
	const char *total;
	const char *part[5];
} sums[] = {
	{ "frames", "frames_accepted", { "frames_transmitted", "frames_dropped", "frames_held",
					 "frames_queued", "frames_retained" } },
	{ "packets", "packets_built", { "packets_sent", "packets_dropped" } },
};

static const struct etran_counter *find(const struct etran_counter *c, uint32_t n, const char *name)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(c[i].name, name))
			return &c[i];
	return NULL;
}

static void add_sums(struct json_object *scope, const struct etran_counter *c, uint32_t n)
{
	struct json_object *all = json_object_new_object(), *obj;
	const struct etran_counter *total, *part;
	uint64_t sum;
	size_t i, k;

	for (i = 0; i < sizeof(sums) / sizeof(*sums); i++) {
		total = find(c, n, sums[i].total);
		if (!total)
			continue;
		obj = json_object_new_object();
		out_u64(obj, sums[i].total, total->value);
		for (k = 0, sum = 0; k < 5 && sums[i].part[k]; k++) {
			part = find(c, n, sums[i].part[k]);
			if (!part)
				break;
			out_u64(obj, sums[i].part[k], part->value);
			sum += part->value;
		}
		if (k < 5 && sums[i].part[k]) {
			json_object_put(obj);
			continue;
		}
		json_object_object_add(obj, "difference",
				       json_object_new_int64((int64_t)(total->value - sum)));
		out_bool(obj, "holds", total->value == sum);
		json_object_object_add(all, sums[i].name, obj);
	}
	json_object_object_add(scope, "sums", all);
}

static void print_sums(struct json_object *scope)
{
	struct json_object *all, *diff;

	json_object_object_get_ex(scope, "sums", &all);
	json_object_object_foreach(all, key, obj) {
		const char *op = " = ";
		bool first = true;

		printf("  %s: ", key);
		json_object_object_foreach(obj, term, value) {
			if (!strcmp(term, "difference") || !strcmp(term, "holds"))
				continue;
			printf("%s%s %s", first ? "" : op, term, json_object_get_string(value));
			if (!first)
				op = " + ";
			first = false;
		}
		json_object_object_get_ex(obj, "difference", &diff);
		if (json_object_get_int64(diff))
			printf("  off by %s\n", json_object_get_string(diff));
		else
			puts("  holds");
	}
}

/* ---- rates ---- */

/* What the answer before said of a scope: @list is "transports" or "links", NULL for the module. */
static struct json_object *scope_before(const char *list, uint32_t id)
{
	struct json_object *array, *scope, *value;
	size_t i;

	if (!list)
		return json_object_object_get(answer_before, "module");
	array = json_object_object_get(answer_before, list);
	for (i = 0; array && i < json_object_array_length(array); i++) {
		scope = json_object_array_get_idx(array, i);
		value = json_object_object_get(scope, "id");
		if (json_object_get_uint64(value) == id)
			return scope;
	}
	return NULL;
}

/*
 * By how much a counter grew in a second: to @obj as "rate", and to @text. Nothing of a scope that was
 * not there before, or of a counter that began anew.
 */
static void add_rate(struct json_object *obj, struct json_object *before, const char *array,
		     const char *name, uint64_t value, char *text, size_t size)
{
	struct json_object *list = json_object_object_get(before, array), *was;
	uint64_t from = 0;
	size_t i;

	snprintf(text, size, "%s", "");
	if (!list)
		return;
	for (i = 0; i < json_object_array_length(list); i++) {
		was = json_object_array_get_idx(list, i);
		if (!strcmp(json_object_get_string(json_object_object_get(was, "name")), name))
			from = json_object_get_uint64(json_object_object_get(was, "value"));
	}
	if (from > value)
		return;
	snprintf(text, size, "%.1f", (double)(value - from) / seconds_since);
	json_object_object_add(obj, "rate", json_object_new_double_s(strtod(text, NULL), text));
	snprintf(text + strlen(text), size - strlen(text), "/s");
}

/* One line of text; @rate is empty for what has none. */
static void print_counter(int width, const char *name, uint64_t value, const char *rate,
			  const char *text)
{
	printf("  %-*s %12" PRIu64, width, name, value);
	if (answer_before)
		printf(" %14s", rate);
	printf("%s%s\n", *text ? "  " : "", text);
}

/* Prints one scope's counters and adds them to @scope. @before: that scope in the answer before. */
static void take_counters(struct json_object *scope, struct json_object *before,
			  const struct etran_counter *c, uint32_t n, bool zeros)
{
	struct json_object *array = json_object_new_array(), *obj;
	int width = 0, shown = 0;
	char rate[32];
	uint32_t i;

	for (i = 0; i < n; i++)
		if ((zeros || c[i].value) && (int)strlen(c[i].name) > width)
			width = strlen(c[i].name);
	for (i = 0; i < n; i++) {
		if (!zeros && !c[i].value)
			continue;
		obj = json_object_new_object();
		out_str(obj, "name", c[i].name);
		out_u64(obj, "value", c[i].value);
		*rate = 0;
		/* What is kept now is no event that happens so often. */
		if (!(c[i].flags & ETRAN_COUNTER_GAUGE))
			add_rate(obj, before, "counters", c[i].name, c[i].value, rate, sizeof(rate));
		out_str(obj, "text", c[i].text);
		out_bool(obj, "gauge", c[i].flags & ETRAN_COUNTER_GAUGE);
		out_bool(obj, "drop", c[i].flags & ETRAN_COUNTER_DROP);
		json_object_array_add(array, obj);
		shown++;
		if (!opt_json)
			print_counter(width, c[i].name, c[i].value, rate, c[i].text);
	}
	if (!shown && !opt_json)
		puts(zeros ? "  no counters" : "  all counters are zero");
	json_object_object_add(scope, "counters", array);
	add_sums(scope, c, n);
	if (!opt_json)
		print_sums(scope);
}

static int scope_counters(int fd, struct json_object *scope, struct json_object *before,
			  uint32_t kind, uint32_t id, bool zeros)
{
	struct etran_counter *c;
	uint32_t n;
	int err;

	err = device_counters(fd, kind, id, &c, &n);
	/* What went away meanwhile has no counters any more. */
	if (err == -ENOENT || err == -ENODEV)
		return CTL_OK;
	if (err)
		return fail(CTL_FAILURE, "cannot read the counters: %s; do module and etranctl match"
			    " ('etranctl version')?", strerror(-err));
	take_counters(scope, before, c, n, zeros);
	free(c);
	return CTL_OK;
}

/* The name of index @idx by the enum in @btf, in lower case without its prefix. */
static void own_name(const struct btf *btf, uint32_t idx, char *buf, size_t len)
{
	const struct btf_type *t = NULL;
	const char *name = NULL;
	int id, i;

	id = btf ? btf__find_by_name_kind(btf, "transport_counter", BTF_KIND_ENUM) : -ENOENT;
	if (id > 0)
		t = btf__type_by_id(btf, id);
	for (i = 0; t && i < btf_vlen(t); i++)
		if ((uint32_t)btf_enum(t)[i].val == idx)
			name = btf__name_by_offset(btf, btf_enum(t)[i].name_off);
	if (!name) {
		snprintf(buf, len, "counter_%u", idx);
		return;
	}
	if (!strncmp(name, COUNTER_PREFIX, strlen(COUNTER_PREFIX)))
		name += strlen(COUNTER_PREFIX);
	snprintf(buf, len, "%s", name);
	for (; *buf; buf++)
		*buf = tolower((unsigned char)*buf);
}

/* How many of the map's entries the enum names; a map may have room for more. */
static uint32_t own_count(const struct btf *btf, uint32_t max)
{
	const struct btf_type *t;
	uint32_t n = 0;
	int id, i;

	id = btf ? btf__find_by_name_kind(btf, "transport_counter", BTF_KIND_ENUM) : -ENOENT;
	if (id <= 0)
		return max;
	t = btf__type_by_id(btf, id);
	for (i = 0; i < btf_vlen(t); i++) {
		uint32_t val = btf_enum(t)[i].val;

		/* The member that only says how many there are lies beyond the map. */
		if (val < max && val + 1 > n)
			n = val + 1;
	}
	return n;
}

static void own_counters(struct json_object *scope, struct json_object *before,
			 const char *transport, bool zeros)
{
	struct json_object *array = json_object_new_array(), *obj;
	struct bpf_map_info info = {};
	__u32 len = sizeof(info), i, n;
	int fd, cpus, cpu, width = 0;
	struct btf *btf = NULL;
	uint64_t *value = NULL, *sum = NULL;
	char name[64], rate[32];

	fd = pin_map_fd(transport, "counters");
	if (fd < 0)
		goto out;
	cpus = libbpf_num_possible_cpus();
	if (bpf_map_get_info_by_fd(fd, &info, &len) || cpus < 1 ||
	    info.type != BPF_MAP_TYPE_PERCPU_ARRAY || info.value_size != sizeof(uint64_t))
		goto out;
	if (info.btf_id)
		btf = btf__load_from_kernel_by_id(info.btf_id);
	n = own_count(btf, info.max_entries);
	value = calloc(cpus, sizeof(*value));
	sum = calloc(n ? n : 1, sizeof(*sum));
	if (!value || !sum)
		goto out;
	for (i = 0; i < n; i++) {
		if (bpf_map_lookup_elem(fd, &i, value))
			break;
		for (cpu = 0; cpu < cpus; cpu++)
			sum[i] += value[cpu];
		own_name(btf, i, name, sizeof(name));
		if ((zeros || sum[i]) && (int)strlen(name) > width)
			width = strlen(name);
	}
	for (i = 0; i < n; i++) {
		if (!zeros && !sum[i])
			continue;
		own_name(btf, i, name, sizeof(name));
		obj = json_object_new_object();
		out_str(obj, "name", name);
		out_u64(obj, "value", sum[i]);
		add_rate(obj, before, "own", name, sum[i], rate, sizeof(rate));
		json_object_array_add(array, obj);
		if (!opt_json) {
			if (json_object_array_length(array) == 1)
				puts(" its own:");
			print_counter(width, name, sum[i], rate, "");
		}
	}
out:
	free(value);
	free(sum);
	btf__free(btf);
	if (fd >= 0)
		close(fd);
	json_object_object_add(scope, "own", array);
}

static int link_stats(int fd, struct json_object *list, const struct etran_link_info *link, bool zeros)
{
	struct json_object *scope = json_object_new_object();
	struct netns ns = { .fd = -1 };
	char name[256];

	if (link->netns != netns_own_ino() && netns_open_ino(&ns, link->netns))
		snprintf(ns.name, sizeof(ns.name), "netns:%u", link->netns);
	netns_ifname(&ns, link->name, name, sizeof(name));
	out_u64(scope, "id", link->id);
	out_str(scope, "name", link->name);
	out_str(scope, "netns", *ns.name ? ns.name : NULL);
	out_str(scope, "lower", *link->lower_name ? link->lower_name : NULL);
	json_object_array_add(list, scope);
	netns_close(&ns);
	if (!opt_json)
		printf("link device %s on %s\n", name, *link->lower_name ? link->lower_name : "nothing");
	return scope_counters(fd, scope, scope_before("links", link->id), ETRAN_COUNTERS_LINK,
			      link->id, zeros);
}

/* The link device that --dev means, given its own name or that of the device underneath. */
static int find_link(int fd, const char *dev, struct etran_link_info *link)
{
	char ifname[IFNAMSIZ];
	struct netns ns;
	uint32_t id = 0;
	int err;

	err = netns_parse_dev(dev, &ns, ifname);
	if (err == -EINVAL || err == -ENAMETOOLONG)
		return fail(CTL_USAGE, "--dev %s: not a device name; give it as --dev [NETNS/]IF", dev);
	if (err)
		return fail(CTL_FAILURE, "--dev %s: cannot open that network namespace: %s;"
			    " 'ip netns list' shows which there are", dev, strerror(-err));
	netns_close(&ns);
	for (; !device_link(fd, id, link); id = link->id + 1)
		if (link->netns == ns.ino &&
		    (!strcmp(link->name, ifname) || !strcmp(link->lower_name, ifname)))
			return CTL_OK;
	return fail(CTL_FAILURE, "'%s' is no link device and has none; 'etranctl list' shows them", dev);
}

static int transport_stats(int fd, struct json_object *list, const struct etran_transport_info *t,
			   bool zeros)
{
	struct json_object *scope = json_object_new_object();
	struct json_object *before = scope_before("transports", t->id);
	int status;

	out_u64(scope, "id", t->id);
	out_str(scope, "name", t->name);
	json_object_array_add(list, scope);
	if (!opt_json)
		printf("transport %s\n", t->name);
	status = scope_counters(fd, scope, before, ETRAN_COUNTERS_TRANSPORT, t->id, zeros);
	own_counters(scope, before, t->name, zeros);
	return status;
}

/* Reads and prints everything that was asked for; what is JSON of it goes to *@objp. */
static int print_stats(const struct ctl_args *args, struct json_object **objp)
{
	const char *only = args->nargs ? args->arg[0] : NULL;
	struct json_object *obj, *scope, *transports, *links;
	struct etran_transport_info t;
	struct etran_link_info link;
	bool found = false;
	uint32_t id;
	int fd, status, i;

	status = kernel_open(&fd);
	if (status)
		return status;
	obj = json_object_new_object();
	transports = json_object_new_array();
	links = json_object_new_array();

	/* A name or a device narrows it down to that. */
	if (!only && !args->ndev) {
		scope = json_object_new_object();
		json_object_object_add(obj, "module", scope);
		if (!opt_json)
			puts("module");
		status = scope_counters(fd, scope, scope_before(NULL, 0), ETRAN_COUNTERS_MODULE, 0,
					args->all);
	}
	for (id = 0; !status && (only || !args->ndev) && !device_transport(fd, id, &t);
	     id = t.id + 1) {
		if (only && strcmp(t.name, only))
			continue;
		found = true;
		status = transport_stats(fd, transports, &t, args->all);
	}
	if (!status && only && !found)
		status = fail(CTL_FAILURE, "no transport '%s' is loaded; 'etranctl list' shows which are",
			      only);
	for (i = 0; !status && i < args->ndev; i++) {
		status = find_link(fd, args->dev[i], &link);
		if (!status)
			status = link_stats(fd, links, &link, args->all);
	}
	for (id = 0; !status && !only && !args->ndev && !device_link(fd, id, &link);
	     id = link.id + 1)
		status = link_stats(fd, links, &link, args->all);

	json_object_object_add(obj, "transports", transports);
	json_object_object_add(obj, "links", links);
	close(fd);
	*objp = obj;
	return status;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

/* Waits until @until. Return: whether one of @signals came meanwhile. */
static bool ended(const sigset_t *signals, int64_t until)
{
	struct timespec wait;
	int64_t left;
	int sig;

	do {
		left = until - now_ns();
		if (left < 0)
			left = 0;
		wait.tv_sec = left / NSEC_PER_SEC;
		wait.tv_nsec = left % NSEC_PER_SEC;
		sig = sigtimedwait(signals, NULL, &wait);
	} while (sig < 0 && errno == EINTR);
	return sig > 0;
}

/*
 * Again and again. Signals that end it are blocked and waited for, so none falls into the middle of
 * an answer, or between looking for it and sleeping.
 */
static int watch(const struct ctl_args *args, int64_t interval)
{
	struct json_object *obj;
	int64_t read_ns, next, was = 0;
	char text[64];
	int status;
	sigset_t ends;
	time_t wall;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	for (next = now_ns();; was = read_ns) {
		wall = time(NULL);
		strftime(text, sizeof(text), "%F %T", localtime(&wall));
		if (!opt_json && isatty(STDOUT_FILENO))
			printf("\033[H\033[J");
		else if (!opt_json && was)
			putchar('\n');
		if (!opt_json)
			printf("%s, every %s s; Ctrl-C ends it\n", text, args->watch);
		read_ns = now_ns();
		seconds_since = (double)(read_ns - was) / NSEC_PER_SEC;
		obj = NULL;
		status = print_stats(args, &obj);
		if (status) {
			json_object_put(obj);
			break;
		}
		out_u64(obj, "time", wall);
		json_object_put(answer_before);
		answer_before = json_object_get(obj);
		answer(obj);
		answer_now();
		/* Nobody reads it any more, or cannot: main() says so. */
		if (fflush(stdout) || ferror(stdout))
			break;
		/* What took longer than an interval is left out, not made up for. */
		do {
			next += interval;
		} while (next <= now_ns());
		if (ended(&ends, next))
			break;
	}
	json_object_put(answer_before);
	answer_before = NULL;
	return status;
}

int cmd_stats(const struct ctl_args *args)
{
	struct json_object *obj = NULL;
	double seconds;
	char *end;
	int status;

	if (args->nargs > 1)
		return fail(CTL_USAGE, "stats takes the name of one transport at most; leave the rest out");
	if (args->watch) {
		seconds = strtod(args->watch, &end);
		if (end == args->watch || *end || !(seconds >= 0.1 && seconds <= 86400))
			return fail(CTL_USAGE, "--watch %s: not a number of seconds; give 0.1 to 86400",
				    args->watch);
		return watch(args, seconds * NSEC_PER_SEC);
	}
	status = print_stats(args, &obj);
	answer(obj);
	return status;
}
