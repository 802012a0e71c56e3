/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints, for perf, trace-cmd, bpftrace and BPF programs: etran:egress, etran:ingress, etran:drop,
 * etran:release, etran:eject. Their fields are documented in module/README.md and kept: what watches
 * etran from outside depends on them.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM etran

#if !defined(_ETRAN_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _ETRAN_TRACE_H

#include <linux/tracepoint.h>
#include "compat.h"
#include "etran_ops.h"

/* So that perf and others, which read the format files, know the numbers. */
TRACE_DEFINE_ENUM(ETRAN_DROP);
TRACE_DEFINE_ENUM(ETRAN_TX);
TRACE_DEFINE_ENUM(ETRAN_HOLD);
TRACE_DEFINE_ENUM(ETRAN_PASS);
TRACE_DEFINE_ENUM(ETRAN_CONSUME);
TRACE_DEFINE_ENUM(ETRAN_DELIVER);
TRACE_DEFINE_ENUM(ETRAN_RETAIN);
TRACE_DEFINE_ENUM(ETRAN_EXIT_PROGRAM);
TRACE_DEFINE_ENUM(ETRAN_EXIT_VERDICT);
TRACE_DEFINE_ENUM(ETRAN_EXIT_GEN);
TRACE_DEFINE_ENUM(ETRAN_EXIT_QUEUE);
TRACE_DEFINE_ENUM(ETRAN_EXIT_WATCHDOG);

#define etran_show_kind(k)						\
	__print_symbolic(k,						\
		{ ETRAN_EXIT_PROGRAM, "program" },			\
		{ ETRAN_EXIT_VERDICT, "verdict" },			\
		{ ETRAN_EXIT_GEN, "gen" },				\
		{ ETRAN_EXIT_QUEUE, "queue" },				\
		{ ETRAN_EXIT_WATCHDOG, "watchdog" })

#define etran_show_verdict(v)						\
	__print_symbolic(v,						\
		{ ETRAN_DROP, "DROP" }, { ETRAN_TX, "TX" },		\
		{ ETRAN_HOLD, "HOLD" }, { ETRAN_PASS, "PASS" },		\
		{ ETRAN_CONSUME, "CONSUME" }, { ETRAN_DELIVER, "DELIVER" }, \
		{ ETRAN_TX | ETRAN_RETAIN, "TX|RETAIN" })

/* An application's frame went through its transport's egress program. */
TRACE_EVENT(egress,
	TP_PROTO(const char *transport, u32 link, u32 queue, u32 endpoint, u32 payload_len,
		 u64 handle, u64 departure_ns, u32 verdict),
	TP_ARGS(transport, link, queue, endpoint, payload_len, handle, departure_ns, verdict),
	TP_STRUCT__entry(
		__string(transport, transport)
		__field(u32, link)
		__field(u32, queue)
		__field(u32, endpoint)
		__field(u32, payload_len)
		__field(u64, handle)
		__field(u64, departure_ns)
		__field(u32, verdict)
	),
	TP_fast_assign(
		etran_assign_str(transport, transport);
		__entry->link = link;
		__entry->queue = queue;
		__entry->endpoint = endpoint;
		__entry->payload_len = payload_len;
		__entry->handle = handle;
		__entry->departure_ns = departure_ns;
		__entry->verdict = verdict;
	),
	TP_printk("transport=%s link=%u queue=%u endpoint=%u payload_len=%u handle=%#llx departure_ns=%llu verdict=%s",
		  __get_str(transport), __entry->link, __entry->queue, __entry->endpoint,
		  __entry->payload_len, __entry->handle, __entry->departure_ns,
		  etran_show_verdict(__entry->verdict))
);

/* A received packet went through a transport's ingress program. */
TRACE_EVENT(ingress,
	TP_PROTO(const char *transport, u32 link, u32 len, u32 verdict),
	TP_ARGS(transport, link, len, verdict),
	TP_STRUCT__entry(
		__string(transport, transport)
		__field(u32, link)
		__field(u32, len)
		__field(u32, verdict)
	),
	TP_fast_assign(
		etran_assign_str(transport, transport);
		__entry->link = link;
		__entry->len = len;
		__entry->verdict = verdict;
	),
	TP_printk("transport=%s link=%u len=%u verdict=%s", __get_str(transport), __entry->link,
		  __entry->len, etran_show_verdict(__entry->verdict))
);

/* Something was counted by a counter that tells a reason for dropping. */
TRACE_EVENT(drop,
	TP_PROTO(const char *transport, u32 link, const char *reason, u32 n),
	TP_ARGS(transport, link, reason, n),
	TP_STRUCT__entry(
		__string(transport, transport)
		__field(u32, link)
		__string(reason, reason)
		__field(u32, n)
	),
	TP_fast_assign(
		etran_assign_str(transport, transport);
		__entry->link = link;
		etran_assign_str(reason, reason);
		__entry->n = n;
	),
	TP_printk("transport=%s link=%u reason=%s n=%u", __get_str(transport), __entry->link,
		  __get_str(reason), __entry->n)
);

/* A kept frame ended. */
TRACE_EVENT(release,
	TP_PROTO(const char *transport, u32 link, u32 queue, u32 chunk, bool sent),
	TP_ARGS(transport, link, queue, chunk, sent),
	TP_STRUCT__entry(
		__string(transport, transport)
		__field(u32, link)
		__field(u32, queue)
		__field(u32, chunk)
		__field(bool, sent)
	),
	TP_fast_assign(
		etran_assign_str(transport, transport);
		__entry->link = link;
		__entry->queue = queue;
		__entry->chunk = chunk;
		__entry->sent = sent;
	),
	TP_printk("transport=%s link=%u queue=%u chunk=%u sent=%d", __get_str(transport),
		  __entry->link, __entry->queue, __entry->chunk, __entry->sent)
);

/* A transport is detached because of an error. */
TRACE_EVENT(eject,
	TP_PROTO(const char *transport, u32 kind, s64 code, const char *message),
	TP_ARGS(transport, kind, code, message),
	TP_STRUCT__entry(
		__string(transport, transport)
		__field(u32, kind)
		__field(s64, code)
		__string(message, message)
	),
	TP_fast_assign(
		etran_assign_str(transport, transport);
		__entry->kind = kind;
		__entry->code = code;
		etran_assign_str(message, message);
	),
	TP_printk("transport=%s kind=%s code=%lld message=%s", __get_str(transport),
		  etran_show_kind(__entry->kind), __entry->code, __get_str(message))
);

#endif /* _ETRAN_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
