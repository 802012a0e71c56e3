/* SPDX-License-Identifier: GPL-2.0 */
/* Objects of which one etran_ops is used, perhaps after a change: more transports beside tt. */
#ifndef OPS_H
#define OPS_H

#include "fixture.h"

/* As libbpf lays out struct etran_ops of bpf/etran.bpf.h. */
struct shadow {
	void *egress, *ingress, *gen, *endpoint_open, *endpoint_bind, *endpoint_close, *endpoint_room;
	void *stream_open, *stream_close, *stream_share, *init, *exit;
	uint32_t version;
	uint32_t flags;
	uint8_t ip_proto;
	char name[ETRAN_NAME_LEN];
	uint32_t queues;
	uint32_t queue_depth;
	uint32_t timeout_ms;
	uint32_t state_version;
	uint16_t tcp_urgent;
};

static char verifier_log[1 << 18];

/* The verifier's last words are what is asked for. */
static ET_UNUSED int keep_log(enum libbpf_print_level level, const char *format, va_list ap)
{
	size_t used = strlen(verifier_log);

	if (level == LIBBPF_WARN)
		vsnprintf(verifier_log + used, sizeof(verifier_log) - used, format, ap);
	return 0;
}

/* An object of which only one etran_ops is used; not loaded yet. */
static ET_UNUSED struct bpf_object *open_one(const char *file, const char *ops, struct shadow **sh)
{
	struct bpf_object *o = bpf_object__open_file(et_path(file), NULL);
	struct bpf_map *m;
	size_t size;

	if (!o) {
		et_fail("%s", file);
		return NULL;
	}
	bpf_object__for_each_map(m, o)
		if (bpf_map__type(m) == BPF_MAP_TYPE_STRUCT_OPS &&
		    strcmp(bpf_map__name(m), ops))
			bpf_map__set_autocreate(m, false);
	m = bpf_object__find_map_by_name(o, ops);
	if (!m) {
		et_fail("%s has no %s", file, ops);
		bpf_object__close(o);
		return NULL;
	}
	if (sh)
		*sh = bpf_map__initial_value(m, &size);
	verifier_log[0] = 0;
	libbpf_set_print(keep_log);
	return o;
}

static ET_UNUSED struct bpf_link *attach_one(struct bpf_object *o, const char *ops)
{
	return bpf_map__attach_struct_ops(bpf_object__find_map_by_name(o, ops));
}

#endif /* OPS_H */
