// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Receiving without copying: a message stays in the frames that the kernel delivered it into, and the
 * application gets those.
 *
 * HomaModule has the application give it a region of memory, and copies there. Here the packets already are
 * in memory of the application's when they are delivered, so it gets that: a piece a packet.
 *
 * Frames that are out of the kernel's hands are room that peers are not granted. That is what is wanted while
 * the application has them, and a deadlock while they are parts of messages that cannot become whole for want
 * of others. So at most three quarters of them are out at a time: past that, messages are put together in
 * memory as homa_recv() does it, and handed out as one piece. When what the application itself keeps, of either
 * kind, comes to half of the frames, nothing more is read from the RX ring until it gives some back.
 * (Rejected: to go on in memory. The application would learn of its mistake when memory ends, and messages are
 * lost then; so its peers wait.)
 *
 * A message is in frames or in memory, never in both. It changes over when frames are short, when it comes in
 * too many pieces, or when a packet fills several holes at once, which a piece for each packet cannot tell.
 *
 * Only sockets that were asked for pages once keep frames: what homa_recv() is to copy is better
 * copied at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "homa_sock.h"

static struct homa_piece *pieces(struct homa_pages *p)
{
	return p->room ? p->piece : &p->one;
}

bool homa_pages_possible(const struct homa_sock *s, const struct homa_rpc *rpc)
{
	return lending_possible(&s->lending) && (!rpc || !rpc->in.len);
}

static int make_room(struct homa_pages *p)
{
	uint32_t room = p->room ? 2 * p->room : 8;
	struct homa_piece *piece;

	if (p->count < (p->room ? p->room : 1))
		return 0;
	if (p->count >= HOMA_MAX_PIECES)
		return -E2BIG;
	piece = realloc(p->piece, room * sizeof(*piece));
	if (!piece)
		return -ENOMEM;
	if (!p->room)
		piece[0] = p->one;
	p->piece = piece;
	p->room = room;
	return 0;
}

/* Bytes of @rec that are new, from *@start to *@end. Return: place of the piece; -E2BIG when they are not in one. */
static int new_bytes(struct homa_pages *p, uint32_t *start, uint32_t *end)
{
	struct homa_piece *piece = pieces(p);
	uint32_t lo = 0, hi = p->count, mid, i, pos;

	/* Nearly always it continues the last one. */
	if (hi && piece[hi - 1].offset + piece[hi - 1].len <= *start)
		return hi;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (piece[mid].offset + piece[mid].len <= *start)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < p->count && piece[lo].offset <= *start; lo++)
		if (piece[lo].offset + piece[lo].len > *start)
			*start = piece[lo].offset + piece[lo].len;
	if (lo == p->count || *start >= *end || piece[lo].offset >= *end)
		return lo;
	pos = piece[lo].offset;
	for (i = lo; i < p->count && piece[i].offset == pos; i++)
		pos += piece[i].len;
	if (pos < *end)
		return -E2BIG;
	*end = piece[lo].offset;
	return lo;
}

int homa_pages_add(struct homa_sock *s, struct homa_rpc *rpc, const struct homa_rec *rec,
		   const uint8_t *data)
{
	uint32_t start = rec->offset, end = rec->offset + rec->len;
	struct homa_pages *p = &rpc->pages;
	struct homa_piece *piece;
	int at, err;

	at = new_bytes(p, &start, &end);
	if (at < 0)
		return at;
	p->len = rec->msg_len;
	if (start >= end)
		return 0;
	err = make_room(p);
	if (err)
		return err;
	piece = pieces(p);
	memmove(piece + at + 1, piece + at, (p->count - at) * sizeof(*piece));
	piece[at] = (struct homa_piece){
		.data = data + (start - rec->offset),
		.offset = start,
		.len = end - start,
		.frame = lending_keep(&s->lending),
	};
	p->count++;
	p->got += end - start;
	return 1;
}

void homa_pages_drop(struct homa_sock *s, struct homa_rpc *rpc)
{
	struct homa_piece *piece = pieces(&rpc->pages);
	uint32_t i;

	for (i = 0; i < rpc->pages.count; i++)
		lending_drop(&s->lending, piece[i].frame);
	homa_pages_forget(rpc);
	etran_rx_given(s->ch);
}

void homa_pages_forget(struct homa_rpc *rpc)
{
	if (rpc->pages.room)
		free(rpc->pages.piece);
	memset(&rpc->pages, 0, sizeof(rpc->pages));
}

int homa_pages_to_memory(struct homa_sock *s, struct homa_rpc *rpc)
{
	struct homa_piece *piece = pieces(&rpc->pages);
	uint32_t i;
	int err;

	if (!rpc->pages.count)
		return 0;
	err = reassembly_begin(&rpc->in, rpc->pages.len);
	for (i = 0; i < rpc->pages.count && err >= 0; i++) {
		err = reassembly_add(&rpc->in, piece[i].offset, piece[i].data, piece[i].len);
		if (err > 0)
			s->rx_bytes += err;
	}
	if (err < 0)
		return err;
	homa_pages_drop(s, rpc);
	return 0;
}

void homa_pages_copy(struct homa_rpc *rpc, void *buf)
{
	struct homa_piece *piece = pieces(&rpc->pages);
	uint8_t *to = buf;
	uint32_t i;

	for (i = 0; i < rpc->pages.count; i++, to += piece[i - 1].len)
		memcpy(to, piece[i].data, piece[i].len);
}

static int lend_memory(struct homa_sock *s, struct homa_rpc *rpc, struct iovec *iov)
{
	if (lending_memory(&s->lending, rpc->in.buf, rpc->in.len))
		return -1;
	iov->iov_base = rpc->in.buf;
	iov->iov_len = rpc->in.len;
	s->rx_bytes -= rpc->in.got;
	rpc->in.buf = NULL;
	reassembly_free(&rpc->in);
	return 1;
}

uint32_t homa_pages_count(const struct homa_rpc *rpc)
{
	return rpc->pages.count ? rpc->pages.count : 1;
}

int homa_pages_lend(struct homa_sock *s, struct homa_rpc *rpc, struct iovec *iov)
{
	struct homa_piece *piece = pieces(&rpc->pages);
	uint32_t i, n = rpc->pages.count;

	if (!n)
		return lend_memory(s, rpc, iov);
	for (i = 0; i < n; i++) {
		lending_frame(&s->lending, piece[i].frame);
		iov[i].iov_base = (void *)piece[i].data;
		iov[i].iov_len = piece[i].len;
	}
	homa_pages_forget(rpc);
	return n;
}

int homa_pages_release(struct homa_sock *s, const struct iovec *iov, int iovcnt)
{
	bool full = lending_full(&s->lending);

	if (lending_release(&s->lending, iov, iovcnt, "homa_recv_pages"))
		return -1;
	/* Who sleeps knows what is in the ring, and did not take it. */
	if (full && !lending_full(&s->lending) && s->leader)
		etran_rx_wake(s->ch);
	return 0;
}
