/* SPDX-License-Identifier: GPL-2.0 */
/* Streams whose every byte is known, by a number: what is sent can be compared where it arrives. */
#ifndef STREAM_H
#define STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Byte @at of stream @seed. */
static inline uint8_t stream_byte(uint64_t seed, uint64_t at)
{
	uint64_t x = (seed + 1) * 0x9e3779b97f4a7c15ULL + (at >> 3) * 0xd1342543de82ef95ULL;

	return (x ^ x >> 29) >> (at & 7) * 8;
}

static inline void stream_fill(uint8_t *b, uint64_t seed, uint64_t from, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		b[i] = stream_byte(seed, from + i);
}

/* Offset of the first wrong byte, -1: all are right. */
static inline ssize_t stream_wrong(const uint8_t *b, uint64_t seed, uint64_t from, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (b[i] != stream_byte(seed, from + i))
			return i;
	return -1;
}

#endif /* STREAM_H */
