/* SPDX-License-Identifier: GPL-2.0 */
/* The IPv4 header, for the test transports. */
#ifndef _ETRAN_IP_BPF_H
#define _ETRAN_IP_BPF_H

/**
 * struct ip - IPv4 header without options (RFC 791), all in network byte order
 * @version_ihl: version in the upper half, header length in words of four bytes in the lower
 * @tos: type of service
 * @tot_len: bytes of the packet
 * @id: identification
 * @frag_off: flags and fragment offset
 * @ttl: time to live
 * @protocol: IP protocol
 * @check: header checksum
 * @saddr: source
 * @daddr: destination
 */
struct ip {
	__u8 version_ihl;
	__u8 tos;
	__u16 tot_len;
	__u16 id;
	__u16 frag_off;
	__u8 ttl;
	__u8 protocol;
	__u16 check;
	__u32 saddr;
	__u32 daddr;
};

#endif /* _ETRAN_IP_BPF_H */
