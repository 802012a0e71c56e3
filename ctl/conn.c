// SPDX-License-Identifier: GPL-2.0
/* etranctl conn: the connections of transports, as their iterators tell (iter.c); like "ss -tin". */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <etran/conn.h>

#include "etranctl.h"

static bool wanted(const struct iter_selection *s, void *record)
{
	struct etran_conn_record *r = record;

	r->state[sizeof(r->state) - 1] = 0;
	r->cc[sizeof(r->cc) - 1] = 0;
	return iter_wanted(s, r->peer, r->port, r->peer_port, r->state);
}

/* By the port here, then by the peer's. */
static int by_port(const void *a, const void *b)
{
	const struct etran_conn_record *x = a, *y = b;

	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	return (x->peer_port > y->peer_port) - (x->peer_port < y->peer_port);
}

static struct json_object *json_conn(const struct iter_entry *e)
{
	const struct etran_conn_record *r = e->record;
	struct json_object *obj = json_object_new_object();
	char addr[INET6_ADDRSTRLEN];

	out_str(obj, "transport", e->transport);
	out_u64(obj, "id", r->id);
	out_str(obj, "state", r->state);
	iter_address(r->addr, addr, sizeof(addr));
	out_str(obj, "local", addr);
	out_u64(obj, "port", r->port);
	iter_address(r->peer, addr, sizeof(addr));
	out_str(obj, "peer", addr);
	out_u64(obj, "peer_port", r->peer_port);
	out_u64(obj, "link", r->link);
	out_u64(obj, "endpoint", r->endpoint);
	out_bool(obj, "passive", r->flags & ETRAN_CONN_PASSIVE);
	out_bool(obj, "detached", r->flags & ETRAN_CONN_DETACHED);
	out_bool(obj, "timestamps", r->flags & ETRAN_CONN_TIMESTAMPS);
	out_bool(obj, "sack", r->flags & ETRAN_CONN_SACK);
	out_bool(obj, "window_scaling", r->flags & ETRAN_CONN_WSCALE);
	out_bool(obj, "ecn", r->flags & ETRAN_CONN_ECN);
	out_bool(obj, "keepalive", r->flags & ETRAN_CONN_KEEPALIVE);
	out_bool(obj, "recovery", r->flags & ETRAN_CONN_RECOVERY);
	out_bool(obj, "timeout", r->flags & ETRAN_CONN_TIMEOUT);
	out_u64(obj, "send_wscale", r->snd_wscale);
	out_u64(obj, "receive_wscale", r->rcv_wscale);
	out_u64(obj, "mss", r->mss);
	out_u64(obj, "receive_mss", r->rcv_mss);
	out_str(obj, "congestion", r->cc);
	out_u64(obj, "cwnd", r->cwnd);
	out_u64(obj, "ssthresh", r->ssthresh);
	json_object_object_add(obj, "alpha", json_object_new_double(r->alpha / 1024.0));
	out_u64(obj, "srtt_us", r->srtt_us);
	out_u64(obj, "rttvar_us", r->rttvar_us);
	out_u64(obj, "rto_us", r->rto_us);
	out_u64(obj, "backoff", r->backoff);
	out_u64(obj, "retransmits", r->retransmits);
	out_u64(obj, "pacing_rate", r->pacing_rate);
	out_u64(obj, "user_timeout_ms", r->user_timeout_ms);
	out_u64(obj, "keepalive_probes", r->probes);
	out_u64(obj, "sent", r->sent);
	out_u64(obj, "acked", r->acked);
	out_u64(obj, "unsent", r->unsent);
	out_u64(obj, "received", r->received);
	out_u64(obj, "unread", r->unread);
	out_u64(obj, "out_of_order", r->out_of_order);
	out_u64(obj, "send_window", r->send_window);
	out_u64(obj, "receive_window", r->receive_window);
	out_u64(obj, "receive_buffer", r->rcvbuf);
	out_u64(obj, "age_ns", r->age_ns);
	out_u64(obj, "quiet_ns", r->quiet_ns);
	out_u64(obj, "error", r->error);
	return obj;
}

static void number(uint64_t v, char *buf, size_t len)
{
	snprintf(buf, len, "%" PRIu64, v);
}

/* In segments, as "ss" has windows. */
static void segments(uint32_t bytes, uint16_t mss, char *buf, size_t len)
{
	if (!bytes || bytes >= 0x7fffffff || !mss)
		snprintf(buf, len, "-");
	else
		snprintf(buf, len, "%u", bytes / mss);
}

static void print_conns(const struct iter_list *list)
{
	char unread[24], unacked[24], local[INET6_ADDRSTRLEN + 8], peer[INET6_ADDRSTRLEN + 8], cwnd[16];
	char ssthresh[16], alpha[16], rtt[32], rto[16], again[16], rate[24];
	struct table *tab = table_new(14, "TRANSPORT", "STATE", "RECV-Q", "SEND-Q", "LOCAL", "PEER", "CC",
				      "CWND", "SSTHRESH", "ALPHA", "RTT-MS", "RTO-MS", "RETRANS", "RATE");
	size_t i;

	for (i = 0; i < list->n; i++) {
		const struct iter_entry *e = &list->entry[i];
		const struct etran_conn_record *r = e->record;

		number(r->unread, unread, sizeof(unread));
		number(r->sent - r->acked + r->unsent, unacked, sizeof(unacked));
		iter_address_port(r->addr, r->port, local, sizeof(local));
		iter_address_port(r->peer, r->peer_port, peer, sizeof(peer));
		segments(r->cwnd, r->mss, cwnd, sizeof(cwnd));
		segments(r->ssthresh, r->mss, ssthresh, sizeof(ssthresh));
		if (r->flags & ETRAN_CONN_ECN && !strcmp(r->cc, "dctcp"))
			snprintf(alpha, sizeof(alpha), "%.3f", r->alpha / 1024.0);
		else
			snprintf(alpha, sizeof(alpha), "-");
		snprintf(rtt, sizeof(rtt), "%.3f/%.3f", r->srtt_us / 1000.0, r->rttvar_us / 1000.0);
		number(r->rto_us / 1000, rto, sizeof(rto));
		number(r->retransmits, again, sizeof(again));
		if (r->pacing_rate)
			snprintf(rate, sizeof(rate), "%.1f Mbit/s", r->pacing_rate * 8 / 1e6);
		else
			snprintf(rate, sizeof(rate), "-");
		table_row(tab, e->transport, r->state, unread, unacked, local, peer, r->cc, cwnd,
			  ssthresh, alpha, rtt, rto, again, rate);
	}
	table_print(tab);
}

static const struct iter_kind kind = {
	.command = "conn", .pin = PIN_CONNS, .what = "connections",
	.least = offsetof(struct etran_conn_record, cwnd), .size = sizeof(struct etran_conn_record),
	.wanted = wanted, .order = by_port, .json = json_conn, .print = print_conns,
};

int cmd_conn(const struct ctl_args *args)
{
	return iter_show(args, &kind);
}
