/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The wire's other end: Homa packets sent and received by hand on HOST_B (HOSTS_WIRE), which has
 * neither etran nor an address. Numbers are in host byte order until they are in a packet.
 */
#ifndef WIRE_H
#define WIRE_H

#include <poll.h>
#include <net/if.h>
#include <linux/icmp.h>
#include <linux/if_packet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <sys/ioctl.h>
#include "homa_test.h"

#define WIRE_SEGMENT	1424

/**
 * struct wire - a packet socket on HOST_B's device
 * @fd: it
 * @mac: address of HOST_A's device
 * @cutoffs: CUTOFFS are of interest. HOST_A sends them unasked, as most DATA from here has not their
 *	version.
 */
struct wire {
	int fd;
	bool cutoffs;
	uint8_t mac[ETH_ALEN];
};

/**
 * struct packet - one packet, from the Ethernet header on
 * @len: bytes in all
 * @eth: Ethernet header
 * @ip: IPv4 header, without options
 * @homa: by type
 */
struct packet {
	size_t len;
	struct {
		struct ethhdr eth;
		struct iphdr ip;
		union {
			struct homa_common_hdr common;
			struct homa_data_hdr data;
			struct homa_grant_hdr grant;
			struct homa_resend_hdr resend;
			struct homa_cutoffs_hdr cutoffs;
			struct homa_ack_hdr ack;
			struct icmphdr icmp;
			uint8_t homa[2000];
		};
	} __attribute__((packed));
};

#define IP_AT	sizeof(struct ethhdr)
#define HOMA_AT	(IP_AT + sizeof(struct iphdr))

static inline uint64_t be64(uint64_t v)
{
	return (uint64_t)htonl(v) << 32 | htonl(v >> 32);
}

static inline int wire_open(struct wire *w)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	struct ifreq ifr = { .ifr_name = "v0" };
	int fd, room = 8 << 20;

	enter(HOST_A);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &ifr))
		return -1;
	close(fd);
	memcpy(w->mac, ifr.ifr_hwaddr.sa_data, ETH_ALEN);
	enter(HOST_B);
	ll.sll_ifindex = if_nametoindex("v0");
	w->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (w->fd < 0 || setsockopt(w->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
	    bind(w->fd, (struct sockaddr *)&ll, sizeof(ll)))
		return -1;
	return 0;
}

static inline uint16_t checksum(const void *p, size_t len)
{
	const uint8_t *b = p;
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += b[i] << 8 | b[i + 1];
	if (len & 1)
		sum += b[len - 1] << 8;
	while (sum >> 16)
		sum = (sum >> 16) + (sum & 0xffff);
	return ~sum;
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
		n = recv(w->fd, &p->eth, sizeof(p->eth) + sizeof(p->ip) + sizeof(p->homa), 0);
		if (n < (ssize_t)HOMA_AT || p->ip.saddr != htonl(ADDR_A))
			continue;
		if (p->ip.protocol == HOMA_IPPROTO && p->common.type == HOMA_CUTOFFS && !w->cutoffs)
			continue;
		p->len = n;
		if (p->ip.protocol == HOMA_IPPROTO || p->ip.protocol == IPPROTO_ICMP)
			return true;
	}
}

/* The next Homa packet of that type; others are skipped. */
static inline bool wire_next_of(struct wire *w, struct packet *p, uint8_t type, int ms)
{
	uint64_t end = now_ms() + ms;

	while (wire_next(w, p, now_ms() < end ? end - now_ms() : 0))
		if (p->ip.protocol == HOMA_IPPROTO && p->common.type == type)
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

/* Ethernet and IP headers around @len bytes. */
static inline void wire_frame(struct wire *w, struct packet *p, uint8_t protocol, size_t len)
{
	memcpy(p->eth.h_dest, w->mac, ETH_ALEN);
	memcpy(p->eth.h_source, (uint8_t[]){ 2, 0, 0, 0, 0, 2 }, ETH_ALEN);
	p->eth.h_proto = htons(ETH_P_IP);
	memset(&p->ip, 0, sizeof(p->ip));
	p->ip.version = 4;
	p->ip.ihl = 5;
	p->ip.tot_len = htons(sizeof(p->ip) + len);
	p->ip.ttl = 64;
	p->ip.protocol = protocol;
	p->ip.saddr = htonl(ADDR_B);
	p->ip.daddr = htonl(ADDR_A);
	p->ip.check = htons(checksum(&p->ip, sizeof(p->ip)));
	p->len = HOMA_AT + len;
}

static inline bool wire_send(struct wire *w, struct packet *p, size_t len)
{
	wire_frame(w, p, HOMA_IPPROTO, len);
	return send(w->fd, &p->eth, p->len, 0) == (ssize_t)p->len;
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
	return ntohs(p->ip.tot_len) - sizeof(p->ip) - sizeof(p->data);
}

#endif /* WIRE_H */
