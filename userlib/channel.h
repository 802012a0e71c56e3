/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* What channels offer to the rest of the library beyond <etran.h>. */
#ifndef ETRAN_CHANNEL_H
#define ETRAN_CHANNEL_H

#include <etran.h>

/**
 * etran_endpoint_lost() - the endpoint's descriptor was closed behind the library's back
 * @ch: the channel
 *
 * As etran_endpoint_detach(), but the number, which is something else by now, is left alone.
 */
void etran_endpoint_lost(struct etran_channel *ch);

/**
 * etran_channel_fds() - all descriptors of a channel and its endpoint
 * @ch: the channel
 * @fds: out
 *
 * Return: how many, at most 4.
 */
int etran_channel_fds(const struct etran_channel *ch, int fds[4]);

/**
 * etran_rx_peek_at() - as etran_rx_peek(), of a frame behind the oldest
 * @ch: the channel, where etran_rx_peek() has just found a frame
 * @n: how many frames are in front of it
 * @len: bytes in it
 *
 * Return: the frame, valid as that of etran_rx_peek(); NULL when there is none, or what is there is to be ignored.
 */
const void *etran_rx_peek_at(struct etran_channel *ch, uint32_t n, uint32_t *len);

#endif /* ETRAN_CHANNEL_H */
