/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The wire's other end: Homa packets sent and received by hand on HOST_B (HOSTS_WIRE), which has
 * neither etran nor an address; over IPv4 or IPv6, as homa_family says. Numbers are in host byte order until they
 * are in a packet.
 */
#ifndef WIRE_H
#define WIRE_H

#include <poll.h>
#include <net/if.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_packet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <sys/ioctl.h>
#include "homa_test.h"
#include "../transport_test.h"

/* Payload of a full packet. */
#define WIRE_SEGMENT	(homa_family == AF_INET ? 1424 : 1404)

/**
 * struct wire - a packet socket on HOST_B's device
 * @fd: it
 * @mac: address of HOST_A's device
 * @dressed: what is sent from here wears TCP's clothes
 * @host: who sends what is sent from here: 0: HOST_B; N: the Nth host behind it, of which there are 65,535
 * @cutoffs: CUTOFFS are of interest. HOST_A sends them unasked, as most DATA from here has not their
 *	version.
 */
struct wire {
	int fd;
	bool cutoffs;
	bool dressed;
	uint16_t host;
	uint8_t mac[ETH_ALEN];
};

/**
 * struct packet - one packet, from the Ethernet header on
 * @len: bytes in all
 * @behind: bytes behind the IP header
 * @protocol: of what these are
 * @tos: TOS or traffic class
 * @eth: Ethernet header in front of @ip
 * @ip: IPv4 header, without options
 * @eth6: Ethernet header in front of @ip6
 * @ip6: IPv6 header, without extension headers
 * @homa: by type; at the same place behind both
 */
struct packet {
	size_t len;
	size_t behind;
	uint8_t protocol;
	uint8_t tos;
	struct {
		union {
			struct {
				uint8_t space[sizeof(struct ipv6hdr) - sizeof(struct iphdr)];
				struct ethhdr eth;
				struct iphdr ip;
			} __attribute__((packed));
			struct {
				struct ethhdr eth6;
				struct ipv6hdr ip6;
			} __attribute__((packed));
		};
		union {
			struct homa_common_hdr common;
			struct homa_data_hdr data;
			struct homa_grant_hdr grant;
			struct homa_resend_hdr resend;
			struct homa_cutoffs_hdr cutoffs;
			struct homa_ack_hdr ack;
			struct icmphdr icmp;
			struct icmp6hdr icmp6;
			uint8_t homa[2000];
		};
	} __attribute__((packed));
};

/* Lengths in front of the Homa header. */
#define WIRE_IP		(homa_family == AF_INET ? sizeof(struct iphdr) : sizeof(struct ipv6hdr))
#define IP_AT		sizeof(struct ethhdr)
#define HOMA_AT		(IP_AT + WIRE_IP)

/* Where a packet begins. */
static inline void *wire_start(struct packet *p)
{
	return p->homa - HOMA_AT;
}

static inline bool wire_put(struct wire *w, struct packet *p, size_t len)
{
	return send(w->fd, wire_start(p), len, 0) == (ssize_t)len;
}

static inline uint64_t be64(uint64_t v)
{
	return (uint64_t)htonl(v) << 32 | htonl(v >> 32);
}

static inline int wire_open(struct wire *w)
{
	enter(HOST_A);
	if (wire_mac(w->mac))
		return -1;
	enter(HOST_B);
	w->fd = wire_socket(homa_family);
	return w->fd < 0 ? -1 : 0;
}

static inline uint16_t checksum(const void *p, size_t len)
{
	return sum_end(sum(0, p, len));
}

/* The checksum over ICMP or ICMPv6 and what belongs to it. 0: the one that is there is right. */
static inline uint16_t icmp_checksum(const struct packet *p, size_t len)
{
	uint32_t from = 0;

	if (homa_family == AF_INET6)
		from = sum(len + IPPROTO_ICMPV6, &p->ip6.saddr, 32);
	return sum_end(sum(from, p->homa, len));
}

/* The same over Homa in TCP's clothes, headers and payload. */
static inline uint16_t tcp_checksum(const struct packet *p, size_t len)
{
	uint32_t from = len + IPPROTO_TCP;

	if (homa_family == AF_INET)
		from = sum(from, &p->ip.saddr, 8);
	else
		from = sum(from, &p->ip6.saddr, 32);
	return sum_end(sum(from, p->homa, len));
}

/* Is it Homa, in whatever clothes? */
static inline bool wire_is_homa(const struct packet *p)
{
	return p->protocol == HOMA_IPPROTO ||
	       (p->protocol == IPPROTO_TCP && p->behind >= sizeof(p->common) &&
		p->common.flags == HOMA_FLAGS && p->common.urgent == htons(HOMA_URGENT));
}

/* Take a packet apart. False: it is not from HOST_A, or neither Homa nor an ICMP error. */
static inline bool wire_parse(struct packet *p)
{
	static const struct in6_addr a = { .s6_addr = { 0xfd, 0x77, [15] = 1 } };

	if (p->len < HOMA_AT)
		return false;
	p->behind = p->len - HOMA_AT;
	if (homa_family == AF_INET) {
		p->protocol = p->ip.protocol;
		p->tos = p->ip.tos;
		return p->ip.saddr == htonl(ADDR_A) &&
		       (wire_is_homa(p) || p->protocol == IPPROTO_ICMP);
	}
	p->protocol = p->ip6.nexthdr;
	p->tos = ntohl(*(__be32 *)&p->ip6) >> 20;
	/* Neighbour discovery is ICMPv6, too. */
	return !memcmp(&p->ip6.saddr, &a, sizeof(a)) &&
	       (wire_is_homa(p) ||
		(p->protocol == IPPROTO_ICMPV6 && p->icmp6.icmp6_type < 128));
}

/* The next packet from HOST_A of Homa or ICMP. False: none came in time. */
static inline bool wire_next(struct wire *w, struct packet *p, int ms)
{
	struct pollfd pfd = { .fd = w->fd, .events = POLLIN };
	uint64_t end = now_ms() + ms;
	ssize_t n;

	for (;;) {
		if (poll(&pfd, 1, now_ms() < end ? end - now_ms() : 0) <= 0)
			return false;
		n = recv(w->fd, wire_start(p), HOMA_AT + sizeof(p->homa), 0);
		if (n < 0)
			continue;
		p->len = n;
		if (!wire_parse(p))
			continue;
		if (wire_is_homa(p) && p->common.type == HOMA_CUTOFFS && !w->cutoffs)
			continue;
		return true;
	}
}

/* The next Homa packet of that type; others are skipped. */
static inline bool wire_next_of(struct wire *w, struct packet *p, uint8_t type, int ms)
{
	uint64_t end = now_ms() + ms;

	while (wire_next(w, p, now_ms() < end ? end - now_ms() : 0))
		if (wire_is_homa(p) && p->common.type == type)
			return true;
	return false;
}

/* Forget what has arrived. */
static inline void wire_drain(struct wire *w)
{
	struct packet p;

	while (wire_next(w, &p, 0))
		;
}

/* Where the hosts behind HOST_B are: for routes, and of one of them. */
#define WIRE_BEHIND	"10.128.0.0/16"
#define WIRE_BEHIND6	"fd78::/64"

static inline union address wire_behind(uint16_t host, uint16_t port)
{
	union address a = {};

	if (homa_family == AF_INET) {
		a.in.sin_family = AF_INET;
		a.in.sin_port = htons(port);
		a.in.sin_addr.s_addr = htonl(0x0a800000U | host);
		return a;
	}
	a.in6.sin6_family = AF_INET6;
	a.in6.sin6_port = htons(port);
	inet_pton(AF_INET6, "fd78::", &a.in6.sin6_addr);
	a.in6.sin6_addr.s6_addr16[7] = htons(host);
	return a;
}

/* Which of them a packet from HOST_A is for; 0: none of them. */
static inline uint16_t wire_is_for(const struct packet *p)
{
	union address net = wire_behind(0, 0);

	if (homa_family == AF_INET)
		return (ntohl(p->ip.daddr ^ net.in.sin_addr.s_addr) >> 16) ? 0 : ntohl(p->ip.daddr);
	return memcmp(&p->ip6.daddr, &net.in6.sin6_addr, 14) ? 0 : ntohs(p->ip6.daddr.s6_addr16[7]);
}

/* Ethernet and IP headers around @len bytes. */
static inline void wire_frame(struct wire *w, struct packet *p, uint8_t protocol, size_t len)
{
	struct ethhdr *eth = wire_start(p);

	p->len = HOMA_AT + len;
	memcpy(eth->h_dest, w->mac, ETH_ALEN);
	memcpy(eth->h_source, (uint8_t[]){ 2, 0, 0, 0, 0, 2 }, ETH_ALEN);
	eth->h_proto = htons(homa_family == AF_INET ? ETH_P_IP : ETH_P_IPV6);
	if (homa_family == AF_INET6) {
		memset(&p->ip6, 0, sizeof(p->ip6));
		p->ip6.version = 6;
		p->ip6.payload_len = htons(len);
		p->ip6.nexthdr = protocol;
		p->ip6.hop_limit = 64;
		inet_pton(AF_INET6, ADDR6_B, &p->ip6.saddr);
		inet_pton(AF_INET6, ADDR6_A, &p->ip6.daddr);
		if (w->host)
			p->ip6.saddr = wire_behind(w->host, 0).in6.sin6_addr;
		return;
	}
	memset(&p->ip, 0, sizeof(p->ip));
	p->ip.version = 4;
	p->ip.ihl = 5;
	p->ip.tot_len = htons(sizeof(p->ip) + len);
	p->ip.ttl = 64;
	p->ip.protocol = protocol;
	p->ip.saddr = w->host ? wire_behind(w->host, 0).in.sin_addr.s_addr : htonl(ADDR_B);
	p->ip.daddr = htonl(ADDR_A);
	p->ip.check = htons(checksum(&p->ip, sizeof(p->ip)));
	p->len = HOMA_AT + len;
}

static inline bool wire_send(struct wire *w, struct packet *p, size_t len)
{
	wire_frame(w, p, w->dressed ? IPPROTO_TCP : HOMA_IPPROTO, len);
	if (w->dressed) {
		p->common.flags = HOMA_FLAGS;
		p->common.urgent = htons(HOMA_URGENT);
		p->common.checksum = 0;
		p->common.checksum = htons(tcp_checksum(p, len));
	}
	return wire_put(w, p, p->len);
}

/* A packet with nothing in it but what every packet has. */
static inline void wire_common(struct packet *p, uint8_t type, uint16_t sport, uint16_t dport,
			       uint64_t id)
{
	memset(p->homa, 0, sizeof(p->homa));
	p->common.type = type;
	p->common.sport = htons(sport);
	p->common.dport = htons(dport);
	p->common.sender_id = be64(id);
}

static inline bool wire_control(struct wire *w, uint8_t type, uint16_t sport, uint16_t dport,
				uint64_t id)
{
	struct packet p;

	wire_common(&p, type, sport, dport, id);
	return wire_send(w, &p, sizeof(p.common));
}

static inline bool wire_grant(struct wire *w, uint16_t sport, uint16_t dport, uint64_t id,
			      uint32_t offset, uint8_t priority)
{
	struct packet p;

	wire_common(&p, HOMA_GRANT, sport, dport, id);
	p.grant.offset = htonl(offset);
	p.grant.priority = priority;
	return wire_send(w, &p, sizeof(p.grant));
}

static inline bool wire_resend(struct wire *w, uint16_t sport, uint16_t dport, uint64_t id,
			       uint32_t offset, uint32_t length, uint8_t priority)
{
	struct packet p;

	wire_common(&p, HOMA_RESEND, sport, dport, id);
	p.resend.offset = htonl(offset);
	p.resend.length = htonl(length);
	p.resend.priority = priority;
	return wire_send(w, &p, sizeof(p.resend));
}

static inline bool wire_ack(struct wire *w, uint16_t sport, uint16_t dport, uint64_t id)
{
	struct packet p;

	wire_common(&p, HOMA_ACK, sport, dport, id);
	return wire_send(w, &p, sizeof(p.ack));
}

/**
 * struct wire_message - a message that is sent by hand
 * @sport: ours
 * @dport: HOST_A's
 * @id: sender_id
 * @buf: all of it
 * @len: its bytes
 * @incoming: what we send without grants
 */
struct wire_message {
	uint16_t sport;
	uint16_t dport;
	uint64_t id;
	const uint8_t *buf;
	uint32_t len;
	uint32_t incoming;
};

/* Bytes [offset, offset + n) of a message, with the fewest fields that Homa accepts. */
static inline bool wire_data(struct wire *w, const struct wire_message *m, uint32_t offset, uint32_t n)
{
	struct packet p;

	if (n > m->len - offset)
		n = m->len - offset;
	wire_common(&p, HOMA_DATA, m->sport, m->dport, m->id);
	p.data.message_length = htonl(m->len);
	p.data.incoming = htonl(m->incoming);
	p.data.offset = htonl(offset);
	memcpy(p.homa + sizeof(p.data), m->buf + offset, n);
	return wire_send(w, &p, sizeof(p.data) + n);
}

/* Bytes of payload of a DATA packet. */
static inline size_t wire_payload(const struct packet *p)
{
	return p->behind - sizeof(p->data);
}

/*
 * What fixtures have of this: the wire, a server of ours, a client and its port, room for a packet. What they have
 * besides is made behind WIRE_SETUP() and looked at before WIRE_TEARDOWN().
 */
#define WIRE_MEMBERS							\
	struct wire w;							\
	int fd;								\
	int server;							\
	uint16_t port;							\
	struct packet p

#define WIRE_SETUP(here) do {						\
	ASSERT_EQ(0, wire_open(&self->w));				\
	self->server = sock_on(HOST_A, here);				\
	ASSERT_LE(0, self->server);					\
	self->fd = sock_on(HOST_A, 0);					\
	ASSERT_LE(0, self->fd);						\
	self->port = sock_port(self->fd);				\
	ASSERT_NE(0, self->port);					\
} while (0)

#define WIRE_TEARDOWN() do {						\
	homa_close(self->fd);						\
	homa_close(self->server);					\
	EXPECT_TRUE(!idle(20)) TH_LOG("left: %s", idle(0));		\
	EXPECT_EQ(0, homa_counter("frame_stale"));			\
	EXPECT_EQ(0, counter("bad_verdict"));				\
	close(self->w.fd);						\
} while (0)

/* Tests that are run over both, with homa_family = variant->family. */
#define WIRE_FAMILIES(fixture)						\
	FIXTURE_VARIANT(fixture) { int family; };			\
	FIXTURE_VARIANT_ADD(fixture, ipv4) { .family = AF_INET };	\
	FIXTURE_VARIANT_ADD(fixture, ipv6) { .family = AF_INET6 }

#endif /* WIRE_H */
