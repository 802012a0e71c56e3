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

#endif /* ETRAN_CHANNEL_H */
