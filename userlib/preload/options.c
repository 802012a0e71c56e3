// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * getsockopt() and setsockopt(). What was set of the kernel's socket before it became etran's is asked from it once, and
 * children of a listener have what that has. Most options are only kept: etran-run(1) says which do something.
 *
 * Keepalive's times are the kernel's (net.ipv4.tcp_keepalive_*) until the program says others, as getsockopt() tells those;
 * the transport learns them when keepalive is turned on, so that who does not want it does not pay for them.
 */
#include <errno.h>
#include <string.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/time.h>
#include <etran/conn.h>

#include "preload.h"

/* tcp_info.tcpi_state; no header for programs has these and all of struct tcp_info. */
enum {
	STATE_ESTABLISHED = 1, STATE_SYN_SENT, STATE_SYN_RECV, STATE_FIN_WAIT1, STATE_FIN_WAIT2,
	STATE_TIME_WAIT, STATE_CLOSE, STATE_CLOSE_WAIT, STATE_LAST_ACK, STATE_LISTEN, STATE_CLOSING,
};

static const struct {
	const char *name;
	uint8_t state;
} states[] = {
	{ "ESTAB", STATE_ESTABLISHED }, { "SYN-SENT", STATE_SYN_SENT },
	{ "SYN-RECV", STATE_SYN_RECV }, { "FIN-WAIT-1", STATE_FIN_WAIT1 },
	{ "FIN-WAIT-2", STATE_FIN_WAIT2 }, { "TIME-WAIT", STATE_TIME_WAIT },
	{ "CLOSE-WAIT", STATE_CLOSE_WAIT }, { "LAST-ACK", STATE_LAST_ACK },
	{ "CLOSING", STATE_CLOSING },
};

/* Congestion controls as the kernel calls them, by ETRAN_TCP_CC_*, and as the transport does. */
static const struct {
	const char *name;
	const char *own;
} controls[] = {
	[ETRAN_TCP_CC_NEWRENO] = { "reno", "newreno" },
	[ETRAN_TCP_CC_DCTCP] = { "dctcp", "dctcp" },
	[ETRAN_TCP_CC_CUBIC] = { "cubic", "cubic" },
};

#define CONTROLS	((int)(sizeof(controls) / sizeof(controls[0])))
#define CC_NAME_MAX	16

/* Integers that the transport or the library is told, in its unit; unit 0: on or off. */
static const struct {
	int level;
	int name;
	int option;
	int unit;
} told[] = {
	{ IPPROTO_TCP, TCP_KEEPIDLE, ETRAN_TCP_KEEPALIVE_IDLE, 1000 },
	{ IPPROTO_TCP, TCP_KEEPINTVL, ETRAN_TCP_KEEPALIVE_INTERVAL, 1000 },
	{ IPPROTO_TCP, TCP_KEEPCNT, ETRAN_TCP_KEEPALIVE_COUNT, 1 },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, ETRAN_TCP_USER_TIMEOUT, 1 },
	{ IPPROTO_TCP, TCP_NODELAY, ETRAN_SOCKET_NODELAY, 0 },
	{ IPPROTO_TCP, TCP_CORK, ETRAN_SOCKET_CORK, 0 },
	/* Last: the times are known then. */
	{ SOL_SOCKET, SO_KEEPALIVE, ETRAN_TCP_KEEPALIVE, 1 },
};

#define TOLD	((int)(sizeof(told) / sizeof(told[0])))

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

/* In the unit of an entry of told[]. */
static uint32_t in_unit(int i, int n)
{
	return told[i].unit ? n * told[i].unit : !!n;
}

/* Has it a meaning only while there is keepalive? */
static bool of_keepalive(int i)
{
	switch (told[i].option) {
	case ETRAN_TCP_KEEPALIVE:
	case ETRAN_TCP_KEEPALIVE_IDLE:
	case ETRAN_TCP_KEEPALIVE_INTERVAL:
	case ETRAN_TCP_KEEPALIVE_COUNT:
		return true;
	}
	return false;
}

/* By the library, or by its file if it is shared. Return: as etran_tcp_set(). */
static int set(int fd, struct psock *p, int option, uint32_t value)
{
	int ret = 0;

	if (!psock_shared(p)) {
		if (!psock_foreign(p))
			ret = etran_tcp_set(p->s, option, value);
		if (!ret || errno != ESTALE)
			return ret;
	}
	return shared_set(fd, option, value);
}

/* One that has ended takes none, but does not say so. */
static void tell(int fd, struct psock *p, int option, uint32_t value)
{
	int err = errno;

	if (set(fd, p, option, value) && errno != ENOTCONN)
		context_say("option %d cannot be %u: %s", option, value, strerror(errno));
	errno = err;
}

/*
 * The transport learns of what keepalive needs, if that is wanted; and with @others of all options that are not as a
 * connection begins.
 */
static void tell_all(int fd, struct psock *p, bool others)
{
	bool alive = p->option[index_of(SOL_SOCKET, SO_KEEPALIVE)];
	int i, n;

	for (i = 0; i < TOLD; i++) {
		n = p->option[index_of(told[i].level, told[i].name)];
		if (n && (of_keepalive(i) ? alive : others))
			tell(fd, p, told[i].option, in_unit(i, n));
	}
}

static void tell_one(int fd, struct psock *p, int level, int name, int n)
{
	int i;

	if (level == SOL_SOCKET && name == SO_KEEPALIVE && n) {
		tell_all(fd, p, false);
		return;
	}
	for (i = 0; i < TOLD; i++)
		if (told[i].level == level && told[i].name == name)
			tell(fd, p, told[i].option, in_unit(i, n));
}

/* As the kernel judges them. */
static bool allowed(int level, int name, int n)
{
	if (level != IPPROTO_TCP)
		return true;
	switch (name) {
	case TCP_KEEPIDLE:
	case TCP_KEEPINTVL:
		return n >= 1 && n <= 32767;
	case TCP_KEEPCNT:
	case TCP_SYNCNT:
		return n >= 1 && n <= 127;
	case TCP_USER_TIMEOUT:
		return n >= 0;
	}
	return true;
}

/* Are they told as 0 or 1, whatever was set? */
static bool is_switch(int level, int name)
{
	if (level == SOL_SOCKET)
		return name == SO_REUSEADDR || name == SO_REUSEPORT || name == SO_KEEPALIVE ||
		       name == SO_BROADCAST || name == SO_OOBINLINE || name == SO_DONTROUTE;
	return level == IPPROTO_TCP && (name == TCP_NODELAY || name == TCP_CORK);
}

/* ETRAN_TCP_CC_*, or 0 for a name that is none. */
static int control_of(const char *name)
{
	int i;

	for (i = 1; i < CONTROLS; i++)
		if (controls[i].name && !strcmp(controls[i].name, name))
			return i;
	return 0;
}

/* A congestion control that the program chose, that is one other than sockets begin with. */
static void control_from_kernel(struct psock *p, int fd)
{
	static char usual[CC_NAME_MAX];
	char name[CC_NAME_MAX] = "";
	socklen_t len = sizeof(name) - 1;
	int probe;

	if (real(getsockopt)(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len))
		return;
	if (!usual[0]) {
		probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (probe < 0)
			return;
		len = sizeof(usual) - 1;
		real(getsockopt)(probe, IPPROTO_TCP, TCP_CONGESTION, usual, &len);
		real(close)(probe);
	}
	if (!strcmp(name, usual))
		return;
	p->control = control_of(name);
	if (p->control)
		tell(fd, p, ETRAN_TCP_CONGESTION, p->control);
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

static void kept_from_kernel(struct psock *p, int fd)
{
	socklen_t len;
	int i;

	for (i = 0; i < KEPT; i++) {
		len = sizeof(int);
		if (real(getsockopt)(fd, kept[i].level, kept[i].name, &p->option[i], &len))
			p->option[i] = 0;
	}
}

void options_from_kernel(struct psock *p, int fd)
{
	struct timeval t = {};
	socklen_t len;

	kept_from_kernel(p, fd);
	len = sizeof(p->linger);
	real(getsockopt)(fd, SOL_SOCKET, SO_LINGER, &p->linger, &len);
	len = sizeof(t);
	if (!real(getsockopt)(fd, SOL_SOCKET, SO_RCVTIMEO, &t, &len))
		p->rcvtimeo = to_ms(&t);
	len = sizeof(t);
	if (!real(getsockopt)(fd, SOL_SOCKET, SO_SNDTIMEO, &t, &len))
		p->sndtimeo = to_ms(&t);
	tell_all(fd, p, true);
	control_from_kernel(p, fd);
}

static struct psock usual;

static void usual_ask(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	kept_from_kernel(&usual, fd);
	real(close)(fd);
}

void options_usual(struct psock *p)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, usual_ask);
	memcpy(p->option, usual.option, sizeof(p->option));
}

void options_inherit(struct psock *p, const struct psock *listener)
{
	memcpy(p->option, listener->option, sizeof(p->option));
	p->control = listener->control;
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

static void info_of(struct tcp_info *info, const struct etran_conn_record *r)
{
	int i;

	for (i = 0; i < (int)(sizeof(states) / sizeof(states[0])); i++)
		if (!strncmp(states[i].name, r->state, sizeof(r->state)))
			info->tcpi_state = states[i].state;
	info->tcpi_ca_state = r->flags & ETRAN_CONN_TIMEOUT ? TCP_CA_Loss :
			      r->flags & ETRAN_CONN_RECOVERY ? TCP_CA_Recovery : TCP_CA_Open;
	info->tcpi_retransmits = r->backoff;
	info->tcpi_probes = r->probes;
	info->tcpi_backoff = r->backoff;
	if (r->flags & ETRAN_CONN_TIMESTAMPS)
		info->tcpi_options |= TCPI_OPT_TIMESTAMPS;
	if (r->flags & ETRAN_CONN_SACK)
		info->tcpi_options |= TCPI_OPT_SACK;
	if (r->flags & ETRAN_CONN_WSCALE)
		info->tcpi_options |= TCPI_OPT_WSCALE;
	if (r->flags & ETRAN_CONN_ECN)
		info->tcpi_options |= TCPI_OPT_ECN;
	info->tcpi_snd_wscale = r->snd_wscale;
	info->tcpi_rcv_wscale = r->rcv_wscale;
	info->tcpi_rto = r->rto_us;
	info->tcpi_snd_mss = r->mss;
	info->tcpi_rcv_mss = r->rcv_mss;
	info->tcpi_advmss = r->rcv_mss;
	if (r->mss) {
		info->tcpi_unacked = (r->sent - r->acked + r->mss - 1) / r->mss;
		info->tcpi_snd_ssthresh = r->ssthresh / r->mss;
		info->tcpi_snd_cwnd = r->cwnd / r->mss;
	}
	info->tcpi_last_data_recv = r->quiet_ns / 1000000;
	info->tcpi_last_ack_recv = r->quiet_ns / 1000000;
	info->tcpi_rtt = r->srtt_us;
	info->tcpi_rttvar = r->rttvar_us;
	info->tcpi_rcv_space = r->rcvbuf;
	info->tcpi_total_retrans = r->retransmits;
	info->tcpi_pacing_rate = r->pacing_rate;
	info->tcpi_bytes_acked = r->acked;
	info->tcpi_bytes_received = r->received;
	info->tcpi_notsent_bytes = r->unsent;
	info->tcpi_bytes_sent = r->sent;
	info->tcpi_snd_wnd = r->send_window;
}

static bool record_of(int fd, struct psock *p, struct etran_conn_record *r)
{
	if (!psock_shared(p)) {
		if (p->listens || psock_foreign(p))
			return false;
		if (!etran_tcp_info(p->s, r))
			return true;
		if (errno != ESTALE)
			return false;
	}
	return !shared_record(fd, r);
}

static int give_info(int fd, struct psock *p, void *value, socklen_t *len)
{
	struct etran_conn_record r;
	struct tcp_info info = {};

	info.tcpi_state = p->listens ? STATE_LISTEN : STATE_CLOSE;
	if (record_of(fd, p, &r))
		info_of(&info, &r);
	return give(value, len, &info, sizeof(info));
}

static int give_control(int fd, struct psock *p, void *value, socklen_t *len)
{
	char name[CC_NAME_MAX] = "dctcp";
	struct etran_conn_record r;
	int i;

	if (p->control)
		strcpy(name, controls[p->control].name);
	else if (record_of(fd, p, &r))
		for (i = 1; i < CONTROLS; i++)
			if (!strncmp(controls[i].own, r.cc, sizeof(r.cc)))
				strcpy(name, controls[i].name);
	return give(value, len, name, sizeof(name));
}

static int take_control(int fd, struct psock *p, const void *value, socklen_t len)
{
	char name[CC_NAME_MAX] = "";
	int control;

	if (len < 1) {
		errno = EINVAL;
		return -1;
	}
	memcpy(name, value, len < sizeof(name) ? len : sizeof(name) - 1);
	control = control_of(name);
	if (!control) {
		errno = ENOENT;
		return -1;
	}
	p->control = control;
	tell(fd, p, ETRAN_TCP_CONGESTION, control);
	return 0;
}

static int get_error(int fd, struct psock *p)
{
	int err = 0;

	/* connect() is not to tell it once more. */
	if (p->connecting && (psock_shared(p) || (psock_own(p) && !etran_socket_connecting(p->s))))
		p->connecting = false;
	if (psock_own(p) && !p->listens)
		err = etran_socket_error(p->s);
	/* The error of one that was shared meanwhile is there. */
	if (!err && psock_shared(p))
		err = shared_error(fd);
	return err;
}

static int get_mss(int fd, struct psock *p)
{
	struct etran_conn_record r;

	if (psock_shared(p))
		return record_of(fd, p, &r) ? r.mss : 0;
	return p->listens ? 0 : etran_socket_mss(p->s);
}

/* An option of a shared connection that another process may have changed, and that can be seen. */
static void look(int fd, struct psock *p, int level, int name)
{
	struct etran_stream_info info;
	struct etran_conn_record r;
	int *option = &p->option[index_of(level, name)];

	if (level == SOL_SOCKET && name == SO_KEEPALIVE && record_of(fd, p, &r))
		*option = !!(r.flags & ETRAN_CONN_KEEPALIVE);
	if (level != IPPROTO_TCP || (name != TCP_NODELAY && name != TCP_CORK) || shared_info(fd, &info))
		return;
	*option = !!(info.flags & (name == TCP_CORK ? ETRAN_STREAM_CORK : ETRAN_STREAM_NODELAY));
}

/* An option that a socket does not have, of a level that it has or has not. Return: -1 */
static int unknown(int level)
{
	errno = level == SOL_SOCKET || level == IPPROTO_TCP || level == IPPROTO_IP ||
		level == IPPROTO_IPV6 ? ENOPROTOOPT : EOPNOTSUPP;
	return -1;
}

int options_get(int fd, struct psock *p, int level, int name, void *value, socklen_t *len)
{
	int i;

	if (level == SOL_SOCKET) {
		switch (name) {
		case SO_ERROR:
			return give_int(value, len, get_error(fd, p));
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
			return give_info(fd, p, value, len);
		case TCP_MAXSEG:
			i = get_mss(fd, p);
			return give_int(value, len, i ? i : 536);
		case TCP_CONGESTION:
			return give_control(fd, p, value, len);
		}
	}
	i = index_of(level, name);
	if (i >= 0 && psock_shared(p))
		look(fd, p, level, name);
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

int options_set(int fd, struct psock *p, int level, int name, const void *value, socklen_t len)
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
			/* Which process closes it last nobody knows. */
			if (psock_shared(p))
				shared_flag(fd, ETRAN_STREAM_ABORT, p->linger.l_onoff && !p->linger.l_linger);
			return 0;
		case SO_RCVTIMEO:
			return take_ms(value, len, &p->rcvtimeo);
		case SO_SNDTIMEO:
			return take_ms(value, len, &p->sndtimeo);
		}
	}
	if (level == IPPROTO_TCP && name == TCP_MAXSEG)
		return 0;
	if (level == IPPROTO_TCP && name == TCP_CONGESTION)
		return take_control(fd, p, value, len);
	i = index_of(level, name);
	if (i < 0)
		return unknown(level);
	if (len < sizeof(n)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(&n, value, sizeof(n));
	if (!allowed(level, name, n)) {
		errno = EINVAL;
		return -1;
	}
	if (is_switch(level, name))
		n = !!n;
	/* As the kernel does, which doubles them. */
	if (level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_RCVBUF))
		n = n > INT32_MAX / 2 ? INT32_MAX : 2 * n;
	p->option[i] = n;
	tell_one(fd, p, level, name, n);
	return 0;
}

SHIM int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	struct psock *p = psock_get(fd);
	int ret;

	if (!p)
		return real(getsockopt)(fd, level, name, value, len);
	ret = options_get(fd, p, level, name, value, len);
	psock_put(p);
	return ret;
}

SHIM int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct psock *p = psock_get(fd);
	int ret;

	if (!p)
		return real(setsockopt)(fd, level, name, value, len);
	ret = options_set(fd, p, level, name, value, len);
	psock_put(p);
	return ret;
}
