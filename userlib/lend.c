// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Which frames and which memory an application has: lend.h. What it gives back is looked up by its address, as all else that it
 * could hand in it could forge as well.
 */
#include <errno.h>
#include <stdlib.h>

#include "error.h"
#include "lend.h"

/* enum frame_state, a byte a frame */
enum {
	FRAME_OURS,		/* the kernel's, or kept and not lent */
	FRAME_LENT,		/* the application's */
	FRAME_RETURNING,	/* it is in the list that is being looked at */
};

/**
 * struct loan - memory that the application has
 * @list: place in lending.loans
 * @buf: its bytes
 * @len: how many
 * @returning: it is in the list that is being looked at
 */
struct loan {
	struct list list;
	uint8_t *buf;
	uint32_t len;
	bool returning;
};

/* What memory counts for. */
static uint32_t frames_of(uint32_t len)
{
	return (len + ETRAN_MAX_PAYLOAD - 1) / ETRAN_MAX_PAYLOAD;
}

void lending_init(struct lending *l)
{
	*l = (struct lending){ .ch = NULL };
	list_init(&l->loans);
}

int lending_begin(struct lending *l, struct etran_channel *ch)
{
	uint32_t frames = etran_channel_rx_frames(ch);

	if (l->state)
		return 0;
	l->state = calloc(frames, 1);
	if (!l->state)
		return etran_fail(ENOMEM, "no memory for the states of %u frames", frames);
	l->ch = ch;
	l->limit = frames / 2;
	return 0;
}

void lending_end(struct lending *l)
{
	struct loan *loan;

	while (!list_empty(&l->loans)) {
		loan = list_entry(l->loans.next, struct loan, list);
		list_del(&loan->list);
		free(loan->buf);
		free(loan);
	}
	free(l->state);
	l->state = NULL;
}

uint32_t lending_keep(struct lending *l)
{
	l->out++;
	return etran_rx_keep(l->ch);
}

void lending_drop(struct lending *l, uint32_t frame)
{
	etran_rx_give(l->ch, frame);
	l->out--;
}

void lending_frame(struct lending *l, uint32_t frame)
{
	l->state[frame] = FRAME_LENT;
	l->lent++;
}

int lending_memory(struct lending *l, uint8_t *buf, uint32_t len)
{
	struct loan *loan = malloc(sizeof(*loan));

	if (!loan)
		return etran_fail(ENOMEM, "no memory to hand out what was received");
	*loan = (struct loan){ .buf = buf, .len = len };
	list_init(&loan->list);
	list_add_tail(&loan->list, &l->loans);
	l->lent += frames_of(len);
	return 0;
}

static struct loan *find_loan(const struct lending *l, const void *p)
{
	uintptr_t at = (uintptr_t)p;
	struct loan *loan;
	struct list *i;

	for (i = l->loans.next; i != &l->loans; i = i->next) {
		loan = list_entry(i, struct loan, list);
		if (at >= (uintptr_t)loan->buf && at - (uintptr_t)loan->buf < loan->len)
			return loan;
	}
	return NULL;
}

/* What the application has becomes what it gives back, or again what it has. Return: false when it is not so. */
static bool mark(struct lending *l, const void *p, bool returning)
{
	uint32_t f = l->state ? etran_rx_frame(l->ch, p) : ETRAN_NO_FRAME;
	struct loan *loan;

	if (f != ETRAN_NO_FRAME) {
		if (l->state[f] != (returning ? FRAME_LENT : FRAME_RETURNING))
			return false;
		l->state[f] = returning ? FRAME_RETURNING : FRAME_LENT;
		return true;
	}
	loan = find_loan(l, p);
	if (!loan || loan->returning == returning)
		return false;
	loan->returning = returning;
	return true;
}

static void give_back(struct lending *l, const void *p)
{
	uint32_t f = etran_rx_frame(l->ch, p);
	struct loan *loan;

	if (f != ETRAN_NO_FRAME) {
		l->state[f] = FRAME_OURS;
		l->lent--;
		lending_drop(l, f);
		return;
	}
	loan = find_loan(l, p);
	l->lent -= frames_of(loan->len);
	list_del(&loan->list);
	free(loan->buf);
	free(loan);
}

int lending_release(struct lending *l, const struct iovec *iov, int iovcnt, const char *source)
{
	int i;

	for (i = 0; i < iovcnt; i++) {
		if (mark(l, iov[i].iov_base, true))
			continue;
		etran_fail(EINVAL, "piece %d at %p is none that %s() handed out on this socket, or was given back before",
			   i, iov[i].iov_base, source);
		while (i--)
			mark(l, iov[i].iov_base, false);
		return -1;
	}
	for (i = 0; i < iovcnt; i++)
		give_back(l, iov[i].iov_base);
	if (iovcnt)
		etran_rx_given(l->ch);
	return 0;
}
