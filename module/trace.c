// SPDX-License-Identifier: GPL-2.0
/* The tracepoints of trace.h come into being here. */
#include "etran.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/**
 * etran_trace_drop - etran:drop, out of line
 * @link: link device or NULL
 * @t: transport or NULL
 * @id: the counter
 * @n: how many
 */
void etran_trace_drop(const struct etran_link *link, const struct etran_transport *t,
		      enum etran_counter_id id, u32 n)
{
	trace_drop(t ? t->name : "-", link ? link->id : 0, etran_counter_name(id), n);
}
