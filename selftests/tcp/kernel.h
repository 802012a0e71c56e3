/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's TCP behind the calls of etran's library, for cases that were written for that: so much as wire.c needs. HOST_A
 * has no transport then (hosts.sh, KERNEL_WIRE).
 */
#ifndef KERNEL_H
#define KERNEL_H

#include "wire.h"

struct kernel_socket {
	int fd;
	bool passive;
};

static struct kernel_socket sockets[16];
static unsigned int sockets_used;

static struct kernel_socket *kernel_socket_of(int fd)
{
	struct kernel_socket *s = fd < 0 || sockets_used == 16 ? NULL : &sockets[sockets_used++];

	if (s)
		*s = (struct kernel_socket){ .fd = fd };
	return s;
}

/* As if it had been long in use: the first ACKs of a connection are not delayed otherwise. */
static void kernel_delays_acks(struct kernel_socket *s)
{
	int zero = 0;

	setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &zero, sizeof(zero));
}

static TT_UNUSED struct kernel_socket *kernel_socket(void *host, int family, int flags)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), one = 1, half = 32768, much = 1 << 20;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* Twice that is taken, of which half is for the window. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &half, sizeof(half));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &much, sizeof(much));
	setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one));
	return kernel_socket_of(fd);
}

static TT_UNUSED int kernel_bind(struct kernel_socket *s, const struct sockaddr *a, socklen_t len)
{
	return bind(s->fd, a, len);
}

static TT_UNUSED int kernel_listen_at(struct kernel_socket *s, int backlog)
{
	return listen(s->fd, backlog);
}

static TT_UNUSED struct kernel_socket *kernel_accept(struct kernel_socket *s, void *a, socklen_t *len, int flags)
{
	struct kernel_socket *c = kernel_socket_of(accept4(s->fd, a, len, flags | SOCK_CLOEXEC));

	if (c) {
		c->passive = true;
		kernel_delays_acks(c);
	}
	return c;
}

/* Without an address: how it went. The kernel would say so once with 0. */
static TT_UNUSED int kernel_connect_to(struct kernel_socket *s, const struct sockaddr *a, socklen_t len)
{
	union address peer;
	socklen_t n = sizeof(peer);

	if (a)
		return connect(s->fd, a, len);
	if (getpeername(s->fd, &peer.sa, &n)) {
		errno = EALREADY;
	} else {
		kernel_delays_acks(s);
		errno = EISCONN;
	}
	return -1;
}

static TT_UNUSED ssize_t kernel_recv(struct kernel_socket *s, void *b, size_t len, int flags)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };

	poll(&pfd, 1, 20);
	return recv(s->fd, b, len, flags);
}

static TT_UNUSED ssize_t kernel_send(struct kernel_socket *s, const void *b, size_t len, int flags)
{
	return send(s->fd, b, len, flags | MSG_NOSIGNAL);
}

static TT_UNUSED int kernel_shutdown(struct kernel_socket *s, int how)
{
	return shutdown(s->fd, how);
}

static TT_UNUSED int kernel_close(struct kernel_socket *s)
{
	int fd = s->fd;

	s->fd = -1;
	return close(fd);
}

static TT_UNUSED void kernel_abort(struct kernel_socket *s)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	kernel_close(s);
}

/* The next test shall hear nothing of this one's. */
static TT_UNUSED void kernel_host_close(void *host)
{
	while (sockets_used)
		kernel_abort(&sockets[--sockets_used]);
	/* Nor of paths that this one has made narrow. */
	if (system("ip -n tcp_a route flush cache && ip -n tcp_a -6 route flush cache"))
		fprintf(stderr, "what the kernel knows of paths could not be forgotten\n");
}

static TT_UNUSED int kernel_error(struct kernel_socket *s)
{
	int err = 0;
	socklen_t len = sizeof(err);

	getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	return err;
}

/* Of etran's options those that the kernel has, too, in that unit. */
static TT_UNUSED int kernel_set(struct kernel_socket *s, uint32_t option, uint32_t value)
{
	static const char *const name[] = {
		[ETRAN_TCP_CC_NEWRENO] = "reno", [ETRAN_TCP_CC_DCTCP] = "dctcp", [ETRAN_TCP_CC_CUBIC] = "cubic",
	};

	switch (option) {
	case ETRAN_TCP_KEEPALIVE:
		return setsockopt(s->fd, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof(value));
	case ETRAN_SOCKET_NODELAY:
		return setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value));
	case ETRAN_SOCKET_CORK:
		return setsockopt(s->fd, IPPROTO_TCP, TCP_CORK, &value, sizeof(value));
	case ETRAN_TCP_USER_TIMEOUT:
		return setsockopt(s->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, sizeof(value));
	case ETRAN_TCP_CONGESTION:
		if (value && value < ARRAY_SIZE(name))
			return setsockopt(s->fd, IPPROTO_TCP, TCP_CONGESTION, name[value], strlen(name[value]));
	}
	errno = ENOPROTOOPT;
	return -1;
}

static TT_UNUSED int kernel_info(struct kernel_socket *s, struct etran_conn_record *r)
{
	struct tcp_info i;
	socklen_t len = sizeof(i), name_len = sizeof(r->cc);

	memset(r, 0, sizeof(*r));
	if (getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &i, &len) ||
	    getsockopt(s->fd, IPPROTO_TCP, TCP_CONGESTION, r->cc, &name_len))
		return -1;
	r->size = sizeof(*r);
	r->flags = (s->passive ? ETRAN_CONN_PASSIVE : 0) |
		   (i.tcpi_options & TCPI_OPT_TIMESTAMPS ? ETRAN_CONN_TIMESTAMPS : 0) |
		   (i.tcpi_options & TCPI_OPT_SACK ? ETRAN_CONN_SACK : 0) |
		   (i.tcpi_options & TCPI_OPT_WSCALE ? ETRAN_CONN_WSCALE : 0) |
		   (i.tcpi_options & TCPI_OPT_ECN ? ETRAN_CONN_ECN : 0) |
		   (i.tcpi_ca_state == TCP_CA_Recovery ? ETRAN_CONN_RECOVERY : 0) |
		   (i.tcpi_ca_state == TCP_CA_Loss ? ETRAN_CONN_TIMEOUT : 0);
	r->mss = i.tcpi_snd_mss;
	r->snd_wscale = i.tcpi_snd_wscale;
	r->cwnd = i.tcpi_snd_cwnd * i.tcpi_snd_mss;
	r->ssthresh = i.tcpi_snd_ssthresh * i.tcpi_snd_mss;
	r->retransmits = i.tcpi_total_retrans;
	return 0;
}

/* Of the tunables those that are sysctls of HOST_A's. */
static TT_UNUSED bool kernel_tunable(const char *name, unsigned int value)
{
	char cmd[160] = "true";

	if (!strcmp(name, "tcp_tlp"))
		snprintf(cmd, sizeof(cmd), "ip netns exec tcp_a sysctl -qw net.ipv4.tcp_early_retrans=%u net.ipv4.tcp_recovery=%u",
			 value * 3, value);
	else if (!strcmp(name, "tcp_syncookies"))
		snprintf(cmd, sizeof(cmd), "ip netns exec tcp_a sysctl -qw net.ipv4.tcp_syncookies=%u", value);
	return !system(cmd);
}

#define etran_tcp	kernel_host
#define etran_socket	kernel_socket
#define etran_bind	kernel_bind
#define etran_listen	kernel_listen_at
#define etran_accept	kernel_accept
#define etran_connect	kernel_connect_to
#define etran_recv	kernel_recv
#define etran_send	kernel_send
#define etran_shutdown	kernel_shutdown
#define etran_close	kernel_close
#define etran_abort	kernel_abort
#define etran_socket_error	kernel_error
#define etran_tcp_set	kernel_set
#define etran_tcp_info	kernel_info
#define tunable		kernel_tunable
/* These have nothing to tell. */
#define context(host, rcvbuf)	(enter(host), (void *)1)
#define etran_tcp_close	kernel_host_close
#define etran_strerror_detail()	strerror(errno)
#define tcp_counter(name)	((uint64_t)0)
#define counter(name)		((uint64_t)0)
#define conns_used()		0
#define COUNTED(n, name)	((void)(n))
#define USED(n)			((void)(n))
/* What the kernel still has of earlier tests goes on to send. */
#define ONE_CONNECTION		true

#endif /* KERNEL_H */
