// SPDX-License-Identifier: GPL-2.0
/*
 * What TCP on etran costs beside the kernel's: requests and responses, bulk, connections; both hosts' instructions counted
 * together. hosts.h says what the hosts and their devices are, kernel_tcp.h how the kernel's TCP is used.
 *
 * The kernel's TCP has DCTCP, as etran's has. Where it has segmentation and GRO or not is said by the case: `*_segments`
 * are without.
 *
 * Who spins has a processor for itself, but there is one. So in these cases both ends are this process, and each
 * looks when its bytes are there: what is counted is what two that spin do, but for looking in vain.
 *
 * Programs do what a good one does and no more. With one connection etran's block in etran_recv(); with several they
 * ask etran_tcp_next(), and poll() when that has none; as either comes next, they send with MSG_BATCH. One context each, with
 * all defaults. All responses have the right length, and the last of each run of one connection the right bytes.
 */
#include <poll.h>
#include <etran_tcp.h>
#include "hosts.h"
#include "kernel_tcp.h"
#include "redis.h"

/* Bulk is counted in pieces that fill an Ethernet frame without TCP options; an operation is so many. */
#define PIECE		1460
#define PIECES		64
#define CHUNK		(PIECE * PIECES)
/* One read of a receiver of bulk. */
#define READ		(256 << 10)
/* Connections that are used of those that there are, and the ports they are spread over. */
#define USED		10
#define LISTENERS	64
/* etran's servers; the kernel's have PORT, and neither may have the other's. */
#define ETRAN_PORT	5000
/* Received bytes that one of very many connections may have waiting. */
#define SMALL_RCVBUF	4096

/* A connection of either TCP. @flags: MSG_BATCH where something else follows that has the kernel look, or 0 */
struct conn {
	struct etran_socket *s;	/* NULL: the kernel's */
	int fd;
	int flags;
};

static struct etran_tcp *context, *server_context;
static struct etran_socket *client[OUTSTANDING], *server;	/* server: in this process */
static struct etran_socket *used[USED], *used_server[USED];
static pid_t etran_server;
static char no_idle[160];	/* why there are not so many connections */

/* ---- both ---- */

static ssize_t put(const struct conn *k, const void *buf, size_t len)
{
	return k->s ? etran_send(k->s, buf, len, k->flags) : send(k->fd, buf, len, 0);
}

static ssize_t get(const struct conn *k, void *buf, size_t len)
{
	return k->s ? etran_recv(k->s, buf, len, 0) : recv(k->fd, buf, len, 0);
}

static int all(const struct conn *k, void *buf, size_t len, bool sending)
{
	uint8_t *at = buf;
	ssize_t n;

	for (; len; len -= n, at += n) {
		n = sending ? put(k, at, len) : get(k, at, len);
		if (n <= 0)
			return -1;
	}
	return 0;
}

/* How many bytes come is said before them, and that they are here by one byte. */
static int serve_bulk(const struct conn *k)
{
	uint64_t left;
	ssize_t n;

	while (!all(k, &left, sizeof(left), false)) {
		for (; left; left -= n) {
			n = get(k, in, left < READ ? left : READ);
			if (n <= 0)
				return -1;
		}
		if (all(k, "", 1, true))
			return -1;
	}
	return -1;
}

static int send_bulk(const struct conn *k, unsigned int ops)
{
	uint64_t len = (uint64_t)ops * CHUNK;
	char done;

	if (all(k, &len, sizeof(len), true))
		return bench_fail("bulk: its length: %s", etran_strerror_detail());
	while (ops--)
		if (all(k, out, CHUNK, true))
			return bench_fail("bulk: %s", etran_strerror_detail());
	return all(k, &done, 1, false) ? bench_fail("bulk: its end: %s", etran_strerror_detail()) : 0;
}

/* ---- servers ---- */

static struct sockaddr_in etran_addr(const char *ip)
{
	struct sockaddr_in addr = server_addr(ip);

	addr.sin_port = htons(ETRAN_PORT);
	return addr;
}

static struct etran_socket *etran_listener(struct etran_tcp *t, uint16_t port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct etran_socket *s = etran_socket(t, AF_INET, 0);

	if (s && !etran_bind(s, (struct sockaddr *)&addr, sizeof(addr)) &&
	    !etran_listen(s, OUTSTANDING))
		return s;
	et_fail("etran listener: %s", etran_strerror_detail());
	return NULL;
}

static int serve_one(struct etran_socket *s, const struct bench_case *c)
{
	const struct conn k = { .s = s, .flags = MSG_BATCH };

	return all(&k, in, c->arg, false) || all(&k, in, c->arg, true) ? -1 : 0;
}

/* A listener on the other host; tells that it is there. */
static struct etran_socket *etran_server_begin(int ready)
{
	struct etran_socket *l;

	server_context = etran_tcp_open(NULL);
	if (!server_context) {
		et_fail("etran_tcp_open: %s", etran_strerror_detail());
		return NULL;
	}
	l = etran_listener(server_context, ETRAN_PORT);
	return l && write(ready, "", 1) == 1 ? l : NULL;
}

static int serve_etran(int ready, const struct bench_case *c)
{
	struct etran_socket *l = etran_server_begin(ready), *s = NULL;
	struct pollfd p = { .events = POLLIN };
	unsigned int i;
	short events;

	for (i = 0; l && i < tcp_connections; i++) {
		s = etran_accept(l, NULL, NULL, 0);
		if (!s)
			return et_fail("etran_accept: %s", etran_strerror_detail());
	}
	if (!l)
		return -1;
	if (tcp_connections == 1) {
		while (!serve_one(s, c))
			;
		return -1;
	}
	p.fd = etran_tcp_fd(server_context);
	for (;;) {
		s = etran_tcp_next(server_context, &events);
		if (!s)
			poll(&p, 1, -1);
		else if (events & POLLIN && serve_one(s, c))
			return -1;
	}
}

static int serve_etran_bulk(int ready, const struct bench_case *c)
{
	struct etran_socket *l = etran_server_begin(ready);
	struct conn k = { .s = l ? etran_accept(l, NULL, NULL, 0) : NULL };

	return k.s ? serve_bulk(&k) : -1;
}

static int serve_tcp_bulk(int ready, const struct bench_case *c)
{
	struct conn k = {};
	int fd = tcp_listen();

	if (fd < 0 || write(ready, "", 1) != 1)
		return -1;
	k.fd = accept(fd, NULL, NULL);
	tcp_options(k.fd);
	return serve_bulk(&k);
}

/* Each connection is closed as soon as it is there. */
static int serve_etran_connect(int ready, const struct bench_case *c)
{
	struct etran_socket *l = etran_server_begin(ready), *s;

	while (l && (s = etran_accept(l, NULL, NULL, 0)))
		etran_close(s);
	return et_fail("etran_accept: %s", etran_strerror_detail());
}

static int serve_tcp_connect(int ready, const struct bench_case *c)
{
	int fd = tcp_listen(), s;

	if (fd < 0 || write(ready, "", 1) != 1)
		return -1;
	while ((s = accept(fd, NULL, NULL)) >= 0)
		close(s);
	return et_fail("accept");
}

/* ---- arms ---- */

static int etran_blocking(const struct bench_case *c, unsigned int ops)
{
	const struct conn k = { .s = client[0], .flags = MSG_BATCH };

	while (ops--)
		if (all(&k, out, c->arg, true) || all(&k, in, c->arg, false))
			return bench_fail("%s", etran_strerror_detail());
	return same(c->arg);
}

/* Looks until all is here. */
static int spin_get(struct etran_socket *s, size_t len)
{
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = etran_recv(s, in + got, len - got, MSG_DONTWAIT);
		if (n > 0)
			got += n;
		else if (!n || errno != EAGAIN)
			return -1;
	}
	return 0;
}

static int round_trip(struct etran_socket *a, struct etran_socket *b, size_t len)
{
	const struct conn ka = { .s = a }, kb = { .s = b };

	if (all(&ka, out, len, true) || spin_get(b, len) || all(&kb, in, len, true) ||
	    spin_get(a, len))
		return bench_fail("%s", etran_strerror_detail());
	return 0;
}

static int etran_spinning(const struct bench_case *c, unsigned int ops)
{
	while (ops--)
		if (round_trip(client[0], server, c->arg))
			return -1;
	return same(c->arg);
}

/* @ops times as many as are outstanding: for each response a new request. */
static int etran_outstanding(const struct bench_case *c, unsigned int ops)
{
	struct pollfd p = { .fd = etran_tcp_fd(context), .events = POLLIN };
	unsigned int sent, done = 0, n = ops * OUTSTANDING;
	struct conn k = { .flags = MSG_BATCH };
	short events;

	for (sent = 0; sent < OUTSTANDING; sent++) {
		k.s = client[sent];
		if (all(&k, out, c->arg, true))
			return bench_fail("%s", etran_strerror_detail());
	}
	while (done < n) {
		k.s = etran_tcp_next(context, &events);
		if (!k.s) {
			poll(&p, 1, -1);
			continue;
		}
		if (!(events & POLLIN))
			continue;
		if (all(&k, in, c->arg, false))
			return bench_fail("%s", etran_strerror_detail());
		done++;
		if (sent == n)
			continue;
		sent++;
		if (all(&k, out, c->arg, true))
			return bench_fail("%s", etran_strerror_detail());
	}
	return 0;
}

static int etran_bulk(const struct bench_case *c, unsigned int ops)
{
	const struct conn k = { .s = client[0] };

	return send_bulk(&k, ops);
}

static int tcp_bulk(const struct bench_case *c, unsigned int ops)
{
	const struct conn k = { .fd = tcp_fd[0] };

	return send_bulk(&k, ops);
}

/* A connection is there, and the server closes it first. */
static int etran_connects(const struct bench_case *c, unsigned int ops)
{
	struct sockaddr_in to = etran_addr(etran_b);
	struct etran_socket *s;
	char byte;

	while (ops--) {
		s = etran_socket(context, AF_INET, 0);
		if (!s || etran_connect(s, (struct sockaddr *)&to, sizeof(to)) ||
		    etran_recv(s, &byte, 1, 0))
			return bench_fail("%s", etran_strerror_detail());
		etran_close(s);
	}
	return 0;
}

static int tcp_connects(const struct bench_case *c, unsigned int ops)
{
	struct sockaddr_in to = server_addr(tcp_b);
	char byte;
	int fd;

	while (ops--) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		tcp_options(fd);
		if (connect(fd, (struct sockaddr *)&to, sizeof(to)) || recv(fd, &byte, 1, 0))
			return bench_fail("a connection to the TCP server");
		close(fd);
	}
	return 0;
}

/* The used ones in turn, each once an operation. */
static int etran_used(const struct bench_case *c, unsigned int ops)
{
	unsigned int i;

	while (ops--)
		for (i = 0; i < USED; i++)
			if (round_trip(used[i], used_server[i], c->arg))
				return -1;
	return same(c->arg);
}

/* ---- cases ---- */

static bool on_nic(const struct bench_case *c)
{
	return !strncmp(c->name, "nic_", 4) || !strncmp(c->name, "direct_", 7);
}

/* The kernel's TCP is measured in any case. */
static const char *missing(const struct bench_case *c)
{
	return on_nic(c) ? nic_missing(c) : NULL;
}

/* Connections to the other host. */
static int etran_dial(unsigned int n)
{
	struct sockaddr_in to = etran_addr(etran_b);
	unsigned int i;

	for (i = 0; i < n; i++) {
		client[i] = etran_socket(context, AF_INET, 0);
		if (!client[i] || etran_connect(client[i], (struct sockaddr *)&to, sizeof(to)))
			return bench_fail("etran_connect: %s", etran_strerror_detail());
	}
	return 0;
}

/* A server of the kernel's TCP and one of etran's, if @serve; a context here. */
static int setup_with(const struct bench_case *c, int (*serve_kernel)(int, const struct bench_case *),
		      int (*serve)(int, const struct bench_case *))
{
	if (on_nic(c))
		place_nic(c);
	if (offloads(on_nic(c) ? "tn2" : "tcp0", on_nic(c) ? "tn3" : "tcp0",
		     !strstr(c->name, "_segments")))
		return -1;
	tcp_server = start(serve_kernel, c);
	if (tcp_server < 0)
		return -1;
	if (missing(c))
		return 0;
	etran_server = serve ? start(serve, c) : 0;
	if (etran_server < 0)
		return -1;
	context = etran_tcp_open(NULL);
	return context ? 0 : bench_fail("etran_tcp_open: %s", etran_strerror_detail());
}

static int setup(const struct bench_case *c)
{
	tcp_connections = c->arm[BENCH_PLAIN].units ?: 1;
	if (setup_with(c, serve_tcp, serve_etran) || tcp_connect())
		return -1;
	return context ? etran_dial(tcp_connections) : 0;
}

static int bulk_setup(const struct bench_case *c)
{
	tcp_connections = 1;
	if (setup_with(c, serve_tcp_bulk, serve_etran_bulk) || tcp_connect())
		return -1;
	return context ? etran_dial(1) : 0;
}

static int connect_setup(const struct bench_case *c)
{
	/* As many ports as the kernel has: what was closed keeps its own for a minute. */
	return tune("tcp_port_min", 32768) || setup_with(c, serve_tcp_connect, serve_etran_connect) ?
		-1 : 0;
}

static int spinning_setup(const struct bench_case *c)
{
	struct etran_socket *l;

	tcp_connections = 1;
	if (setup_with(c, serve_tcp, NULL) || tcp_connect())
		return -1;
	if (!context)
		return 0;
	if (et_enter(hosts.b.ns))
		return -1;
	server_context = etran_tcp_open(NULL);
	l = server_context ? etran_listener(server_context, ETRAN_PORT) : NULL;
	if (!l || et_enter(hosts.a.ns))
		return bench_fail("a server that spins: %s", etran_strerror_detail());
	if (etran_dial(1))
		return -1;
	server = etran_accept(l, NULL, NULL, 0);
	return server ? 0 : bench_fail("etran_accept: %s", etran_strerror_detail());
}

/* As many connections as the case's name says. */
static int idle_setup(const struct bench_case *c)
{
	struct etran_tcp_config config = { .rcvbuf = SMALL_RCVBUF };
	unsigned int n = atoi(strchr(c->name, '@') + 1), i, k = 0;
	struct sockaddr_in to = etran_addr(ET_ADDR_B);
	struct etran_socket *l[LISTENERS], *a, *b;

	if (et_enter(hosts.b.ns))
		return -1;
	server_context = etran_tcp_open(&config);
	for (i = 0; server_context && i < LISTENERS; i++) {
		l[i] = etran_listener(server_context, ETRAN_PORT + i);
		if (!l[i])
			return bench_fail("listener %u: %s", i, etran_strerror_detail());
	}
	if (et_enter(hosts.a.ns))
		return -1;
	context = etran_tcp_open(&config);
	if (!server_context || !context)
		return bench_fail("etran_tcp_open: %s", etran_strerror_detail());
	for (i = 0; i < n; i++) {
		to.sin_port = htons(ETRAN_PORT + i % LISTENERS);
		a = etran_socket(context, AF_INET, 0);
		if (!a || etran_connect(a, (struct sockaddr *)&to, sizeof(to))) {
			snprintf(no_idle, sizeof(no_idle), "connection %u of %u: %s", i, n,
				 etran_strerror_detail());
			return 0;
		}
		b = etran_accept(l[i % LISTENERS], NULL, NULL, 0);
		if (!b)
			return bench_fail("etran_accept: %s", etran_strerror_detail());
		if (i % (n / USED) == 0) {
			used[k] = a;
			used_server[k++] = b;
		}
	}
	return 0;
}

static const char *idle_missing(const struct bench_case *c)
{
	return no_idle[0] ? no_idle : NULL;
}

static void teardown(const struct bench_case *c)
{
	etran_tcp_close(context);
	etran_tcp_close(server_context);
	context = server_context = NULL;
	server = NULL;
	memset(client, 0, sizeof(client));
	stop(&etran_server);
	stop(&tcp_server);
	tcp_disconnect();
	no_idle[0] = 0;
	place_veth();
	/* What the other ends left to be told. */
	usleep(200000);
}

static int redis_setup(const struct bench_case *c)
{
	if (on_nic(c))
		place_nic(c);
	errno = 0;
	if (access(REDIS_SERVER, X_OK) || access(REDIS_BENCHMARK, X_OK))
		return bench_fail("redis-server and redis-benchmark are not installed");
	return offloads(on_nic(c) ? "tn2" : "tcp0", on_nic(c) ? "tn3" : "tcp0", true) ? -1 :
		redis_up(tcp_congestion, !missing(c));
}

static void redis_teardown(const struct bench_case *c)
{
	redis_down();
	teardown(c);
}

static void connect_teardown(const struct bench_case *c)
{
	teardown(c);
	tune("tcp_port_min", 61000);
}

/* About a tenth of what a round trip costs; ten times that with many, as they differ by some percent. */
#define PLANT(size)	(40 + (size) / 100)
#define ROUND_TRIP(_name, _text, _size, _goal, _setup, _etran)					\
	{											\
		.name = _name, .text = _text, .unit = "instructions/round trip",		\
		.measure = BENCH_RATIO, .goal = _goal, .sleeps = true, .plant = PLANT(_size),	\
		.ops = 256, .arg = _size, .setup = _setup, .teardown = teardown,		\
		.missing = missing,							\
		.arm = { [BENCH_PLAIN] = { tcp_blocking }, [BENCH_ETRAN] = { _etran } },	\
	}
#define MANY(_name, _text, _size, _goal)							\
	{											\
		.name = _name, .text = _text, .unit = "instructions/round trip",		\
		.measure = BENCH_RATIO, .goal = _goal, .sleeps = true, .plant = 10 * PLANT(_size),	\
		.ops = 16, .arg = _size, .setup = setup, .teardown = teardown,			\
		.missing = missing,							\
		.arm = { [BENCH_PLAIN] = { tcp_outstanding, NULL, OUTSTANDING },		\
			 [BENCH_ETRAN] = { etran_outstanding, NULL, OUTSTANDING } },		\
	}
#define BULK(_name, _text, _goal)								\
	{											\
		.name = _name, .text = _text, .unit = "instructions/1460 bytes",		\
		.measure = BENCH_RATIO, .goal = _goal, .sleeps = true, .plant = 10,		\
		.ops = 32, .setup = bulk_setup, .teardown = teardown,				\
		.missing = missing,							\
		.arm = { [BENCH_PLAIN] = { tcp_bulk, NULL, PIECES },				\
			 [BENCH_ETRAN] = { etran_bulk, NULL, PIECES } },			\
	}
#define CONNECT(_name, _text)									\
	{											\
		.name = _name, .text = _text, .unit = "instructions/connection",		\
		.measure = BENCH_RATIO, .sleeps = true, .plant = 100, .ops = 32,		\
		.setup = connect_setup, .teardown = connect_teardown,				\
		.missing = missing,							\
		.arm = { [BENCH_PLAIN] = { tcp_connects }, [BENCH_ETRAN] = { etran_connects } },	\
	}
#define REDIS(_name, _text, _goal)								\
	{											\
		.name = _name, .text = _text, .unit = "instructions/request",			\
		.measure = BENCH_RATIO, .goal = _goal, .sleeps = true, .plant = 10 * PLANT(64),	\
		.ops = 1000, .setup = redis_setup, .teardown = redis_teardown,			\
		.missing = missing,							\
		.arm = { [BENCH_PLAIN] = { redis_over_kernel, redis_prepare },			\
			 [BENCH_ETRAN] = { redis_over_etran, redis_prepare } },			\
	}
#define IDLE(_name, _text, _goal)								\
	{											\
		.name = _name, .text = "64 bytes on 10 connections in turn, both sides spin, " _text,	\
		.unit = "instructions/round trip", .measure = BENCH_GROWTH, .goal = _goal,	\
		.base = "idle_connections@10", .sleeps = true, .plant = PLANT(64), .ops = 32,	\
		.arg = 64, .setup = idle_setup, .teardown = teardown, .missing = idle_missing,	\
		.arm[BENCH_ETRAN] = { etran_used, NULL, USED },					\
	}

static const struct bench_case cases[] = {
	{
		.name = "control_aa", .text = "the kernel's TCP beside itself: the meter",
		.unit = "instructions/round trip", .measure = BENCH_RATIO, .goal = 1, .exact = true,
		.sleeps = true, .plant = PLANT(64), .ops = 256, .arg = 64,
		.setup = setup, .teardown = teardown,
		.arm = { [BENCH_PLAIN] = { tcp_blocking }, [BENCH_ETRAN] = { tcp_blocking } },
	},
	ROUND_TRIP("blocking_64", "64 bytes, 1 connection, blocking", 64, 0.65, setup, etran_blocking),
	ROUND_TRIP("blocking_1024", "1,024 bytes, 1 connection, blocking", 1024, 0, setup,
		   etran_blocking),
	ROUND_TRIP("spinning_64", "64 bytes, 1 connection, both sides spin, beside TCP that sleeps", 64,
		   0.36, spinning_setup, etran_spinning),
	MANY("connections64_64", "64 bytes, 64 connections", 64, 0.33),
	MANY("connections64_1024", "1,024 bytes, 64 connections", 1024, 0),
	BULK("bulk", "a stream, TCP as it is on veth", 0),
	BULK("bulk_segments", "a stream, TCP without offloads", 0.6),
	CONNECT("connect", "a connection is made, and closed by both"),
	IDLE("idle_connections@10", "no other", 0),
	IDLE("idle_connections@1000", "of 1,000", 1.02),
	IDLE("idle_connections@10000", "of 10,000", 1.02),
	ROUND_TRIP("nic_blocking_64", "testnic, link device: 64 bytes, 1 connection, blocking", 64, 0, setup,
		   etran_blocking),
	ROUND_TRIP("nic_spinning_64", "testnic, link device: 64 bytes, 1 connection, both sides spin", 64, 0,
		   spinning_setup, etran_spinning),
	MANY("nic_connections64_64", "testnic, link device: 64 bytes, 64 connections", 64, 0),
	BULK("nic_bulk", "testnic, link device: a stream, TCP with GSO and GRO", 0),
	BULK("nic_bulk_segments", "testnic, link device: a stream, TCP without offloads", 0),
	ROUND_TRIP("direct_blocking_64", "testnic, zero-copy: 64 bytes, 1 connection, blocking", 64, 0.55,
		   setup, etran_blocking),
	ROUND_TRIP("direct_blocking_1024", "testnic, zero-copy: 1,024 bytes, 1 connection, blocking", 1024,
		   0, setup, etran_blocking),
	ROUND_TRIP("direct_spinning_64", "testnic, zero-copy: 64 bytes, 1 connection, both sides spin", 64,
		   0.35, spinning_setup, etran_spinning),
	MANY("direct_connections64_64", "testnic, zero-copy: 64 bytes, 64 connections", 64, 0.33),
	BULK("direct_bulk", "testnic, zero-copy: a stream, TCP with GSO and GRO", 0.65),
	BULK("direct_bulk_segments", "testnic, zero-copy: a stream, TCP without offloads", 0.5),
	CONNECT("direct_connect", "testnic, zero-copy: a connection is made, and closed by both"),
	REDIS("redis_get", "redis GET, 50 clients, both through the shim", 0.6),
	REDIS("redis_set", "redis SET, 50 clients, both through the shim", 0),
	REDIS("nic_redis_get", "testnic, link device: redis GET, 50 clients, both through the shim", 0),
	REDIS("direct_redis_get", "testnic, zero-copy: redis GET, 50 clients, both through the shim", 0.5),
	REDIS("direct_redis_set", "testnic, zero-copy: redis SET, 50 clients, both through the shim", 0),
	/* The last, as it takes long to go. */
	IDLE("idle_connections@100000", "of 100,000", 1.02),
};

/* DCTCP for the kernel's TCP, too, or what there is. */
static const char *choose_congestion(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char name[16] = "";
	socklen_t len = sizeof(name);
	bool none;

	none = setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "dctcp", strlen("dctcp"));
	getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len);
	close(fd);
	if (none)
		fprintf(stderr, "this kernel has no DCTCP: its TCP uses %.16s\n", name);
	return none ? NULL : "dctcp";
}

int main(int argc, char **argv)
{
	bool list = argc == 2 && !strcmp(argv[1], "-l");

	if (!list && hosts_up("tcp_large.bpf.o", "tcp", READ))
		return 1;
	if (!list)
		tcp_congestion = choose_congestion();
	return bench_main(argc, argv, "tcp", cases, ARRAY_SIZE(cases));
}
