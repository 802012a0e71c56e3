// SPDX-License-Identifier: GPL-2.0
/*
 * What transports have under way, read for 'etranctl rpc' and 'etranctl conn'. Each transport tells by an iterator over
 * its own map, a program that is pinned beside its maps; reading that pin runs it. Only the transport knows what
 * its entries mean and which fields belong together. Rejected: reading the map and taking fields by their
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

#include "etranctl.h"

/* Iterators: name of the program, which is the pin's too, and of the map that it goes through. */
static const struct {
	const char *pin;
	const char *map;
} iters[] = {
	{ PIN_RPCS, "rpcs" },
	{ PIN_CONNS, "conns" },
};

#define NITERS	(sizeof(iters) / sizeof(*iters))

bool iter_is_pin(const char *name)
{
	size_t i;

	for (i = 0; i < NITERS; i++)
		if (!strcmp(iters[i].pin, name))
			return true;
	return false;
}

bool iter_has(const struct bpf_object *obj, const char *pin)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(obj, pin);
	size_t i;

	for (i = 0; i < NITERS; i++)
		if (!strcmp(iters[i].pin, pin))
			return prog && bpf_program__type(prog) == BPF_PROG_TYPE_TRACING &&
			       bpf_object__find_map_by_name(obj, iters[i].map);
	return false;
}

int iters_pin(struct bpf_object *obj, const char *transport, const char *(*name)(const char *pin))
{
	union bpf_iter_link_info info = {};
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_link *link;
	int err = 0;
	size_t i;

	for (i = 0; !err && i < NITERS; i++) {
		if (!iter_has(obj, iters[i].pin))
			continue;
		info.map.map_fd = bpf_map__fd(bpf_object__find_map_by_name(obj, iters[i].map));
		link = bpf_program__attach_iter(bpf_object__find_program_by_name(obj, iters[i].pin), &opts);
		if (!link)
			return -errno;
		err = bpf_obj_pin(bpf_link__fd(link), pin_path(transport, name ? name(iters[i].pin) :
									      iters[i].pin)) ? -errno : 0;
		bpf_link__destroy(link);
	}
	return err;
}

static int iter_selection(const struct ctl_args *args, struct iter_selection *s)
{
	struct in_addr v4;
	char *end;
	long port;

	memset(s, 0, sizeof(*s));
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

bool iter_wanted(const struct iter_selection *s, const uint32_t *peer, uint16_t port, uint16_t peer_port,
		 const char *state)
{
	return (!s->has_peer || !memcmp(&s->peer, peer, sizeof(s->peer))) &&
	       (!s->port || s->port == port || s->port == peer_port) &&
	       (!s->state || !strcasecmp(s->state, state));
}

void iter_address(const uint32_t *addr, char *buf, size_t len)
{
	if (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)addr))
		inet_ntop(AF_INET, &addr[3], buf, len);
	else
		inet_ntop(AF_INET6, addr, buf, len);
}

void iter_address_port(const uint32_t *addr, uint16_t port, char *buf, size_t len)
{
	char text[INET6_ADDRSTRLEN];

	iter_address(addr, text, sizeof(text));
	snprintf(buf, len, strchr(text, ':') ? "[%s]:%u" : "%s:%u", text, port);
}

/**
 * struct reading - an iterator's answer on its way into a list
 * @kind: what it tells of
 * @s: what is of interest
 * @list: where it goes
 */
struct reading {
	const struct iter_kind *kind;
	struct iter_selection s;
	struct iter_list *list;
};

static int take(struct reading *r, const char *transport, const void *record, uint32_t size)
{
	const struct iter_kind *kind = r->kind;
	struct iter_list *list = r->list;
	struct iter_entry *e;
	void *copy;

	copy = calloc(1, kind->size);
	if (!copy)
		goto no_memory;
	memcpy(copy, record, size < kind->size ? size : kind->size);
	if (!kind->wanted(&r->s, copy)) {
		free(copy);
		return CTL_OK;
	}
	/* In steps: there may be a hundred thousand. */
	if (!(list->n & (list->n - 1))) {
		e = realloc(list->entry, (list->n ? 2 * list->n : 1) * sizeof(*e));
		if (!e) {
			free(copy);
			goto no_memory;
		}
		list->entry = e;
	}
	e = &list->entry[list->n++];
	e->kind = kind;
	snprintf(e->transport, sizeof(e->transport), "%s", transport);
	e->record = copy;
	return CTL_OK;
no_memory:
	return fail(CTL_FAILURE, "out of memory; free some");
}

/* Complete records in @buf of @len bytes; *@used is how much of it they are. */
static int take_all(struct reading *r, const char *transport, const char *buf, size_t len, size_t *used)
{
	uint32_t size;
	int status;

	for (*used = 0; len - *used >= sizeof(size); *used += size) {
		memcpy(&size, buf + *used, sizeof(size));
		if (size < r->kind->least || size > 4096)
			return fail(CTL_FAILURE, "'%s' tells of its %s in records of %u bytes; use the"
				    " etranctl of its release", transport, r->kind->what, size);
		if (len - *used < size)
			break;
		status = take(r, transport, buf + *used, size);
		if (status)
			return status;
	}
	return CTL_OK;
}

static int read_one(struct reading *r, const char *transport)
{
	const char *path = pin_path(transport, r->kind->pin);
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
			status = fail(CTL_FAILURE, "cannot read the %s of '%s': %s; was it unloaded"
				      " meanwhile?", r->kind->what, transport, strerror(errno));
		if (n <= 0)
			break;
		len += n;
		status = take_all(r, transport, buf, len, &used);
		len -= used;
		memmove(buf, buf + used, len);
	}
	close(fd);
	return status;
}

static int by_transport(const void *a, const void *b)
{
	const struct iter_entry *x = a, *y = b;
	int order = strcmp(x->transport, y->transport);

	return order ? order : x->kind->order(x->record, y->record);
}

static void list_free(struct iter_list *list)
{
	while (list->n)
		free(list->entry[--list->n].record);
	free(list->entry);
}

static int read_all(const struct ctl_args *args, const struct iter_kind *kind, struct iter_list *list)
{
	struct reading r = { .kind = kind, .list = list };
	struct etran_transport_info t;
	int fd, status, found = 0;
	uint32_t id = 0;

	status = iter_selection(args, &r.s);
	if (!status)
		status = kernel_open(&fd);
	if (status)
		return status;
	for (; !status && !device_transport(fd, id, &t); id = t.id + 1) {
		if (args->nargs && strcmp(t.name, args->arg[0]))
			continue;
		found++;
		status = read_one(&r, t.name);
		if (status != -ENOENT)
			continue;
		status = CTL_OK;
		if (args->nargs)
			status = fail(CTL_FAILURE, "'%s' does not tell of its %s: there is no %s; it has no"
				      " such iterator, or was loaded from another mount namespace", t.name,
				      kind->what, pin_path(t.name, kind->pin));
	}
	close(fd);
	if (!status && args->nargs && !found)
		status = fail(CTL_FAILURE, "no transport '%s' is loaded; 'etranctl list' shows which are",
			      args->arg[0]);
	if (!status && list->n)
		qsort(list->entry, list->n, sizeof(*list->entry), by_transport);
	return status;
}

int iter_show(const struct ctl_args *args, const struct iter_kind *kind)
{
	struct iter_list list = {};
	struct json_object *array;
	int status;
	size_t i;

	if (args->nargs > 1)
		return fail(CTL_USAGE, "%s takes the name of one transport; 'etranctl list' shows the names",
			    kind->command);
	status = read_all(args, kind, &list);
	if (!status) {
		array = json_object_new_array();
		for (i = 0; opt_json && i < list.n; i++)
			json_object_array_add(array, kind->json(&list.entry[i]));
		answer(array);
		if (!opt_json)
			kind->print(&list);
	}
	list_free(&list);
	return status;
}
