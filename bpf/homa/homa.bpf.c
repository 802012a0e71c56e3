// SPDX-License-Identifier: GPL-2.0
/*
 * Homa: receiver-driven transport for short messages in data centres, as remote procedure calls.
 *
 * Wire format and behaviour are HomaModule's; bpf/homa/README.md says what is implemented and where
 * this differs on purpose. The parts, in the order in which they build on each other,
 * each with its design notes:
 */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/time.h>
#include <linux/types.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>
#include <etran/homa.h>
#include "etran.bpf.h"

#include "tunables.h"
#include "counters.h"
#include "address.h"	/* of hosts */
#include "rpc.h"	/* what is known of an RPC */
#include "lists.h"	/* by length and by age, for grants and the pacer */
#include "table.h"	/* the table of RPCs */
#include "work.h"	/* queues of what gen has to send */
#include "wire.h"	/* building packets */
#include "peer.h"	/* what is known of peers */
#include "grant.h"	/* which messages may go on */
#include "pacer.h"	/* which message sends next, and when */
#include "budget.h"	/* what a link may have granted */
#include "room.h"	/* what applications have buffers for; program endpoint_room */
#include "end.h"	/* how RPCs end */
#include "endpoint.h"	/* endpoints and ports; programs endpoint_open, _bind, _close */
#include "send.h"	/* messages out; program egress */
#include "receive.h"	/* messages in */
#include "control.h"	/* control packets in */
#include "ingress.h"	/* program ingress */
#include "gen.h"	/* program gen */
#include "timer.h"	/* silence: asking again, giving up */
#include "exit.h"	/* after it was detached; program detached */
#include "show.h"	/* what is under way, for people; program show_rpcs */

char LICENSE[] SEC("license") = "GPL";

SEC(".struct_ops.link")
struct etran_ops homa = {
	.egress = (void *)egress,
	.ingress = (void *)ingress,
	.gen = (void *)gen,
	.endpoint_open = (void *)endpoint_open,
	.endpoint_bind = (void *)endpoint_bind,
	.endpoint_close = (void *)endpoint_close,
	.endpoint_room = (void *)endpoint_room,
	.exit = (void *)detached,
	.version = ETRAN_OPS_VERSION,
	.ip_proto = HOMA_IPPROTO,
	.tcp_urgent = HOMA_URGENT,
	.name = "homa",
};
