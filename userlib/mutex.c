// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#include <errno.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#include "mutex.h"

void mutex_lock_slowly(struct mutex *m)
{
	int err = errno;

	/* Whoever gets it this way cannot know whether others sleep, and says that they do. */
	while (__atomic_exchange_n(&m->state, 2, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &m->state, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
	errno = err;
}

bool mutex_lock_within(struct mutex *m, unsigned int ms)
{
	int err = errno, ret = 0;
	struct timespec until;
	uint32_t free = 0;

	if (__atomic_compare_exchange_n(&m->state, &free, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return true;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (__atomic_exchange_n(&m->state, 2, __ATOMIC_ACQUIRE)) {
		/* Of the futex calls, the one whose time is absolute. */
		ret = syscall(SYS_futex, &m->state, FUTEX_WAIT_BITSET_PRIVATE, 2, &until, NULL,
			      FUTEX_BITSET_MATCH_ANY);
		if (ret && errno == ETIMEDOUT)
			break;
		ret = 0;
	}
	errno = err;
	return !ret;
}

void mutex_wake(struct mutex *m)
{
	int err = errno;

	syscall(SYS_futex, &m->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	errno = err;
}
