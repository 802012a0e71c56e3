// SPDX-License-Identifier: GPL-2.0
/*
 * A table that is full but for some slots: there is a place in the index for each connection, also for those whose bucket has
 * more than its share, which some are with any checksum (bpf/tcp/table.h). And connections whose keys have the same checksum,
 * as two of some 100,000 have: here the factors are such that all have it which lead to one listener.
 */
#define OBJECT		"tcp"
/* Both ends of each are in the table, which has 16,384 slots. */
#define CONNS_USUALLY	8150
#include "scale.c"

/* What bpf/hash.h multiplies words with: the link device, both ports, the peer's address, the local one. */
struct factors {
	uint64_t of[1 + 10];
};

/* Where the transport has them in its map of variables; -1 when it has none. */
static int factors_offset(const struct bpf_map_info *info)
{
	struct btf *btf = btf__load_from_kernel_by_id(info->btf_id);
	const struct btf_type *t = btf ? btf__type_by_id(btf, info->btf_value_type_id) : NULL;
	int i, offset = -1;

	for (i = 0; t && btf_is_datasec(t) && i < btf_vlen(t); i++) {
		const struct btf_var_secinfo *v = btf_var_secinfos(t) + i;
		const struct btf_type *var = btf__type_by_id(btf, v->type);

		if (!strcmp(btf__name_by_offset(btf, var->name_off), "hash_factors") &&
		    v->size == sizeof(struct factors))
			offset = v->offset;
	}
	btf__free(btf);
	return offset;
}

/* With 0 in front the transport makes new ones. Return: 0, -1 */
static int factors_set(const struct factors *new)
{
	struct bpf_map_info info;
	int fd = transport_map("tcp", "bss", &info), offset, err = -1;
	uint32_t key = 0;
	uint8_t *value;

	if (fd < 0)
		return -1;
	value = calloc(1, info.value_size);
	offset = factors_offset(&info);
	if (value && offset >= 0 && !bpf_map_lookup_elem(fd, &key, value)) {
		memcpy(value + offset, new, sizeof(*new));
		err = bpf_map_update_elem(fd, &key, value, 0);
	}
	free(value);
	close(fd);
	return err;
}

TEST(equal_checksums)
{
	/* The checksum is the peer's address plus its port: all that one host has to a listener are the same to it. */
	struct factors equal = { .of = { 1, [2] = 1ULL << 48, [6] = 1ULL << 32 } }, none = {};
	union address addr = address_of(HOST_B, PORT);
	struct etran_socket *l, *to[4], *from[4];
	struct etran_tcp *a, *b;
	uint8_t c;
	int i;

	ASSERT_EQ(0, factors_set(&equal)) TH_LOG("the transport's hash_factors were not found");
	b = context_with(HOST_B, 256, 4096);
	ASSERT_NE(NULL, b);
	l = etran_socket(b, family, 0);
	ASSERT_NE(NULL, l);
	ASSERT_EQ(0, etran_bind(l, &addr.sa, address_len()));
	ASSERT_EQ(0, etran_listen(l, 64)) TH_LOG("%s", etran_strerror_detail());
	a = context_with(HOST_A, 256, 4096);
	ASSERT_NE(NULL, a);
	for (i = 0; i < 4; i++) {
		to[i] = etran_socket(a, family, 0);
		ASSERT_NE(NULL, to[i]);
		ASSERT_EQ(0, etran_connect(to[i], &addr.sa, address_len())) TH_LOG("connection %d: %s", i, etran_strerror_detail());
		from[i] = etran_accept(l, NULL, NULL, 0);
		ASSERT_NE(NULL, from[i]);
	}
	/* And each is found. */
	for (i = 0; i < 4; i++) {
		c = 10 + i;
		ASSERT_EQ(1, etran_send(to[i], &c, 1, 0));
		ASSERT_EQ(1, etran_recv(from[i], &c, 1, 0));
		ASSERT_EQ(10 + i, c);
		c = 20 + i;
		ASSERT_EQ(1, etran_send(from[i], &c, 1, 0));
		ASSERT_EQ(1, etran_recv(to[i], &c, 1, 0));
		ASSERT_EQ(20 + i, c);
	}
	ASSERT_EQ(8, conns_used());
	EXPECT_EQ(0, tcp_counter("rx_syn_dropped"));
	etran_tcp_close(a);
	etran_tcp_close(b);
	EXPECT_TRUE(idle(0, 60));
	/* So that others would not find it so. */
	EXPECT_EQ(0, factors_set(&none));
}
