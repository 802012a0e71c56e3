/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One request, packet, call at a time, on a socket of a link device as of a NIC's queue: for direct.h and
 * filter_cases.h. Requests lie where direct mode wants them; the link device does not mind.
 */
#ifndef STEP_H
#define STEP_H

#include "engine.h"

#define DELIVER		5u
#define CONSUME		4u
/* Where requests lie in a chunk: 256 bytes in front of the payload are the headers'. */
#define OFFSET		(256 - sizeof(struct etran_req))

static ET_UNUSED void put(struct xsk *x, uint32_t chunk, unsigned int op, const struct tt_req *r,
			  const void *payload, uint32_t len)
{
	xsk_put_at(x, chunk, OFFSET, op, r, payload, len);
}

/* A request, sent; its program has run when this returns 0. */
static ET_UNUSED int submit(struct xsk *x, uint32_t chunk, unsigned int op, const struct tt_req *r,
			    const void *payload, uint32_t len)
{
	uint32_t was = tt->egress;

	put(x, chunk, op, r, payload, len);
	errno = xsk_kick(x);
	if (errno)
		return et_fail("sendto");
	return et_wait_for(tt->egress != was) ? 0 : et_fail("egress did not run");
}

static ET_UNUSED uint64_t keep(struct xsk *x, uint32_t chunk, struct tt_req r, uint32_t verdict,
			       const char *payload)
{
	r.verdict = verdict;
	r.flags |= TT_F_HOLD;
	r.cookie = 0x11;
	r.slot = chunk % TT_SLOTS;
	tt->handle[r.slot] = 0;
	return submit(x, chunk, TT_SEND, &r, payload, strlen(payload)) ? 0 : tt->handle[r.slot];
}

static ET_UNUSED int call(struct xsk *x, uint32_t chunk, uint32_t what, uint32_t queue,
			  uint64_t handle, uint64_t arg, uint32_t flags)
{
	struct tt_req r = { .slot = 63 };

	eng_call(63, what, queue, handle, arg, flags);
	if (submit(x, chunk, TT_CALL, &r, NULL, 0) || !et_wait_for(tt->call[63].done))
		return -1000;
	return tt->call[63].result;
}

static ET_UNUSED uint32_t completions(const struct xsk *x)
{
	return __atomic_load_n(x->comp.producer, __ATOMIC_ACQUIRE) - *x->comp.consumer;
}

/* Wait for one completion. Return: its chunk; UINT32_MAX when there is none or another address. */
static ET_UNUSED uint32_t completed(struct xsk *x)
{
	uint64_t addr;
	uint32_t at;

	if (!et_wait_for(completions(x)))
		return UINT32_MAX;
	at = *x->comp.consumer;
	addr = ((uint64_t *)x->comp.desc)[at % XSK_RING];
	__atomic_store_n(x->comp.consumer, at + 1, __ATOMIC_RELEASE);
	return addr % XSK_CHUNK == OFFSET ? addr / XSK_CHUNK : UINT32_MAX;
}

/* What arrives next: 0 if it is that. */
static ET_UNUSED int received(struct xsk *y, uint32_t seq, const char *payload)
{
	struct xsk_frame f;

	if (!xsk_recv(y, &f))
		return et_fail("nothing was received");
	xsk_fill(y, f.addr & -XSK_CHUNK);
	errno = 0;
	if (f.tt.seq != seq || f.len != strlen(payload) || memcmp(f.payload, payload, f.len))
		return et_fail("frame %u was received, %u bytes", f.tt.seq, f.len);
	return 0;
}

/* gen: send the frame's payload again to @daddr, port 2, as sequence number @seq; asked for by @chunk of @x. */
static ET_UNUSED int resend(struct xsk *x, uint32_t chunk, uint32_t daddr, uint64_t handle, uint32_t seq)
{
	struct tt_req kick = {};
	uint32_t was = tt->gen_n;

	tt->gen_do[was] = (struct tt_gen) {
		.handle = handle, .verdict = TX, .daddr = daddr, .seq = seq, .dport = 2,
		.rx_verdict = DELIVER,
	};
	__atomic_store_n((uint32_t *)&tt->gen_n, was + 1, __ATOMIC_RELEASE);
	return submit(x, chunk, TT_KICK, &kick, NULL, 0);
}

#endif /* STEP_H */
