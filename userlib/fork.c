// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#include <pthread.h>

#include "fork.h"

/*
 * Counted in an atfork handler rather than by comparing process ids: getpid() is a system call,
 * and every call on a socket would pay for it.
 */
static unsigned int forks;

static void in_child(void)
{
	forks++;
}

static void __attribute__((constructor)) watch_forks(void)
{
	pthread_atfork(NULL, NULL, in_child);
}

unsigned int etran_forks(void)
{
	return forks;
}
