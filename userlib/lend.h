/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * What an application gets without a copy: frames that were received into, and memory in their place where there are
 * none to spare.
 *
 * Frames that are out of the kernel's hands are room that peers cannot send into. So at most three quarters of them
 * are out at a time, and when what the application itself has, of either kind, comes to half of them, it gets no more
 * until it gives some back.
 */
#ifndef ETRAN_LEND_H
#define ETRAN_LEND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
#include <etran.h>

#include "list.h"

/**
 * struct lending - what a channel's application has, and may have. Guarded by the lock of whoever owns it.
 * @ch: the channel
 * @state: of each RX frame: has the application it? NULL while nobody asked for any
 * @limit: with so many @lent there are no more; half of the RX frames, 0 while nobody asked for any
 * @out: frames that the kernel has not, and are not in the RX ring
 * @lent: those of them that the application has; memory counts for the frames that it would take
 * @loans: memory that the application has
 */
struct lending {
	struct etran_channel *ch;
	uint8_t *state;
	uint32_t limit;
	uint32_t out;
	uint32_t lent;
	struct list loans;
};

/** lending_init() - nothing is lent, and nothing can be before lending_begin() */
void lending_init(struct lending *l);

/**
 * lending_begin() - from now on there can be frames
 * @l: the lending, begun or not
 * @ch: its channel
 * Return: 0, or -1 with errno ENOMEM
 */
int lending_begin(struct lending *l, struct etran_channel *ch);

/** lending_end() - free what the application did not give back; frames go with the channel */
void lending_end(struct lending *l);

/** lending_possible() - may one more frame be kept? False also before lending_begin() */
static inline bool lending_possible(const struct lending *l)
{
	return l->out < l->limit / 2 * 3;
}

/** lending_full() - has the application as many as it may? */
static inline bool lending_full(const struct lending *l)
{
	return l->limit && l->lent >= l->limit;
}

/** lending_keep() - take the frame of etran_rx_peek() out of the ring. Return: its number. */
uint32_t lending_keep(struct lending *l);

/** lending_drop() - a kept frame that was not lent is the kernel's again; after the last one call etran_rx_given() */
void lending_drop(struct lending *l, uint32_t frame);

/** lending_frame() - a kept frame is the application's */
void lending_frame(struct lending *l, uint32_t frame);

/**
 * lending_memory() - memory is the application's
 * @l: the lending
 * @buf: from malloc(); lending_release() frees it
 * @len: bytes in it
 * Return: 0, or -1 with errno ENOMEM; @buf is the caller's still
 */
int lending_memory(struct lending *l, uint8_t *buf, uint32_t len);

/**
 * lending_release() - take back, all or nothing
 * @l: the lending
 * @iov: any addresses in the pieces; their lengths are not looked at
 * @iovcnt: how many
 * @source: name of the call that hands pieces out, for messages
 *
 * Return: 0, or -1 with errno EINVAL: one was not lent, or is there twice.
 */
int lending_release(struct lending *l, const struct iovec *iov, int iovcnt, const char *source);

#endif /* ETRAN_LEND_H */
