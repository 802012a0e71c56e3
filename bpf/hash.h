/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Checksums of keys of up to HASH_WORDS words, which who includes this has defined. Multilinear with random 64-bit
 * factors, of which the upper half is used: for any two keys it is equal with a chance of 2^-32 whatever they are, so no
 * peer can choose what falls into one bucket. (Lemire and Kaser, "Strongly universal string hashing is fast", 2014.)
 *
 * That says nothing of more than two, and keys come in rows: ids that count up, ports, addresses. The sums of a row are a row
 * too, and with an unlucky factor its steps meet the same few buckets again and again (one run in thirty could not have
 * 200,000 RPCs). So the sum is stirred at the end, one to one, by multiplications and shifts that break up rows. (Factors
 * by Wellons, "Prospecting for hash functions", 2018.)
 */
#ifndef _ETRAN_HASH_H
#define _ETRAN_HASH_H

__u64 hash_factors[HASH_WORDS + 1];

/* When the first endpoint is opened, before there is any key; endpoints are opened one at a time. */
static __always_inline void hash_init(void)
{
	__u32 i;

	if (hash_factors[0])
		return;
	/* [0] last: it says that all are there. */
#pragma unroll
	for (i = HASH_WORDS + 1; i--;)
		hash_factors[i] = bpf_etran_random() | 1;
}

static __always_inline __u32 hash_stir(__u32 sum)
{
	sum ^= sum >> 16;
	sum *= 0x7feb352dU;
	sum ^= sum >> 15;
	sum *= 0x846ca68bU;
	return sum ^ sum >> 16;
}

static __always_inline __u32 hash_words(const __u32 *words, __u32 n)
{
	__u64 sum = hash_factors[0];
	__u32 i;

#pragma unroll
	for (i = 0; i < n; i++)
		sum += hash_factors[i + 1] * words[i];
	return hash_stir(sum >> 32);
}

/*
 * Another place for what has checksum @sum, where the one that its lower bits name is full. With one place for each, of
 * 200,000 in 131,072 buckets of eight there are five to be expected for which there is no room as long as others stay.
 */
static __always_inline __u32 hash_other(__u32 sum)
{
	return sum * 0x9e3779b1U >> 15;
}

#endif /* _ETRAN_HASH_H */
