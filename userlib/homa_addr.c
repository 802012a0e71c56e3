// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Socket addresses and what the library and the kernel have instead: IPv6, or IPv4 as ::ffff:a.b.c.d.
 *
 * A socket's domain only says which form its user reads and writes. An AF_INET6 socket reaches hosts over
 * both versions of IP, one of AF_INET over IPv4 alone.
 */
#include <errno.h>
#include <string.h>

#include "error.h"
#include "homa_sock.h"

bool homa_peer_is_ipv4(const struct homa_peer *peer)
{
	return !peer->addr[0] && !peer->addr[1] && peer->addr[2] == htonl(0xffff);
}

bool homa_peer_is_any(const struct homa_peer *peer)
{
	return !peer->addr[3] && !peer->addr[0] && !peer->addr[1] &&
	       (!peer->addr[2] || peer->addr[2] == htonl(0xffff));
}

bool homa_peer_same(const struct homa_peer *x, const struct homa_peer *y)
{
	return x->port == y->port && !memcmp(x->addr, y->addr, sizeof(x->addr));
}

socklen_t homa_addr_size(const struct homa_sock *s)
{
	return s->domain == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

int homa_addr_get(const struct homa_sock *s, const struct sockaddr *addr, size_t len,
		  struct homa_peer *peer)
{
	struct sockaddr_in6 sin6;
	struct sockaddr_in sin;

	if (!addr || len < sizeof(sa_family_t))
		return etran_fail(EINVAL, "no address given");
	if (addr->sa_family != s->domain)
		return etran_fail(EAFNOSUPPORT, "address family %u: this socket was made for %s only",
				  addr->sa_family, s->domain == AF_INET ? "AF_INET" : "AF_INET6");
	if (len < homa_addr_size(s))
		return etran_fail(EINVAL, "address has %zu bytes, this socket's have %u", len,
				  homa_addr_size(s));
	memset(peer, 0, sizeof(*peer));
	if (s->domain == AF_INET) {
		memcpy(&sin, addr, sizeof(sin));
		peer->addr[2] = htonl(0xffff);
		peer->addr[3] = sin.sin_addr.s_addr;
		peer->port = ntohs(sin.sin_port);
	} else {
		memcpy(&sin6, addr, sizeof(sin6));
		memcpy(peer->addr, &sin6.sin6_addr, sizeof(peer->addr));
		peer->port = ntohs(sin6.sin6_port);
	}
	return 0;
}

socklen_t homa_addr_put(const struct homa_sock *s, const struct homa_peer *peer,
			struct sockaddr *addr)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };

	if (s->domain == AF_INET) {
		sin.sin_port = htons(peer->port);
		sin.sin_addr.s_addr = peer->addr[3];
		memcpy(addr, &sin, sizeof(sin));
		return sizeof(sin);
	}
	sin6.sin6_port = htons(peer->port);
	memcpy(&sin6.sin6_addr, peer->addr, sizeof(peer->addr));
	if (IN6_IS_ADDR_LINKLOCAL(&sin6.sin6_addr))
		sin6.sin6_scope_id = etran_channel_link(s->ch)->lower_ifindex;
	memcpy(addr, &sin6, sizeof(sin6));
	return sizeof(sin6);
}
