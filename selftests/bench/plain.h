/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Plain AF_XDP and UDP as arms that transports are compared with: the floor of what a request and a response can cost on
 * a link without any transport, and with the kernel's simplest.
 *
 * AF_XDP: a socket on each end of a pair that nobody else uses, veth in copy mode or testnic zero-copy; a frame there and
 * one back, poll() in between or, where both sides spin, none. The frame is as long as one of UDP would be; nobody looks
 * at what is in it but for its length.
 */
#ifndef BENCH_PLAIN_H
#define BENCH_PLAIN_H

#include "../module/xsk.h"
#include "hosts.h"

#define PLAIN_HEADERS	42	/* Ethernet, IPv4, UDP */
#define UDP_PORT	4002

struct plain {
	struct bpf_object *object;
	struct xsk xsk;
	const char *device;
};

static struct plain plain_client, plain_server;	/* the latter where both sides spin */
static pid_t plain_pid, udp_pid;
static int udp_fd = -1;

/* ---- AF_XDP ---- */

/* A pair of its own, once. */
static int plain_pair(bool nic)
{
	static bool made[2];
	const char *name = nic ? "tn4" : "raw0", *peer = nic ? "tn5" : "raw1";

	if (made[nic])
		return 0;
	made[nic] = true;
	if (et_sh(ET_IP " link add %s type %s%s%s && " ET_IP " link set %s netns /proc/%d/fd/%d && " ET_IP
		  " link set %s addrgenmode none up", name, nic ? "testnic" : "veth", nic ? "" : " peer name ", nic ? "" : peer, peer,
		  getpid(), hosts.b.ns, name) ||
	    et_enter(hosts.b.ns) || et_sh(ET_IP " link set %s addrgenmode none up", peer))
		return -1;
	return et_enter(hosts.a.ns);
}

static void plain_close(struct plain *p)
{
	if (p->object) {
		bpf_xdp_detach(if_nametoindex(p->device), XDP_FLAGS_DRV_MODE, NULL);
		bpf_object__close(p->object);
	}
	p->object = NULL;
	xsk_free(&p->xsk);
}

/* A socket on @device, of the namespace where we are. Return: 0, -1 after saying why. */
static int plain_open(struct plain *p, const char *device, bool nic)
{
	struct xsk_config c = { .device = device, .bind_flags = nic ? XDP_ZEROCOPY : XDP_COPY };
	struct bpf_program *prog;
	uint32_t zero = 0;

	p->device = device;
	if (hosts_load(&p->object, "plain.bpf.o"))
		return -1;
	prog = bpf_object__next_program(p->object, NULL);
	if (bpf_xdp_attach(if_nametoindex(device), bpf_program__fd(prog), XDP_FLAGS_DRV_MODE, NULL))
		return et_fail("XDP on %s", device);
	if (xsk_open_plain(&p->xsk, &c))
		return et_fail("an AF_XDP socket on %s", device);
	if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(p->object, "sockets"), &zero, &p->xsk.fd, BPF_ANY))
		return et_fail("the socket's map");
	return 0;
}

static int plain_send(struct plain *p, size_t len)
{
	xsk_complete(&p->xsk, NULL, 0);
	xsk_desc(&p->xsk, 0, PLAIN_HEADERS + len, 0);
	errno = xsk_kick(&p->xsk);
	return errno ? -1 : 0;
}

/* @wait: with poll(), else it is there. */
static int plain_recv(struct plain *p, size_t len, bool wait)
{
	struct pollfd pfd = { .fd = p->xsk.fd, .events = POLLIN };
	uint32_t at = *p->xsk.rx.consumer;
	struct xdp_desc d;

	while (__atomic_load_n(p->xsk.rx.producer, __ATOMIC_ACQUIRE) == at)
		if (!wait || poll(&pfd, 1, -1) < 0)
			return -1;
	d = ((struct xdp_desc *)p->xsk.rx.desc)[at % XSK_RING];
	__atomic_store_n(p->xsk.rx.consumer, at + 1, __ATOMIC_RELEASE);
	xsk_fill(&p->xsk, d.addr);
	if (d.len == PLAIN_HEADERS + len)
		return 0;
	errno = 0;
	return bench_fail("a frame of %u bytes", d.len);
}

static int plain_serve(int ready, const struct bench_case *c)
{
	static struct plain p;

	if (plain_open(&p, is_direct(c) ? "tn5" : "raw1", is_direct(c)) || write(ready, "", 1) != 1)
		return -1;
	while (!plain_recv(&p, c->arg, true) && !plain_send(&p, c->arg))
		;
	return -1;
}

/* A client here, and a server: another process, or where both sides spin this one. */
static int plain_up(const struct bench_case *c)
{
	bool nic = is_direct(c);

	if (plain_pair(nic))
		return bench_fail("a pair of devices for plain AF_XDP");
	if (!strstr(c->name, "spinning")) {
		plain_pid = start(plain_serve, c);
		if (plain_pid < 0)
			return -1;
	} else if (et_enter(hosts.b.ns) || plain_open(&plain_server, nic ? "tn5" : "raw1", nic) ||
		   et_enter(hosts.a.ns)) {
		return bench_fail("plain AF_XDP on the other host");
	}
	return plain_open(&plain_client, nic ? "tn4" : "raw0", nic) ? bench_fail("plain AF_XDP") : 0;
}

static void plain_down(void)
{
	stop(&plain_pid);
	plain_close(&plain_client);
	if (plain_server.object && !et_enter(hosts.b.ns)) {
		plain_close(&plain_server);
		et_enter(hosts.a.ns);
	}
}

static int plain_blocking(const struct bench_case *c, unsigned int ops)
{
	unsigned int i;

	for (i = 0; i < ops; i++)
		if (plain_send(&plain_client, c->arg) || plain_recv(&plain_client, c->arg, true))
			return bench_error[0] ? -1 : bench_fail("plain AF_XDP");
	return 0;
}

static int plain_spinning(const struct bench_case *c, unsigned int ops)
{
	unsigned int i;

	for (i = 0; i < ops; i++)
		if (plain_send(&plain_client, c->arg) || plain_recv(&plain_server, c->arg, false) ||
		    plain_send(&plain_server, c->arg) || plain_recv(&plain_client, c->arg, false))
			return bench_error[0] ? -1 : bench_fail("plain AF_XDP");
	return 0;
}

/* ---- UDP ---- */

static int udp_serve(int ready, const struct bench_case *c)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(UDP_PORT) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(addr);
	ssize_t n;

	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || write(ready, "", 1) != 1)
		return et_fail("UDP server");
	do {
		n = recvfrom(fd, in, c->arg, 0, (struct sockaddr *)&addr, &len);
	} while (n >= 0 && sendto(fd, in, n, 0, (struct sockaddr *)&addr, len) == n);
	return -1;
}

static int udp_up(const struct bench_case *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(UDP_PORT),
				  .sin_addr.s_addr = inet_addr(tcp_b) };

	udp_pid = start(udp_serve, c);
	udp_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (udp_pid < 0 || connect(udp_fd, (struct sockaddr *)&to, sizeof(to)))
		return bench_error[0] ? -1 : bench_fail("a UDP socket");
	return 0;
}

static void udp_down(void)
{
	stop(&udp_pid);
	if (udp_fd >= 0)
		close(udp_fd);
	udp_fd = -1;
}

static int udp_blocking(const struct bench_case *c, unsigned int ops)
{
	unsigned int i;

	for (i = 0; i < ops; i++)
		if (send(udp_fd, out, c->arg, 0) != (ssize_t)c->arg ||
		    recv(udp_fd, in, c->arg, 0) != (ssize_t)c->arg)
			return bench_fail("UDP");
	return same(c->arg);
}

#endif /* BENCH_PLAIN_H */
