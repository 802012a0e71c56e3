/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* The ports of etran's listeners are taken in the kernel's TCP, too. */
#ifndef ETRAN_RESERVE_H
#define ETRAN_RESERVE_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

/**
 * reserve_port() - nobody else is to listen there
 * @addr: in: where, in: port 0: any; out: where
 * @len: of @addr
 * @shared: others that ask for SO_REUSEPORT may, if they are the same user's
 *
 * Return: a descriptor to be closed when the port is free again; -1 with errno EADDRINUSE when somebody has it, and -1 with
 * another errno when the kernel has no such address or no descriptor, and so cannot say.
 */
int reserve_port(struct sockaddr *addr, socklen_t len, bool shared);

/* The network namespace of this thread, as a number; 0: it cannot be told. */
ino_t reserve_netns(void);

#endif /* ETRAN_RESERVE_H */
