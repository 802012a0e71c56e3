/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Putting a message together from pieces that come in any order, more than once, overlapping.
 *
 * What is there is kept as a sorted list of disjoint, non-adjacent intervals. In order, that is one
 * interval that grows; a loss costs one more until the hole is filled. Rejected: a bit a packet,
 * which needs one size of packet for the whole message, and peers may choose any.
 */
#ifndef ETRAN_REASSEMBLY_H
#define ETRAN_REASSEMBLY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Most intervals in one message. The longest message in packets of 500 bytes, every second one
 * lost, has 1000; more is a peer that wants to make us work.
 */
#define REASSEMBLY_MAX_INTERVALS	2048

/**
 * struct interval - bytes of a message that are there
 * @start: first one
 * @end: behind the last one
 */
struct interval {
	uint32_t start;
	uint32_t end;
};

/**
 * struct reassembly - a message that is being put together
 * @buf: the message
 * @len: its length in bytes, 0: not begun
 * @got: how many of them are there
 * @count: entries in @iv
 * @room: allocated entries in @iv
 * @iv: what is there, sorted, neither overlapping nor adjacent
 */
struct reassembly {
	uint8_t *buf;
	uint32_t len;
	uint32_t got;
	uint32_t count;
	uint32_t room;
	struct interval *iv;
};

/**
 * reassembly_begin() - allocate room for a message
 * @r: all zero
 * @len: the message's length in bytes, not 0
 *
 * Return: 0, -ENOMEM.
 */
int reassembly_begin(struct reassembly *r, uint32_t len);

/**
 * reassembly_add() - put a piece where it belongs
 * @r: begun
 * @offset: where it begins in the message
 * @data: its bytes
 * @len: how many
 *
 * Bytes that are there already are not changed.
 *
 * Return: how many bytes were new, -EINVAL (beyond the end of the message), -E2BIG (too many
 * intervals), -ENOMEM. After an error @r is as it was.
 */
int reassembly_add(struct reassembly *r, uint32_t offset, const void *data, uint32_t len);

/**
 * reassembly_free() - free all memory, make @r all zero
 * @r: begun or not
 */
void reassembly_free(struct reassembly *r);

/**
 * reassembly_done() - is the whole message there?
 * @r: begun or not
 * Return: true when it was begun and nothing is missing.
 */
static inline bool reassembly_done(const struct reassembly *r)
{
	return r->len && r->got == r->len;
}

#endif /* ETRAN_REASSEMBLY_H */
