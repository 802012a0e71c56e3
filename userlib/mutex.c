// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#include <errno.h>
#include <stddef.h>
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

void mutex_wake(struct mutex *m)
{
	int err = errno;

	syscall(SYS_futex, &m->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	errno = err;
}
