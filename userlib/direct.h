/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* What channel.c needs for direct mode. */
#ifndef ETRAN_DIRECT_H
#define ETRAN_DIRECT_H

#include <stdbool.h>
#include <stdint.h>

#include <etran.h>

#define DIRECT_MAX_QUEUES	4096U
/* What the driver may write in front of a payload: headers, over the request record. */
#define DIRECT_PAYLOAD		256U

/**
 * direct_queues() - does this program use direct mode?
 * @first: out: first queue of the NIC that it may have
 * @last: out: last one
 * Return: 1; 0 when it does not; -1 with errno EINVAL.
 */
int direct_queues(uint32_t *first, uint32_t *last);

/**
 * direct_kick() - have the driver send
 * @xsk: the AF_XDP socket
 * Return: 0, or -1 with errno ENETDOWN, ENXIO.
 */
int direct_kick(int xsk);

/** direct_refill() - tell the driver that there are buffers in the fill ring, which it waits for */
void direct_refill(int xsk);

/**
 * struct direct_sleep - what to sleep on
 * @endpoint: the endpoint's descriptor
 * @xsk: the AF_XDP socket
 * @wake: an eventfd
 * @unwanted: there is something in the RX ring, and it is not what to wake for
 */
struct direct_sleep {
	int endpoint;
	int xsk;
	int wake;
	bool unwanted;
};

/**
 * direct_wait() - sleep until there may be something in the RX ring
 * @d: on what
 * @flags: ETRAN_WAIT_*
 * @timeout_ms: at most so long; -1 for ever
 *
 * Sends and refills besides, as poll() of an AF_XDP socket does.
 * Return: 0, also for no reason; or -1 with errno EAGAIN (time is over, or the endpoint has O_NONBLOCK), EINTR, ENODEV.
 */
int direct_wait(const struct direct_sleep *d, uint32_t flags, int timeout_ms);

#endif /* ETRAN_DIRECT_H */
