/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What tests of Homa and of TCP look at from outside: the counters of the module and of a transport, the transport's
 * maps; and Internet checksums, for those that speak to the wire by hand.
 */
#ifndef TRANSPORT_TEST_H
#define TRANSPORT_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <linux/etran.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#define TT_UNUSED __attribute__((unused))

/* The program cannot go on. */
static TT_UNUSED void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(1);
}

/* A counter of the module by name; ends the program when there is none of that name. */
static TT_UNUSED uint64_t module_counter(const char *name)
{
	static int fd = -1;
	struct etran_counter c[128];
	struct etran_counters q = {
		.scope = ETRAN_COUNTERS_MODULE,
		.count = 128,
		.buf = (uintptr_t)c,
	};
	uint32_t i;

	if (fd < 0)
		fd = open("/dev/etran", O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, ETRAN_IOC_COUNTERS, &q))
		die("/dev/etran: counters");
	for (i = 0; i < q.count; i++)
		if (!strcmp(c[i].name, name))
			return c[i].value;
	errno = ENOENT;
	die(name);
	return 0;
}

/* Descriptor of a transport's map and what it is; -1 when there is none. */
static TT_UNUSED int transport_map(const char *transport, const char *map, struct bpf_map_info *info)
{
	uint32_t len = sizeof(*info);
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/fs/bpf/etran/%s/%s", transport, map);
	fd = bpf_obj_get(path);
	memset(info, 0, len);
	if (fd >= 0 && bpf_map_get_info_by_fd(fd, info, &len)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Index of a counter, from the BTF of the map. */
static TT_UNUSED int transport_counter_index(uint32_t btf_id, const char *name)
{
	struct btf *btf = btf__load_from_kernel_by_id(btf_id);
	const struct btf_type *t;
	const char *member;
	int i, id, index = -1;

	if (!btf)
		die("BTF of the counters");
	id = btf__find_by_name_kind(btf, "transport_counter", BTF_KIND_ENUM);
	t = id < 0 ? NULL : btf__type_by_id(btf, id);
	for (i = 0; t && i < btf_vlen(t); i++) {
		member = btf__name_by_offset(btf, btf_enum(t)[i].name_off);
		if (member && !strncmp(member, "COUNTER_", 8) && !strcmp(member + 8, name))
			index = btf_enum(t)[i].val;
	}
	btf__free(btf);
	return index;
}

/* One of the transport's own (bpf/count.h), without COUNTER_. */
static TT_UNUSED uint64_t transport_counter(const char *transport, const char *name)
{
	int i, index, cpus = libbpf_num_possible_cpus();
	struct bpf_map_info info;
	uint64_t v[cpus], sum = 0;
	int fd = transport_map(transport, "counters", &info);

	if (fd < 0)
		die("the transport's counters");
	index = transport_counter_index(info.btf_id, name);
	if (index < 0 || bpf_map_lookup_elem(fd, &index, v))
		die(name);
	for (i = 0; i < cpus; i++)
		sum += v[i];
	close(fd);
	return sum;
}

/* How many slots of such a map (bpf/slots.h) are in use: the number behind its lock. -1 when that cannot be read. */
static TT_UNUSED int transport_slots_used(const char *transport, const char *map)
{
	struct bpf_map_info info;
	int fd = transport_map(transport, map, &info), n = -1;
	uint32_t key = 0, *slots;

	if (fd < 0)
		return -1;
	slots = calloc(1, info.value_size);
	if (!slots)
		die("calloc");
	if (!bpf_map_lookup_elem(fd, &key, slots))
		n = slots[1];
	free(slots);
	close(fd);
	return n;
}

/* For those who speak to the wire by hand: the address of this host's device; 0, or -1 with errno. */
static TT_UNUSED int wire_mac(uint8_t *mac)
{
	struct ifreq ifr = { .ifr_name = "v0" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -1;
	err = ioctl(fd, SIOCGIFHWADDR, &ifr);
	close(fd);
	memcpy(mac, ifr.ifr_hwaddr.sa_data, ETH_ALEN);
	return err;
}

/* And a packet socket on it, for frames with that version of IP; -1 with errno. */
static TT_UNUSED int wire_socket(int family)
{
	struct sockaddr_ll ll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(family == AF_INET ? ETH_P_IP : ETH_P_IPV6),
		.sll_ifindex = if_nametoindex("v0"),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), room = 8 << 20;

	if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) &&
	    !bind(fd, (struct sockaddr *)&ll, sizeof(ll)))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Add big-endian words to a sum. */
static inline uint32_t sum(uint32_t from, const void *p, size_t len)
{
	const uint8_t *b = p;
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		from += b[i] << 8 | b[i + 1];
	if (len & 1)
		from += b[len - 1] << 8;
	return from;
}

/* The checksum that a sum makes. */
static inline uint16_t sum_end(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum >> 16) + (sum & 0xffff);
	return ~sum;
}

#endif /* TRANSPORT_TEST_H */
