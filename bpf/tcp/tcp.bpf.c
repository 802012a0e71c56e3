// SPDX-License-Identifier: GPL-2.0
/*
 * TCP, with DCTCP: a sender-driven byte stream that any other TCP understands.
 *
 * bpf/tcp/README.md says what is implemented and where this differs from the kernel's TCP on purpose. The
 * parts, in the order in which they build on each other, each with its design notes:
 */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/time.h>
#include <linux/types.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>
#include <etran/tcp.h>
#include "etran.bpf.h"
#include "addresses.h"

#include "tunables.h"
#include "counters.h"
#include "state.h"	/* what is known of a connection */
#include "ranges.h"	/* sets of positions */
#include "table.h"	/* the table of connections */
#include "isn.h"	/* initial sequence numbers */
#include "options.h"	/* a received segment, its options */
#include "work.h"	/* what gen has to send; what is done after unlocking */
#include "listen.h"	/* listeners and ports */
#include "stream.h"	/* what files of connections are told */
#include "end.h"	/* deadlines, how connections end */
#include "timewait.h"	/* who gives way when the table is full */
#include "keepalive.h"	/* silent peers */
#include "cc.h"		/* congestion control */
#include "pace.h"	/* when segments leave */
#include "tail.h"	/* tail loss probe */
#include "recovery.h"	/* what was lost, how much may be sent */
#include "rto.h"	/* round trip times, timers */
#include "nagle.h"	/* what may wait for more */
#include "ack.h"	/* what an ACK brings */
#include "dsack.h"	/* what came twice */
#include "receive.h"	/* payload, windows, when to acknowledge */
#include "wire.h"	/* building segments */
#include "predict.h"	/* the segment that was to be expected */
#include "input.h"	/* what a segment does to a connection */
#include "cookie.h"	/* SYN cookies */
#include "ingress.h"	/* program ingress */
#include "gen.h"	/* program gen */
#include "send.h"	/* program egress */
#include "set.h"		/* options of connections */
#include "show.h"	/* what is told of connections; program show_conns */
#include "endpoint.h"	/* programs endpoint_open, _bind, _close */
#include "streams.h"	/* programs stream_open, stream_close, stream_share */
#include "exit.h"	/* program detached */

char LICENSE[] SEC("license") = "GPL";

SEC(".struct_ops.link")
struct etran_ops tcp = {
	.egress = (void *)egress,
	.ingress = (void *)ingress,
	.gen = (void *)gen,
	.endpoint_open = (void *)endpoint_open,
	.endpoint_bind = (void *)endpoint_bind,
	.endpoint_close = (void *)endpoint_close,
	.stream_open = (void *)stream_open,
	.stream_close = (void *)stream_close,
	.stream_share = (void *)stream_share,
	.exit = (void *)detached,
	.version = ETRAN_OPS_VERSION,
	.flags = ETRAN_OPS_SHARED,
	.ip_proto = TCP_PROTOCOL,
	.name = "tcp",
};
