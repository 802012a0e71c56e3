/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Addresses of hosts: IPv6, or IPv4 as ::ffff:a.b.c.d, so that nothing but the IP header depends on which
 * of both it is. Rejected: a family beside the address, which every key and every comparison would have
 * to carry, too.
 */
#ifndef _ETRAN_ADDRESS_H
#define _ETRAN_ADDRESS_H

/* IP headers */
#define IP4_LEN		20
#define IP6_LEN		40

/**
 * struct address - an address
 * @a: network byte order; all zero for none: the route's choice, or any
 */
struct address {
	__be32 a[4];
};

static __always_inline struct address address_of_ipv4(__be32 addr)
{
	struct address address = { .a = { 0, 0, bpf_htonl(0xffff), addr } };

	return address;
}

static __always_inline bool address_is_ipv4(const struct address *address)
{
	return !address->a[0] && !address->a[1] && address->a[2] == bpf_htonl(0xffff);
}

static __always_inline bool address_same(const struct address *x, const struct address *y)
{
	return !((x->a[0] ^ y->a[0]) | (x->a[1] ^ y->a[1]) | (x->a[2] ^ y->a[2]) |
		 (x->a[3] ^ y->a[3]));
}

/* Not 0.0.0.0/8, multicast, reserved, broadcast. */
static __always_inline bool is_host_ipv4(__be32 addr)
{
	__u32 a = bpf_ntohl(addr);

	return a >> 24 && a < 0xe0000000;
}

/*
 * Not multicast, nor ::/64, where the unspecified address is, loopback, and IPv4 in disguise: a packet over
 * IPv6 must not pass for one over IPv4.
 */
static __always_inline bool is_host_ipv6(const struct address *address)
{
	return (address->a[0] | address->a[1]) && bpf_ntohl(address->a[0]) >> 24 != 0xff;
}

static __always_inline bool is_host_address(const struct address *address)
{
	return address_is_ipv4(address) ? is_host_ipv4(address->a[3]) : is_host_ipv6(address);
}

#endif /* _ETRAN_ADDRESS_H */
