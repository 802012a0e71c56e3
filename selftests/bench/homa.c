// SPDX-License-Identifier: GPL-2.0
/*
 * What an RPC costs: an echo over Homa beside the same over the kernel's TCP, two hosts joined by
 * veth pairs, both hosts' instructions counted together.
 *
 * hosts.h says what the hosts and their devices are, kernel_tcp.h what TCP does.
 *
 * Who spins has a processor for itself, but there is one. So in these cases both ends are this process, and each
 * looks when its message is there: what is counted is what two that spin do, but for looking in vain. Nobody sleeps, and
 * nobody is woken.
 *
 * Programs do what a good one does and no more: TCP without delay and with buffers that hold a
 * message; Homa by homa_send(), homa_recv(), homa_reply(), which come one after the other, so that messages may leave
 * with the call that waits (homa_set_batch()), as those of etran's TCP do in its suite. All
 * responses have the right length, and the last of each run the right bytes.
 */
#include <homa.h>
#include "hosts.h"
#include "kernel_tcp.h"
#include "plain.h"

/* How many of the RPCs that wait a socket has: less than its frames for requests. */
#define WAITING_EACH	3000
#define SINK_PORT	4001
#define MAX_SIZE	HOMA_MAX_MESSAGE_LENGTH
/* Messages that may leave together: of many outstanding, as many as epoll finds ready at a time. */
#define BATCH		(OUTSTANDING / 2)

static pid_t homa_server, sink;
static int *waiting;		/* sockets whose requests nobody answers */
static unsigned int waiting_count;
static int homa_fd = -1;
static int homa_server_fd = -1;	/* in this process */
static struct sockaddr_in homa_to;	/* the server; an application looks it up once, too */

/* ---- servers ---- */

/* Return: the server's socket, -1. */
static int open_homa_server(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = homa_socket(AF_INET, 0);

	if (fd >= 0 && !homa_bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	return et_fail("homa server: %s", etran_strerror_detail());
}

/* One request, answered with itself, or its beginning. */
static int serve_one(int fd, const struct bench_case *c)
{
	struct sockaddr_in peer;
	size_t len = sizeof(peer);
	uint64_t id = 0;
	ssize_t n;

	n = homa_recv(fd, in, MAX_SIZE, HOMA_RECV_REQUEST, (struct sockaddr *)&peer, &len, &id, NULL,
		      NULL);
	if (n > 0 && homa_reply(fd, in, response_len(c), (struct sockaddr *)&peer, len, id))
		return et_fail("homa_reply: %s", etran_strerror_detail());
	return n < 0 && !id ? et_fail("homa_recv: %s", etran_strerror_detail()) : 0;
}

/*
 * Not one at a time in direct mode: there the other end takes the only processor while a message is being sent, and has answered before
 * this one would sleep.
 */
static int set_batch(int fd, const struct bench_case *c)
{
	return homa_set_batch(fd, is_direct(c) && !c->arm[BENCH_ETRAN].units ? 1 : BATCH);
}

static int serve_homa(int ready, const struct bench_case *c)
{
	int fd = open_homa_server();

	if (fd < 0 || set_batch(fd, c) || write(ready, "", 1) != 1)
		return -1;
	while (!serve_one(fd, c))
		;
	return -1;
}

/* Takes requests and answers none. */
static int swallow(int ready, const struct bench_case *c)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(SINK_PORT) };
	int fd = homa_socket(AF_INET, 0);
	uint64_t id;

	if (fd < 0 || homa_bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || write(ready, "", 1) != 1)
		return et_fail("homa sink: %s", etran_strerror_detail());
	for (;;) {
		id = 0;
		if (homa_recv(fd, in, MAX_SIZE, HOMA_RECV_REQUEST, NULL, NULL, &id, NULL, NULL) < 0)
			return et_fail("homa_recv: %s", etran_strerror_detail());
	}
}

/* ---- arms ---- */

/* Return: 0; with MSG_DONTWAIT, 1 when the socket's frames are all in use; -1 after bench_fail() */
static int homa_request(const struct bench_case *c, int flags)
{
	if (!homa_send(homa_fd, out, c->arg, (struct sockaddr *)&homa_to, sizeof(homa_to), NULL, 0,
		       flags))
		return 0;
	return errno == EAGAIN ? 1 : bench_fail("homa_send: %s", etran_strerror_detail());
}

static int homa_response(const struct bench_case *c)
{
	uint64_t id = 0;
	ssize_t n;

	n = homa_recv(homa_fd, in, MAX_SIZE, HOMA_RECV_RESPONSE, NULL, NULL, &id, NULL, NULL);
	if (n == (ssize_t)response_len(c))
		return 0;
	return bench_fail("homa_recv: %zd: %s", n, etran_strerror_detail());
}

static int homa_blocking(const struct bench_case *c, unsigned int ops)
{
	unsigned int i;

	for (i = 0; i < ops; i++)
		if (homa_request(c, 0) || homa_response(c))
			return -1;
	return same(response_len(c));
}

static int homa_spinning(const struct bench_case *c, unsigned int ops)
{
	unsigned int i;

	for (i = 0; i < ops; i++)
		if (homa_request(c, 0) || serve_one(homa_server_fd, c) || homa_response(c))
			return bench_error[0] ? -1 : bench_fail("the server");
	return same(c->arg);
}

/*
 * @ops times as many as are outstanding: for each response a new request. Of long messages only as
 * many are outstanding as the socket has frames for: to wait for those and not receive could last
 * for ever.
 */
static int homa_outstanding(const struct bench_case *c, unsigned int ops)
{
	unsigned int sent = 0, done = 0, n = ops * OUTSTANDING;
	int err;

	while (done < n) {
		while (sent < n && sent - done < OUTSTANDING) {
			err = homa_request(c, MSG_DONTWAIT);
			if (err < 0)
				return -1;
			if (err)
				break;
			sent++;
		}
		if (homa_response(c))
			return -1;
		done++;
	}
	return same(c->arg);
}

/* ---- cases ---- */

static int setup(const struct bench_case *c)
{
	if (offloads("tcp0", "tcp0", !strstr(c->name, "_segments")))
		return -1;
	tcp_connections = c->arm[BENCH_PLAIN].units ?: 1;
	/* TCP is measured in any case. */
	if (c->missing && c->missing(c)) {
		tcp_server = start(serve_tcp, c);
		return tcp_server < 0 ? -1 : tcp_connect();
	}
	homa_server = start(serve_homa, c);
	tcp_server = start(serve_tcp, c);
	homa_to = server_addr(etran_b);
	homa_fd = homa_socket(AF_INET, 0);
	if (homa_server < 0 || tcp_server < 0 || homa_fd < 0 || set_batch(homa_fd, c))
		return bench_error[0] ? -1 : bench_fail("homa_socket: %s", etran_strerror_detail());
	return tcp_connect();
}

static void teardown(const struct bench_case *c)
{
	stop(&homa_server);
	stop(&tcp_server);
	if (homa_fd >= 0)
		homa_close(homa_fd);
	homa_fd = -1;
	tcp_disconnect();
	/* What the server's end left to be told. */
	usleep(200000);
}

static int spinning_setup(const struct bench_case *c);

static int nic_setup(const struct bench_case *c)
{
	place_nic(c);
	return strstr(c->name, "spinning") && !nic_missing(c) ? spinning_setup(c) : setup(c);
}

static void spinning_teardown(const struct bench_case *c);

static void nic_teardown(const struct bench_case *c)
{
	spinning_teardown(c);
	place_veth();
}

/* As long as anything may take here, so that nobody sleeps. */
#define SPIN_US		10000

static int spinning_setup(const struct bench_case *c)
{
	if (setup(c))
		return -1;
	stop(&homa_server);
	/* The module lets go of its port a moment later. */
	usleep(200000);
	if (et_enter(hosts.b.ns))
		return -1;
	homa_server_fd = open_homa_server();
	/* Where one process is both, its messages leave at once. */
	if (homa_server_fd < 0 || et_enter(hosts.a.ns) || homa_set_spin(homa_server_fd, SPIN_US) ||
	    homa_set_spin(homa_fd, SPIN_US) || homa_set_batch(homa_fd, 1))
		return bench_fail("a server that spins: %s", etran_strerror_detail());
	return 0;
}

static void spinning_teardown(const struct bench_case *c)
{
	if (homa_server_fd >= 0)
		homa_close(homa_server_fd);
	homa_server_fd = -1;
	teardown(c);
}

/* Beside AF_XDP alone, on the same kind of link, in the same mode. */
static int floor_setup(const struct bench_case *c)
{
	if (is_direct(c))
		place_nic(c);
	if (is_direct(c) && nic_missing(c))
		return plain_up(c);
	return (strstr(c->name, "spinning") ? spinning_setup(c) : setup(c)) || plain_up(c) ? -1 : 0;
}

static void floor_teardown(const struct bench_case *c)
{
	plain_down();
	nic_teardown(c);
}

static int udp_setup(const struct bench_case *c)
{
	return setup(c) || udp_up(c) ? -1 : 0;
}

static void udp_teardown(const struct bench_case *c)
{
	udp_down();
	teardown(c);
}

/* As many RPCs as the case's name says wait for their answer, and nobody asks for it. */
static int waiting_setup(const struct bench_case *c)
{
	unsigned int n = atoi(strchr(c->name, '@') + 1) - 1, i;
	struct sockaddr_in to = server_addr(ET_ADDR_B);

	if (tune("homa_resend_ticks", 100000) || tune("homa_timeout_ticks", 1000000) || setup(c))
		return -1;
	to.sin_port = htons(SINK_PORT);
	sink = start(swallow, c);
	waiting = calloc(n / WAITING_EACH + 1, sizeof(*waiting));
	if (sink < 0 || !waiting)
		return bench_error[0] ? -1 : bench_fail("a sink");
	for (i = 0; i < n; i++) {
		if (i % WAITING_EACH == 0) {
			waiting[waiting_count] = homa_socket(AF_INET, 0);
			if (waiting[waiting_count] < 0)
				return bench_fail("homa_socket: %s", etran_strerror_detail());
			waiting_count++;
		}
		if (homa_send(waiting[i / WAITING_EACH], out, c->arg, (struct sockaddr *)&to, sizeof(to),
			      NULL, 0, 0))
			return bench_fail("request %u of %u that wait: %s", i, n, etran_strerror_detail());
	}
	return 0;
}

static void waiting_teardown(const struct bench_case *c)
{
	while (waiting_count)
		homa_close(waiting[--waiting_count]);
	free(waiting);
	waiting = NULL;
	stop(&sink);
	teardown(c);
	tune("homa_resend_ticks", 5);
	tune("homa_timeout_ticks", 100);
}

/* About a tenth of what an RPC costs; ten times that with many, as they differ by some percent. */
#define PLANT(size)	(40 + (size) / 100)
#define BLOCKING(_name, _text, _size, _ops, _goal)						\
	{											\
		.name = "blocking_" _name, .text = _text ", one at a time, beside TCP",		\
		.unit = "instructions/RPC", .measure = BENCH_RATIO, .goal = _goal,		\
		.sleeps = true, .plant = PLANT(_size), .ops = _ops, .arg = _size,		\
		.setup = setup, .teardown = teardown,						\
		.arm = { [BENCH_PLAIN] = { tcp_blocking }, [BENCH_ETRAN] = { homa_blocking } },	\
	}
#define SPINNING(_name, _text, _size, _ops, _goal)						\
	{											\
		.name = "spinning_" _name, .text = _text ", both sides spin, beside TCP that sleeps",	\
		.unit = "instructions/RPC", .measure = BENCH_RATIO, .goal = _goal,		\
		.sleeps = true, .plant = PLANT(_size), .ops = _ops, .arg = _size,		\
		.setup = spinning_setup, .teardown = spinning_teardown,				\
		.arm = { [BENCH_PLAIN] = { tcp_blocking }, [BENCH_ETRAN] = { homa_spinning } },	\
	}
#define MANY(_name, _text, _size, _ops, _goal)							\
	{											\
		.name = "outstanding64_" _name,							\
		.text = _text ", 64 outstanding, beside 64 TCP connections",			\
		.unit = "instructions/RPC", .measure = BENCH_RATIO, .goal = _goal,		\
		.sleeps = true, .plant = 10 * PLANT(_size), .ops = _ops, .arg = _size,		\
		.setup = setup, .teardown = teardown,						\
		.arm = { [BENCH_PLAIN] = { tcp_outstanding, NULL, OUTSTANDING },			\
			 [BENCH_ETRAN] = { homa_outstanding, NULL, OUTSTANDING } },		\
	}

#define ON_NIC(_name, _text, _size, _ops, _units, _goal, _tcp, _homa)				\
	{											\
		.name = _name, .text = _text, .unit = "instructions/RPC", .measure = BENCH_RATIO,	\
		.goal = _goal, .sleeps = true, .plant = (_units ? 10 : 1) * PLANT(_size),	\
		.ops = _ops, .arg = _size, .missing = nic_missing,				\
		.setup = nic_setup, .teardown = nic_teardown,					\
		.arm = { [BENCH_PLAIN] = { _tcp, NULL, _units },				\
			 [BENCH_ETRAN] = { _homa, NULL, _units } },				\
	}

#define BESIDE(_name, _text, _size, _setup, _teardown, _plain, _homa, _missing)			\
	{											\
		.name = _name, .text = _text, .unit = "instructions/RPC", .measure = BENCH_RATIO,	\
		.sleeps = true, .plant = PLANT(_size), .ops = 512, .arg = _size,		\
		.missing = _missing, .setup = _setup, .teardown = _teardown,			\
		.arm = { [BENCH_PLAIN] = { _plain }, [BENCH_ETRAN] = { _homa } },		\
	}

#define WAITING(_name, _text, _goal)								\
	{											\
		.name = _name, .text = "32 bytes, one at a time, " _text,			\
		.unit = "instructions/RPC", .measure = BENCH_GROWTH, .goal = _goal,		\
		.base = "in_flight@1", .sleeps = true, .plant = PLANT(32), .ops = 512, .arg = 32,	\
		.setup = waiting_setup, .teardown = waiting_teardown,				\
		.arm[BENCH_ETRAN] = { homa_blocking },						\
	}

static const struct bench_case cases[] = {
	{
		.name = "control_aa", .text = "TCP beside itself: the meter",
		.unit = "instructions/RPC", .measure = BENCH_RATIO, .goal = 1, .exact = true,
		.sleeps = true, .plant = PLANT(32), .ops = 512, .arg = 32,
		.setup = setup, .teardown = teardown,
		.arm = { [BENCH_PLAIN] = { tcp_blocking }, [BENCH_ETRAN] = { tcp_blocking } },
	},
	BLOCKING("32", "32 bytes", 32, 512, 0.6),
	BLOCKING("1k", "1,024 bytes", 1024, 512, 0),
	BLOCKING("10k", "10,240 bytes", 10240, 128, 0),
	BLOCKING("10k_segments", "10,240 bytes, TCP without offloads", 10240, 128, 0.5),
	BLOCKING("100k", "102,400 bytes", 102400, 32, 0),
	BLOCKING("100k_segments", "102,400 bytes, TCP without offloads", 102400, 32, 0),
	BLOCKING("1m", "1,000,000 bytes", 1000000, 8, 0),
	BLOCKING("1m_segments", "1,000,000 bytes, TCP without offloads", 1000000, 8, 0),
	SPINNING("32", "32 bytes", 32, 512, 0.33),
	SPINNING("1k", "1,024 bytes", 1024, 512, 0),
	SPINNING("10k_segments", "10,240 bytes, TCP without offloads", 10240, 128, 0),
	MANY("32", "32 bytes", 32, 64, 0.25),
	MANY("1k", "1,024 bytes", 1024, 64, 0),
	MANY("10k_segments", "10,240 bytes, TCP without offloads", 10240, 16, 0.4),
	MANY("100k_segments", "102,400 bytes, TCP without offloads", 102400, 2, 0),
	MANY("1m_segments", "1,000,000 bytes, TCP without offloads", 1000000, 1, 0),
	BLOCKING("one_way_500k", "500,000 bytes there, a byte back", 500000, 8, 0),
	BLOCKING("one_way_500k_segments", "500,000 bytes there, a byte back, TCP without offloads", 500000, 8, 0),
	BESIDE("udp_32", "32 bytes, one at a time, beside UDP", 32, udp_setup, udp_teardown, udp_blocking,
	       homa_blocking, NULL),
	BESIDE("udp_1k", "1,024 bytes, one at a time, beside UDP", 1024, udp_setup, udp_teardown, udp_blocking,
	       homa_blocking, NULL),
	BESIDE("floor_blocking_32", "32 bytes, one at a time, beside plain AF_XDP on veth", 32, floor_setup,
	       floor_teardown, plain_blocking, homa_blocking, NULL),
	BESIDE("floor_spinning_32", "32 bytes, both sides spin, beside plain AF_XDP on veth", 32, floor_setup,
	       floor_teardown, plain_spinning, homa_spinning, NULL),
	ON_NIC("nic_blocking_32", "testnic, link device: 32 bytes, one at a time", 32, 512, 0, 0,
	       tcp_blocking, homa_blocking),
	ON_NIC("nic_spinning_32", "testnic, link device: 32 bytes, both sides spin", 32, 512, 0, 0,
	       tcp_blocking, homa_spinning),
	ON_NIC("nic_outstanding64_32", "testnic, link device: 32 bytes, 64 outstanding", 32, 64,
	       OUTSTANDING, 0, tcp_outstanding, homa_outstanding),
	ON_NIC("nic_blocking_10k", "testnic, link device: 10,240 bytes", 10240, 128, 0, 0, tcp_blocking,
	       homa_blocking),
	ON_NIC("nic_blocking_100k", "testnic, link device: 102,400 bytes", 102400, 32, 0, 0,
	       tcp_blocking, homa_blocking),
	ON_NIC("direct_blocking_32", "testnic, zero-copy: 32 bytes, one at a time", 32, 512, 0, 0.5,
	       tcp_blocking, homa_blocking),
	ON_NIC("direct_spinning_32", "testnic, zero-copy: 32 bytes, both sides spin", 32, 512, 0, 0.3,
	       tcp_blocking, homa_spinning),
	ON_NIC("direct_outstanding64_32", "testnic, zero-copy: 32 bytes, 64 outstanding", 32, 64,
	       OUTSTANDING, 0.25, tcp_outstanding, homa_outstanding),
	ON_NIC("direct_blocking_10k", "testnic, zero-copy: 10,240 bytes", 10240, 128, 0, 0,
	       tcp_blocking, homa_blocking),
	ON_NIC("direct_blocking_100k", "testnic, zero-copy: 102,400 bytes, TCP with GSO and GRO", 102400, 32,
	       0, 0.5, tcp_blocking, homa_blocking),
	BESIDE("floor_direct_blocking_32", "testnic: 32 bytes, one at a time, beside plain AF_XDP, both zero-copy", 32,
	       floor_setup, floor_teardown, plain_blocking, homa_blocking, nic_missing),
	BESIDE("floor_direct_spinning_32", "testnic: 32 bytes, both sides spin, beside plain AF_XDP, both zero-copy", 32,
	       floor_setup, floor_teardown, plain_spinning, homa_spinning, nic_missing),
	/* The last, as what waited is forgotten slowly. */
	WAITING("in_flight@1", "no other in flight", 0),
	WAITING("in_flight@1000", "1,000 in flight", 1.02),
	WAITING("in_flight@100000", "100,000 in flight", 1.02),
};

int main(int argc, char **argv)
{
	bool list = argc == 2 && !strcmp(argv[1], "-l");

	if (!list && hosts_up("homa_large.bpf.o", "homa", MAX_SIZE))
		return 1;
	return bench_main(argc, argv, "homa", cases, ARRAY_SIZE(cases));
}
