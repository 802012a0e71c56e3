/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What an endpoint's application has receive buffers for. The kernel grants, and senders send, without any
 * application having to run; so a server that is busy for a moment, or has many large requests at a time, would
 * be sent more than it has buffers for, and what finds no buffer has to be sent again.
 *
 * So a message is granted only what there are buffers for, those of all that is under way to its endpoint
 * deducted. When there are none it is parked (grant.h), which leaves its place to messages for others; when the
 * application has given some, the module says so, and the shortest of the first few that are parked goes on. Each
 * that does brings the next one. What is sent without grants is not counted, as nobody knows of it before it comes;
 * grants leave so many buffers free that homa_unsched_reserve messages can begin, or half of those that there ever
 * were. A message that got nothing for half of homa_timeout_ticks has some of these, for the application may
 * keep the others for long.
 *
 * Endpoints whose ids differ by a multiple of HOMA_MAX_ENDPOINTS share an entry. That costs them throughput,
 * not correctness: a parked message's timer looks, too.
 */
#ifndef _HOMA_ROOM_H
#define _HOMA_ROOM_H

/* Bytes in a buffer, before anything of the message is here to judge by. */
#define ROOM_SEGMENT	1000
#define ROOM_MOST	65536

/* Bytes that were granted for an endpoint's messages and are not here. */
volatile __u64 expected[HOMA_MAX_ENDPOINTS];

/* The most buffers that were found. */
volatile __u32 most_found[HOMA_MAX_ENDPOINTS];

#define expected_of(endpoint)	(&expected[bounded(room_of(endpoint), HOMA_MAX_ENDPOINTS)])
#define most_found_of(endpoint)	(&most_found[bounded(room_of(endpoint), HOMA_MAX_ENDPOINTS)])

/* Give back an RPC's share of what is under way: to the link, and to its endpoint. */
static __always_inline void share_return(__u32 link, __u32 endpoint, __u32 bytes)
{
	__sync_fetch_and_sub(expected_of(endpoint), bytes);
	budget_return(link, bytes);
}

static __always_inline __u32 room_reserve(void)
{
	return etran_bounded(homa_unsched_reserve) * etran_bounded(homa_unsched_bytes);
}

/*
 * For how many bytes more an endpoint has buffers, looking no further than @want, with @reserve bytes to be left
 * free. Without any, grant_unpark() is called once it may have some.
 */
__noinline int room_bytes(__u32 endpoint, __u32 segment, __u32 want, __u32 reserve)
{
	__s64 under_way = *expected_of(endpoint);
	__u32 taken, need, most, found = *most_found_of(endpoint);
	int n;

	if (!segment)
		segment = ROOM_SEGMENT;
	/* What arrives may be deducted before it was added. */
	if (under_way < 0)
		under_way = 0;
	if (under_way > HOMA_MAX_MESSAGE_LENGTH * 64ULL)
		under_way = HOMA_MAX_MESSAGE_LENGTH * 64ULL;
	reserve /= segment;
	taken = ((__u32)under_way + segment - 1) / segment;
	taken += found && reserve > found / 2 ? found / 2 : reserve;
	need = taken + (want + segment - 1) / segment;
	/* To see whether there are twice the reserve. */
	most = need > 2 * reserve ? need : 2 * reserve;
	if (most > ROOM_MOST)
		most = ROOM_MOST;
	if (taken >= most)
		taken = most - 1;
	n = bpf_etran_rx_room(endpoint, most, taken + 1);
	if (n > (int)found)
		*most_found_of(endpoint) = n;
	/* In direct mode nobody knows; and a closed endpoint's messages end soon. */
	if (n < 0 || n >= need)
		return want;
	return n > taken ? (n - taken) * segment : 0;
}

/* A message is to be granted something, but its endpoint has no buffers. */
static __always_inline void room_park(const struct work *w, __u32 n, __u32 endpoint, __u32 segment)
{
	count(COUNTER_grant_no_buffer);
	grant_park(n, w->generation);
	/* They may have come before it was parked. */
	if (room_bytes(endpoint, segment, 1, room_reserve()))
		grant_unpark(room_of(endpoint));
}

/* Unlocked: what there are buffers for. A parked message goes on when there are some. */
static __always_inline void room_look(struct rpc *rpc, struct grant_terms *terms)
{
	__u32 most = terms->bonus > terms->window ? terms->bonus : terms->window;
	__u32 want = rpc->in_len - rpc->in_granted, reserve = room_reserve();

	terms->endpoint = rpc->endpoint;
	terms->segment = rpc->in_segment;
	if (terms->parked)
		most = terms->bonus ? most : 1;
	if (terms->now - rpc->heard_ns >= ticks_ns(homa_timeout_ticks / 2)) {
		reserve = 0;
		if (most > etran_bounded(homa_starved_bytes))
			most = etran_bounded(homa_starved_bytes);
	}
	if (want > most)
		want = most;
	terms->room = want ? room_bytes(terms->endpoint, terms->segment, want, reserve) : 0;
	if (terms->parked && terms->room)
		grant_unpark(room_of(terms->endpoint));
}

SEC("struct_ops/endpoint_room")
void BPF_PROG(endpoint_room, struct etran_endpoint *ep)
{
	grant_unpark(room_of(ep->id));
}

#endif /* _HOMA_ROOM_H */
