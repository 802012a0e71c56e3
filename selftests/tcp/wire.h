/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The wire's other end: TCP segments sent and received by hand on HOST_B, which has no address (hosts.sh, WIRE). Numbers are
 * in host byte order. Every segment that arrives is checked: lengths, both checksums, reserved bits, form and padding of
 * its options, and that it has the ACK flag unless it is a first SYN, or a RST for a segment that had none.
 */
#ifndef WIRE_H
#define WIRE_H

#include <net/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include "tcp_test.h"

#define FIN	0x01
#define SYN	0x02
#define RST	0x04
#define PSH	0x08
#define ACK	0x10
#define URG	0x20
#define ECE	0x40
#define CWR	0x80

/**
 * struct seg - a segment
 * @sport: source port
 * @dport: destination port
 * @seq: sequence number
 * @ack: acknowledgement number
 * @flags: FIN ...
 * @window: as it stands in the header
 * @urgent: urgent pointer
 * @tos: TOS or traffic class
 * @corrupt: send a wrong checksum
 * @optlen: bytes of @opt, a multiple of 4 when sent
 * @opt: options
 * @len: bytes of @data
 * @data: payload
 * @mss: of the options, as all below; 0: none
 * @wscale: -1: none
 * @sack_ok: SACK permitted
 * @has_ts: timestamps
 * @tsval: their values
 * @tsecr: likewise
 * @sacks: SACK blocks
 * @sack: first, last + 1
 */
struct seg {
	uint16_t sport;
	uint16_t dport;
	uint32_t seq;
	uint32_t ack;
	uint8_t flags;
	uint16_t window;
	uint16_t urgent;
	uint8_t tos;
	bool corrupt;
	size_t optlen;
	uint8_t opt[40];
	size_t len;
	uint8_t data[2000];
	uint16_t mss;
	int wscale;
	bool sack_ok;
	bool has_ts;
	uint32_t tsval;
	uint32_t tsecr;
	int sacks;
	uint32_t sack[4][2];
};

/**
 * struct wire - a packet socket on HOST_B's device, and the end of one connection there
 * @fd: it
 * @mac: address of HOST_A's device
 * @malformed: segments that were not as they must be
 * @port: ours
 * @peer_port: etran's
 * @seq: next that we send
 * @ack: next that we expect
 * @iss: first that etran sent
 * @window: that we tell
 * @ts: put timestamps into what we send
 * @tsval: ours
 * @tsecr: etran's newest
 * @one: only segments of this connection come, and SYNs
 * @arrived: when the last segment came, ms
 */
struct wire {
	int fd;
	uint8_t mac[ETH_ALEN];
	int malformed;
	uint16_t port;
	uint16_t peer_port;
	uint32_t seq;
	uint32_t ack;
	uint32_t iss;
	uint16_t window;
	bool ts;
	uint32_t tsval;
	uint32_t tsecr;
	bool one;
	uint64_t arrived;
};

static inline uint32_t get32(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
}

static inline void set32(uint8_t *b, uint32_t v)
{
	b[0] = v >> 24;
	b[1] = v >> 16;
	b[2] = v >> 8;
	b[3] = v;
}

static TT_UNUSED int wire_open(struct wire *w)
{
	memset(w, 0, sizeof(*w));
	w->window = 65535;
	enter(HOST_A);
	if (wire_mac(w->mac))
		return -1;
	enter(HOST_B);
	w->fd = wire_socket(family);
	return w->fd < 0 ? -1 : 0;
}

/* The pseudo header's part of a checksum. */
static inline uint32_t pseudo(const uint8_t *ip, size_t len)
{
	return family == AF_INET ? sum(len + 6, ip + 12, 8) : sum(len + 6, ip + 8, 32);
}

/* An IP header in front of @len bytes: from HOST_B to HOST_A, or in the packet that is quoted the other way. Its length. */
static TT_UNUSED size_t put_ip(uint8_t *ip, bool quoted, uint8_t tos, uint8_t protocol, size_t len)
{
	uint16_t check;

	if (family == AF_INET6) {
		set32(ip, 0x60000000 | (uint32_t)tos << 20);
		ip[4] = len >> 8;
		ip[5] = len;
		ip[6] = protocol;
		ip[7] = 64;
		inet_pton(AF_INET6, quoted ? ADDR6_A : ADDR6_B, ip + 8);
		inet_pton(AF_INET6, quoted ? ADDR6_B : ADDR6_A, ip + 24);
		return 40;
	}
	len += 20;
	ip[0] = 0x45;
	ip[1] = tos;
	ip[2] = len >> 8;
	ip[3] = len;
	ip[8] = 64;
	ip[9] = protocol;
	set32(ip + 12, quoted ? ADDR_A : ADDR_B);
	set32(ip + 16, quoted ? ADDR_B : ADDR_A);
	check = sum_end(sum(0, ip, 20));
	ip[10] = check >> 8;
	ip[11] = check;
	return 20;
}

/* From the Ethernet header up to what is behind the IP header, which has @len bytes: its length. */
static TT_UNUSED size_t put_headers(const struct wire *w, uint8_t *b, uint8_t tos, uint8_t protocol, size_t len)
{
	memcpy(b, w->mac, ETH_ALEN);
	memcpy(b + ETH_ALEN, (uint8_t[]){ 2, 0, 0, 0, 0, 2 }, ETH_ALEN);
	b[12] = family == AF_INET ? 0x08 : 0x86;
	b[13] = family == AF_INET ? 0x00 : 0xdd;
	return ETH_HLEN + put_ip(b + ETH_HLEN, false, tos, protocol, len);
}

static TT_UNUSED bool wire_put(struct wire *w, const struct seg *s)
{
	size_t ip_len = family == AF_INET ? 20 : 40, tcp_len = 20 + s->optlen + s->len;
	uint8_t b[2200] = {}, *ip = b + ETH_HLEN, *tcp = ip + ip_len;
	uint16_t check;

	put_headers(w, b, s->tos, 6, tcp_len);
	tcp[0] = s->sport >> 8;
	tcp[1] = s->sport;
	tcp[2] = s->dport >> 8;
	tcp[3] = s->dport;
	set32(tcp + 4, s->seq);
	set32(tcp + 8, s->ack);
	tcp[12] = (20 + s->optlen) / 4 << 4;
	tcp[13] = s->flags;
	tcp[14] = s->window >> 8;
	tcp[15] = s->window;
	tcp[18] = s->urgent >> 8;
	tcp[19] = s->urgent;
	memcpy(tcp + 20, s->opt, s->optlen);
	memcpy(tcp + 20 + s->optlen, s->data, s->len);
	check = sum_end(sum(pseudo(ip, tcp_len), tcp, tcp_len));
	if (s->corrupt)
		check ^= 0x100;
	tcp[16] = check >> 8;
	tcp[17] = check;
	return send(w->fd, b, ETH_HLEN + ip_len + tcp_len, 0) == (ssize_t)(ETH_HLEN + ip_len + tcp_len);
}

/* An ICMP error of HOST_B's about a segment with @seq of etran's. */
static TT_UNUSED bool wire_icmp_rest(struct wire *w, uint8_t type, uint8_t code, uint32_t rest, uint32_t seq)
{
	size_t ip_len = family == AF_INET ? 20 : 40, len = 8 + ip_len + 8;
	uint8_t b[ETH_HLEN + 120] = {}, *ip = b + ETH_HLEN, *icmp = ip + ip_len, *in = icmp + 8, *tcp = in + ip_len;
	uint16_t check;

	put_headers(w, b, 0, family == AF_INET ? 1 : 58, len);
	put_ip(in, true, 0, 6, 40);
	tcp[0] = w->peer_port >> 8;
	tcp[1] = w->peer_port;
	tcp[2] = w->port >> 8;
	tcp[3] = w->port;
	set32(tcp + 4, seq);
	icmp[0] = type;
	icmp[1] = code;
	set32(icmp + 4, rest);
	/* The pseudo header of ICMPv6 has 58 where that of TCP has 6. */
	check = sum_end(sum(family == AF_INET ? 0 : pseudo(ip, len + 52), icmp, len));
	icmp[2] = check >> 8;
	icmp[3] = check;
	return send(w->fd, b, ETH_HLEN + ip_len + len, 0) == (ssize_t)(ETH_HLEN + ip_len + len);
}

static TT_UNUSED bool wire_icmp(struct wire *w, uint8_t type, uint8_t code, uint32_t seq)
{
	return wire_icmp_rest(w, type, code, 0, seq);
}

/* "Fragmentation needed" or "packet too big": a router takes @mtu bytes. */
static TT_UNUSED bool wire_too_big(struct wire *w, uint32_t mtu, uint32_t seq)
{
	return wire_icmp_rest(w, family == AF_INET ? 3 : 2, family == AF_INET ? 4 : 0, mtu, seq);
}

static inline bool malformed(struct wire *w, const char *what)
{
	printf("# malformed segment: %s\n", what);
	w->malformed++;
	return false;
}

static TT_UNUSED bool seg_options(struct wire *w, struct seg *s)
{
	size_t i, n;

	s->wscale = -1;
	for (i = 0; i < s->optlen; i += n) {
		n = 1;
		if (!s->opt[i]) {
			for (; i < s->optlen; i++)
				if (s->opt[i])
					return malformed(w, "something behind the end of options");
			return true;
		}
		if (s->opt[i] == 1)
			continue;
		if (i + 1 >= s->optlen)
			return malformed(w, "an option without length");
		n = s->opt[i + 1];
		if (n < 2 || i + n > s->optlen)
			return malformed(w, "an option's length");
		switch (s->opt[i]) {
		case 2:
			if (n != 4 || !(s->flags & SYN))
				return malformed(w, "MSS");
			s->mss = s->opt[i + 2] << 8 | s->opt[i + 3];
			break;
		case 3:
			if (n != 3 || !(s->flags & SYN) || s->opt[i + 2] > 14)
				return malformed(w, "window scale");
			s->wscale = s->opt[i + 2];
			break;
		case 4:
			if (n != 2 || !(s->flags & SYN))
				return malformed(w, "SACK permitted");
			s->sack_ok = true;
			break;
		case 5:
			if ((n - 2) % 8 || n < 10 || n > 34 || s->flags & SYN)
				return malformed(w, "SACK");
			for (s->sacks = 0; s->sacks < (int)(n - 2) / 8; s->sacks++) {
				s->sack[s->sacks][0] = get32(s->opt + i + 2 + 8 * s->sacks);
				s->sack[s->sacks][1] = get32(s->opt + i + 6 + 8 * s->sacks);
			}
			break;
		case 8:
			if (n != 10)
				return malformed(w, "timestamps");
			s->has_ts = true;
			s->tsval = get32(s->opt + i + 2);
			s->tsecr = get32(s->opt + i + 6);
			if (!(s->flags & ACK) && s->tsecr)
				return malformed(w, "an echoed timestamp without ACK");
			break;
		default:
			return malformed(w, "an option that etran does not know");
		}
	}
	return true;
}

/* Takes a frame apart. False: it is no TCP of HOST_A's, or malformed. */
static TT_UNUSED bool seg_parse(struct wire *w, const uint8_t *b, size_t n, struct seg *s)
{
	size_t ip_len = family == AF_INET ? 20 : 40, total, doff;
	const uint8_t *ip = b + ETH_HLEN, *tcp = ip + ip_len;

	memset(s, 0, sizeof(*s));
	if (n < ETH_HLEN + ip_len + 20)
		return false;
	if (family == AF_INET) {
		if (ip[0] != 0x45 || ip[9] != 6 || get32(ip + 12) != ADDR_A)
			return false;
		total = ip[2] << 8 | ip[3];
		s->tos = ip[1];
		if (sum_end(sum(0, ip, 20)))
			return malformed(w, "IP checksum");
		if (ip[6] != 0x40 || ip[7])
			return malformed(w, "fragment, or no DF");
	} else {
		if (ip[0] >> 4 != 6 || ip[6] != 6)
			return false;
		total = 40 + (ip[4] << 8 | ip[5]);
		s->tos = get32(ip) >> 20;
	}
	if (total < ip_len + 20 || total > n - ETH_HLEN)
		return malformed(w, "IP length");
	doff = tcp[12] >> 4 << 2;
	if (doff < 20 || ip_len + doff > total)
		return malformed(w, "data offset");
	if (tcp[12] & 0xf)
		return malformed(w, "reserved bits");
	if (sum_end(sum(pseudo(ip, total - ip_len), tcp, total - ip_len)))
		return malformed(w, "TCP checksum");
	s->sport = tcp[0] << 8 | tcp[1];
	s->dport = tcp[2] << 8 | tcp[3];
	s->seq = get32(tcp + 4);
	s->ack = get32(tcp + 8);
	s->flags = tcp[13];
	s->window = tcp[14] << 8 | tcp[15];
	s->optlen = doff - 20;
	memcpy(s->opt, tcp + 20, s->optlen);
	s->len = total - ip_len - doff;
	memcpy(s->data, tcp + doff, s->len);
	if (!(s->flags & (ACK | RST)) && (s->flags & 0x3f) != SYN)
		return malformed(w, "no ACK flag");
	if (tcp[18] | tcp[19])
		return malformed(w, "urgent pointer");
	return seg_options(w, s);
}

/* The next segment from HOST_A for our port (any, if that is 0). False: none came in time. */
static TT_UNUSED bool wire_next(struct wire *w, struct seg *s, int ms)
{
	struct pollfd pfd = { .fd = w->fd, .events = POLLIN };
	uint64_t end = now_ms() + ms;
	uint8_t b[4096];
	ssize_t n;

	for (;;) {
		if (poll(&pfd, 1, now_ms() < end ? end - now_ms() : 0) <= 0)
			return false;
		n = recv(w->fd, b, sizeof(b), MSG_DONTWAIT);
		if (n < 0 || !seg_parse(w, b, n, s) || (w->port && s->dport != w->port))
			continue;
		/* Of a connection of the test before. */
		if (w->one && s->sport != w->peer_port && s->flags != SYN && s->flags != (SYN | ECE | CWR))
			continue;
		w->arrived = now_ms();
		if (s->has_ts)
			w->tsecr = s->tsval;
		return true;
	}
}

static TT_UNUSED void wire_drain(struct wire *w)
{
	struct seg s;

	while (wire_next(w, &s, 0))
		;
}

/* A segment of our connection: what every one has. */
static TT_UNUSED struct seg wire_seg(struct wire *w, uint8_t flags)
{
	struct seg s = {
		.sport = w->port, .dport = w->peer_port, .seq = w->seq, .flags = flags,
		.ack = flags & ACK ? w->ack : 0, .window = w->window,
	};

	if (w->ts) {
		memcpy(s.opt, (uint8_t[]){ 1, 1, 8, 10 }, 4);
		set32(s.opt + 4, ++w->tsval);
		set32(s.opt + 8, flags & ACK ? w->tsecr : 0);
		s.optlen = 12;
	}
	return s;
}

/* The same, sent. */
static TT_UNUSED bool wire_send(struct wire *w, uint8_t flags)
{
	struct seg s = wire_seg(w, flags);

	return wire_put(w, &s);
}

/* @len bytes from @at bytes behind w->seq, of stream 1, of which w->seq is byte @from. */
static TT_UNUSED bool wire_data(struct wire *w, uint32_t at, uint64_t from, size_t len, uint8_t flags)
{
	struct seg s = wire_seg(w, ACK | flags);

	s.seq = w->seq + at;
	s.len = len;
	stream_fill(s.data, 1, from + at, len);
	return wire_put(w, &s);
}

/* What a SYN of ours offers. */
#define OFFER_MSS	(1 << 0)	/* 1460 */
#define OFFER_SACK	(1 << 1)
#define OFFER_TS	(1 << 2)
#define OFFER_WS	(1 << 3)	/* by 7 */
#define OFFER_ALL	0xf

static TT_UNUSED void wire_offer(struct wire *w, struct seg *s, int offer)
{
	s->optlen = 0;
	if (offer & OFFER_MSS) {
		memcpy(s->opt + s->optlen, (uint8_t[]){ 2, 4, 1460 >> 8, 1460 & 0xff }, 4);
		s->optlen += 4;
	}
	if (offer & OFFER_SACK) {
		memcpy(s->opt + s->optlen, (uint8_t[]){ 1, 1, 4, 2 }, 4);
		s->optlen += 4;
	}
	if (offer & OFFER_TS) {
		memcpy(s->opt + s->optlen, (uint8_t[]){ 1, 1, 8, 10 }, 4);
		set32(s->opt + s->optlen + 4, ++w->tsval);
		set32(s->opt + s->optlen + 8, s->flags & ACK ? w->tsecr : 0);
		s->optlen += 12;
	}
	if (offer & OFFER_WS) {
		memcpy(s->opt + s->optlen, (uint8_t[]){ 1, 3, 3, 7 }, 4);
		s->optlen += 4;
	}
	w->ts = offer & OFFER_TS;
}

#endif /* WIRE_H */
