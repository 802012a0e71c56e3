// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * getsockopt() and setsockopt(). What was set of the kernel's socket before it became etran's is asked from it once, and
 * children of a listener have what that has. Most options are only kept: etran-run(1) says which do something.
 */
#include <errno.h>
#include <string.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/time.h>

#include "preload.h"

#ifndef TCP_USER_TIMEOUT
#define TCP_USER_TIMEOUT	18
#endif

/* Integers that are kept. The kernel's socket knows their defaults. */
static const struct {
	int level;
	int name;
} kept[] = {
	{ SOL_SOCKET, SO_REUSEADDR },
	{ SOL_SOCKET, SO_REUSEPORT },
	{ SOL_SOCKET, SO_KEEPALIVE },
	{ SOL_SOCKET, SO_BROADCAST },
	{ SOL_SOCKET, SO_OOBINLINE },
	{ SOL_SOCKET, SO_DONTROUTE },
	{ SOL_SOCKET, SO_SNDBUF },
	{ SOL_SOCKET, SO_RCVBUF },
	{ SOL_SOCKET, SO_PRIORITY },
	{ SOL_SOCKET, SO_RCVLOWAT },
	{ SOL_SOCKET, SO_TIMESTAMP },
	{ SOL_SOCKET, SO_MARK },
	{ SOL_SOCKET, SO_INCOMING_CPU },
	{ SOL_SOCKET, SO_ZEROCOPY },
	{ IPPROTO_TCP, TCP_NODELAY },
	{ IPPROTO_TCP, TCP_CORK },
	{ IPPROTO_TCP, TCP_KEEPIDLE },
	{ IPPROTO_TCP, TCP_KEEPINTVL },
	{ IPPROTO_TCP, TCP_KEEPCNT },
	{ IPPROTO_TCP, TCP_SYNCNT },
	{ IPPROTO_TCP, TCP_LINGER2 },
	{ IPPROTO_TCP, TCP_DEFER_ACCEPT },
	{ IPPROTO_TCP, TCP_WINDOW_CLAMP },
	{ IPPROTO_TCP, TCP_QUICKACK },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT },
	{ IPPROTO_TCP, TCP_FASTOPEN },
	{ IPPROTO_TCP, TCP_NOTSENT_LOWAT },
	{ IPPROTO_IP, IP_TOS },
	{ IPPROTO_IP, IP_TTL },
	{ IPPROTO_IP, IP_FREEBIND },
	{ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT },
	{ IPPROTO_IP, IP_MTU_DISCOVER },
	{ IPPROTO_IPV6, IPV6_V6ONLY },
	{ IPPROTO_IPV6, IPV6_TCLASS },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS },
};

#define KEPT	((int)(sizeof(kept) / sizeof(kept[0])))
_Static_assert(sizeof(kept) / sizeof(kept[0]) <= OPTIONS_MAX, "room for all options");

static int index_of(int level, int name)
{
	int i;

	for (i = 0; i < KEPT; i++)
		if (kept[i].level == level && kept[i].name == name)
			return i;
	return -1;
}

static int to_ms(const struct timeval *t)
{
	if (!t->tv_sec && !t->tv_usec)
		return -1;
	if (t->tv_sec >= INT32_MAX / 1000)
		return INT32_MAX;
	/* A time that is not 0 must not become 0. */
	return t->tv_sec * 1000 + (t->tv_usec + 999) / 1000;
}

void options_from_kernel(struct psock *p, int fd)
{
	struct timeval t = {};
	socklen_t len;
	int i;

	for (i = 0; i < KEPT; i++) {
		len = sizeof(int);
		if (real(getsockopt)(fd, kept[i].level, kept[i].name, &p->option[i], &len))
			p->option[i] = 0;
	}
	len = sizeof(p->linger);
	real(getsockopt)(fd, SOL_SOCKET, SO_LINGER, &p->linger, &len);
	len = sizeof(t);
	if (!real(getsockopt)(fd, SOL_SOCKET, SO_RCVTIMEO, &t, &len))
		p->rcvtimeo = to_ms(&t);
	len = sizeof(t);
	if (!real(getsockopt)(fd, SOL_SOCKET, SO_SNDTIMEO, &t, &len))
		p->sndtimeo = to_ms(&t);
}

void options_inherit(struct psock *p, const struct psock *listener)
{
	memcpy(p->option, listener->option, sizeof(p->option));
	p->linger = listener->linger;
	p->rcvtimeo = listener->rcvtimeo;
	p->sndtimeo = listener->sndtimeo;
}

/* As much as the caller has room for. */
static int give(void *value, socklen_t *len, const void *from, socklen_t n)
{
	if ((int)*len < 0) {
		errno = EINVAL;
		return -1;
	}
	if (*len > n)
		*len = n;
	memcpy(value, from, *len);
	return 0;
}

static int give_int(void *value, socklen_t *len, int n)
{
	return give(value, len, &n, sizeof(n));
}

static int give_ms(void *value, socklen_t *len, int ms)
{
	struct timeval t = {};

	if (ms > 0) {
		t.tv_sec = ms / 1000;
		t.tv_usec = ms % 1000 * 1000;
	}
	return give(value, len, &t, sizeof(t));
}

static int give_info(struct psock *p, void *value, socklen_t *len)
{
	struct tcp_info info = {};

	info.tcpi_state = p->listens ? TCP_LISTEN : TCP_CLOSE;
	if (!p->listens && !psock_foreign(p)) {
		if (etran_socket_connecting(p->s))
			info.tcpi_state = TCP_SYN_SENT;
		else if (etran_socket_lives(p->s))
			info.tcpi_state = TCP_ESTABLISHED;
		info.tcpi_snd_mss = etran_socket_mss(p->s);
		info.tcpi_rcv_mss = info.tcpi_snd_mss;
		info.tcpi_advmss = info.tcpi_snd_mss;
		if (info.tcpi_snd_mss)
			info.tcpi_unacked = etran_socket_unacked(p->s) / info.tcpi_snd_mss;
	}
	return give(value, len, &info, sizeof(info));
}

static int get_error(struct psock *p)
{
	if (p->listens || psock_foreign(p))
		return 0;
	/* connect() is not to tell it once more. */
	if (p->connecting && !etran_socket_connecting(p->s))
		p->connecting = false;
	return etran_socket_error(p->s);
}

static const char cc_name[16] = "dctcp";

/* An option that a socket does not have, of a level that it has or has not. Return: -1 */
static int unknown(int level)
{
	errno = level == SOL_SOCKET || level == IPPROTO_TCP || level == IPPROTO_IP ||
		level == IPPROTO_IPV6 ? ENOPROTOOPT : EOPNOTSUPP;
	return -1;
}

int options_get(struct psock *p, int level, int name, void *value, socklen_t *len)
{
	int i;

	if (level == SOL_SOCKET) {
		switch (name) {
		case SO_ERROR:
			return give_int(value, len, get_error(p));
		case SO_TYPE:
			return give_int(value, len, SOCK_STREAM);
		case SO_DOMAIN:
			return give_int(value, len, p->domain);
		case SO_PROTOCOL:
			return give_int(value, len, IPPROTO_TCP);
		case SO_ACCEPTCONN:
			return give_int(value, len, p->listens);
		case SO_LINGER:
			return give(value, len, &p->linger, sizeof(p->linger));
		case SO_RCVTIMEO:
			return give_ms(value, len, p->rcvtimeo);
		case SO_SNDTIMEO:
			return give_ms(value, len, p->sndtimeo);
		}
	}
	if (level == IPPROTO_TCP) {
		switch (name) {
		case TCP_INFO:
			return give_info(p, value, len);
		case TCP_MAXSEG:
			i = p->listens ? 0 : etran_socket_mss(p->s);
			return give_int(value, len, i ? i : 536);
		case TCP_CONGESTION:
			return give(value, len, cc_name, sizeof(cc_name));
		}
	}
	i = index_of(level, name);
	if (i >= 0)
		return give_int(value, len, p->option[i]);
	return unknown(level);
}

static int take_ms(const void *value, socklen_t len, int *ms)
{
	struct timeval t;

	if (len < sizeof(t)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(&t, value, sizeof(t));
	if (t.tv_usec < 0 || t.tv_usec >= 1000000) {
		errno = EDOM;
		return -1;
	}
	*ms = t.tv_sec < 0 ? 0 : to_ms(&t);
	return 0;
}

int options_set(struct psock *p, int level, int name, const void *value, socklen_t len)
{
	int i, n;

	if (p->listens && p->kernel >= 0)
		real(setsockopt)(p->kernel, level, name, value, len);
	if (level == SOL_SOCKET) {
		switch (name) {
		case SO_LINGER:
			if (len < sizeof(p->linger)) {
				errno = EINVAL;
				return -1;
			}
			memcpy(&p->linger, value, sizeof(p->linger));
			return 0;
		case SO_RCVTIMEO:
			return take_ms(value, len, &p->rcvtimeo);
		case SO_SNDTIMEO:
			return take_ms(value, len, &p->sndtimeo);
		}
	}
	if (level == IPPROTO_TCP && name == TCP_MAXSEG)
		return 0;
	if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
		if (len == strlen(cc_name) && !memcmp(value, cc_name, len))
			return 0;
		errno = ENOENT;
		return -1;
	}
	i = index_of(level, name);
	if (i < 0)
		return unknown(level);
	if (len < sizeof(n)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(&n, value, sizeof(n));
	/* As the kernel does, which doubles them. */
	if (level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_RCVBUF))
		n = n > INT32_MAX / 2 ? INT32_MAX : 2 * n;
	p->option[i] = n;
	return 0;
}

SHIM int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	struct psock *p = psock_get(fd);
	int ret;

	if (!p)
		return real(getsockopt)(fd, level, name, value, len);
	ret = options_get(p, level, name, value, len);
	psock_put(p);
	return ret;
}

SHIM int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct psock *p = psock_get(fd);
	int ret;

	if (!p)
		return real(setsockopt)(fd, level, name, value, len);
	ret = options_set(p, level, name, value, len);
	psock_put(p);
	return ret;
}
