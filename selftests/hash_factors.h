/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The random factors of a transport's checksums (bpf/hash.h), set to what a test wants: bad luck that is rare.
 */
#ifndef HASH_FACTORS_H
#define HASH_FACTORS_H

#include "transport_test.h"

/* Where the transport has them in its map of variables; -1 when it has none, or not so many. */
static int hash_factors_offset(const struct bpf_map_info *info, uint32_t n)
{
	struct btf *btf = btf__load_from_kernel_by_id(info->btf_id);
	const struct btf_type *t = btf ? btf__type_by_id(btf, info->btf_value_type_id) : NULL;
	int i, offset = -1;

	for (i = 0; t && btf_is_datasec(t) && i < btf_vlen(t); i++) {
		const struct btf_var_secinfo *v = btf_var_secinfos(t) + i;
		const struct btf_type *var = btf__type_by_id(btf, v->type);

		if (!strcmp(btf__name_by_offset(btf, var->name_off), "hash_factors") &&
		    v->size == n * sizeof(uint64_t))
			offset = v->offset;
	}
	btf__free(btf);
	return offset;
}

/*
 * While the tables are empty. With 0 in front the transport makes new ones when the next endpoint is opened; without, these stay.
 * Return: 0, -1
 */
static int hash_factors_set(const char *transport, const uint64_t *factors, uint32_t n)
{
	struct bpf_map_info info;
	int fd = transport_map(transport, "bss", &info), offset, err = -1;
	uint32_t key = 0;
	uint8_t *value;

	if (fd < 0)
		return -1;
	value = calloc(1, info.value_size);
	offset = hash_factors_offset(&info, n);
	if (value && offset >= 0 && !bpf_map_lookup_elem(fd, &key, value)) {
		memcpy(value + offset, factors, n * sizeof(*factors));
		err = bpf_map_update_elem(fd, &key, value, 0);
	}
	free(value);
	close(fd);
	return err;
}

#endif /* HASH_FACTORS_H */
