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

#endif /* ETRAN_CHANNEL_H */
