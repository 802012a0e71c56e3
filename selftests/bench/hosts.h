/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What suites that measure a transport beside the kernel's TCP share: two hosts, and servers on the other one.
 *
 * Hosts are network namespaces with two veth pairs: veth0 has a link device, and so XDP, on both ends; tcp0 has neither,
 * because veth turns segmentation off and copies once XDP is there: the kernel's TCP is measured as it is without etran.
 * Servers are processes of their own, forked for each case; the client is the suite.
 *
 * On testnic it is the same: tn0 and tn1 have link devices, and etran's sockets are those devices' or, in direct mode,
 * bound to the only queue of the NIC; tn2 and tn3 are the kernel's.
 */
#ifndef BENCH_HOSTS_H
#define BENCH_HOSTS_H

#include <signal.h>
#include <sys/prctl.h>
#include <bpf/btf.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
/* That of busybox is another one. */
#define ET_IP	"/sbin/ip"
#include "../direct.h"
#include "../etran_test.h"
#include "bench.h"

#define TCP_A		"10.1.0.1"
#define TCP_B		"10.1.0.2"
#define NIC_A		"10.2.0.1"
#define NIC_B		"10.2.0.2"
#define NIC_TCP_A	"10.3.0.1"
#define NIC_TCP_B	"10.3.0.2"

static struct et_hosts hosts;
static struct bpf_object *transport, *dispatcher;
static struct bpf_link *transport_link;
static uint8_t *out, *in;	/* what is sent, and received */
static const char *no_nic, *no_direct;	/* why not */
static const char *etran_b = ET_ADDR_B, *tcp_b = TCP_B;	/* the other host's addresses, of the case */

/* ---- once ---- */

static int hosts_silent(enum libbpf_print_level level, const char *format, va_list ap)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, ap) : 0;
}

static int hosts_load(struct bpf_object **object, const char *name)
{
	*object = bpf_object__open_file(et_path(name), NULL);
	if (!*object || bpf_object__load(*object))
		return et_fail("loading %s", name);
	return 0;
}

static int hosts_tcp_pair(void)
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
static int hosts_nic_pair(int n, const char *a, const char *b)
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
static int hosts_nic_etran(int ns, int n, int xdp)
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

static int hosts_nics(int xdp)
{
	if (access(et_testnic_path(), R_OK)) {
		no_nic = no_direct = "testnic.ko was not built";
		return 0;
	}
	if (!kernel_has_direct())
		no_direct = "this kernel has no AF_XDP hook (module/patches)";
	return et_testnic_load() || hosts_nic_pair(0, NIC_A, NIC_B) ||
	       hosts_nic_pair(2, NIC_TCP_A, NIC_TCP_B) || hosts_nic_etran(hosts.a.ns, 0, xdp) ||
	       hosts_nic_etran(hosts.b.ns, 1, xdp) ? -1 : 0;
}

/*
 * All of it, with the transport whose struct_ops map @name is in @object; @size: of the longest message. Call it once.
 * Return: 0, or -1 after saying why.
 */
static int hosts_up(const char *object, const char *name, size_t size)
{
	struct bpf_program *prog;
	size_t i;

	libbpf_set_print(hosts_silent);
	out = malloc(size);
	in = malloc(size);
	if (!out || !in || et_module_load() || et_hosts_up(&hosts, 64) || hosts_tcp_pair() ||
	    hosts_load(&dispatcher, "dispatcher.bpf.o") || hosts_load(&transport, object))
		return -1;
	for (i = 0; i < size; i++)
		out[i] = i * 2654435761U >> 24;
	prog = bpf_object__next_program(dispatcher, NULL);
	if (et_hosts_xdp(&hosts, bpf_program__fd(prog)) || hosts_nics(bpf_program__fd(prog)))
		return -1;
	transport_link = bpf_map__attach_struct_ops(bpf_object__find_map_by_name(transport, name));
	return transport_link ? 0 : et_fail("attaching %s", name);
}

/* ---- the kernel's devices ---- */

/* Segmentation and GRO of both ends of the kernel's pair, @a on this host and @b on the other. */
static int offloads(const char *a, const char *b, bool on)
{
	static const uint32_t commands[] = { ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO };
	const int ns[] = { hosts.a.ns, hosts.b.ns };
	const char * const dev[] = { a, b };
	unsigned int i, k;

	for (i = 0; i < 2; i++) {
		bool is_veth = !strncmp(dev[i], "tcp", 3);
		int fd, err = et_enter(ns[i]);

		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		for (k = 0; !err && k < ARRAY_SIZE(commands); k++) {
			struct ethtool_value v = { commands[k], on };
			struct ifreq ifr = { .ifr_data = (void *)&v };

			snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", dev[i]);
			/* GRO needs NAPI, which veth has with XDP only: off is what it is. testnic has no TSO. */
			if (is_veth ? commands[k] == ETHTOOL_SGRO && on : commands[k] == ETHTOOL_STSO)
				continue;
			err = ioctl(fd, SIOCETHTOOL, &ifr);
		}
		close(fd);
		if (err)
			return bench_fail("ethtool: segmentation and GRO of %s", dev[i]);
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
		pid = bench_fail("a server is not up, see above");
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

static int same(size_t len)
{
	if (!memcmp(in, out, len))
		return 0;
	errno = 0;
	return bench_fail("the response is wrong");
}

/* ---- cases ---- */

/* Where the case has its sockets. */
static void place(const char *dev_a, const char *queues, const char *etran, const char *tcp)
{
	setenv("ETRAN_DEV", dev_a, 1);
	if (queues)
		setenv("ETRAN_NIC_QUEUES", queues, 1);
	else
		unsetenv("ETRAN_NIC_QUEUES");
	etran_b = etran;
	tcp_b = tcp;
}

static bool is_direct(const struct bench_case *c)
{
	return strstr(c->name, "direct_");
}

static const char *nic_missing(const struct bench_case *c)
{
	return is_direct(c) ? no_direct : no_nic;
}

/* The case is on testnic, in direct mode if its name says so. */
static void place_nic(const struct bench_case *c)
{
	/* The same name on both hosts. */
	place("etran1", is_direct(c) ? "0" : NULL, NIC_B, NIC_TCP_B);
}

static void place_veth(void)
{
	place("", NULL, ET_ADDR_B, TCP_B);
}

/* A live tunable of the transport, of 16 or 32 bits: its place in the map that is mapped. */
static int tune(const char *name, uint32_t value)
{
	struct bpf_map *map = bpf_object__find_map_by_name(transport, ".data.tunables");
	const struct btf *btf = bpf_object__btf(transport);
	int sec = btf__find_by_name_kind(btf, ".data.tunables", BTF_KIND_DATASEC), i;
	const struct btf_var_secinfo *var;
	uint8_t *values;
	size_t size;

	values = map ? bpf_map__initial_value(map, &size) : NULL;
	if (!values || sec < 0)
		return bench_fail("the transport's tunables");
	var = btf_var_secinfos(btf__type_by_id(btf, sec));
	for (i = 0; i < btf_vlen(btf__type_by_id(btf, sec)); i++, var++) {
		if (strcmp(btf__name_by_offset(btf, btf__type_by_id(btf, var->type)->name_off),
			   name))
			continue;
		if (var->size == sizeof(uint16_t))
			*(volatile uint16_t *)(values + var->offset) = value;
		else
			*(volatile uint32_t *)(values + var->offset) = value;
		return 0;
	}
	return bench_fail("%s", name);
}

#endif /* BENCH_HOSTS_H */
