// SPDX-License-Identifier: GPL-2.0
/*
 * Connections that several processes use: fork(), exec, posix_spawn(), SCM_RIGHTS. processes.sh runs each case with the
 * kernel's TCP at both ends, which says whether the case is right, and then with etran's at this end.
 *
 *	processes serve PORT			the other host's end
 *	processes list ROLE			the cases
 *	processes client ADDR PORT [CASE...]	connections that are begun here, over ADDR's version of IP; a line for each case: NAME: ok, or what is wrong
 *	processes server ADDR PORT [CASE...]	connections that come here
 *	processes program NAME ...		what a case executes
 *
 * The other end does what it is told over a control connection, one order after the other, so that a case knows what has
 * come before what. PROCESSES_TCP in the environment is "kernel" or "etran": a case fails when a connection of its is
 * the other one's; the control connection is to be the kernel's always (ETRAN_PORTS). What is sent in either direction is
 * a pattern in which no byte can be lost, doubled or moved without notice, unless a case says otherwise.
 *
 * Each case is a process with a group and a time limit of its own, begun by one that has no connections.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Where results go: also in programs that have the connection as their standard output. */
#define REPORT		199
#define NOBODY		65534
#define MANY		100
/* A receive buffer that is soon full. */
#define SMALL		32768

/* ---- addresses ---- */

/* The port is at one place in both. */
union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static socklen_t size_of(const union address *a)
{
	return a->sa.sa_family == AF_INET6 ? sizeof(a->in6) : sizeof(a->in);
}

/* ---- what goes over a connection ---- */

enum direction { TO_HERE, FROM_HERE };

static uint8_t pattern(enum direction d, uint64_t at)
{
	return (uint32_t)(at * 2654435761U) >> 24 ^ (d == FROM_HERE ? 0x55 : 0);
}

static void pattern_fill(uint8_t *buf, size_t n, enum direction d, uint64_t at)
{
	size_t i;

	for (i = 0; i < n; i++)
		buf[i] = pattern(d, at + i);
}

static bool pattern_is(const uint8_t *buf, size_t n, enum direction d, uint64_t at)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (buf[i] != pattern(d, at + i))
			return false;
	return true;
}

static bool read_all(int fd, void *buf, size_t n)
{
	size_t at = 0;
	ssize_t ret;

	for (; at < n; at += ret) {
		ret = read(fd, (char *)buf + at, n - at);
		if (ret <= 0)
			return false;
	}
	return true;
}

static bool write_all(int fd, const void *buf, size_t n)
{
	size_t at = 0;
	ssize_t ret;

	for (; at < n; at += ret) {
		ret = write(fd, (const char *)buf + at, n - at);
		if (ret <= 0)
			return false;
	}
	return true;
}

/* ---- the other end ---- */

enum what {
	LISTEN,		/* at any port, with a receive buffer of @n bytes or 0; value: the port */
	ACCEPT,		/* value: number of the connection */
	CONNECT,	/* to port @which of who gives the orders, @n as above; value: number of the connection */
	WRITE,		/* @n bytes of the pattern; value: how many */
	WRITE_BEGIN,	/* the same, and do not wait for it */
	WRITE_END,	/* wait for it */
	READ,		/* @n bytes, which have to be the pattern's; value: how many, -1: they are not */
	READ_BEGIN,
	READ_END,
	TO_END,		/* all up to the end of the stream, or an error; value: as of READ */
	COUNT_TO_END,	/* the same, whatever the bytes are; value: how many, more: how many there are of MARK at the end */
	SEEN,		/* after up to @n ms: value: SEEN_* */
	SHUTDOWN,	/* send no more */
	CLOSE,
	RESET,
	SAY,		/* the @n bytes that follow */
	HEAR,		/* @n bytes; value: how many follow the reply */
};

#define SEEN_DATA	1
#define SEEN_END	2
#define SEEN_ERROR	4
#define MARK		0x5a
#define TEXT_MOST	(1U << 20)

struct order {
	uint32_t what;
	int32_t which;
	uint64_t n;
};

struct reply {
	int64_t value;
	int32_t err;		/* errno, what ended reading or writing before @n */
	int32_t more;
};

struct flow {
	struct end *end;
	uint64_t at, n;		/* in its stream; to do */
	struct reply r;
	pthread_t thread;
};

/* A connection. */
struct end {
	int fd;
	struct flow in, out;
};

struct session {
	int control, listener, count;
	struct end end[MANY + 16];
};

static void *flow_read(void *arg)
{
	static __thread uint8_t buf[65536];
	struct flow *f = arg;
	uint64_t left = f->n;
	ssize_t ret = 1;

	f->r = (struct reply) {};
	while (left) {
		ret = read(f->end->fd, buf, left < sizeof(buf) ? left : sizeof(buf));
		if (ret <= 0)
			break;
		if (!pattern_is(buf, ret, FROM_HERE, f->at)) {
			f->r.value = -1;
			return NULL;
		}
		f->at += ret;
		f->r.value += ret;
		left -= ret;
	}
	f->r.err = ret < 0 ? errno : 0;
	return NULL;
}

static void *flow_write(void *arg)
{
	static __thread uint8_t buf[10007];
	struct flow *f = arg;
	size_t n;
	ssize_t ret;

	f->r = (struct reply) {};
	while ((uint64_t)f->r.value < f->n) {
		n = f->n - f->r.value < sizeof(buf) ? f->n - f->r.value : sizeof(buf);
		pattern_fill(buf, n, TO_HERE, f->at);
		ret = send(f->end->fd, buf, n, MSG_NOSIGNAL);
		if (ret <= 0) {
			f->r.err = errno;
			break;
		}
		f->at += ret;
		f->r.value += ret;
	}
	return NULL;
}

static void flow_begin(struct flow *f, struct end *e, uint64_t n, void *(*go)(void *))
{
	f->end = e;
	f->n = n;
	pthread_create(&f->thread, NULL, go, f);
}

static struct reply flow_end(struct flow *f)
{
	pthread_join(f->thread, NULL);
	return f->r;
}

static struct reply count_to_end(int fd)
{
	static __thread uint8_t buf[65536];
	struct reply r = {};
	ssize_t ret, i;

	while ((ret = read(fd, buf, sizeof(buf))) > 0)
		for (i = 0; i < ret; i++) {
			r.value++;
			r.more = buf[i] == MARK ? r.more + 1 : 0;
		}
	r.err = ret < 0 ? errno : 0;
	return r;
}

static struct reply seen(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct reply r = {};
	uint8_t byte;
	ssize_t ret;

	if (poll(&p, 1, ms) > 0) {
		ret = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
		r.err = ret < 0 ? errno : 0;
		r.value = ret > 0 ? SEEN_DATA : ret ? SEEN_ERROR : SEEN_END;
	}
	return r;
}

static int buffer(int fd, uint64_t n)
{
	int size = n;

	return n ? setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) : 0;
}

static struct reply other_listens(struct session *s, uint64_t n)
{
	/* Of both versions of IP. */
	union address a = { .in6.sin6_family = AF_INET6 };
	socklen_t len = sizeof(a);

	if (s->listener >= 0)
		close(s->listener);
	s->listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (buffer(s->listener, n) || bind(s->listener, &a.sa, size_of(&a)) || listen(s->listener, 16) ||
	    getsockname(s->listener, &a.sa, &len))
		return (struct reply) { .value = -1, .err = errno };
	return (struct reply) { .value = ntohs(a.in.sin_port) };
}

static struct reply other_has(struct session *s, int fd)
{
	/* No order waits longer than a case may. */
	struct timeval t = { .tv_sec = 15 };

	if (fd < 0 || s->count == MANY + 16)
		return (struct reply) { .value = -1, .err = errno };
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	s->end[s->count] = (struct end) { .fd = fd };
	return (struct reply) { .value = s->count++ };
}

static struct reply other_accepts(struct session *s)
{
	struct pollfd p = { .fd = s->listener, .events = POLLIN };

	if (poll(&p, 1, 10000) != 1)
		return (struct reply) { .value = -1, .err = ETIMEDOUT };
	return other_has(s, accept4(s->listener, NULL, NULL, SOCK_CLOEXEC));
}

static struct reply other_connects(struct session *s, int port, uint64_t n)
{
	union address a;
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (getpeername(s->control, &a.sa, &len))
		return (struct reply) { .value = -1, .err = errno };
	a.in.sin_port = htons(port);
	if (buffer(fd, n) || connect(fd, &a.sa, len)) {
		close(fd);
		return (struct reply) { .value = -1, .err = errno };
	}
	return other_has(s, fd);
}

static struct reply other_says(struct session *s, int fd, uint64_t n)
{
	char *text = malloc(n + 1);
	struct reply r = { .value = -1, .err = ENOMEM };

	if (text && read_all(s->control, text, n)) {
		r.value = send(fd, text, n, MSG_NOSIGNAL);
		r.err = r.value < 0 ? errno : 0;
	}
	free(text);
	return r;
}

/* Replies by itself. */
static bool other_hears(struct session *s, int fd, uint64_t n)
{
	char *text = malloc(n + 1);
	struct reply r = {};
	ssize_t ret;
	bool fine;

	while (text && r.value < (int64_t)n) {
		ret = read(fd, text + r.value, n - r.value);
		if (ret <= 0) {
			r.err = ret ? errno : 0;
			break;
		}
		r.value += ret;
	}
	fine = write_all(s->control, &r, sizeof(r)) && write_all(s->control, text, r.value);
	free(text);
	return fine;
}

static void reset(int fd)
{
	struct linger l = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
}

static struct reply other_does(struct session *s, const struct order *o)
{
	struct end *e = o->which >= 0 && o->which < s->count ? &s->end[o->which] : &s->end[0];
	struct reply r = {};

	switch (o->what) {
	case LISTEN:
		return other_listens(s, o->n);
	case ACCEPT:
		return other_accepts(s);
	case CONNECT:
		return other_connects(s, o->which, o->n);
	case WRITE:
	case WRITE_BEGIN:
		flow_begin(&e->out, e, o->n, flow_write);
		return o->what == WRITE ? flow_end(&e->out) : r;
	case WRITE_END:
		return flow_end(&e->out);
	case READ:
	case READ_BEGIN:
		flow_begin(&e->in, e, o->n, flow_read);
		return o->what == READ ? flow_end(&e->in) : r;
	case READ_END:
		return flow_end(&e->in);
	case TO_END:
		flow_begin(&e->in, e, UINT64_MAX, flow_read);
		return flow_end(&e->in);
	case COUNT_TO_END:
		return count_to_end(e->fd);
	case SEEN:
		return seen(e->fd, o->n);
	case SHUTDOWN:
		r.value = shutdown(e->fd, SHUT_WR);
		r.err = r.value ? errno : 0;
		return r;
	case CLOSE:
	case RESET:
		if (o->what == RESET)
			reset(e->fd);
		else
			close(e->fd);
		e->fd = -1;
		return r;
	}
	return (struct reply) { .value = -1, .err = EINVAL };
}

static void *serve_one(void *arg)
{
	struct session *s = arg;
	struct order o;
	struct reply r;
	int i;

	while (read_all(s->control, &o, sizeof(o))) {
		if (o.n > TEXT_MOST && (o.what == SAY || o.what == HEAR))
			break;
		if (o.what == HEAR) {
			if (!other_hears(s, s->end[o.which].fd, o.n))
				break;
			continue;
		}
		r = o.what == SAY ? other_says(s, s->end[o.which].fd, o.n) : other_does(s, &o);
		if (!write_all(s->control, &r, sizeof(r)))
			break;
	}
	/* A case that failed may have left threads that use these. */
	for (i = 0; i < s->count; i++)
		if (s->end[i].fd >= 0)
			shutdown(s->end[i].fd, SHUT_RDWR);
	usleep(100000);
	for (i = 0; i < s->count; i++)
		if (s->end[i].fd >= 0)
			close(s->end[i].fd);
	if (s->listener >= 0)
		close(s->listener);
	close(s->control);
	/* Not freed, for the same reason. */
	return NULL;
}

static int serve(int port)
{
	union address a = { .in6.sin6_family = AF_INET6, .in6.sin6_port = htons(port) };
	int l = socket(AF_INET6, SOCK_STREAM, 0), one = 1, fd;
	struct session *s;
	pthread_t t;

	signal(SIGPIPE, SIG_IGN);
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(l, &a.sa, size_of(&a)) || listen(l, 64)) {
		perror("serve");
		return 1;
	}
	while ((fd = accept(l, NULL, NULL)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		s = calloc(1, sizeof(*s));
		if (!s)
			return 1;
		s->control = fd;
		s->listener = -1;
		if (!pthread_create(&t, NULL, serve_one, s))
			pthread_detach(t);
	}
	return 1;
}

/* ---- this end ---- */

/* A connection: @fd here, number @other there; how far was read and written. */
struct conn {
	int fd, other;
	uint64_t got, sent;
};

static union address other;
static bool server, by_etran;
static int control = -1, listener = -1;
static const char *current = "?";
static struct reply told;

static void __attribute__((noreturn)) fail(int line, const char *what)
{
	dprintf(REPORT, "%s: line %d: %s (%s)\n", current, line, what, strerrorname_np(errno) ?: "0");
	_exit(1);
}

static void is(int line, const char *what, long got, long want)
{
	const char *err = got < 0 ? strerrorname_np(errno) : "";

	if (got == want)
		return;
	dprintf(REPORT, "%s: line %d: %s: %ld %s instead of %ld\n", current, line, what, got, err ?: "", want);
	_exit(1);
}

/* These end the process when it is not so. */
#define IS(got, want)	is(__LINE__, #got, got, want)
#define CHECK(that)	do { if (!(that)) fail(__LINE__, #that); } while (0)
/* A call that fails with @err. */
#define FAILS(call, err)							\
do {										\
	errno = 0;								\
	IS(call, -1);								\
	IS(errno, err);								\
} while (0)

static void __attribute__((noreturn)) done(void)
{
	_exit(0);
}

static int64_t tell_text(enum what what, int which, uint64_t n, const void *say, void *hear)
{
	struct order o = { .what = what, .which = which, .n = n };

	CHECK(write_all(control, &o, sizeof(o)));
	if (say)
		CHECK(write_all(control, say, n));
	CHECK(read_all(control, &told, sizeof(told)));
	if (hear && told.value > 0)
		CHECK(read_all(control, hear, told.value));
	errno = told.err;
	return told.value;
}

static int64_t tell(enum what what, const struct conn *c, uint64_t n)
{
	return tell_text(what, c ? c->other : 0, n, NULL, NULL);
}

/* The end of the stream is seen there, behind @n bytes, and no reset. */
#define ENDS_AFTER(c, n)							\
do {										\
	IS(tell(TO_END, c, 0), n);						\
	IS(told.err, 0);							\
} while (0)

/* Nothing is seen there for a while. */
#define QUIET(c)	IS(tell(SEEN, c, 200), 0)

static void of_its_kind(int fd)
{
	char path[64], name[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK(readlink(path, name, sizeof(name) - 1) > 0);
	CHECK(strncmp(name, "socket:", 7) ? by_etran : !by_etran);
}

static int own_listener(void)
{
	union address a = { .sa.sa_family = other.sa.sa_family };
	int fd = socket(a.sa.sa_family, SOCK_STREAM, 0);

	CHECK(fd >= 0 && !bind(fd, &a.sa, size_of(&a)) && !listen(fd, 64));
	return fd;
}

static int option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, level, name, &value, &len) ? -errno : value;
}

static int port_of(int fd)
{
	union address a;
	socklen_t len = sizeof(a);

	CHECK(!getsockname(fd, &a.sa, &len) && a.sa.sa_family == option(fd, SOL_SOCKET, SO_DOMAIN));
	return ntohs(a.in.sin_port);
}

static int port_of_other(int fd)
{
	union address a;
	socklen_t len = sizeof(a);

	CHECK(!getpeername(fd, &a.sa, &len) && a.sa.sa_family == option(fd, SOL_SOCKET, SO_DOMAIN));
	return ntohs(a.in.sin_port);
}

/* The other end has a receive buffer of @room bytes (0: the usual), and sends @first bytes; if it can, before accept(). */
static struct conn connection_of(int room, int first)
{
	union address a = other;
	struct conn c = {};

	if (server) {
		if (listener < 0)
			listener = own_listener();
		c.other = tell_text(CONNECT, port_of(listener), room, NULL, NULL);
		CHECK(c.other >= 0);
		if (first)
			IS(tell(WRITE, &c, first), first);
		c.fd = accept(listener, NULL, NULL);
		CHECK(c.fd >= 0);
	} else {
		a.in.sin_port = htons(tell(LISTEN, NULL, room));
		CHECK(told.value > 0);
		c.fd = socket(a.sa.sa_family, SOCK_STREAM, 0);
		CHECK(c.fd >= 0 && !connect(c.fd, &a.sa, size_of(&a)));
		c.other = tell(ACCEPT, NULL, 0);
		CHECK(c.other >= 0);
		if (first)
			IS(tell(WRITE, &c, first), first);
	}
	of_its_kind(c.fd);
	return c;
}

static struct conn connection(void)
{
	return connection_of(0, 0);
}

/* Until @n bytes are here and were not read. */
static void arrived(const struct conn *c, int n)
{
	int have = 0, i;

	for (i = 0; i < 1000; i++) {
		CHECK(!ioctl(c->fd, FIONREAD, &have));
		if (have >= n)
			break;
		usleep(10000);
	}
	IS(have, n);
}

/* Read the next @n bytes of the pattern. */
static void take(struct conn *c, size_t n)
{
	static __thread uint8_t buf[65536];
	ssize_t ret;

	for (; n; n -= ret, c->got += ret) {
		ret = read(c->fd, buf, n < sizeof(buf) ? n : sizeof(buf));
		CHECK(ret > 0);
		CHECK(pattern_is(buf, ret, TO_HERE, c->got));
	}
}

/* Write the next @n bytes of the pattern. */
static void give(struct conn *c, size_t n)
{
	static __thread uint8_t buf[30011];
	ssize_t ret;

	for (; n; n -= ret, c->sent += ret) {
		ret = n < sizeof(buf) ? n : sizeof(buf);
		pattern_fill(buf, ret, FROM_HERE, c->sent);
		ret = write(c->fd, buf, ret);
		CHECK(ret > 0);
	}
}

/* Write until nothing goes any more. */
static void fill(struct conn *c)
{
	static uint8_t buf[10007];
	int full = 0;
	ssize_t ret;

	CHECK(!fcntl(c->fd, F_SETFL, O_NONBLOCK));
	while (full < 4) {
		pattern_fill(buf, sizeof(buf), FROM_HERE, c->sent);
		ret = write(c->fd, buf, sizeof(buf));
		if (ret > 0) {
			c->sent += ret;
			full = 0;
			continue;
		}
		CHECK(ret < 0 && errno == EAGAIN);
		full++;
		usleep(30000);
	}
	CHECK(!fcntl(c->fd, F_SETFL, 0));
	CHECK(c->sent > 0);
}

static pid_t forked(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	return pid;
}

static void joined(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	IS(status, 0);
}

/* For one process to wait for another. */
static void gate_make(int gate[2])
{
	CHECK(!pipe2(gate, O_CLOEXEC));
}

static void gate_open(const int gate[2])
{
	CHECK(write(gate[1], "", 1) == 1);
}

static void gate_wait(const int gate[2])
{
	char c;

	CHECK(read(gate[0], &c, 1) == 1);
}

/* Long enough for another process to come to where it sleeps. */
static void moment(void)
{
	usleep(100000);
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
	signals++;
}

static int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

/* poll()'s bits, after up to @ms for one of @events. */
static int polled(int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	poll(&p, 1, ms);
	p.events = POLLIN | POLLOUT | POLLRDHUP;
	p.revents = 0;
	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

/* Both directions are in order. */
static void works(struct conn *c)
{
	IS(tell(WRITE, c, 3001), 3001);
	take(c, 3001);
	give(c, 2003);
	IS(tell(READ, c, 2003), 2003);
}

/* ---- fork ---- */

static void child_answers_what_came_before_fork(void)
{
	struct conn c = connection_of(0, 300);
	pid_t child;

	arrived(&c, 300);
	child = forked();
	if (!child) {
		take(&c, 300);
		give(&c, 500);
		done();
	}
	close(c.fd);
	joined(child);
	ENDS_AFTER(&c, 500);
}

static void child_answers_what_came_after_fork(void)
{
	struct conn c = connection();
	pid_t child = forked();

	if (!child) {
		take(&c, 300);
		give(&c, 500);
		done();
	}
	close(c.fd);
	moment();
	IS(tell(WRITE, &c, 300), 300);
	joined(child);
	ENDS_AFTER(&c, 500);
}

static void request_half_read_by_the_parent(void)
{
	struct conn c = connection_of(0, 1000);
	pid_t child;

	arrived(&c, 1000);
	take(&c, 333);
	child = forked();
	if (!child) {
		take(&c, 2667);
		give(&c, 5000);
		done();
	}
	IS(tell(WRITE, &c, 2000), 2000);
	joined(child);
	c.got = 3000;
	c.sent = 5000;
	IS(tell(READ, &c, 5000), 5000);
	works(&c);
	close(c.fd);
	ENDS_AFTER(&c, 0);
}

/* Each process has its turn of a megabyte that is under way in both directions. */
static void megabyte_read_and_written_in_turns(void)
{
	enum { TURN = 32771, TURNS = 32 };
	struct conn c = connection();
	pid_t child;
	int i;

	tell(WRITE_BEGIN, &c, TURN * TURNS);
	tell(READ_BEGIN, &c, TURN * TURNS);
	for (i = 0; i < TURNS; i += 2) {
		child = forked();
		if (!child) {
			take(&c, TURN);
			give(&c, TURN);
			done();
		}
		joined(child);
		c.got += TURN;
		c.sent += TURN;
		take(&c, TURN);
		give(&c, TURN);
	}
	IS(tell(WRITE_END, &c, 0), TURN * TURNS);
	IS(tell(READ_END, &c, 0), TURN * TURNS);
	close(c.fd);
	ENDS_AFTER(&c, 0);
}

struct record {
	uint32_t who, number;
	uint8_t rest[92];
};

static void record_make(struct record *r, uint32_t who, uint32_t number)
{
	size_t i;

	r->who = who;
	r->number = number;
	for (i = 0; i < sizeof(r->rest); i++)
		r->rest[i] = who * 101 + number * 7 + i;
}

static void records_write(int fd, uint32_t who, uint32_t first, int n)
{
	struct record r;

	while (n--) {
		record_make(&r, who, first++);
		IS(write(fd, &r, sizeof(r)), sizeof(r));
	}
}

/* What both write in a round is less than a send buffer: the kernel's TCP lets others in only when a write has to wait. */
static void both_write_at_once(void)
{
	enum { EACH = 50, ROUNDS = 10 };
	static struct record got[2 * EACH];
	struct conn c = connection();
	uint32_t next[2] = {}, i;
	int go[2], round;
	struct record r;
	pid_t child;

	gate_make(go);
	child = forked();
	if (!child) {
		for (round = 0; round < ROUNDS; round++) {
			gate_wait(go);
			records_write(c.fd, 1, round * EACH, EACH);
		}
		done();
	}
	for (round = 0; round < ROUNDS; round++) {
		gate_open(go);
		records_write(c.fd, 0, round * EACH, EACH);
		IS(tell_text(HEAR, c.other, sizeof(got), NULL, got), sizeof(got));
		for (i = 0; i < 2 * EACH; i++) {
			CHECK(got[i].who <= 1);
			IS(got[i].number, next[got[i].who]++);
			record_make(&r, got[i].who, got[i].number);
			CHECK(!memcmp(&r, &got[i], sizeof(r)));
		}
	}
	joined(child);
	IS(next[0], EACH * ROUNDS);
	IS(next[1], EACH * ROUNDS);
	close(c.fd);
	ENDS_AFTER(&c, 0);
}

/* Each byte goes to one of two who read at once. */
static void both_read_at_once(void)
{
	enum { TOTAL = 400000 };
	uint32_t *seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint32_t want[256] = {};
	struct conn c = connection();
	pid_t child, ends;
	uint8_t buf[3000];
	ssize_t ret;
	int i;

	CHECK(seen != MAP_FAILED);
	tell(WRITE_BEGIN, &c, TOTAL);
	ends = forked();
	if (!ends) {
		IS(tell(WRITE_END, &c, 0), TOTAL);
		IS(tell(SHUTDOWN, &c, 0), 0);
		done();
	}
	child = forked();
	while ((ret = read(c.fd, buf, sizeof(buf))) > 0)
		for (i = 0; i < ret; i++)
			__atomic_add_fetch(&seen[buf[i]], 1, __ATOMIC_RELAXED);
	IS(ret, 0);
	if (!child)
		done();
	joined(child);
	joined(ends);
	for (i = 0; i < TOTAL; i++)
		want[pattern(TO_HERE, i)]++;
	for (i = 0; i < 256; i++)
		IS(seen[i], want[i]);
}

static void parent_writes_and_child_reads(void)
{
	enum { TOTAL = 1000003 };
	struct conn c = connection();
	pid_t child;

	tell(WRITE_BEGIN, &c, TOTAL);
	tell(READ_BEGIN, &c, TOTAL);
	child = forked();
	if (!child) {
		take(&c, TOTAL);
		done();
	}
	give(&c, TOTAL);
	IS(tell(READ_END, &c, 0), TOTAL);
	IS(tell(WRITE_END, &c, 0), TOTAL);
	joined(child);
	close(c.fd);
	ENDS_AFTER(&c, 0);
}

static void unsent_data_of_before_fork_arrives(void)
{
	struct conn c = connection_of(SMALL, 0);
	pid_t child;

	fill(&c);
	child = forked();
	if (!child)
		done();
	joined(child);
	close(c.fd);
	ENDS_AFTER(&c, (long)c.sent);
}

static void child_writes_behind_unsent_data(void)
{
	struct conn c = connection_of(SMALL, 0);
	pid_t child;

	fill(&c);
	child = forked();
	if (!child) {
		give(&c, 100000);
		done();
	}
	close(c.fd);
	moment();
	ENDS_AFTER(&c, (long)c.sent + 100000);
	joined(child);
}

static void end_is_sent_when_the_child_exits(void)
{
	struct conn c = connection();
	int go[2];
	pid_t child;

	gate_make(go);
	child = forked();
	if (!child) {
		gate_wait(go);
		done();
	}
	close(c.fd);
	QUIET(&c);
	gate_open(go);
	joined(child);
	ENDS_AFTER(&c, 0);
}

static void end_is_sent_when_the_parent_closes(void)
{
	struct conn c = connection();
	pid_t child = forked();

	if (!child) {
		/* One who closes, and one who exits. */
		if (forked() > 0)
			wait(NULL);
		else
			close(c.fd);
		done();
	}
	joined(child);
	QUIET(&c);
	works(&c);
	close(c.fd);
	ENDS_AFTER(&c, 0);
}

/* As a daemon does it: the grandchild has it alone. */
static void grandchild_answers(void)
{
	struct conn c = connection_of(0, 300);
	int status;
	pid_t child;

	/* The grandchild is waited for, too. */
	CHECK(!prctl(PR_SET_CHILD_SUBREAPER, 1));
	child = forked();
	if (!child) {
		take(&c, 100);
		if (forked())
			done();
		moment();
		take(&c, 200);
		IS(tell(WRITE, &c, 100), 100);
		take(&c, 100);
		give(&c, 500);
		done();
	}
	close(c.fd);
	joined(child);
	CHECK(wait(&status) > 0);
	IS(status, 0);
	ENDS_AFTER(&c, 500);
}

static void child_has_connections_of_its_own(void)
{
	struct conn c = connection(), d = {};
	pid_t child = forked(), grandchild;

	if (!child) {
		works(&c);
		/* The parent's listener has a part of the connections that come to the port. */
		listener = -1;
		d = connection();
		works(&d);
		works(&c);
		grandchild = forked();
		if (!grandchild) {
			works(&d);
			works(&c);
			done();
		}
		joined(grandchild);
		d.got += 3001;
		d.sent += 2003;
		works(&d);
		done();
	}
	joined(child);
	c.got = 3 * 3001;
	c.sent = 3 * 2003;
	works(&c);
	d = connection();
	works(&d);
	close(c.fd);
	ENDS_AFTER(&c, 0);
	close(d.fd);
	ENDS_AFTER(&d, 0);
}

static void connections_served_by_two(void)
{
	static struct conn c[MANY];
	pid_t child;
	int i;

	for (i = 0; i < MANY; i++) {
		c[i] = connection();
		IS(tell(WRITE, &c[i], 500 + i), 500 + i);
	}
	child = forked();
	for (i = child ? 1 : 0; i < MANY; i += 2) {
		take(&c[i], 500 + i);
		give(&c[i], 700 + i);
	}
	if (!child)
		done();
	for (i = 0; i < MANY; i += 2)
		close(c[i].fd);
	joined(child);
	for (i = 0; i < MANY; i++) {
		if (i % 2)
			close(c[i].fd);
		ENDS_AFTER(&c[i], 700 + i);
	}
}

static void child_without_privileges(void)
{
	struct conn c = connection_of(0, 1000);
	pid_t child;

	arrived(&c, 1000);
	take(&c, 300);
	child = forked();
	if (!child) {
		CHECK(!setgroups(0, NULL) && !setresgid(NOBODY, NOBODY, NOBODY) && !setresuid(NOBODY, NOBODY, NOBODY));
		CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		FAILS(setuid(0), EPERM);
		take(&c, 700);
		works(&c);
		CHECK(!shutdown(c.fd, SHUT_WR));
		done();
	}
	close(c.fd);
	joined(child);
	ENDS_AFTER(&c, 0);
}

static void child_killed_while_it_reads(void)
{
	struct conn c = connection();
	pid_t child = forked();
	int status;

	if (!child) {
		take(&c, 1);
		_exit(1);
	}
	moment();
	kill(child, SIGKILL);
	CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
	QUIET(&c);
	works(&c);
	close(c.fd);
	ENDS_AFTER(&c, 0);
}

static void child_killed_while_it_writes(void)
{
	uint32_t *wrote = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static uint8_t buf[5000], marks[777];
	struct conn c = connection_of(SMALL, 0);
	uint32_t was;
	pid_t child;
	int status;
	ssize_t n;

	CHECK(wrote != MAP_FAILED);
	child = forked();
	if (!child) {
		while ((n = write(c.fd, buf, sizeof(buf))) > 0)
			*(volatile uint32_t *)wrote += n;
		_exit(1);
	}
	do {
		was = *(volatile uint32_t *)wrote;
		moment();
	} while (!was || was != *(volatile uint32_t *)wrote);
	kill(child, SIGKILL);
	CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
	memset(marks, MARK, sizeof(marks));
	/* There is room for this when the other end reads. */
	child = forked();
	if (!child) {
		IS(write(c.fd, marks, sizeof(marks)), sizeof(marks));
		done();
	}
	close(c.fd);
	CHECK(tell(COUNT_TO_END, &c, 0) >= was + (long)sizeof(marks));
	IS(told.err, 0);
	IS(told.more, sizeof(marks));
	joined(child);
}

/* ---- waiting ---- */

static void events_in_the_child(void)
{
	struct epoll_event e = { .events = EPOLLIN }, edge = { .events = EPOLLIN | EPOLLET };
	struct timeval t = { .tv_sec = 5 };
	struct conn c = connection();
	int lt, et;
	pid_t child = forked();
	fd_set set;
	char b;

	if (child) {
		close(c.fd);
		joined(child);
		ENDS_AFTER(&c, 0);
		return;
	}
	lt = epoll_create1(0);
	et = epoll_create1(0);
	CHECK(!epoll_ctl(lt, EPOLL_CTL_ADD, c.fd, &e) && !epoll_ctl(et, EPOLL_CTL_ADD, c.fd, &edge));
	IS(polled(c.fd, POLLIN, 0), POLLOUT);
	IS(epoll_wait(lt, &e, 1, 0), 0);
	IS(epoll_wait(et, &e, 1, 0), 0);
	IS(tell(WRITE, &c, 10), 10);
	IS(epoll_wait(et, &e, 1, 5000), 1);
	IS(e.events, EPOLLIN);
	arrived(&c, 10);
	IS(epoll_wait(et, &e, 1, 0), 0);
	IS(epoll_wait(lt, &e, 1, 5000), 1);
	IS(epoll_wait(lt, &e, 1, 0), 1);
	IS(polled(c.fd, POLLIN, 5000), POLLIN | POLLOUT);
	FD_ZERO(&set);
	FD_SET(c.fd, &set);
	IS(select(c.fd + 1, &set, NULL, NULL, &t), 1);
	take(&c, 4);
	IS(epoll_wait(lt, &e, 1, 0), 1);
	take(&c, 6);
	IS(epoll_wait(lt, &e, 1, 0), 0);
	IS(epoll_wait(et, &e, 1, 0), 0);
	IS(polled(c.fd, POLLIN, 0), POLLOUT);
	IS(tell(WRITE, &c, 7), 7);
	IS(epoll_wait(et, &e, 1, 5000), 1);
	take(&c, 7);
	IS(tell(SHUTDOWN, &c, 0), 0);
	IS(epoll_wait(et, &e, 1, 5000), 1);
	IS(polled(c.fd, POLLRDHUP, 5000), POLLIN | POLLOUT | POLLRDHUP);
	IS(read(c.fd, &b, 1), 0);
	CHECK(!shutdown(c.fd, SHUT_WR));
	IS(polled(c.fd, POLLHUP, 5000), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	done();
}

/* What was put into an epoll set before the fork is told of behind it, in both processes. */
static void epoll_of_before_the_fork(void)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(0);
	struct conn c = connection_of(0, 100);
	pid_t child;

	CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, c.fd, &e));
	arrived(&c, 100);
	IS(epoll_wait(ep, &e, 1, 5000), 1);
	while (epoll_wait(ep, &e, 1, 0))
		;
	child = forked();
	if (!child) {
		take(&c, 100);
		IS(tell(WRITE, &c, 50), 50);
		IS(epoll_wait(ep, &e, 1, 5000), 1);
		take(&c, 50);
		done();
	}
	joined(child);
	c.got = 150;
	IS(tell(WRITE, &c, 50), 50);
	IS(epoll_wait(ep, &e, 1, 5000), 1);
	take(&c, 50);
	close(c.fd);
	ENDS_AFTER(&c, 0);
}

static void calls_that_do_not_wait(void)
{
	struct conn c = connection_of(SMALL, 0);
	pid_t child = forked();
	uint8_t buf[1000] = {};

	if (child) {
		joined(child);
		/* It is the file's. */
		IS(fcntl(c.fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
		FAILS(read(c.fd, buf, 1), EAGAIN);
		close(c.fd);
		return;
	}
	FAILS(recv(c.fd, buf, 1, MSG_DONTWAIT), EAGAIN);
	fill(&c);
	FAILS(send(c.fd, buf, 1, MSG_DONTWAIT), EAGAIN);
	CHECK(!fcntl(c.fd, F_SETFL, O_NONBLOCK));
	FAILS(read(c.fd, buf, 1), EAGAIN);
	FAILS(write(c.fd, buf, 1), EAGAIN);
	IS(polled(c.fd, POLLOUT, 0), 0);
	IS(tell(READ, &c, c.sent), (long)c.sent);
	IS(polled(c.fd, POLLOUT, 5000), POLLOUT);
	pattern_fill(buf, sizeof(buf), FROM_HERE, c.sent);
	IS(write(c.fd, buf, sizeof(buf)), sizeof(buf));
	IS(tell(READ, &c, sizeof(buf)), sizeof(buf));
	done();
}

static void waits_are_ended(void)
{
	struct sigaction sa = { .sa_handler = count_signal };
	struct itimerval timer = { .it_value.tv_usec = 100000 };
	struct conn c = connection();
	pid_t child = forked();
	char b[16];

	if (!child) {
		IS(read(c.fd, b, sizeof(b)), 10);
		IS(read(c.fd, b, sizeof(b)), 0);
		done();
	}
	moment();
	IS(tell(WRITE, &c, 10), 10);
	moment();
	IS(tell(SHUTDOWN, &c, 0), 0);
	joined(child);
	close(c.fd);

	c = connection();
	child = forked();
	if (!child) {
		CHECK(!sigaction(SIGALRM, &sa, NULL));
		CHECK(!setitimer(ITIMER_REAL, &timer, NULL));
		FAILS(read(c.fd, b, sizeof(b)), EINTR);
		IS(signals, 1);
		CHECK(!setitimer(ITIMER_REAL, &timer, NULL));
		FAILS(recv(c.fd, b, sizeof(b), 0), EINTR);
		IS(signals, 2);
		works(&c);
		done();
	}
	joined(child);
	close(c.fd);
}

static void write_that_waits_is_ended(void)
{
	struct sigaction sa = { .sa_handler = count_signal };
	struct itimerval timer = { .it_value.tv_usec = 100000 };
	struct conn c = connection_of(SMALL, 0);
	pid_t child = forked();

	if (!child) {
		fill(&c);
		CHECK(!sigaction(SIGALRM, &sa, NULL));
		CHECK(!setitimer(ITIMER_REAL, &timer, NULL));
		FAILS(write(c.fd, "x", 1), EINTR);
		IS(tell(READ_BEGIN, &c, c.sent + 200000), 0);
		give(&c, 200000);
		IS(tell(READ_END, &c, 0), (long)c.sent);
		done();
	}
	joined(child);
	close(c.fd);
	ENDS_AFTER(&c, 0);
}

static void time_limits(void)
{
	struct timeval t = { .tv_usec = 50000 }, long_time = { .tv_sec = 100 };
	struct conn c = connection_of(SMALL, 0);
	pid_t child;
	char b[8];

	CHECK(!setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)));
	child = forked();
	if (!child) {
		FAILS(recv(c.fd, b, 1, 0), EAGAIN);
		fill(&c);
		CHECK(!setsockopt(c.fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)));
		FAILS(send(c.fd, b, 1, 0), EAGAIN);
		CHECK(!setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &long_time, sizeof(long_time)));
		IS(tell(WRITE, &c, 5), 5);
		IS(recv(c.fd, b, 5, MSG_WAITALL), 5);
		done();
	}
	joined(child);
	close(c.fd);
}

/* ---- calls ---- */

static void receiving_calls_in_the_child(void)
{
	uint8_t b[300], d[300];
	struct iovec v[2] = { { b, 70 }, { d, 300 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	struct conn c = connection_of(0, 200);
	pid_t child, later;
	int n;

	arrived(&c, 200);
	child = forked();
	if (child) {
		close(c.fd);
		joined(child);
		return;
	}
	IS(recv(c.fd, b, 50, MSG_PEEK), 50);
	CHECK(pattern_is(b, 50, TO_HERE, 0));
	IS(recv(c.fd, b, 200, MSG_PEEK), 200);
	CHECK(!ioctl(c.fd, FIONREAD, &n));
	IS(n, 200);
	IS(recv(c.fd, b, 30, 0), 30);
	IS(readv(c.fd, v, 2), 170);
	CHECK(pattern_is(b, 70, TO_HERE, 30) && pattern_is(d, 100, TO_HERE, 100));
	FAILS(recv(c.fd, b, 1, MSG_DONTWAIT), EAGAIN);
	later = forked();
	if (!later) {
		IS(tell(WRITE, &c, 40), 40);
		moment();
		IS(tell(WRITE, &c, 60), 60);
		done();
	}
	IS(recv(c.fd, b, 100, MSG_WAITALL), 100);
	CHECK(pattern_is(b, 100, TO_HERE, 200));
	joined(later);
	IS(tell(WRITE, &c, 90), 90);
	arrived(&c, 90);
	m.msg_flags = -1;
	IS(recvmsg(c.fd, &m, 0), 90);
	IS(m.msg_flags, 0);
	CHECK(pattern_is(b, 70, TO_HERE, 300) && pattern_is(d, 20, TO_HERE, 370));
	IS(tell(WRITE, &c, 10), 10);
	IS(tell(SHUTDOWN, &c, 0), 0);
	/* The end of the stream ends this, too. */
	IS(recv(c.fd, b, 100, MSG_WAITALL), 10);
	IS(recvfrom(c.fd, b, 100, 0, NULL, NULL), 0);
	done();
}

static void sending_calls_in_the_child(void)
{
	uint8_t b[1000], big[200000];
	struct iovec v[2] = { { b, 70 }, { b + 70, 300 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	int fd = memfd_create("file", MFD_CLOEXEC);
	struct conn c = connection();
	off_t at = 0;
	ssize_t ret;
	pid_t child = forked();

	if (child) {
		close(c.fd);
		joined(child);
		ENDS_AFTER(&c, 0);
		return;
	}
	pattern_fill(b, sizeof(b), FROM_HERE, 0);
	IS(writev(c.fd, v, 2), 370);
	v[0].iov_base = b + 370;
	v[1].iov_base = b + 440;
	IS(sendmsg(c.fd, &m, MSG_NOSIGNAL), 370);
	IS(send(c.fd, b + 740, 100, MSG_MORE), 100);
	/* It comes in time although nothing follows; that it waits a little is not looked at. */
	IS(tell(READ, &c, 840), 840);
	IS(send(c.fd, b + 840, 60, MSG_MORE), 60);
	IS(sendto(c.fd, b + 900, 100, MSG_DONTWAIT, NULL, 0), 100);
	IS(tell(READ, &c, 160), 160);
	IS(send(c.fd, b, 0, 0), 0);
	c.sent = 1000;
	pattern_fill(big, sizeof(big), FROM_HERE, c.sent);
	CHECK(fd >= 0 && write_all(fd, big, sizeof(big)));
	tell(READ_BEGIN, &c, sizeof(big));
	while (at < (off_t)sizeof(big)) {
		ret = sendfile(c.fd, fd, &at, sizeof(big) - at);
		CHECK(ret > 0);
	}
	IS(tell(READ_END, &c, 0), sizeof(big));
	done();
}

/* No other process is about. */
static void splice_from_and_to_a_pipe(void)
{
	struct conn c = connection_of(0, 5000);
	uint8_t b[5000];
	size_t at = 0;
	ssize_t ret;
	int p[2];

	arrived(&c, 5000);
	CHECK(!pipe(p));
	take(&c, 1000);
	while (at < 4000) {
		ret = splice(c.fd, NULL, p[1], NULL, 4000 - at, 0);
		CHECK(ret > 0);
		CHECK(read_all(p[0], b, ret));
		CHECK(pattern_is(b, ret, TO_HERE, c.got));
		c.got += ret;
		at += ret;
	}
	pattern_fill(b, sizeof(b), FROM_HERE, 0);
	give(&c, 500);
	IS(write(p[1], b + 500, 4500), 4500);
	for (at = 500; at < 5000; at += ret) {
		ret = splice(p[0], NULL, c.fd, NULL, 5000 - at, 0);
		CHECK(ret > 0);
	}
	c.sent = 5000;
	IS(tell(READ, &c, 5000), 5000);
	works(&c);
	CHECK(!fcntl(c.fd, F_SETFL, O_NONBLOCK));
	FAILS(splice(c.fd, NULL, p[1], NULL, 10, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK(!fcntl(c.fd, F_SETFL, 0));
	IS(tell(SHUTDOWN, &c, 0), 0);
	IS(splice(c.fd, NULL, p[1], NULL, 10, 0), 0);
	close(c.fd);
	ENDS_AFTER(&c, 0);
}

static void stdio_reads_and_writes(void)
{
	static const char text[] = "skipped first line\nsecond line\nthe third", answer[] = "number 42 of word\nand more\n";
	struct conn c = connection();
	char line[100], heard[100] = "";
	FILE *in, *out;
	int fd;

	IS(tell_text(SAY, c.other, strlen(text), text, NULL), strlen(text));
	arrived(&c, strlen(text));
	IS(read(c.fd, line, 8), 8);
	in = fdopen(c.fd, "r");
	out = fdopen(dup(c.fd), "w");
	CHECK(in && out);
	CHECK(fgets(line, sizeof(line), in) && !strcmp(line, "first line\n"));
	CHECK(fgets(line, sizeof(line), in) && !strcmp(line, "second line\n"));
	CHECK(fprintf(out, "number %d of %s\n", 42, "word") > 0 && !fflush(out));
	CHECK(fputs("and more\n", out) >= 0 && !fclose(out));
	IS(tell_text(HEAR, c.other, strlen(answer), NULL, heard), strlen(answer));
	CHECK(!strcmp(heard, answer));
	IS(tell_text(SAY, c.other, 6, " line\n", NULL), 6);
	CHECK(fgets(line, sizeof(line), in) && !strcmp(line, "the third line\n"));
	IS(tell(SHUTDOWN, &c, 0), 0);
	CHECK(!fgets(line, sizeof(line), in) && feof(in) && !ferror(in));
	QUIET(&c);
	fclose(in);
	ENDS_AFTER(&c, 0);
	/* The C library has closed it by itself, and the number goes to somebody else. */
	fd = open("/proc/self/exe", O_RDONLY);
	IS(read(fd, line, 4), 4);
	CHECK(!memcmp(line, "\177ELF", 4));
	close(fd);
	c = connection();
	works(&c);
	close(c.fd);
}

/* One stream for both directions, and a child that inherits it. */
static void stdio_in_a_child(void)
{
	struct conn c = connection();
	char line[100];
	pid_t child;
	FILE *f;

	f = fdopen(c.fd, "r+");
	CHECK(f);
	child = forked();
	if (!child) {
		CHECK(fgets(line, sizeof(line), f) && !strcmp(line, "question\n"));
		CHECK(fprintf(f, "answer to %s", line) > 0 && !fflush(f));
		done();
	}
	fclose(f);
	IS(tell_text(SAY, c.other, 9, "question\n", NULL), 9);
	memset(line, 0, sizeof(line));
	IS(tell_text(HEAR, c.other, 19, NULL, line), 19);
	CHECK(!strcmp(line, "answer to question\n"));
	joined(child);
	ENDS_AFTER(&c, 0);
}

static void options_in_the_child(void)
{
	struct conn c = connection();
	struct linger l = { 1, 5 }, got = {};
	socklen_t len = sizeof(got);
	struct tcp_info info;
	pid_t child;

	CHECK(!set_option(c.fd, SOL_SOCKET, SO_KEEPALIVE, 1));
	child = forked();
	if (!child) {
		IS(option(c.fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
		IS(option(c.fd, SOL_SOCKET, SO_DOMAIN), other.sa.sa_family);
		IS(option(c.fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
		IS(option(c.fd, SOL_SOCKET, SO_ERROR), 0);
		IS(option(c.fd, SOL_SOCKET, SO_KEEPALIVE), 1);
		IS(set_option(c.fd, IPPROTO_TCP, TCP_NODELAY, 1), 0);
		IS(option(c.fd, IPPROTO_TCP, TCP_NODELAY), 1);
		IS(set_option(c.fd, IPPROTO_TCP, TCP_CORK, 1), 0);
		IS(option(c.fd, IPPROTO_TCP, TCP_CORK), 1);
		give(&c, 100);
		IS(set_option(c.fd, IPPROTO_TCP, TCP_CORK, 0), 0);
		IS(tell(READ, &c, 100), 100);
		IS(set_option(c.fd, IPPROTO_TCP, TCP_KEEPIDLE, 100), 0);
		IS(option(c.fd, IPPROTO_TCP, TCP_KEEPIDLE), 100);
		IS(setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
		IS(getsockopt(c.fd, SOL_SOCKET, SO_LINGER, &got, &len), 0);
		CHECK(got.l_onoff == 1 && got.l_linger == 5);
		len = sizeof(info);
		IS(getsockopt(c.fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
		IS(info.tcpi_state, TCP_ESTABLISHED);
		done();
	}
	joined(child);
	c.sent = 100;
	/* It is one socket. */
	IS(option(c.fd, IPPROTO_TCP, TCP_NODELAY), 1);
	IS(set_option(c.fd, IPPROTO_TCP, TCP_NODELAY, 0), 0);
	IS(option(c.fd, IPPROTO_TCP, TCP_NODELAY), 0);
	works(&c);
	close(c.fd);
}

static void names_in_the_child(void)
{
	struct conn c = connection();
	int here = port_of(c.fd), there = port_of_other(c.fd);
	pid_t child = forked();

	CHECK(here > 0 && there > 0 && here != there);
	if (!child) {
		IS(port_of(c.fd), here);
		IS(port_of_other(c.fd), there);
		done();
	}
	joined(child);
	IS(port_of(c.fd), here);
	IS(port_of_other(c.fd), there);
	close(c.fd);
}

/* ---- ends ---- */

static void reset_is_told_once(void)
{
	struct conn c = connection();
	pid_t child = forked();
	char b[8];

	if (child) {
		close(c.fd);
		joined(child);
		return;
	}
	signal(SIGPIPE, count_signal);
	IS(tell(RESET, &c, 0), 0);
	IS(polled(c.fd, POLLHUP, 5000), POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	FAILS(read(c.fd, b, 1), ECONNRESET);
	IS(read(c.fd, b, 1), 0);
	IS(polled(c.fd, POLLHUP, 5000), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	IS(option(c.fd, SOL_SOCKET, SO_ERROR), 0);
	FAILS(send(c.fd, b, 1, MSG_NOSIGNAL), EPIPE);
	IS(signals, 0);
	FAILS(write(c.fd, b, 1), EPIPE);
	IS(signals, 1);
	FAILS(send(c.fd, b, 1, 0), EPIPE);
	IS(signals, 2);
	done();
}

static void reset_told_by_so_error(void)
{
	struct conn c = connection();
	pid_t child = forked();
	char b[8];

	if (!child) {
		IS(tell(RESET, &c, 0), 0);
		CHECK(polled(c.fd, POLLHUP, 5000) & POLLERR);
		IS(option(c.fd, SOL_SOCKET, SO_ERROR), ECONNRESET);
		IS(option(c.fd, SOL_SOCKET, SO_ERROR), 0);
		IS(read(c.fd, b, 1), 0);
		done();
	}
	joined(child);
	/* The child was told. */
	IS(option(c.fd, SOL_SOCKET, SO_ERROR), 0);
	IS(read(c.fd, b, 1), 0);
	FAILS(send(c.fd, b, 1, MSG_NOSIGNAL), EPIPE);
	close(c.fd);
}

static void reset_before_the_fork(void)
{
	struct conn c = connection();
	pid_t child;
	char b[8];

	IS(tell(RESET, &c, 0), 0);
	CHECK(polled(c.fd, POLLHUP, 5000) & POLLHUP);
	child = forked();
	if (!child) {
		FAILS(read(c.fd, b, 1), ECONNRESET);
		IS(read(c.fd, b, 1), 0);
		done();
	}
	joined(child);
	IS(read(c.fd, b, 1), 0);
	close(c.fd);
}

static void end_before_the_fork(void)
{
	struct conn c = connection_of(0, 1000);
	pid_t child;
	char b[8];

	IS(tell(SHUTDOWN, &c, 0), 0);
	CHECK(polled(c.fd, POLLRDHUP, 5000) & POLLRDHUP);
	child = forked();
	if (!child) {
		take(&c, 600);
		give(&c, 100);
		done();
	}
	joined(child);
	c.got = 600;
	take(&c, 400);
	IS(read(c.fd, b, 1), 0);
	IS(read(c.fd, b, 1), 0);
	close(c.fd);
	ENDS_AFTER(&c, 100);
}

static void shutdown_of_writing_is_for_all(void)
{
	struct conn c = connection();
	pid_t child = forked();

	if (!child) {
		give(&c, 100);
		CHECK(!shutdown(c.fd, SHUT_WR));
		done();
	}
	joined(child);
	ENDS_AFTER(&c, 100);
	signal(SIGPIPE, count_signal);
	FAILS(write(c.fd, "x", 1), EPIPE);
	IS(signals, 1);
	FAILS(send(c.fd, "x", 1, MSG_NOSIGNAL), EPIPE);
	IS(signals, 1);
	IS(tell(WRITE, &c, 3000), 3000);
	take(&c, 3000);
	close(c.fd);
}

static void shutdown_of_reading_is_for_all(void)
{
	struct conn c = connection();
	pid_t child = forked();
	char b[8];

	if (!child) {
		moment();
		CHECK(!shutdown(c.fd, SHUT_RD));
		done();
	}
	/* Waits for it. */
	IS(read(c.fd, b, 1), 0);
	joined(child);
	IS(recv(c.fd, b, 1, MSG_DONTWAIT), 0);
	CHECK(polled(c.fd, POLLIN, 0) & POLLIN);
	give(&c, 100);
	IS(tell(READ, &c, 100), 100);
	close(c.fd);
}

static void linger_of_one_is_for_all(void)
{
	struct linger l = { .l_onoff = 1 };
	struct conn c = connection();
	pid_t child = forked();

	if (!child) {
		CHECK(!setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
		done();
	}
	joined(child);
	QUIET(&c);
	works(&c);
	close(c.fd);
	IS(tell(TO_END, &c, 0), 0);
	IS(told.err, ECONNRESET);
}

static void unread_data_at_the_last_close(void)
{
	struct conn c = connection_of(0, 1000);
	pid_t child;

	arrived(&c, 1000);
	child = forked();
	if (!child) {
		take(&c, 400);
		done();
	}
	joined(child);
	QUIET(&c);
	close(c.fd);
	IS(tell(TO_END, &c, 0), 0);
	IS(told.err, ECONNRESET);
}

static void unsent_data_of_after_fork_arrives(void)
{
	struct conn c = connection_of(SMALL, 0);
	pid_t child = forked();

	if (!child)
		done();
	joined(child);
	fill(&c);
	child = forked();
	if (!child)
		done();
	close(c.fd);
	joined(child);
	moment();
	ENDS_AFTER(&c, (long)c.sent);
}

/* ---- exec ---- */

static void inetd(const char *path, char **env)
{
	struct conn c = connection_of(0, 100);
	char *const argv[] = { "cat", NULL };
	uint8_t got[106], want[106];
	pid_t child;

	arrived(&c, 100);
	child = forked();
	if (!child) {
		CHECK(dup2(c.fd, 0) == 0 && dup2(c.fd, 1) == 1);
		close(c.fd);
		execve(path, argv, env);
		fail(__LINE__, path);
	}
	close(c.fd);
	IS(tell_text(SAY, c.other, 6, "hello\n", NULL), 6);
	pattern_fill(want, 100, TO_HERE, 0);
	memcpy(want + 100, "hello\n", 6);
	IS(tell_text(HEAR, c.other, 106, NULL, got), 106);
	CHECK(!memcmp(got, want, 106));
	IS(tell(SHUTDOWN, &c, 0), 0);
	ENDS_AFTER(&c, 0);
	joined(child);
}

static char *no_environment[] = { NULL };

static void inetd_runs_a_program_with_the_library(void)
{
	inetd("/bin/cat", environ);
}

static void inetd_runs_a_program_without_the_library(void)
{
	inetd("/bin/cat", no_environment);
}

static void inetd_runs_a_static_program(void)
{
	inetd("/bin/busybox", environ);
}

/* The connection is descriptor 0: what a program may ask of its socket. Arguments: ports here, there. */
static void program_asks(char **argv)
{
	struct conn c = { .fd = 0 };
	uint8_t b[300];

	IS(port_of(0), atoi(argv[0]));
	IS(port_of_other(0), atoi(argv[1]));
	IS(option(0, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	IS(option(0, SOL_SOCKET, SO_ERROR), 0);
	IS(set_option(0, IPPROTO_TCP, TCP_NODELAY, 1), 0);
	IS(option(0, IPPROTO_TCP, TCP_NODELAY), 1);
	IS(recv(0, b, 100, MSG_PEEK), 100);
	IS(recv(0, b, 300, MSG_WAITALL), 300);
	CHECK(pattern_is(b, 300, TO_HERE, 0));
	pattern_fill(b, 300, FROM_HERE, 0);
	IS(send(0, b, 300, MSG_NOSIGNAL), 300);
	FAILS(recv(0, b, 1, MSG_DONTWAIT), EAGAIN);
	IS(polled(c.fd, POLLOUT, 0), POLLOUT);
	IS(shutdown(0, SHUT_WR), 0);
	FAILS(send(0, b, 1, MSG_NOSIGNAL), EPIPE);
	IS(recv(0, b, 300, MSG_WAITALL), 50);
	CHECK(pattern_is(b, 50, TO_HERE, 300));
}

static void ask_arguments(const struct conn *c, char text[2][16], char *argv[7])
{
	snprintf(text[0], 16, "%d", port_of(c->fd));
	snprintf(text[1], 16, "%d", port_of_other(c->fd));
	argv[0] = "processes";
	argv[1] = "program";
	argv[2] = "asks";
	argv[3] = text[0];
	argv[4] = text[1];
	argv[5] = NULL;
}

/* The other end's part of program_asks(). */
static void asked(struct conn *c, pid_t child)
{
	IS(tell(WRITE, c, 200), 200);
	ENDS_AFTER(c, 300);
	IS(tell(WRITE, c, 50), 50);
	IS(tell(SHUTDOWN, c, 0), 0);
	joined(child);
}

static void executed_program_asks_its_socket(void)
{
	struct conn c = connection_of(0, 100);
	char text[2][16], *argv[7];
	pid_t child;

	arrived(&c, 100);
	ask_arguments(&c, text, argv);
	child = forked();
	if (!child) {
		CHECK(dup2(c.fd, 0) == 0);
		close(c.fd);
		execv("/proc/self/exe", argv);
		fail(__LINE__, "execv");
	}
	close(c.fd);
	asked(&c, child);
}

static void spawned_program_asks_its_socket(void)
{
	struct conn c = connection_of(0, 100), d = connection_of(0, 100);
	posix_spawn_file_actions_t actions;
	char text[2][16], *argv[7];
	pid_t child;

	arrived(&c, 100);
	arrived(&d, 100);
	take(&d, 40);
	ask_arguments(&c, text, argv);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, c.fd, 0);
	posix_spawn_file_actions_addclose(&actions, c.fd);
	posix_spawn_file_actions_addclose(&actions, d.fd);
	IS(posix_spawn(&child, "/proc/self/exe", &actions, NULL, argv, environ), 0);
	close(c.fd);
	asked(&c, child);
	take(&d, 60);
	works(&d);
	close(d.fd);
	ENDS_AFTER(&d, 0);
}

static void spawned_program_without_the_library(void)
{
	struct conn c = connection_of(0, 3000);
	posix_spawn_file_actions_t actions;
	char *const argv[] = { "cat", NULL };
	uint8_t got[2000], want[2000];
	pid_t child;

	arrived(&c, 3000);
	take(&c, 1000);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, c.fd, 0);
	posix_spawn_file_actions_adddup2(&actions, c.fd, 1);
	/* By PATH. */
	IS(posix_spawnp(&child, "cat", &actions, NULL, argv, no_environment), 0);
	IS(tell_text(HEAR, c.other, 2000, NULL, got), 2000);
	pattern_fill(want, 2000, TO_HERE, 1000);
	CHECK(!memcmp(got, want, 2000));
	IS(tell(SHUTDOWN, &c, 0), 0);
	joined(child);
	QUIET(&c);
	close(c.fd);
	ENDS_AFTER(&c, 0);
}

static void vforked_program(void)
{
	struct conn c = connection_of(0, 3000), d = connection_of(0, 100);
	char *const argv[] = { "cat", NULL };
	uint8_t got[2000], want[2000];
	volatile int fd = c.fd;
	pid_t child;

	arrived(&c, 3000);
	arrived(&d, 100);
	take(&c, 1000);
	take(&d, 40);
	child = vfork();
	if (!child) {
		if (dup2(fd, 0) == 0 && dup2(fd, 1) == 1)
			execve("/bin/cat", argv, no_environment);
		_exit(1);
	}
	CHECK(child > 0);
	IS(tell_text(HEAR, c.other, 2000, NULL, got), 2000);
	pattern_fill(want, 2000, TO_HERE, 1000);
	CHECK(!memcmp(got, want, 2000));
	take(&d, 60);
	works(&d);
	IS(tell(SHUTDOWN, &c, 0), 0);
	joined(child);
	QUIET(&c);
	close(c.fd);
	ENDS_AFTER(&c, 0);
	works(&d);
	close(d.fd);
	ENDS_AFTER(&d, 0);
}

/* Whoever runs commands for something else goes on with its connections. */
static void commands_do_not_disturb(void)
{
	struct conn c = connection_of(0, 1000), d = connection_of(SMALL, 0);
	char line[100] = "";
	pid_t child;
	FILE *f;

	arrived(&c, 1000);
	take(&c, 100);
	fill(&d);
	IS(system("true"), 0);
	take(&c, 200);
	f = popen("echo word", "r");
	CHECK(f && fgets(line, sizeof(line), f) && !strcmp(line, "word\n"));
	take(&c, 300);
	IS(tell(READ, &d, d.sent), (long)d.sent);
	IS(pclose(f), 0);
	child = vfork();
	if (!child) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	joined(child);
	take(&c, 400);
	works(&c);
	works(&d);
	close(c.fd);
	ENDS_AFTER(&c, 0);
	close(d.fd);
	ENDS_AFTER(&d, 0);
}

/* What system() and popen() run has the connection, too. */
static void commands_use_a_connection(void)
{
	struct conn c = connection_of(0, 1000), d = connection();
	char heard[21] = "";
	uint8_t got[700], want[700];
	FILE *f;

	arrived(&c, 1000);
	take(&c, 300);
	IS(tell(SHUTDOWN, &c, 0), 0);
	CHECK(dup2(c.fd, 0) == 0);
	IS(system("cat >&0"), 0);
	IS(tell_text(HEAR, c.other, sizeof(got), NULL, got), sizeof(got));
	pattern_fill(want, sizeof(want), TO_HERE, 300);
	CHECK(!memcmp(got, want, sizeof(got)));
	CHECK(dup2(d.fd, 0) == 0);
	close(c.fd);
	ENDS_AFTER(&c, 0);
	f = popen("head -c 5 <&0", "r");
	CHECK(f);
	IS(tell_text(SAY, d.other, 5, "12345", NULL), 5);
	CHECK(fread(heard, 1, 20, f) == 5 && !strcmp(heard, "12345"));
	IS(pclose(f), 0);
	close(0);
	close(d.fd);
	ENDS_AFTER(&d, 0);
}

/* A command that lives on has descriptors of all that were not marked: they end with it. */
static void command_keeps_a_connection_open(void)
{
	struct conn c = connection();
	pid_t child = forked();

	if (!child) {
		execl("/bin/sleep", "sleep", "100", NULL);
		fail(__LINE__, "execl");
	}
	close(c.fd);
	QUIET(&c);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	ENDS_AFTER(&c, 0);
}

static void close_on_exec(void)
{
	struct conn c = connection();
	pid_t child;

	CHECK(!fcntl(c.fd, F_SETFD, FD_CLOEXEC));
	child = forked();
	if (!child) {
		execl("/bin/sleep", "sleep", "100", NULL);
		fail(__LINE__, "execl");
	}
	close(c.fd);
	ENDS_AFTER(&c, 0);
	IS(waitpid(child, NULL, WNOHANG), 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* Arguments: descriptors of the connection and of the control connection; number there; read and written before. */
static void program_goes_on(char **argv)
{
	struct conn c = { .fd = atoi(argv[0]), .other = atoi(argv[2]), .got = atoi(argv[3]), .sent = atoi(argv[4]) };

	control = atoi(argv[1]);
	take(&c, 200);
	IS(tell(READ, &c, 100), 100);
	works(&c);
	close(c.fd);
	ENDS_AFTER(&c, 0);
}

/* With the library or without it. */
static void goes_on(bool library)
{
	struct conn c = connection_of(0, 300);
	char text[5][16];
	int value[5];
	char *const argv[] = { "processes", "program", "goes_on", text[0], text[1], text[2], text[3], text[4], NULL };
	int i;

	arrived(&c, 300);
	take(&c, 100);
	give(&c, 100);
	value[0] = c.fd;
	value[1] = control;
	value[2] = c.other;
	value[3] = c.got;
	value[4] = c.sent;
	for (i = 0; i < 5; i++)
		snprintf(text[i], sizeof(text[i]), "%d", value[i]);
	execve("/proc/self/exe", argv, library ? environ : no_environment);
	fail(__LINE__, "execve");
}

static void exec_in_the_same_process(void)
{
	goes_on(true);
}

static void exec_in_the_same_process_without_the_library(void)
{
	goes_on(false);
}

/* It failed, and the program goes on by other means. */
static void exec_that_fails(void)
{
	struct conn c = connection_of(0, 300);

	arrived(&c, 300);
	take(&c, 100);
	FAILS(execl("/nonexistent/program", "program", NULL), ENOENT);
	take(&c, 200);
	works(&c);
	close(c.fd);
	ENDS_AFTER(&c, 0);
}

/* ---- descriptors that are passed ---- */

static void pass(int to, int fd)
{
	union {
		struct cmsghdr c;
		char space[CMSG_SPACE(sizeof(int))];
	} u = {};
	struct iovec v = { "x", 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &u, .msg_controllen = sizeof(u) };

	u.c.cmsg_level = SOL_SOCKET;
	u.c.cmsg_type = SCM_RIGHTS;
	u.c.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&u.c), &fd, sizeof(fd));
	IS(sendmsg(to, &m, 0), 1);
}

static int passed(int from)
{
	union {
		struct cmsghdr c;
		char space[CMSG_SPACE(sizeof(int))];
	} u = {};
	char b;
	struct iovec v = { &b, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &u, .msg_controllen = sizeof(u) };
	int fd;

	IS(recvmsg(from, &m, 0), 1);
	CHECK(CMSG_FIRSTHDR(&m) && u.c.cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(&u.c), sizeof(fd));
	return fd;
}

/* The receiver has never had a connection with etran's TCP. */
static void passed_on_and_closed_before_it_is_read(void)
{
	struct conn c = {};
	int s[2], go[2];
	uint8_t b[300];
	pid_t child;

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	gate_make(go);
	child = forked();
	if (!child) {
		close(s[1]);
		c.fd = passed(s[0]);
		gate_wait(go);
		IS(option(c.fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
		CHECK(port_of_other(c.fd) > 0);
		c.got = 100;
		IS(recv(c.fd, b, 120, 0), 120);
		CHECK(pattern_is(b, 120, TO_HERE, c.got));
		c.got += 120;
		take(&c, 80);
		FAILS(recv(c.fd, b, 1, MSG_DONTWAIT), EAGAIN);
		pattern_fill(b, 50, FROM_HERE, 0);
		IS(send(c.fd, b, 50, MSG_NOSIGNAL), 50);
		c.sent = 50;
		give(&c, 450);
		done();
	}
	close(s[0]);
	c = connection_of(0, 300);
	arrived(&c, 300);
	take(&c, 100);
	pass(s[1], c.fd);
	close(c.fd);
	moment();
	gate_open(go);
	joined(child);
	ENDS_AFTER(&c, 500);
}

static void passed_on_and_used_by_both(void)
{
	struct conn c = {};
	pid_t child;
	int s[2];

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	child = forked();
	if (!child) {
		c.fd = passed(s[0]);
		c.got = 100;
		take(&c, 100);
		give(&c, 100);
		done();
	}
	c = connection_of(0, 300);
	arrived(&c, 300);
	take(&c, 100);
	pass(s[1], c.fd);
	IS(tell(READ, &c, 100), 100);
	joined(child);
	c.got = 200;
	c.sent = 100;
	take(&c, 100);
	QUIET(&c);
	works(&c);
	close(c.fd);
	ENDS_AFTER(&c, 0);
}

/* Nobody but the message has it for a while. */
static void passed_to_oneself(void)
{
	struct conn c = connection_of(0, 300);
	int s[2];

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	arrived(&c, 300);
	take(&c, 100);
	give(&c, 100);
	pass(s[0], c.fd);
	close(c.fd);
	IS(tell(READ, &c, 100), 100);
	QUIET(&c);
	c.fd = passed(s[1]);
	take(&c, 200);
	works(&c);
	close(c.fd);
	ENDS_AFTER(&c, 0);
}

/* Arguments: the socket that it comes by. */
static void program_receives(char **argv)
{
	struct conn c = { .fd = passed(atoi(argv[0])), .got = 100 };

	take(&c, 200);
	give(&c, 500);
}

static void passed_to_a_program_without_the_library(void)
{
	struct conn c;
	char text[16];
	char *const argv[] = { "processes", "program", "receives", text, NULL };
	pid_t child;
	int s[2];

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	child = forked();
	if (!child) {
		close(s[1]);
		snprintf(text, sizeof(text), "%d", s[0]);
		execve("/proc/self/exe", argv, no_environment);
		fail(__LINE__, "execve");
	}
	close(s[0]);
	c = connection_of(0, 300);
	arrived(&c, 300);
	take(&c, 100);
	pass(s[1], c.fd);
	close(c.fd);
	joined(child);
	ENDS_AFTER(&c, 500);
}

/* ---- threads ---- */

struct waiter {
	struct conn c;
	int flags, n;
	pthread_t thread;
};

static void *waits(void *arg)
{
	static __thread uint8_t buf[4096];
	struct waiter *w = arg;

	IS(recv(w->c.fd, buf, w->n, w->flags), w->n);
	CHECK(pattern_is(buf, w->n, TO_HERE, w->c.got));
	w->c.got += w->n;
	return NULL;
}

static void *polls(void *arg)
{
	struct waiter *w = arg;
	struct pollfd p = { .fd = w->c.fd, .events = POLLIN };

	IS(poll(&p, 1, 15000), 1);
	IS(p.revents, POLLIN);
	return waits(w);
}

static void forks_while_a_thread(void *(*does)(void *), int flags, bool half)
{
	struct waiter w = { .c = connection(), .flags = flags, .n = 100 };
	struct conn copy = w.c;
	int go[2];
	pid_t child;

	gate_make(go);
	CHECK(!pthread_create(&w.thread, NULL, does, &w));
	moment();
	if (half) {
		IS(tell(WRITE, &copy, 40), 40);
		moment();
	}
	child = forked();
	if (!child) {
		gate_wait(go);
		done();
	}
	moment();
	IS(tell(WRITE, &copy, half ? 60 : 100), half ? 60 : 100);
	CHECK(!pthread_join(w.thread, NULL));
	gate_open(go);
	joined(child);
	works(&w.c);
	close(w.c.fd);
	ENDS_AFTER(&w.c, 0);
}

static void fork_while_a_thread_receives(void)
{
	forks_while_a_thread(waits, 0, false);
}

static void fork_while_a_thread_receives_all(void)
{
	forks_while_a_thread(waits, MSG_WAITALL, true);
}

static void fork_while_a_thread_polls(void)
{
	forks_while_a_thread(polls, 0, false);
}

static void *sends(void *arg)
{
	struct waiter *w = arg;

	give(&w->c, w->n);
	return NULL;
}

static void fork_while_a_thread_sends(void)
{
	struct waiter w = { .c = connection_of(SMALL, 0), .n = 3000000 };
	struct conn copy = w.c;
	pid_t child;
	int i;

	CHECK(!pthread_create(&w.thread, NULL, sends, &w));
	moment();
	for (i = 0; i < 3; i++) {
		child = forked();
		if (!child)
			done();
		joined(child);
		IS(tell(READ, &copy, 200000), 200000);
	}
	IS(tell(READ, &copy, w.n - 600000), w.n - 600000);
	CHECK(!pthread_join(w.thread, NULL));
	works(&w.c);
	close(w.c.fd);
	ENDS_AFTER(&w.c, 0);
}

static void *echoes(void *arg)
{
	struct waiter *w = arg;
	int i;

	for (i = 0; i < w->n; i++) {
		take(&w->c, 1000);
		give(&w->c, 1000);
	}
	return NULL;
}

/* Threads use connections all the time while others of the program run commands. */
static void forks_while_threads_work(void)
{
	enum { THREADS = 4, EACH = 100 };
	static struct waiter w[THREADS];
	pid_t child;
	int i;

	for (i = 0; i < THREADS; i++) {
		w[i] = (struct waiter) { .c = connection(), .n = EACH };
		tell(READ_BEGIN, &w[i].c, EACH * 1000);
		tell(WRITE_BEGIN, &w[i].c, EACH * 1000);
	}
	for (i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&w[i].thread, NULL, echoes, &w[i]));
	for (i = 0; i < 10; i++) {
		child = forked();
		if (!child)
			done();
		joined(child);
		IS(system("true"), 0);
	}
	for (i = 0; i < THREADS; i++) {
		CHECK(!pthread_join(w[i].thread, NULL));
		IS(tell(READ_END, &w[i].c, 0), EACH * 1000);
		IS(tell(WRITE_END, &w[i].c, 0), EACH * 1000);
		close(w[i].c.fd);
		ENDS_AFTER(&w[i].c, 0);
	}
}

/* ---- connections that are only beginning ---- */

static void fork_while_it_connects(void)
{
	union address a = other;
	struct conn c = {};
	pid_t child;

	a.in.sin_port = htons(tell(LISTEN, NULL, 0));
	c.fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK(!connect(c.fd, &a.sa, size_of(&a)) || errno == EINPROGRESS);
	child = forked();
	if (!child)
		done();
	joined(child);
	IS(polled(c.fd, POLLOUT, 5000), POLLOUT);
	IS(option(c.fd, SOL_SOCKET, SO_ERROR), 0);
	of_its_kind(c.fd);
	c.other = tell(ACCEPT, NULL, 0);
	CHECK(c.other >= 0 && !fcntl(c.fd, F_SETFL, 0));
	works(&c);
	child = forked();
	if (!child) {
		works(&c);
		done();
	}
	close(c.fd);
	joined(child);
	ENDS_AFTER(&c, 0);
}

/* It comes while the parent has others that are a child's, and is accepted behind that. */
static void accept_behind_the_fork(void)
{
	struct conn c = connection(), d = {};
	pid_t child = forked(), second;

	if (!child) {
		works(&c);
		done();
	}
	joined(child);
	d.other = tell_text(CONNECT, port_of(listener), 0, NULL, NULL);
	CHECK(d.other >= 0);
	IS(tell(WRITE, &d, 200), 200);
	second = forked();
	if (!second)
		done();
	joined(second);
	d.fd = accept(listener, NULL, NULL);
	CHECK(d.fd >= 0);
	of_its_kind(d.fd);
	take(&d, 200);
	works(&d);
	c.got = 3001;
	c.sent = 2003;
	works(&c);
	close(d.fd);
	ENDS_AFTER(&d, 0);
	close(c.fd);
	ENDS_AFTER(&c, 0);
}

/* ---- all of them ---- */

#define CLIENT		1
#define SERVER		2
#define BOTH		(CLIENT | SERVER)
#define CASE(name, roles)	{ #name, name, roles }

static const struct {
	const char *name;
	void (*run)(void);
	int roles;
} cases[] = {
	CASE(child_answers_what_came_before_fork, BOTH),
	CASE(child_answers_what_came_after_fork, BOTH),
	CASE(request_half_read_by_the_parent, BOTH),
	CASE(megabyte_read_and_written_in_turns, BOTH),
	CASE(both_write_at_once, BOTH),
	CASE(both_read_at_once, BOTH),
	CASE(parent_writes_and_child_reads, BOTH),
	CASE(unsent_data_of_before_fork_arrives, BOTH),
	CASE(unsent_data_of_after_fork_arrives, BOTH),
	CASE(child_writes_behind_unsent_data, BOTH),
	CASE(end_is_sent_when_the_child_exits, BOTH),
	CASE(end_is_sent_when_the_parent_closes, BOTH),
	CASE(grandchild_answers, BOTH),
	CASE(child_has_connections_of_its_own, BOTH),
	CASE(connections_served_by_two, BOTH),
	CASE(child_without_privileges, BOTH),
	CASE(child_killed_while_it_reads, SERVER),
	CASE(child_killed_while_it_writes, SERVER),
	CASE(events_in_the_child, BOTH),
	CASE(epoll_of_before_the_fork, SERVER),
	CASE(calls_that_do_not_wait, BOTH),
	CASE(waits_are_ended, BOTH),
	CASE(write_that_waits_is_ended, CLIENT),
	CASE(time_limits, CLIENT),
	CASE(receiving_calls_in_the_child, BOTH),
	CASE(sending_calls_in_the_child, BOTH),
	CASE(splice_from_and_to_a_pipe, BOTH),
	CASE(stdio_reads_and_writes, BOTH),
	CASE(stdio_in_a_child, SERVER),
	CASE(options_in_the_child, BOTH),
	CASE(names_in_the_child, BOTH),
	CASE(reset_is_told_once, BOTH),
	CASE(reset_told_by_so_error, BOTH),
	CASE(reset_before_the_fork, CLIENT),
	CASE(end_before_the_fork, BOTH),
	CASE(shutdown_of_writing_is_for_all, BOTH),
	CASE(shutdown_of_reading_is_for_all, CLIENT),
	CASE(linger_of_one_is_for_all, BOTH),
	CASE(unread_data_at_the_last_close, BOTH),
	CASE(inetd_runs_a_program_with_the_library, SERVER),
	CASE(inetd_runs_a_program_without_the_library, BOTH),
	CASE(inetd_runs_a_static_program, SERVER),
	CASE(executed_program_asks_its_socket, BOTH),
	CASE(spawned_program_asks_its_socket, SERVER),
	CASE(spawned_program_without_the_library, BOTH),
	CASE(vforked_program, BOTH),
	CASE(commands_do_not_disturb, BOTH),
	CASE(commands_use_a_connection, BOTH),
	CASE(command_keeps_a_connection_open, CLIENT),
	CASE(close_on_exec, CLIENT),
	CASE(exec_in_the_same_process, BOTH),
	CASE(exec_in_the_same_process_without_the_library, SERVER),
	CASE(exec_that_fails, CLIENT),
	CASE(passed_on_and_closed_before_it_is_read, BOTH),
	CASE(passed_on_and_used_by_both, BOTH),
	CASE(passed_to_oneself, CLIENT),
	CASE(passed_to_a_program_without_the_library, SERVER),
	CASE(fork_while_a_thread_receives, BOTH),
	CASE(fork_while_a_thread_receives_all, BOTH),
	CASE(fork_while_a_thread_polls, CLIENT),
	CASE(fork_while_a_thread_sends, BOTH),
	CASE(forks_while_threads_work, BOTH),
	CASE(fork_while_it_connects, CLIENT),
	CASE(accept_behind_the_fork, SERVER),
	{}
};


static int program(char **argv)
{
	current = argv[0];
	if (!strcmp(argv[0], "asks"))
		program_asks(argv + 1);
	else if (!strcmp(argv[0], "goes_on"))
		program_goes_on(argv + 1);
	else if (!strcmp(argv[0], "receives"))
		program_receives(argv + 1);
	else
		return 2;
	return 0;
}

static void __attribute__((noreturn)) run_case(unsigned int i)
{
	int one = 1;

	current = cases[i].name;
	setpgid(0, 0);
	control = socket(other.sa.sa_family, SOCK_STREAM, 0);
	CHECK(control >= 0 && !connect(control, &other.sa, size_of(&other)));
	setsockopt(control, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	cases[i].run();
	done();
}

/* Return: whether it passed. */
static bool run(unsigned int i)
{
	const char *lab = getenv("ETRAN_LAB");
	int limit = lab && !strcmp(lab, "debug") ? 120 : 30;
	struct timespec t, end;
	siginfo_t info = {};
	int status;
	pid_t pid;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += limit;
	pid = fork();
	if (!pid)
		run_case(i);
	setpgid(pid, pid);
	do {
		usleep(5000);
		/* Not reaped: its number is its group's, of which some may be left. */
		waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT);
		clock_gettime(CLOCK_MONOTONIC, &t);
	} while (!info.si_pid && t.tv_sec < end.tv_sec);
	kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	if (!info.si_pid)
		dprintf(REPORT, "%s: not over after %d s\n", cases[i].name, limit);
	else if (WIFSIGNALED(status))
		dprintf(REPORT, "%s: signal %d\n", cases[i].name, WTERMSIG(status));
	else if (status)
		dprintf(REPORT, "%s: failed\n", cases[i].name);
	else
		dprintf(REPORT, "%s: ok\n", cases[i].name);
	return info.si_pid && !status;
}

static bool wanted(const char *name, char **names)
{
	if (!*names)
		return true;
	while (*names)
		if (!strcmp(*names++, name))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	const char *tcp = getenv("PROCESSES_TCP");
	unsigned int i, failed = 0;
	int role;

	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(atoi(argv[2]));
	if (argc > 2 && !strcmp(argv[1], "program"))
		return program(argv + 2);
	if (argc < 3)
		return 2;
	by_etran = tcp && !strcmp(tcp, "etran");
	server = !strcmp(argv[argc == 3 ? 2 : 1], "server");
	role = server ? SERVER : CLIENT;
	if (argc == 3 && !strcmp(argv[1], "list")) {
		for (i = 0; cases[i].name; i++)
			if (cases[i].roles & role)
				puts(cases[i].name);
		return 0;
	}
	if (argc < 4 || dup2(1, REPORT) != REPORT)
		return 2;
	other.in.sin_port = htons(atoi(argv[3]));
	if (inet_pton(AF_INET, argv[2], &other.in.sin_addr) == 1)
		other.sa.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, argv[2], &other.in6.sin6_addr) == 1)
		other.sa.sa_family = AF_INET6;
	else
		return 2;
	for (i = 0; cases[i].name; i++)
		if (cases[i].roles & role && wanted(cases[i].name, argv + 4))
			failed += !run(i);
	dprintf(REPORT, "done\n");
	return failed > 0;
}
