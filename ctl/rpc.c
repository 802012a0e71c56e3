// SPDX-License-Identifier: GPL-2.0
/* etranctl rpc: what transports have under way, as their iterators tell (iter.c). */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <etran/rpc.h>

#include "etranctl.h"

static bool wanted(const struct iter_selection *s, void *record)
{
	struct etran_rpc_record *r = record;

	r->state[sizeof(r->state) - 1] = 0;
	return iter_wanted(s, r->peer, r->port, r->peer_port, r->state);
}

/* The oldest first. */
static int by_age(const void *a, const void *b)
{
	const struct etran_rpc_record *x = a, *y = b;

	return (x->age_ns < y->age_ns) - (x->age_ns > y->age_ns);
}

static struct json_object *json_rpc(const struct iter_entry *e)
{
	const struct etran_rpc_record *r = e->record;
	struct json_object *obj = json_object_new_object();
	char addr[INET6_ADDRSTRLEN];

	iter_address(r->peer, addr, sizeof(addr));
	out_str(obj, "transport", e->transport);
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

static void print_rpcs(const struct iter_list *list)
{
	char id[24], peer[INET6_ADDRSTRLEN + 8], port[8], sent[24], received[24];
	char age[32], quiet[32];
	struct table *tab = table_new(10, "TRANSPORT", "ID", "ROLE", "STATE", "PEER", "PORT", "SENT",
				      "RECEIVED", "AGE", "QUIET");
	size_t i;

	for (i = 0; i < list->n; i++) {
		const struct iter_entry *e = &list->entry[i];
		const struct etran_rpc_record *r = e->record;

		snprintf(id, sizeof(id), "%" PRIu64, (uint64_t)r->id);
		iter_address_port(r->peer, r->peer_port, peer, sizeof(peer));
		snprintf(port, sizeof(port), "%u", r->port);
		bytes(r->sent, r->send_len, sent, sizeof(sent));
		bytes(r->received, r->receive_len, received, sizeof(received));
		duration(r->age_ns, age, sizeof(age));
		duration(r->quiet_ns, quiet, sizeof(quiet));
		table_row(tab, e->transport, id, r->flags & ETRAN_RPC_SERVER ? "server" : "client",
			  r->state, peer, port, sent, received, age, quiet);
	}
	table_print(tab);
}

static const struct iter_kind kind = {
	.command = "rpc", .pin = PIN_RPCS, .what = "RPCs",
	.least = offsetof(struct etran_rpc_record, age_ns), .size = sizeof(struct etran_rpc_record),
	.wanted = wanted, .order = by_age, .json = json_rpc, .print = print_rpcs,
};

int cmd_rpc(const struct ctl_args *args)
{
	return iter_show(args, &kind);
}
