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

int iter_selection(const struct ctl_args *args, struct iter_selection *s)
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

/* Complete records in @buf of @len bytes; *@used is how much of it they are. */
static int take_all(const struct iter_reader *r, const char *transport, const char *buf, size_t len,
		    size_t *used)
{
	uint32_t size;
	int status;

	for (*used = 0; len - *used >= sizeof(size); *used += size) {
		memcpy(&size, buf + *used, sizeof(size));
		if (size < r->least || size > 4096)
			return fail(CTL_FAILURE, "'%s' tells of its %s in records of %u bytes; use the"
				    " etranctl of its release", transport, r->what, size);
		if (len - *used < size)
			break;
		status = r->take(transport, buf + *used, size, r->arg);
		if (status)
			return status;
	}
	return CTL_OK;
}

static int read_one(const struct iter_reader *r, const char *transport)
{
	const char *path = pin_path(transport, r->pin);
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
				      " meanwhile?", r->what, transport, strerror(errno));
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

int iter_read(const struct ctl_args *args, const struct iter_reader *r)
{
	struct etran_transport_info t;
	int fd, status, found = 0;
	uint32_t id = 0;

	status = kernel_open(&fd);
	if (status)
		return status;
	for (; !status && !device_transport(fd, id, &t); id = t.id + 1) {
		if (args->nargs && strcmp(t.name, args->arg[0]))
			continue;
		found++;
		status = read_one(r, t.name);
		if (status != -ENOENT)
			continue;
		status = CTL_OK;
		if (args->nargs)
			status = fail(CTL_FAILURE, "'%s' does not tell of its %s: there is no %s; it has no"
				      " such iterator, or was loaded from another mount namespace", t.name,
				      r->what, pin_path(t.name, r->pin));
	}
	close(fd);
	if (!status && args->nargs && !found)
		status = fail(CTL_FAILURE, "no transport '%s' is loaded; 'etranctl list' shows which are",
			      args->arg[0]);
	return status;
}
