// SPDX-License-Identifier: GPL-2.0
/* etranctl rpc: what transports have under way, as their iterators tell (iter.c). */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <etran/rpc.h>

#include "etranctl.h"

/* Behind the transport's name, as they are read. */
struct record {
	char transport[ETRAN_NAME_LEN];
	struct etran_rpc_record r;
};

/**
 * struct selection - which RPCs are of interest
 * @s: by peer, port, state
 * @list: those found
 * @n: how many
 */
struct selection {
	struct iter_selection s;
	struct record *list;
	size_t n;
};

static int take(const char *transport, const void *record, uint32_t size, void *arg)
{
	struct etran_rpc_record r = {};
	struct selection *s = arg;
	struct record *p;

	memcpy(&r, record, size < sizeof(r) ? size : sizeof(r));
	r.state[sizeof(r.state) - 1] = 0;
	if (!iter_wanted(&s->s, r.peer, r.port, r.peer_port, r.state))
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
	p->r = r;
	return CTL_OK;
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

static struct json_object *json_rpc(const struct record *rec)
{
	const struct etran_rpc_record *r = &rec->r;
	struct json_object *obj = json_object_new_object();
	char addr[INET6_ADDRSTRLEN];

	iter_address(r->peer, addr, sizeof(addr));
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
	char id[24], peer[INET6_ADDRSTRLEN + 8], port[8], sent[24], received[24];
	char age[32], quiet[32];
	struct table *tab = table_new(10, "TRANSPORT", "ID", "ROLE", "STATE", "PEER", "PORT", "SENT",
				      "RECEIVED", "AGE", "QUIET");
	size_t i;

	for (i = 0; i < s->n; i++) {
		const struct etran_rpc_record *r = &s->list[i].r;

		snprintf(id, sizeof(id), "%" PRIu64, (uint64_t)r->id);
		iter_address_port(r->peer, r->peer_port, peer, sizeof(peer));
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

int cmd_rpc(const struct ctl_args *args)
{
	struct selection s = {};
	const struct iter_reader reader = {
		.pin = PIN_RPCS, .what = "RPCs", .least = offsetof(struct etran_rpc_record, age_ns),
		.take = take, .arg = &s,
	};
	struct json_object *array;
	int status;
	size_t i;

	if (args->nargs > 1)
		return fail(CTL_USAGE, "rpc takes the name of one transport; 'etranctl list' shows the names");
	status = iter_selection(args, &s.s);
	if (!status)
		status = iter_read(args, &reader);
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
