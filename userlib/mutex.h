/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * A lock that costs one atomic instruction to take and one to give up, in line, while nobody else
 * wants it. Each call on a socket does that, and some twice; with pthread_mutex_t, which looks for its
 * kind first, it was a tenth of what the library does for a short RPC.
 */
#ifndef ETRAN_MUTEX_H
#define ETRAN_MUTEX_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct mutex - a lock; all zero when free
 * @state: 0: free; 1: taken; 2: taken, and somebody may sleep in the kernel until it is free
 */
struct mutex {
	uint32_t state;
};

/** mutex_lock_slowly() - as mutex_lock(), when it is taken */
void mutex_lock_slowly(struct mutex *m);

/**
 * mutex_lock_within() - as mutex_lock(), but not for ever
 * @m: the lock
 * @ms: milliseconds
 *
 * Return: whether it was taken.
 */
bool mutex_lock_within(struct mutex *m, unsigned int ms);

/** mutex_wake() - wake one of those who sleep */
void mutex_wake(struct mutex *m);

/**
 * mutex_lock() - take it, sleep while others have it
 * @m: the lock
 */
static inline void mutex_lock(struct mutex *m)
{
	uint32_t free = 0;

	if (!__atomic_compare_exchange_n(&m->state, &free, 1, 0, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		mutex_lock_slowly(m);
}

/**
 * mutex_unlock() - give it up
 * @m: the lock
 */
static inline void mutex_unlock(struct mutex *m)
{
	if (__atomic_exchange_n(&m->state, 0, __ATOMIC_RELEASE) == 2)
		mutex_wake(m);
}

#endif /* ETRAN_MUTEX_H */
