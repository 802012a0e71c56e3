/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* Noticing that this process is a child of the one that made a socket. */
#ifndef ETRAN_FORK_H
#define ETRAN_FORK_H

/**
 * etran_forks() - how many fork() lie between the process that loaded the library and this one
 *
 * Rings cannot be shared by two processes: each would believe that it alone moves the index. What
 * was made under another count must not be used.
 *
 * Return: the count.
 */
unsigned int etran_forks(void);

#endif /* ETRAN_FORK_H */
