/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Initial sequence numbers, RFC 6528: a clock of 4 us plus a keyed hash of who is connected, so numbers of one
 * pair of ports go up, and nobody who does not hold the key can tell one from another. The same hash gives
 * the offset of a connection's timestamps (RFC 7323, 7.1). It is SipHash-2-4 (Aumasson and Bernstein, 2012);
 * the key is from the kernel's own generator, chosen when the first endpoint is opened.
 */
#ifndef _TCP_ISN_H
#define _TCP_ISN_H

__u64 isn_key[2];

static __always_inline __u64 rotl(__u64 x, __u32 n)
{
	return x << n | x >> (64 - n);
}

#define SIP_ROUND(v)							\
do {									\
	v[0] += v[1]; v[1] = rotl(v[1], 13); v[1] ^= v[0];		\
	v[0] = rotl(v[0], 32);						\
	v[2] += v[3]; v[3] = rotl(v[3], 16); v[3] ^= v[2];		\
	v[0] += v[3]; v[3] = rotl(v[3], 21); v[3] ^= v[0];		\
	v[2] += v[1]; v[1] = rotl(v[1], 17); v[1] ^= v[2];		\
	v[2] = rotl(v[2], 32);						\
} while (0)

/* Of both addresses and both ports, and @extra: 48 bytes in all. What is to be told apart has another @extra. */
static __noinline __u64 isn_hash(const struct conn_key *key, __u64 extra)
{
	__u64 m[6] = {
		(__u64)key->local.a[0] << 32 | key->local.a[1],
		(__u64)key->local.a[2] << 32 | key->local.a[3],
		(__u64)key->peer.a[0] << 32 | key->peer.a[1],
		(__u64)key->peer.a[2] << 32 | key->peer.a[3],
		(__u64)key->port << 16 | key->peer_port,
		extra,
	};
	__u64 v[4] = {
		isn_key[0] ^ 0x736f6d6570736575ULL, isn_key[1] ^ 0x646f72616e646f6dULL,
		isn_key[0] ^ 0x6c7967656e657261ULL, isn_key[1] ^ 0x7465646279746573ULL,
	};
	int i;

#pragma unroll
	for (i = 0; i < 6; i++) {
		v[3] ^= m[i];
		SIP_ROUND(v);
		SIP_ROUND(v);
		v[0] ^= m[i];
	}
	v[3] ^= 48ULL << 56;
	SIP_ROUND(v);
	SIP_ROUND(v);
	v[0] ^= 48ULL << 56;
	v[2] ^= 0xff;
	SIP_ROUND(v);
	SIP_ROUND(v);
	SIP_ROUND(v);
	SIP_ROUND(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static __always_inline __u32 isn_clock(__u64 now)
{
	return now / 4000;
}

#endif /* _TCP_ISN_H */
