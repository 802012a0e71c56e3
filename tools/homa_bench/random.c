// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Pseudo-random numbers, a generator for each thread: the same seed makes the same run. */
#include <math.h>

#include "bench.h"

/* The published generator SplitMix64. */
static uint64_t next(struct random *r)
{
	uint64_t x;

	r->state += 0x9e3779b97f4a7c15ULL;
	x = r->state;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

double random_unit(struct random *r)
{
	return (next(r) >> 11) * 0x1p-53;
}

double random_exponential(struct random *r)
{
	return -log(1 - random_unit(r));
}
