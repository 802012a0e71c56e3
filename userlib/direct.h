/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* What channel.c needs for direct mode. */
#ifndef ETRAN_DIRECT_H
#define ETRAN_DIRECT_H

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
 * direct_ring_slots() - how many frames a driver keeps to receive into
 * @ifindex: the NIC, in this network namespace
 * Return: slots of a queue's receive ring; 0 when the driver does not tell.
 */
uint32_t direct_ring_slots(uint32_t ifindex);

/** direct_refill() - tell the driver that there are buffers in the fill ring, which it waits for */
void direct_refill(int xsk);

#endif /* ETRAN_DIRECT_H */
