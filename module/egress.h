/* SPDX-License-Identifier: GPL-2.0 */
/* What the two ways into egress share: a link device's queue (egress.c), a NIC's (direct.c). */
#ifndef _ETRAN_EGRESS_H
#define _ETRAN_EGRESS_H

#include "etran.h"

/**
 * struct etran_egress - one run over a TX ring; each CPU has one, with bottom halves off
 * @ch: the channel
 * @x: packets collected for the lower device
 * @page: a page that the next frame can use
 * @ep: endpoint of the last frame; NULL at the beginning
 * @transport: of @ep
 * @ops: of @transport
 * @run: frames of @transport that are not counted for it yet
 * @sent: direct: packets of @transport that went to the driver and are not counted yet
 * @plain: direct: of these, whose frames ended with that
 * @link_id: id of the link device
 * @direct: frames are sent from the UMEM
 * @desc: direct: what the driver gets for the frame at hand
 * @pkt: the frame at hand
 *
 * Not on the stack: kernels that clear what is there (CONFIG_INIT_STACK_ALL_ZERO, as Debian's) spend 100 instructions on it.
 */
struct etran_egress {
	struct etran_channel *ch;
	struct etran_xmit *x;
	void *page;
	struct etran_ep *ep;
	struct etran_transport *transport;
	struct etran_ops *ops;
	u32 run;
	u32 sent;
	u32 plain;
	u32 link_id;
	bool direct;
	struct xdp_desc *desc;
	struct etran_pkt pkt;
};

struct etran_egress *etran_egress_begin(struct etran_channel *ch, u32 link_id, bool direct);
bool etran_egress_frame(struct etran_egress *e, const struct xdp_desc *desc);
void etran_egress_end(struct etran_egress *e, u32 n);

/* direct.c */
bool etran_direct_tx(struct etran_egress *e, u32 verdict);

#endif /* _ETRAN_EGRESS_H */
