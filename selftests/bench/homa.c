// SPDX-License-Identifier: GPL-2.0
/*
 * What an RPC costs: an echo over Homa beside the same over the kernel's TCP, two hosts joined by
 * veth pairs, both hosts' instructions counted together.
 *
 * Hosts are network namespaces with two pairs: veth0 has a link device, and so XDP, on both ends;
 * tcp0 has neither, because veth turns segmentation off and copies once XDP is there: TCP is
 * measured as it is without etran. Servers are processes of their own, forked for each case; the
 * client is this one.
 *
 * On testnic it is the same: tn0 and tn1 have link devices, and Homa's sockets are those devices' or, in direct mode,
 * bound to the only queue of the NIC; tn2 and tn3 are TCP's.
 *
 * Who spins has a processor for itself, but there is one. So in these cases both ends are this process, and each
 * looks when its message is there: what is counted is what two that spin do, but for looking in vain. Nobody sleeps, and
 * nobody is woken.
 *
 * Programs do what a good one does and no more: TCP without delay and with buffers that hold a
 * message; Homa by homa_send(), homa_recv(), homa_reply(), sockets as they are by default. All
 * responses have the right length, and the last of each run the right bytes.
 */
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <bpf/btf.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <homa.h>
/* That of busybox is another one. */
#define ET_IP	"/sbin/ip"
#include "../etran_test.h"
#include "bench.h"

#define OUTSTANDING	64
/* How many of the RPCs that wait a socket has: less than its frames for requests. */
#define WAITING_EACH	3000
#define SINK_PORT	4001
#define PORT		4000
#define TCP_A		"10.1.0.1"
#define TCP_B		"10.1.0.2"
#define NIC_A		"10.2.0.1"
#define NIC_B		"10.2.0.2"
#define NIC_TCP_A	"10.3.0.1"
#define NIC_TCP_B	"10.3.0.2"
#define MAX_SIZE	HOMA_MAX_MESSAGE_LENGTH

static struct et_hosts hosts;
static struct bpf_object *homa, *dispatcher;
static struct bpf_link *transport;
static uint8_t *out, *in;
static const char *no_nic, *no_direct;	/* why not */
static const char *homa_b = ET_ADDR_B, *tcp_b = TCP_B;	/* of the case */
static pid_t homa_server, tcp_server, sink;
static int *waiting;		/* sockets whose requests nobody answers */
static unsigned int waiting_count;
static int homa_fd = -1;
static int homa_server_fd = -1;	/* in this process */
static struct sockaddr_in homa_to;	/* the server; an application looks it up once, too */
static int tcp_fd[OUTSTANDING];
static size_t tcp_left[OUTSTANDING];	/* bytes of the response that are still to come */
static int tcp_epoll = -1;

/* ---- once ---- */

static int silent(enum libbpf_print_level level, const char *format, va_list ap)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, ap) : 0;
}

static int load(struct bpf_object **object, const char *name)
{
	*object = bpf_object__open_file(et_path(name), NULL);
	if (!*object || bpf_object__load(*object))
		return et_fail("loading %s", name);
	return 0;
}

static int tcp_pair(void)
{
	if (et_sh(ET_IP " link add tcp0 type veth peer name tcp0 netns /proc/%d/fd/%d", getpid(),
		  hosts.b.ns) ||
	    et_sh(ET_IP " addr add " TCP_A "/24 dev tcp0 && " ET_IP " link set tcp0 up") ||
	    et_enter(hosts.b.ns) ||
	    et_sh(ET_IP " addr add " TCP_B "/24 dev tcp0 && " ET_IP " link set tcp0 up"))
		return -1;
	return et_enter(hosts.a.ns);
}

/* testnic's pair tn@n, on both hosts. */
static int nic_pair(int n, const char *a, const char *b)
{
	if (et_sh(ET_IP " link add tn%d type testnic && " ET_IP " link set tn%d netns /proc/%d/fd/%d && "
		  ET_IP " addr add %s/24 dev tn%d && " ET_IP " link set tn%d up", n, n + 1, getpid(),
		  hosts.b.ns, a, n, n) ||
	    et_enter(hosts.b.ns) ||
	    et_sh(ET_IP " addr add %s/24 dev tn%d && " ET_IP " link set tn%d up", b, n + 1, n + 1))
		return -1;
	return et_enter(hosts.a.ns);
}

/* The NIC of a host: XDP and a link device. */
static int nic_etran(int ns, int n, int xdp)
{
	char dev[16];
	int err;

	snprintf(dev, sizeof(dev), "tn%d", n);
	if (et_enter(ns))
		return -1;
	err = bpf_xdp_attach(if_nametoindex(dev), xdp, XDP_FLAGS_DRV_MODE, NULL);
	errno = -err;
	if (err)
		return et_fail("XDP on %s", dev);
	return et_sh(ET_IP " link add etran1 link %s numrxqueues 16 type etran && " ET_IP " link set etran1 up",
		     dev) || et_enter(hosts.a.ns) ? -1 : 0;
}

static int nics(int xdp)
{
	struct etran_version v = {};

	if (access(et_testnic_path(), R_OK)) {
		no_nic = no_direct = "testnic.ko was not built";
		return 0;
	}
	if (etran_kernel_version(&v) || !(v.features & ETRAN_FEATURE_DIRECT))
		no_direct = "this kernel has no AF_XDP hook (module/patches)";
	return et_testnic_load() || nic_pair(0, NIC_A, NIC_B) || nic_pair(2, NIC_TCP_A, NIC_TCP_B) ||
	       nic_etran(hosts.a.ns, 0, xdp) || nic_etran(hosts.b.ns, 1, xdp) ? -1 : 0;
}

static int init(void)
{
	struct bpf_program *prog;
	unsigned int i;

	libbpf_set_print(silent);
	out = malloc(MAX_SIZE);
	in = malloc(MAX_SIZE);
	if (!out || !in || et_module_load() || et_hosts_up(&hosts, 64) || tcp_pair() ||
	    load(&dispatcher, "dispatcher.bpf.o") || load(&homa, "homa_large.bpf.o"))
		return -1;
	for (i = 0; i < MAX_SIZE; i++)
		out[i] = i * 2654435761U >> 24;
	prog = bpf_object__next_program(dispatcher, NULL);
	if (et_hosts_xdp(&hosts, bpf_program__fd(prog)) || nics(bpf_program__fd(prog)))
		return -1;
	transport = bpf_map__attach_struct_ops(bpf_object__find_map_by_name(homa, "homa"));
	return transport ? 0 : et_fail("attaching homa");
}

/* Offloads of both ends of the TCP pair. */
static int offloads(bool on)
{
	static const uint32_t commands[] = { ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO };
	const int ns[] = { hosts.a.ns, hosts.b.ns };
	unsigned int i, k;

	for (i = 0; i < 2; i++) {
		int fd, err = et_enter(ns[i]);

		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		for (k = 0; !err && k < ARRAY_SIZE(commands); k++) {
			struct ethtool_value v = { commands[k], on };
			struct ifreq ifr = { .ifr_name = "tcp0", .ifr_data = (void *)&v };

			/* GRO needs NAPI, which veth has with XDP only: off is what it is. */
			err = commands[k] == ETHTOOL_SGRO && on ? 0 : ioctl(fd, SIOCETHTOOL, &ifr);
		}
		close(fd);
		if (err)
			return bench_fail("offloads of tcp0");
	}
	return et_enter(hosts.a.ns);
}

/* ---- servers ---- */

/* A process on the other host. Returns once it has written to the pipe. */
static pid_t start(int (*run)(int ready, const struct bench_case *c), const struct bench_case *c)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready))
		return bench_fail("pipe");
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		_exit(et_enter(hosts.b.ns) || run(ready[1], c));
	}
	close(ready[1]);
	if (pid > 0 && read(ready[0], &byte, 1) != 1) {
		errno = 0;
		pid = bench_fail("a server did not start");
	}
	close(ready[0]);
	return pid;
}

static void stop(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

/* Return: the server's socket, -1. */
static int open_homa_server(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = homa_socket(AF_INET, 0);

	if (fd >= 0 && !homa_bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	return et_fail("homa server: %s", etran_strerror_detail());
}

/* One request, answered with itself. */
static int serve_one(int fd)
{
	struct sockaddr_in peer;
	size_t len = sizeof(peer);
	uint64_t id = 0;
	ssize_t n;

	n = homa_recv(fd, in, MAX_SIZE, HOMA_RECV_REQUEST, (struct sockaddr *)&peer, &len, &id, NULL,
		      NULL);
	if (n > 0 && homa_reply(fd, in, n, (struct sockaddr *)&peer, len, id))
		return et_fail("homa_reply: %s", etran_strerror_detail());
	return n < 0 && !id ? et_fail("homa_recv: %s", etran_strerror_detail()) : 0;
}

static int serve_homa(int ready, const struct bench_case *c)
{
	int fd = open_homa_server();

	if (fd < 0 || write(ready, "", 1) != 1)
		return -1;
	while (!serve_one(fd))
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

/* All of it, however the kernel cuts it. */
static int transfer(int fd, uint8_t *buf, size_t len, bool sending)
{
	ssize_t n;

	for (; len; len -= n, buf += n) {
		n = sending ? send(fd, buf, len, 0) : recv(fd, buf, len, 0);
		if (n <= 0)
			return -1;
	}
	return 0;
}

static void tcp_options(int fd)
{
	int one = 1, room = 4 << 20;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
}

/* One connection: read, write. Several: epoll, and a request at a time of each that has one. */
static int serve_tcp(int ready, const struct bench_case *c)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1, n = c->arm[BENCH_PLAIN].units ?: 1, i, k;
	struct epoll_event e = { .events = EPOLLIN }, ready_ones[OUTSTANDING];
	int ep = epoll_create1(0), conn[OUTSTANDING];

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	tcp_options(fd);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, OUTSTANDING) ||
	    write(ready, "", 1) != 1)
		return et_fail("TCP server");
	for (i = 0; i < n; i++) {
		conn[i] = accept(fd, NULL, NULL);
		tcp_options(conn[i]);
		e.data.fd = conn[i];
		epoll_ctl(ep, EPOLL_CTL_ADD, conn[i], &e);
	}
	for (;;) {
		if (n == 1) {
			if (transfer(conn[0], in, c->arg, false) || transfer(conn[0], in, c->arg, true))
				return 1;
			continue;
		}
		k = epoll_wait(ep, ready_ones, OUTSTANDING, -1);
		for (i = 0; i < k; i++)
			if (transfer(ready_ones[i].data.fd, in, c->arg, false) ||
			    transfer(ready_ones[i].data.fd, in, c->arg, true))
				return 1;
	}
}

/* ---- arms ---- */

static struct sockaddr_in server_addr(const char *ip)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(PORT),
				     .sin_addr.s_addr = inet_addr(ip) };
}

static int same(size_t len)
{
	if (!memcmp(in, out, len))
		return 0;
	errno = 0;
	return bench_fail("the response is wrong");
}

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
	if (n == (ssize_t)c->arg)
		return 0;
	return bench_fail("homa_recv: %zd: %s", n, etran_strerror_detail());
}

static int homa_blocking(const struct bench_case *c, unsigned int ops)
{
	unsigned int i;

	for (i = 0; i < ops; i++)
		if (homa_request(c, 0) || homa_response(c))
			return -1;
	return same(c->arg);
}

static int homa_spinning(const struct bench_case *c, unsigned int ops)
{
	unsigned int i;

	for (i = 0; i < ops; i++)
		if (homa_request(c, 0) || serve_one(homa_server_fd) || homa_response(c))
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

static int tcp_blocking(const struct bench_case *c, unsigned int ops)
{
	unsigned int i;

	for (i = 0; i < ops; i++)
		if (transfer(tcp_fd[0], out, c->arg, true) || transfer(tcp_fd[0], in, c->arg, false))
			return bench_fail("TCP");
	return same(c->arg);
}

static int tcp_outstanding(const struct bench_case *c, unsigned int ops)
{
	unsigned int sent, done = 0, n = ops * OUTSTANDING;
	struct epoll_event e[OUTSTANDING];
	ssize_t got;
	int i, k, fd;

	for (sent = 0; sent < OUTSTANDING; sent++) {
		tcp_left[sent] = c->arg;
		if (transfer(tcp_fd[sent], out, c->arg, true))
			return bench_fail("TCP");
	}
	while (done < n) {
		k = epoll_wait(tcp_epoll, e, OUTSTANDING, -1);
		for (i = 0; i < k; i++) {
			size_t *left = &tcp_left[e[i].data.u32];

			fd = tcp_fd[e[i].data.u32];
			got = recv(fd, in + c->arg - *left, *left, 0);
			if (got <= 0)
				return bench_fail("TCP");
			*left -= got;
			if (*left)
				continue;
			done++;
			if (sent == n)
				continue;
			sent++;
			*left = c->arg;
			if (transfer(fd, out, c->arg, true))
				return bench_fail("TCP");
		}
	}
	return 0;
}

/* ---- cases ---- */

static int setup(const struct bench_case *c)
{
	struct sockaddr_in to = server_addr(tcp_b);
	struct epoll_event e = { .events = EPOLLIN };
	unsigned int n = c->arm[BENCH_PLAIN].units ?: 1, i;

	if (offloads(!strstr(c->name, "_segments")))
		return -1;
	homa_server = start(serve_homa, c);
	tcp_server = start(serve_tcp, c);
	homa_to = server_addr(homa_b);
	homa_fd = homa_socket(AF_INET, 0);
	if (homa_server < 0 || tcp_server < 0 || homa_fd < 0)
		return bench_error[0] ? -1 : bench_fail("homa_socket: %s", etran_strerror_detail());
	tcp_epoll = epoll_create1(EPOLL_CLOEXEC);
	for (i = 0; i < n; i++) {
		tcp_fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		tcp_options(tcp_fd[i]);
		if (connect(tcp_fd[i], (struct sockaddr *)&to, sizeof(to)))
			return bench_fail("a connection to the TCP server");
		e.data.u32 = i;
		epoll_ctl(tcp_epoll, EPOLL_CTL_ADD, tcp_fd[i], &e);
	}
	return 0;
}

static void teardown(const struct bench_case *c)
{
	int i;

	stop(&homa_server);
	stop(&tcp_server);
	if (homa_fd >= 0)
		homa_close(homa_fd);
	homa_fd = -1;
	for (i = 0; i < OUTSTANDING; i++) {
		if (tcp_fd[i] > 0)
			close(tcp_fd[i]);
		tcp_fd[i] = 0;
	}
	if (tcp_epoll >= 0)
		close(tcp_epoll);
	tcp_epoll = -1;
	/* What the server's end left to be told. */
	usleep(200000);
}

/* Where the case has its sockets. */
static void place(const char *dev_a, const char *queues, const char *homa, const char *tcp)
{
	setenv("ETRAN_DEV", dev_a, 1);
	if (queues)
		setenv("ETRAN_NIC_QUEUES", queues, 1);
	else
		unsetenv("ETRAN_NIC_QUEUES");
	homa_b = homa;
	tcp_b = tcp;
}

static const char *nic_missing(const struct bench_case *c)
{
	return strncmp(c->name, "direct_", 7) ? no_nic : no_direct;
}

static int spinning_setup(const struct bench_case *c);

static int nic_setup(const struct bench_case *c)
{
	bool direct = !strncmp(c->name, "direct_", 7);

	if (nic_missing(c))
		return 0;
	/* The same name on both hosts. */
	place("etran1", direct ? "0" : NULL, NIC_B, NIC_TCP_B);
	return strstr(c->name, "spinning") ? spinning_setup(c) : setup(c);
}

static void spinning_teardown(const struct bench_case *c);

static void nic_teardown(const struct bench_case *c)
{
	spinning_teardown(c);
	place("", NULL, ET_ADDR_B, TCP_B);
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
	if (homa_server_fd < 0 || et_enter(hosts.a.ns) || homa_set_spin(homa_server_fd, SPIN_US) ||
	    homa_set_spin(homa_fd, SPIN_US))
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

/* A live tunable of Homa, of 32 bits: its place in the map that is mapped. */
static int tune(const char *name, uint32_t value)
{
	struct bpf_map *map = bpf_object__find_map_by_name(homa, ".data.tunables");
	const struct btf *btf = bpf_object__btf(homa);
	int sec = btf__find_by_name_kind(btf, ".data.tunables", BTF_KIND_DATASEC), i;
	const struct btf_var_secinfo *var;
	uint8_t *values;
	size_t size;

	values = map ? bpf_map__initial_value(map, &size) : NULL;
	if (!values || sec < 0)
		return bench_fail("Homa's tunables");
	var = btf_var_secinfos(btf__type_by_id(btf, sec));
	for (i = 0; i < btf_vlen(btf__type_by_id(btf, sec)); i++, var++) {
		if (strcmp(btf__name_by_offset(btf, btf__type_by_id(btf, var->type)->name_off),
			   name))
			continue;
		*(volatile uint32_t *)(values + var->offset) = value;
		return 0;
	}
	return bench_fail("%s", name);
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
	/* The last, as what waited is forgotten slowly. */
	WAITING("in_flight@1", "no other in flight", 0),
	WAITING("in_flight@1000", "1,000 in flight", 1.02),
};

int main(int argc, char **argv)
{
	bool list = argc == 2 && !strcmp(argv[1], "-l");

	if (!list && init())
		return 1;
	return bench_main(argc, argv, "homa", cases, ARRAY_SIZE(cases));
}
