// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Payload that can be checked and costs nothing to make: a piece of a block of pseudo-random bytes,
 * beginning where the message's number says. Rejected: writing each message, as a megabyte of that
 * takes longer than sending it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

/* Prime, so that numbers which differ by a power of two begin elsewhere. */
#define STARTS	65521

static uint8_t *block;

int payload_init(void)
{
	struct random r = { 0x5eed };
	size_t i, n = HOMA_MAX_MESSAGE_LENGTH + STARTS;

	block = malloc(n);
	if (!block) {
		fprintf(stderr, "homa_bench: out of memory; free some\n");
		return BENCH_FAILED;
	}
	for (i = 0; i < n; i++)
		block[i] = random_unit(&r) * 256;
	return BENCH_OK;
}

const uint8_t *payload(uint64_t seq)
{
	return block + seq % STARTS;
}
