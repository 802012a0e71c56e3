// SPDX-License-Identifier: GPL-2.0
/*
 * Which receive queue a frame goes to, as a NIC's receive side scaling does it: addresses and ports
 * of TCP and UDP, addresses and the first four bytes behind the IP header of any other protocol
 * (where transports of our own have their ports). IP fragments go by addresses alone, all else to
 * queue 0.
 *
 * The frame may lie where an application writes: each byte is read once, and a wrong one leads to
 * another queue and to nothing else.
 */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/jhash.h>
#include "testnic.h"

/* Fixed, so that flows find the same queues in each run. */
#define SEED 0x7e57c0de

static u32 hash_ipv4(const u8 *ip, u32 len)
{
	u32 ihl, ports = 0;

	if (len < sizeof(struct iphdr))
		return 0;
	ihl = (READ_ONCE(*ip) & 15) * 4;
	if (!(get_unaligned_be16(ip + offsetof(struct iphdr, frag_off)) & 0x3fff) &&
	    ihl >= sizeof(struct iphdr) && ihl + 4 <= len)
		ports = get_unaligned((const u32 *)(ip + ihl));
	return jhash_3words(get_unaligned((const u32 *)(ip + offsetof(struct iphdr, saddr))),
			    get_unaligned((const u32 *)(ip + offsetof(struct iphdr, daddr))),
			    ports, SEED);
}

/* Extension headers are not looked behind: they are "any other protocol". */
static u32 hash_ipv6(const u8 *ip, u32 len)
{
	u32 words[9] = {};

	if (len < sizeof(struct ipv6hdr))
		return 0;
	memcpy(words, ip + offsetof(struct ipv6hdr, saddr), 32);
	if (len >= sizeof(struct ipv6hdr) + 4 &&
	    ip[offsetof(struct ipv6hdr, nexthdr)] != IPPROTO_FRAGMENT)
		memcpy(words + 8, ip + sizeof(struct ipv6hdr), 4);
	return jhash2(words, ARRAY_SIZE(words), SEED);
}

static u32 hash_frame(const u8 *data, u32 len)
{
	u32 at = ETH_HLEN;
	u16 proto;

	if (len < ETH_HLEN)
		return 0;
	proto = get_unaligned_be16(data + 12);
	while ((proto == ETH_P_8021Q || proto == ETH_P_8021AD) && at + VLAN_HLEN <= len &&
	       at < TESTNIC_HEADER) {
		proto = get_unaligned_be16(data + at + 2);
		at += VLAN_HLEN;
	}
	if (proto == ETH_P_IP)
		return hash_ipv4(data + at, len - at);
	if (proto == ETH_P_IPV6)
		return hash_ipv6(data + at, len - at);
	return 0;
}

/**
 * testnic_choose_queue - the receive queue of a frame
 * @receiver: whose
 * @f: the frame
 * @from: number of the queue that it was sent from
 *
 * Return: the queue's number. Context: any.
 */
u32 testnic_choose_queue(const struct testnic *receiver, const struct testnic_frame *f, u16 from)
{
	u32 count = READ_ONCE(receiver->dev->real_num_rx_queues);
	u64 rx_queue = READ_ONCE(receiver->rx_queue);

	if (count <= 1)
		return 0;
	if (rx_queue == TESTNIC_RX_HASH)
		return reciprocal_scale(hash_frame(f->data, f->linear), count);
	if (rx_queue == TESTNIC_RX_SENDER)
		rx_queue = from;
	return rx_queue < count ? rx_queue : (u32)rx_queue % count;
}
