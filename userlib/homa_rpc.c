// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The table of a Homa socket's RPCs. */
#include <errno.h>
#include <stdlib.h>

#include "homa_sock.h"

#define FIRST_BUCKETS	256
#define MAX_BUCKETS	(1U << 20)
/* Memory for RPCs that a socket keeps: as many as most have outstanding. */
#define MAX_SPARES	256

/* Ids count up by 2, from a random start: their low bits are all that a hash needs. */
static uint32_t bucket_of(const struct homa_sock *s, uint64_t id)
{
	return (uint32_t)(id >> 1) & s->mask;
}

int homa_rpc_table(struct homa_sock *s)
{
	s->buckets = calloc(FIRST_BUCKETS, sizeof(struct homa_rpc *));
	if (!s->buckets)
		return -ENOMEM;
	s->mask = FIRST_BUCKETS - 1;
	return 0;
}

struct homa_rpc *homa_rpc_find(struct homa_sock *s, uint64_t id, const struct homa_peer *peer)
{
	struct homa_rpc *rpc;

	for (rpc = s->buckets[bucket_of(s, id)]; rpc; rpc = rpc->hash)
		if (rpc->id == id && (!(id & 1) || homa_peer_same(&rpc->peer, peer)))
			return rpc;
	return NULL;
}

/* Without memory for a larger table the old one goes on to work, slower. */
static void grow(struct homa_sock *s)
{
	uint32_t old_mask = s->mask, i, b;
	struct homa_rpc **new, **old = s->buckets, *rpc, *next;

	if (s->rpcs <= old_mask || old_mask + 1 >= MAX_BUCKETS)
		return;
	new = calloc(2 * ((size_t)old_mask + 1), sizeof(struct homa_rpc *));
	if (!new)
		return;
	s->buckets = new;
	s->mask = 2 * old_mask + 1;
	for (i = 0; i <= old_mask; i++) {
		for (rpc = old[i]; rpc; rpc = next) {
			next = rpc->hash;
			b = bucket_of(s, rpc->id);
			rpc->hash = new[b];
			new[b] = rpc;
		}
	}
	free(old);
}

/* In state RPC_INCOMING, in no list, with nothing. */
static struct homa_rpc *alloc_rpc(struct homa_sock *s)
{
	struct homa_rpc *rpc = s->spare_rpcs;

	if (rpc) {
		s->spare_rpcs = rpc->hash;
		s->spare_count--;
		/* The lists, the chain and the message were left empty. */
		rpc->state = RPC_INCOMING;
		rpc->private = false;
		rpc->claimed = false;
		rpc->error = 0;
		rpc->cookie = 0;
		return rpc;
	}
	rpc = calloc(1, sizeof(*rpc));
	if (!rpc)
		return NULL;
	list_init(&rpc->ready);
	list_init(&rpc->tx);
	list_init(&rpc->lru);
	rpc->chain = (struct etran_chain)ETRAN_CHAIN_INIT;
	return rpc;
}

/* It is in no list, not hashed, and has neither frames nor a message. */
static void free_rpc(struct homa_sock *s, struct homa_rpc *rpc)
{
	if (s->spare_count == MAX_SPARES) {
		free(rpc);
		return;
	}
	rpc->hash = s->spare_rpcs;
	s->spare_rpcs = rpc;
	s->spare_count++;
}

struct homa_rpc *homa_rpc_new(struct homa_sock *s, uint64_t id, const struct homa_peer *peer)
{
	struct homa_rpc *rpc = alloc_rpc(s);
	uint32_t b;

	if (!rpc)
		return NULL;
	grow(s);
	rpc->id = id;
	rpc->peer = *peer;
	b = bucket_of(s, id);
	rpc->hash = s->buckets[b];
	s->buckets[b] = rpc;
	rpc->hashed = true;
	s->rpcs++;
	return rpc;
}

static void unhash(struct homa_sock *s, struct homa_rpc *rpc)
{
	struct homa_rpc **p = &s->buckets[bucket_of(s, rpc->id)];

	if (!rpc->hashed)
		return;
	while (*p != rpc)
		p = &(*p)->hash;
	*p = rpc->hash;
	rpc->hashed = false;
	s->rpcs--;
}

void homa_rpc_drop_message(struct homa_sock *s, struct homa_rpc *rpc)
{
	if (rpc->in.len) {
		s->rx_bytes -= rpc->in.got;
		reassembly_free(&rpc->in);
	}
	if (rpc->pages.len)
		homa_pages_drop(s, rpc);
	list_del(&rpc->lru);
}

void homa_rpc_end(struct homa_sock *s, struct homa_rpc *rpc)
{
	homa_rpc_drop_message(s, rpc);
	list_del(&rpc->ready);
	unhash(s, rpc);
	if (rpc->chain.count)
		homa_rpc_reclaim(s, rpc);
	else
		free_rpc(s, rpc);
}

bool homa_rpc_reclaim(struct homa_sock *s, struct homa_rpc *rpc)
{
	uint32_t had = rpc->chain.count, left = etran_tx_reclaim(s->ch, &rpc->chain);

	if (!(rpc->id & 1))
		s->request_frames -= had - left;
	if (left)
		return false;
	list_del(&rpc->tx);
	s->tx_count--;
	if (rpc->state == RPC_REPLIED)
		unhash(s, rpc);
	if (!rpc->hashed)
		free_rpc(s, rpc);
	return true;
}

void homa_rpc_free_all(struct homa_sock *s)
{
	struct homa_rpc *rpc, *next;
	uint32_t i;

	while (!list_empty(&s->tx)) {
		rpc = list_entry(s->tx.next, struct homa_rpc, tx);
		list_del(&rpc->tx);
		if (!rpc->hashed)
			free(rpc);
	}
	for (i = 0; s->buckets && i <= s->mask; i++) {
		for (rpc = s->buckets[i]; rpc; rpc = next) {
			next = rpc->hash;
			reassembly_free(&rpc->in);
			homa_pages_forget(rpc);
			free(rpc);
		}
	}
	while (s->spare_rpcs) {
		rpc = s->spare_rpcs;
		s->spare_rpcs = rpc->hash;
		free(rpc);
	}
	free(s->buckets);
}
