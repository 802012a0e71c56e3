// SPDX-License-Identifier: GPL-2.0
/*
 * etranctl rpc: what transports have under way. Each transport tells by an iterator over its own map, a
 * program that is pinned beside its maps; reading that pin runs it. Only the transport knows what its
 * entries mean and which fields belong together. Rejected: reading the map and taking fields by their
 * names in BTF, which makes every layout an interface, and cannot say what follows from several fields.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <etran/rpc.h>

#include "etranctl.h"

/* Name of the program, and of the map that it goes through. */
#define ITER_PROG	"show_rpcs"
#define ITER_MAP	"rpcs"

/* Behind the transport's name, as they are read. */
struct record {
	char transport[ETRAN_NAME_LEN];
	struct etran_rpc_record r;
};

/**
 * struct selection - which RPCs are of interest
 * @peer: address, if @has_peer
 * @has_peer: by address
 * @port: at either end, 0 for any
 * @state: NULL for any
 * @list: those found
 * @n: how many
 */
struct selection {
	struct in6_addr peer;
	bool has_peer;
	uint16_t port;
	const char *state;
	struct record *list;
	size_t n;
};

int rpc_iter_pin(struct bpf_object *obj, const char *path)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(obj, ITER_PROG);
	struct bpf_map *map = bpf_object__find_map_by_name(obj, ITER_MAP);
	union bpf_iter_link_info info = {};
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_link *link;
	int err;

	if (!prog || !map || bpf_program__type(prog) != BPF_PROG_TYPE_TRACING)
		return -ENOENT;
	info.map.map_fd = bpf_map__fd(map);
	link = bpf_program__attach_iter(prog, &opts);
	if (!link)
		return -errno;
	err = bpf_obj_pin(bpf_link__fd(link), path) ? -errno : 0;
	bpf_link__destroy(link);
	return err;
}

static bool wanted(const struct selection *s, const struct etran_rpc_record *r)
{
	return (!s->has_peer || !memcmp(&s->peer, r->peer, sizeof(r->peer))) &&
	       (!s->port || s->port == r->port || s->port == r->peer_port) &&
	       (!s->state || !strcmp(s->state, r->state));
}

static int take(struct selection *s, const char *transport, const struct etran_rpc_record *r)
{
	struct record *p;

	if (!wanted(s, r))
		return CTL_OK;
	/* In steps: there may be a hundred thousand. */
	if (!(s->n & (s->n - 1))) {
		p = realloc(s->list, (s->n ? 2 * s->n : 1) * sizeof(*p));
		if (!p)
			return fail(CTL_FAILURE, "out of memory; free some");
		s->list = p;
	}
	p = &s->list[s->n++];
	snprintf(p->transport, sizeof(p->transport), "%s", transport);
	p->r = *r;
	return CTL_OK;
}

/* Complete records in @buf of @len bytes; *@used is how much of it they are. */
static int take_all(struct selection *s, const char *transport, const char *buf, size_t len,
		    size_t *used)
{
	struct etran_rpc_record r;
	uint32_t size;
	int status;

	for (*used = 0; len - *used >= sizeof(size); *used += size) {
		memcpy(&size, buf + *used, sizeof(size));
		if (size < offsetof(struct etran_rpc_record, age_ns) || size > 4096)
			return fail(CTL_FAILURE, "'%s' tells of its RPCs in records of %u bytes; use the"
				    " etranctl of its release", transport, size);
		if (len - *used < size)
			break;
		memset(&r, 0, sizeof(r));
		memcpy(&r, buf + *used, size < sizeof(r) ? size : sizeof(r));
		r.state[sizeof(r.state) - 1] = 0;
		status = take(s, transport, &r);
		if (status)
			return status;
	}
	return CTL_OK;
}

static int read_rpcs(struct selection *s, const char *transport)
{
	const char *path = pin_path(transport, PIN_RPCS);
	size_t len = 0, used;
	int status = CTL_OK;
	char buf[16384];
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0)
		return fail(CTL_FAILURE, "cannot open %s: %s; are you root?", path, strerror(errno));
	while (!status) {
		n = read(fd, buf + len, sizeof(buf) - len);
		/* The kernel had enough of entries about which nothing was said. */
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			status = fail(CTL_FAILURE, "cannot read the RPCs of '%s': %s; was it unloaded"
				      " meanwhile?", transport, strerror(errno));
		if (n <= 0)
			break;
		len += n;
		status = take_all(s, transport, buf, len, &used);
		len -= used;
		memmove(buf, buf + used, len);
	}
	close(fd);
	return status;
}

/* The oldest first. */
static int by_age(const void *a, const void *b)
{
	const struct record *x = a, *y = b;
	int order = strcmp(x->transport, y->transport);

	if (order)
		return order;
	return (x->r.age_ns < y->r.age_ns) - (x->r.age_ns > y->r.age_ns);
}

static void address(const struct etran_rpc_record *r, char *buf, size_t len)
{
	if (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)r->peer))
		inet_ntop(AF_INET, &r->peer[3], buf, len);
	else
		inet_ntop(AF_INET6, r->peer, buf, len);
}

static struct json_object *json_rpc(const struct record *rec)
{
	const struct etran_rpc_record *r = &rec->r;
	struct json_object *obj = json_object_new_object();
	char addr[INET6_ADDRSTRLEN];

	address(r, addr, sizeof(addr));
	out_str(obj, "transport", rec->transport);
	out_u64(obj, "id", r->id);
	out_str(obj, "role", r->flags & ETRAN_RPC_SERVER ? "server" : "client");
	out_str(obj, "state", r->state);
	out_str(obj, "peer", addr);
	out_u64(obj, "peer_port", r->peer_port);
	out_u64(obj, "port", r->port);
	out_u64(obj, "link", r->link);
	out_u64(obj, "endpoint", r->endpoint);
	out_u64(obj, "sent", r->sent);
	out_u64(obj, "send_length", r->send_len);
	out_u64(obj, "received", r->received);
	out_u64(obj, "receive_length", r->receive_len);
	out_u64(obj, "age_ns", r->age_ns);
	out_u64(obj, "quiet_ns", r->quiet_ns);
	out_u64(obj, "error", r->error);
	return obj;
}

/* "1.2 ms": three digits are enough. */
static void duration(uint64_t ns, char *buf, size_t len)
{
	static const char * const units[] = { "us", "ms", "s" };
	double v = ns / 1000.0;
	int i;

	for (i = 0; i < 2 && v >= 1000; i++)
		v /= 1000;
	snprintf(buf, len, v < 10 ? "%.2f %s" : v < 100 ? "%.1f %s" : "%.0f %s", v, units[i]);
}

static void bytes(uint32_t done, uint32_t all, char *buf, size_t len)
{
	if (all)
		snprintf(buf, len, "%u/%u", done, all);
	else
		snprintf(buf, len, "-");
}

static void print_rpcs(const struct selection *s)
{
	char id[24], peer[INET6_ADDRSTRLEN + 8], addr[INET6_ADDRSTRLEN], port[8], sent[24], received[24];
	char age[32], quiet[32];
	struct table *tab = table_new(10, "TRANSPORT", "ID", "ROLE", "STATE", "PEER", "PORT", "SENT",
				      "RECEIVED", "AGE", "QUIET");
	size_t i;

	for (i = 0; i < s->n; i++) {
		const struct etran_rpc_record *r = &s->list[i].r;

		address(r, addr, sizeof(addr));
		snprintf(id, sizeof(id), "%" PRIu64, (uint64_t)r->id);
		snprintf(peer, sizeof(peer), strchr(addr, ':') ? "[%s]:%u" : "%s:%u", addr, r->peer_port);
		snprintf(port, sizeof(port), "%u", r->port);
		bytes(r->sent, r->send_len, sent, sizeof(sent));
		bytes(r->received, r->receive_len, received, sizeof(received));
		duration(r->age_ns, age, sizeof(age));
		duration(r->quiet_ns, quiet, sizeof(quiet));
		table_row(tab, s->list[i].transport, id, r->flags & ETRAN_RPC_SERVER ? "server" : "client",
			  r->state, peer, port, sent, received, age, quiet);
	}
	table_print(tab);
}

static int parse_selection(const struct ctl_args *args, struct selection *s)
{
	struct in_addr v4;
	char *end;
	long port;

	if (args->peer) {
		s->has_peer = true;
		if (inet_pton(AF_INET, args->peer, &v4) == 1) {
			s->peer.s6_addr16[5] = 0xffff;
			s->peer.s6_addr32[3] = v4.s_addr;
		} else if (inet_pton(AF_INET6, args->peer, &s->peer) != 1) {
			return fail(CTL_USAGE, "--peer %s is no address; give an IPv4 or IPv6 address",
				    args->peer);
		}
	}
	if (args->port) {
		errno = 0;
		port = strtol(args->port, &end, 0);
		if (errno || *end || end == args->port || port < 1 || port > 65535)
			return fail(CTL_USAGE, "--port %s is no port; give a number from 1 to 65535",
				    args->port);
		s->port = port;
	}
	s->state = args->state;
	return CTL_OK;
}

int cmd_rpc(const struct ctl_args *args)
{
	struct selection s = {};
	struct etran_transport_info t;
	struct json_object *array;
	int fd, status, found = 0;
	uint32_t id = 0;
	size_t i;

	if (args->nargs > 1)
		return fail(CTL_USAGE, "rpc takes the name of one transport; 'etranctl list' shows the names");
	status = parse_selection(args, &s);
	if (status)
		return status;
	status = kernel_open(&fd);
	if (status)
		return status;
	for (; !status && !device_transport(fd, id, &t); id = t.id + 1) {
		if (args->nargs && strcmp(t.name, args->arg[0]))
			continue;
		found++;
		status = read_rpcs(&s, t.name);
		if (status != -ENOENT)
			continue;
		status = CTL_OK;
		if (args->nargs)
			status = fail(CTL_FAILURE, "'%s' does not tell of its RPCs: there is no %s; it has no"
				      " such iterator, or was loaded from another mount namespace", t.name,
				      pin_path(t.name, PIN_RPCS));
	}
	close(fd);
	if (!status && args->nargs && !found)
		status = fail(CTL_FAILURE, "no transport '%s' is loaded; 'etranctl list' shows which are",
			      args->arg[0]);
	if (!status) {
		if (s.n)
			qsort(s.list, s.n, sizeof(*s.list), by_age);
		array = json_object_new_array();
		for (i = 0; opt_json && i < s.n; i++)
			json_object_array_add(array, json_rpc(&s.list[i]));
		answer(array);
		if (!opt_json)
			print_rpcs(&s);
	}
	free(s.list);
	return status;
}
