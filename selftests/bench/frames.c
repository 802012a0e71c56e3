// SPDX-License-Identifier: GPL-2.0
/*
 * What a frame costs: etran beside plain AF_XDP, on the same devices.
 *
 * veth0 has the link device etran0 on top, and plain sockets are bound to veth0 itself; veth1 is the
 * other end, and drops in XDP what it receives. In ingress cases the kernel sends to veth1 what
 * arrives at veth0 (BPF_PROG_TEST_RUN with live frames): no user program, no skb, and the same for
 * both arms, so that a control which drops in XDP can be subtracted.
 *
 * In direct mode the devices are tn0 and tn1 of testnic. Plain sockets are bound to queue 0 of tn0, etran's
 * to queue 1, both zero-copy.
 *
 * Applications here do the least that AF_XDP allows: descriptors are written and completions taken,
 * the frames themselves are not rewritten.
 */
#include <sched.h>
#include <sys/resource.h>
#include "../module/xsk.h"
#include "bench.h"
#include "frames.h"

#define BURST		16
/* Where requests lie in a chunk: the headers need 256 bytes in front of the payload. */
#define DIRECT_OFFSET	(256 - sizeof(struct etran_req))
#define SOCKET_CHUNKS	512	/* half to send, half to receive: 256, as many as a ring has entries */
#define MANY_CHUNKS	(1 << 18)	/* half of them: enough to hold 100,000 */

static struct bpf_object *object;
static volatile struct fr_state *fr;
static struct bpf_link *transport;
static struct xsk sock;			/* of the etran arm */
static struct xsk plain;
static struct xsk *many;		/* of cases with many sockets */
static unsigned int n_many, next_many;
static uint32_t next_chunk;
static uint8_t packet[256];
static unsigned int packet_len;
static const char *no_testnic;		/* why not */
static uint64_t sum;			/* of what applications read: the compiler cannot know better */

/* ---- once ---- */

static int prog(const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(object, name));
}

static int silent(enum libbpf_print_level level, const char *format, va_list ap)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, ap) : 0;
}

static int xdp(const char *device, const char *name)
{
	int err = bpf_xdp_attach(if_nametoindex(device), prog(name), XDP_FLAGS_DRV_MODE, NULL);

	if (!err)
		return 0;
	errno = -err;
	return bench_fail("XDP program %s on %s", name, device);
}

static const char devices[] =
	"link set lo up\n"
	"link add veth0 address 02:00:00:00:00:0a type veth peer name veth1 address 02:00:00:00:00:0b\n"
	"link set veth0 addrgenmode none\n"
	"link set veth1 addrgenmode none\n"
	"addr add 10.0.0.1/24 dev veth0\n"
	"link set veth0 up\n"
	"link set veth1 up\n"
	"neigh replace 10.0.0.2 lladdr 02:00:00:00:00:0b nud permanent dev veth0\n"
	"link add veth2 type veth peer name veth3\n"
	"link add etran0 link veth0 numrxqueues 4096 type etran\n"
	"link set etran0 up\n";

/* tn0 has another address than veth0 in the same network: routes are those of the device. */
static const char direct_devices[] =
	"link add tn0 numrxqueues 2 type testnic\n"
	"link set tn0 addrgenmode none address 02:00:00:00:00:0c\n"
	"link set tn1 addrgenmode none address 02:00:00:00:00:0d\n"
	"addr add 10.0.0.3/24 dev tn0\n"
	"link set tn0 up\n"
	"link set tn1 up\n"
	"neigh replace 10.0.0.2 lladdr 02:00:00:00:00:0d nud permanent dev tn0\n"
	"link add etran1 link tn0 type etran\n"
	"link set etran1 up\n";

static int init_direct(void)
{
	if (access(et_testnic_path(), R_OK)) {
		no_testnic = "testnic.ko was not built";
		return 0;
	}
	return et_testnic_load() || et_sh("printf '%s' | /sbin/ip -batch -", direct_devices) ||
	       xdp("tn1", "xdp_drop") ||
	       et_sh("echo 0 >/sys/kernel/debug/testnic/tn1/rx_queue") ? -1 : 0;
}

/* The module, the devices, the BPF object; they stay for all cases. */
static int init(void)
{
	struct et_host h = {};
	struct bpf_map *m;
	size_t size;

	libbpf_set_print(silent);
	if (et_module_load() ||
	    et_sh("printf '%s' | /sbin/ip -batch -", devices))
		return -1;
	object = bpf_object__open_file(et_path("frames.bpf.o"), NULL);
	if (!object || bpf_object__load(object))
		return et_fail("loading frames.bpf.o");
	bpf_object__for_each_map(m, object)
		if (strstr(bpf_map__name(m), ".bss"))
			fr = bpf_map__initial_value(m, &size);
	/*
	 * veth2 carries nothing. But a program that is attached anywhere is in the kernel's XDP
	 * dispatcher already, else each BPF_PROG_TEST_RUN would put it there and wait for RCU.
	 */
	if (xdp("veth1", "xdp_drop") || xdp("veth0", "xdp_drop") || xdp("veth2", "xdp_send") || et_link_info(&h))
		return et_fail("%s", bench_error);
	fr->link = h.link;
	fr->redirect = if_nametoindex("veth1");
	return init_direct();
}

/* Frames that arrived at a device; XDP's drops included. */
static uint64_t arrived(const char *device)
{
	unsigned long long v = 0;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/rx_packets", device);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%llu", &v) != 1)
		v = 0;
	if (f)
		fclose(f);
	return v;
}

/* ---- what cases need ---- */

static int attach(const char *name)
{
	transport = bpf_map__attach_struct_ops(bpf_object__find_map_by_name(object, name));
	return transport ? 0 : bench_fail("attaching %s", name);
}

/* A request in each chunk that is for sending, @offset bytes from its beginning. */
static void requests(struct xsk *x, unsigned int op, uint32_t offset)
{
	struct fr_req r = { .daddr = inet_addr("10.0.0.2"), .dport = 1 };
	struct etran_req *q;
	uint32_t i;

	for (i = 0; i < x->chunks / 2; i++) {
		q = (void *)(x->umem + (size_t)i * XSK_CHUNK + offset);
		memset(q, 0, sizeof(*q) + FR_PAYLOAD);
		q->endpoint = x->id;
		q->op = op;
		memcpy(q->data, &r, sizeof(r));
	}
}

static int endpoint(struct xsk *x, uint32_t chunks, uint32_t queue)
{
	struct xsk_config c = { .chunks = chunks, .queue = queue, .no_endpoint = true,
				.fill = chunks / 2 < XSK_RING ? chunks / 2 : XSK_RING };

	if (xsk_open(x, &c) || xsk_attach(x, FR_NAME, 0))
		return bench_fail("opening queue %u", queue);
	requests(x, FR_SEND, 0);
	return 0;
}

/* A plain socket on queue 0, whose frames are complete packets. */
static int plain_open(struct xsk *x, const char *device, uint16_t flags)
{
	struct xsk_config c = { .chunks = SOCKET_CHUNKS, .device = device, .bind_flags = flags };
	uint32_t i;

	if (xsk_open_plain(x, &c))
		return bench_fail("an AF_XDP socket on %s", device);
	for (i = 0; i < x->chunks / 2; i++)
		memcpy(x->umem + (size_t)i * XSK_CHUNK, packet, packet_len);
	return 0;
}

/* A packet of @len bytes that arrives at veth0, or from there at veth1: nobody compares addresses. */
static void packet_build(unsigned int len)
{
	uint8_t *ip = packet + 14;

	memset(packet, 0, sizeof(packet));
	memcpy(packet, "\x02\0\0\0\0\x0a\x02\0\0\0\0\x0b\x08\0\x45", 15);
	ip[3] = len - 14;
	ip[8] = 64;
	ip[9] = FR_PROTO;
	memcpy(ip + 12, "\x0a\0\0\x02\x0a\0\0\x01", 8);
	raw_sum(packet);
	packet_len = len;
}

static void down(const struct bench_case *c)
{
	uint64_t end = et_now_ms() + 20 * ET_PATIENCE_MS;
	unsigned int i;

	for (i = 0; i < n_many; i++)
		xsk_free(&many[i]);
	free(many);
	many = NULL;
	n_many = 0;
	xsk_free(&sock);
	xsk_free(&plain);
	bpf_link__destroy(transport);
	transport = NULL;
	xdp("veth0", "xdp_drop");
	fr->cycle = 0;
	fr->make = 0;
	fr->due = 0;
	fr->failed = 0;
	fr->rank = 0;
	fr->timed = 0;
	next_chunk = 0;
	/* A queue can be bound again when its last socket has gone, which takes a moment. */
	while ((et_count("channels") || et_count("endpoints")) && et_now_ms() < end)
		usleep(1000);
}

/* ---- egress ---- */

/*
 * Sends @frames, @burst a system call, and takes their completions. They lie @offset bytes behind the
 * beginning of each of the first @chunks.
 */
static int send_frames_at(struct xsk *x, unsigned int frames, unsigned int burst, uint32_t offset,
			  uint32_t len, uint32_t chunks)
{
	unsigned int done, completed = 0, i;
	int err;

	for (done = 0; done < frames; done += burst) {
		for (i = 0; i < burst; i++) {
			xsk_desc(x, (uint64_t)next_chunk * XSK_CHUNK + offset, len, 0);
			next_chunk = next_chunk + 1 == chunks ? 0 : next_chunk + 1;
		}
		err = xsk_kick(x);
		if (err) {
			errno = err;
			return bench_fail("sendto");
		}
		completed += xsk_complete(x, NULL, 0);
	}
	if (completed == frames)
		return 0;
	errno = 0;
	return bench_fail("%u of %u frames were completed", completed, frames);
}

static int send_frames(struct xsk *x, unsigned int frames, unsigned int burst, uint32_t len,
		       uint32_t chunks)
{
	return send_frames_at(x, frames, burst, 0, len, chunks);
}

#define SENT_LEN	(sizeof(struct etran_req) + FR_PAYLOAD)

static int plain_tx(const struct bench_case *c, unsigned int ops)
{
	return send_frames(&plain, ops, c->arg, packet_len, SOCKET_CHUNKS / 2);
}

static int etran_tx(const struct bench_case *c, unsigned int ops)
{
	return send_frames(&sock, ops, c->arg, SENT_LEN, SOCKET_CHUNKS / 2);
}

/* That what is counted does arrive, once, before anything is counted. */
static int arrives_at(const struct bench_case *c, const char *device,
		      int (*run)(const struct bench_case *, unsigned int))
{
	uint64_t was = arrived(device);

	if (run(c, 64))
		return -1;
	was = arrived(device) - was;
	errno = 0;
	return was == 64 ? 0 : bench_fail("%u of 64 frames arrived at %s", (unsigned int)was, device);
}

static int arrives(const struct bench_case *c, int (*run)(const struct bench_case *, unsigned int))
{
	return arrives_at(c, "veth1", run);
}

static int plain_tx_setup(const struct bench_case *c)
{
	packet_build(FR_FRAME);
	return plain_open(&plain, "veth0", XDP_COPY) || arrives(c, plain_tx) ? -1 : 0;
}

static int link_tx_setup(const struct bench_case *c)
{
	return plain_tx_setup(c) || attach("bench_empty") || endpoint(&sock, SOCKET_CHUNKS, 0) ||
	       arrives(c, etran_tx) ? -1 : 0;
}

/* Peers, that the request's is not the only one of. */
static void peers(void)
{
	struct fr_req key = { .daddr = inet_addr("10.0.0.2"), .dport = 1 };
	struct fr_peer peer = { .daddr = key.daddr };
	uint32_t i;

	for (i = 0; i < 512; i++) {
		key.dport = 1 + i;
		bpf_map_update_elem(bpf_map__fd(bpf_object__find_map_by_name(object, "peers")),
				    &key, &peer, BPF_ANY);
	}
}

static int link_hash_setup(const struct bench_case *c)
{
	peers();
	return plain_tx_setup(c) || attach("bench_hash") || endpoint(&sock, SOCKET_CHUNKS, 0) ||
	       arrives(c, etran_tx) ? -1 : 0;
}

/* ---- direct mode ---- */

static const char *no_direct(const struct bench_case *c)
{
	return no_testnic;
}

static int direct_tx(const struct bench_case *c, unsigned int ops)
{
	return send_frames_at(&sock, ops, c->arg, DIRECT_OFFSET, SENT_LEN, SOCKET_CHUNKS / 2);
}

/* @batch: the driver takes its descriptors in batches. */
static int direct_up(const struct bench_case *c, const char *name, int batch)
{
	struct xsk_config config = { .chunks = SOCKET_CHUNKS, .queue = 1, .device = "tn0",
				     .no_endpoint = true };
	unsigned int i;

	if (no_testnic)
		return 0;
	packet_build(FR_FRAME);
	if (et_sh("echo %d >/sys/kernel/debug/testnic/tn0/tx_batch", batch) ||
	    plain_open(&plain, "tn0", XDP_ZEROCOPY) || arrives_at(c, "tn1", plain_tx) || attach(name))
		return -1;
	for (i = 0; xsk_open(&sock, &config); i++) {
		if (errno != EBUSY || i == 100)
			return bench_fail("an AF_XDP socket on tn0");
		xsk_free(&sock);
		usleep(10000);
	}
	if (xsk_attach(&sock, FR_NAME, 0)) {
		if (errno == EOPNOTSUPP) {
			no_testnic = "this kernel has no AF_XDP hook (module/patches)";
			return 0;
		}
		return bench_fail("an endpoint on tn0");
	}
	requests(&sock, FR_SEND, DIRECT_OFFSET);
	return arrives_at(c, "tn1", direct_tx);
}

static int direct_setup(const struct bench_case *c)
{
	return direct_up(c, "bench_empty", 0);
}

static int direct_batch_setup(const struct bench_case *c)
{
	return direct_up(c, "bench_empty", 1);
}

static int direct_hash_setup(const struct bench_case *c)
{
	peers();
	return direct_up(c, "bench_hash", 0);
}

/* ---- ingress ---- */

/* @n packets to veth0, in bursts of @burst. */
static int inject(unsigned int n, unsigned int burst)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = packet, .data_size_in = packet_len,
		    .repeat = n, .batch_size = burst, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	static int send = -1;

	if (send < 0)
		send = prog("xdp_send");
	return bpf_prog_test_run_opts(send, &o) ? bench_fail("BPF_PROG_TEST_RUN") : 0;
}

static int prepare_drop(const struct bench_case *c)
{
	return xdp("veth0", "xdp_drop");
}

static int prepare_etran(const struct bench_case *c)
{
	return xdp("veth0", "xdp_etran");
}

static int prepare_socket(const struct bench_case *c)
{
	return xdp("veth0", "xdp_socket");
}

static int ingress_run(const struct bench_case *c, unsigned int ops)
{
	return inject(ops, c->arg);
}

/* That the transport gets all of it. */
static int ingress_arrives(const struct bench_case *c, const char *counter)
{
	uint64_t was = et_count(counter);

	if (prepare_etran(c) || inject(64, BURST))
		return -1;
	was = et_count(counter) - was;
	errno = 0;
	return was == 64 ? 0 : bench_fail("%u of 64 packets are counted as %s", (unsigned int)was,
					  counter);
}

static int ingress_setup(const struct bench_case *c)
{
	packet_build(FR_FRAME);
	return attach("bench_empty") || ingress_arrives(c, "rx_consumed") ? -1 : 0;
}

/* Takes @n received frames, looks at each, gives the buffers back. */
static int drain(struct xsk *x, unsigned int n)
{
	uint32_t at = *x->rx.consumer, have, i;

	have = __atomic_load_n(x->rx.producer, __ATOMIC_ACQUIRE) - at;
	have = have < n ? have : n;
	for (i = 0; i < have; i++) {
		const struct xdp_desc *d = &((struct xdp_desc *)x->rx.desc)[(at + i) % XSK_RING];

		sum += *(volatile uint64_t *)(x->umem + d->addr) + d->len;
		xsk_fill(x, d->addr);
	}
	__atomic_store_n(x->rx.consumer, at + have, __ATOMIC_RELEASE);
	if (have == n)
		return 0;
	errno = 0;
	return bench_fail("only %u of %u frames were received", have, n);
}

static int plain_rx(const struct bench_case *c, unsigned int ops)
{
	return inject(ops, c->arg) || drain(&plain, ops) ? -1 : 0;
}

static int etran_rx(const struct bench_case *c, unsigned int ops)
{
	return inject(ops, c->arg) || drain(&sock, ops) ? -1 : 0;
}

static int to_socket(struct xsk *x)
{
	int map = bpf_map__fd(bpf_object__find_map_by_name(object, "xsks")), key = 0;

	return bpf_map_update_elem(map, &key, &x->fd, BPF_ANY) ? bench_fail("XSKMAP") : 0;
}

static int deliver_setup(const struct bench_case *c)
{
	packet_build(14 + FR_HDRS + FR_DELIVERED);
	if (plain_open(&plain, "veth0", XDP_COPY) || to_socket(&plain) ||
	    attach("bench_deliver") || endpoint(&sock, SOCKET_CHUNKS, 0))
		return -1;
	fr->endpoint = sock.id;
	return ingress_arrives(c, "rx_delivered") || drain(&sock, 64) ? -1 : 0;
}

/* ---- generation ---- */

/* Receives @ops, swaps their MAC addresses, sends them back. */
static int plain_l2fwd(const struct bench_case *c, unsigned int ops)
{
	unsigned int done, completed = 0, i;
	struct xsk *x = &plain;
	uint64_t addr[XSK_RING];
	uint32_t at, n;
	int err;

	if (inject(ops, c->arg))
		return -1;
	for (done = 0; done < ops; done += BURST) {
		at = *x->rx.consumer;
		n = __atomic_load_n(x->rx.producer, __ATOMIC_ACQUIRE) - at;
		for (i = 0; i < n && i < BURST; i++) {
			struct xdp_desc d = ((struct xdp_desc *)x->rx.desc)[(at + i) % XSK_RING];
			uint8_t *p = x->umem + d.addr, mac[6];

			memcpy(mac, p, 6);
			memcpy(p, p + 6, 6);
			memcpy(p + 6, mac, 6);
			xsk_desc(x, d.addr, d.len, 0);
		}
		__atomic_store_n(x->rx.consumer, at + i, __ATOMIC_RELEASE);
		err = xsk_kick(x);
		if (err) {
			errno = err;
			return bench_fail("sendto");
		}
		n = xsk_complete(x, addr, XSK_RING);
		/* The address as it was filled in: without the headroom. */
		for (i = 0; i < n; i++)
			xsk_fill(x, addr[i] & ~(uint64_t)(XSK_CHUNK - 1));
		completed += n;
	}
	if (completed == ops)
		return 0;
	errno = 0;
	return bench_fail("%u of %u frames were forwarded", completed, ops);
}

static int gen_run(const struct bench_case *c, unsigned int ops)
{
	uint64_t was = fr->generated;

	if (inject(ops, c->arg))
		return -1;
	was = fr->generated - was;
	errno = 0;
	return was == ops * fr->make ? 0 : bench_fail("%u packets were generated, not %u",
						      (unsigned int)was, ops * fr->make);
}

/* @c->arg: received packets a burst; a burst makes gen send 16. */
static int gen_setup(const struct bench_case *c)
{
	uint64_t was;

	packet_build(FR_FRAME);
	if (plain_open(&plain, "veth0", XDP_COPY) || to_socket(&plain) || attach("bench_gen"))
		return -1;
	fr->make = BURST / c->arg;
	if (prepare_etran(c))
		return -1;
	was = arrived("veth1");
	if (gen_run(c, 64))
		return -1;
	was = arrived("veth1") - was;
	errno = 0;
	return was == 64 * fr->make ? 0 : bench_fail("%u packets arrived at veth1, not %u",
						     (unsigned int)was, 64 * fr->make);
}

/* l2fwd forwards bursts of 16, whatever the other arm receives. */
static int l2fwd_run(const struct bench_case *c, unsigned int ops)
{
	struct bench_case burst = *c;

	burst.arg = BURST;
	return plain_l2fwd(&burst, ops);
}

static int l2fwd_control(const struct bench_case *c, unsigned int ops)
{
	return inject(ops, BURST);
}

/* ---- how cost grows ---- */

#define FREE_CHUNKS	256	/* not held: to measure with */

static void set_op(unsigned int op)
{
	uint32_t i;

	for (i = 0; i < FREE_CHUNKS; i++)
		((struct etran_req *)(sock.umem + (size_t)i * XSK_CHUNK))->op = op;
}

/* Have transport @name keep @c->arg frames by @op. */
static int keep_frames(const struct bench_case *c, const char *name, unsigned int op)
{
	unsigned int i, n;

	if (attach(name) || endpoint(&sock, MANY_CHUNKS, 0))
		return -1;
	for (i = 0; i < c->arg; i += n) {
		for (n = 0; n < 64 && i + n < c->arg; n++) {
			uint32_t chunk = FREE_CHUNKS + i + n;

			((struct etran_req *)(sock.umem + (size_t)chunk * XSK_CHUNK))->op = op;
			xsk_desc(&sock, (uint64_t)chunk * XSK_CHUNK, SENT_LEN, 0);
		}
		errno = xsk_kick(&sock);
		if (errno || xsk_complete(&sock, NULL, 0) != n)
			return bench_fail("holding frames");
	}
	errno = 0;
	if (sock.status->held != c->arg || fr->failed)
		return bench_fail("%u frames are held", sock.status->held);
	return 0;
}

/* @c->arg frames are held meanwhile. */
static int held_setup(const struct bench_case *c)
{
	if (keep_frames(c, "bench_hold", FR_HOLD))
		return -1;
	set_op(!strncmp(c->name, "hold", 4) ? FR_CYCLE : FR_SEND);
	return 0;
}

static int held_run(const struct bench_case *c, unsigned int ops)
{
	if (send_frames(&sock, ops, BURST, SENT_LEN, FREE_CHUNKS))
		return -1;
	errno = 0;
	return fr->failed ? bench_fail("a frame was not held or not released") : 0;
}

/* What is popped is pushed with a rank that on average is that many frames behind. */
static int queue_setup(const struct bench_case *c)
{
	fr->rank_step = (1ULL << 31) / c->arg;
	return keep_frames(c, "bench_queue", FR_PUSH);
}

static int prepare_pairs(const struct bench_case *c)
{
	set_op(FR_POP_PUSH);
	return 0;
}

static int prepare_ranks(const struct bench_case *c)
{
	set_op(FR_RANKS);
	return 0;
}

#define SLOT_NS	4096		/* of the timing wheel, see module/wheel.c */

static uint64_t timed_ns;	/* that it takes to submit a frame that waits */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static unsigned int timed_burst(const struct bench_case *c)
{
	return c->arg < BURST ? c->arg : BURST;
}

/*
 * @c->arg flows, of each of which a frame is submitted for a time shortly before all are; then there is
 * nothing to do but send them, in the order of their times, until none is left. A nanosecond is
 * an instruction, so the times must be so close together that the machine never waits for one. (Rejected:
 * one frame that comes for each that leaves, for times that are as far ahead: then the cost of a
 * frame decides how many wait, and the other way round, which has no steady state.)
 *
 * Few flows all have their times in one slot of the wheel, which is over later than they are submitted:
 * the rest of it is waiting.
 */
static int timed_run(const struct bench_case *c, unsigned int ops)
{
	bool one_slot = fr->timed_spread < SLOT_NS;
	uint64_t end, due = 0;
	unsigned int n;

	for (; ops; ops -= n) {
		n = c->arg;
		if (fr->timed)
			fr->timed = now_ns() + n * timed_ns * 9 / 10;
		if (fr->timed && one_slot) {
			/* Those after a slot's first nanosecond leave when it is over. */
			fr->timed = (fr->timed / SLOT_NS + 2) * SLOT_NS + 1;
			due = fr->timed - 1 + SLOT_NS;
		}
		if (send_frames(&sock, n, timed_burst(c), SENT_LEN, MANY_CHUNKS / 2))
			return -1;
		if (due) {
			end = now_ns();
			errno = 0;
			if (end >= due)
				return bench_fail("the first frames left before the last one was there");
			bench_waited += due - end;
		}
		for (end = now_ns() + ET_PATIENCE_MS * 1000000ULL; *(volatile __u32 *)&sock.status->held; )
			if (now_ns() > end)
				return bench_fail("%u frames never left", sock.status->held);
	}
	return 0;
}

static int prepare_timed(const struct bench_case *c)
{
	fr->timed = 1;
	return 0;
}

static int prepare_untimed(const struct bench_case *c)
{
	fr->timed = 0;
	return 0;
}

static int timed_setup(const struct bench_case *c)
{
	uint64_t sent, t;
	int i;

	if (attach("bench_timed") || endpoint(&sock, MANY_CHUNKS, 0))
		return -1;
	/* Softirqs that were left to their thread must not wait for a process that waits for them. */
	if (sched_setscheduler(0, SCHED_IDLE, &(struct sched_param) {}))
		return bench_fail("sched_setscheduler");
	fr->timed_spread = c->arg * 256;
	for (i = 0; i < 2; i++) {
		sent = arrived("veth1");
		/* All of them wait until the last one is there. */
		fr->timed = now_ns() + 1000000000;
		t = now_ns();
		if (send_frames(&sock, c->arg, timed_burst(c), SENT_LEN, MANY_CHUNKS / 2))
			return -1;
		timed_ns = (now_ns() - t) / c->arg;
		if (sock.status->held != c->arg)
			return bench_fail("%u frames wait instead of %u", sock.status->held, c->arg);
		while (sock.status->held)
			usleep(1000);
		errno = 0;
		sent = arrived("veth1") - sent;
		if (sent != c->arg)
			return bench_fail("%u of %u frames left", (unsigned int)sent, c->arg);
	}
	return 0;
}

static void timed_down(const struct bench_case *c)
{
	sched_setscheduler(0, SCHED_OTHER, &(struct sched_param) {});
	down(c);
}

/* @c->arg sockets, each on a queue of its own. */
static int sockets_setup(const struct bench_case *c)
{
	struct rlimit r = { 65536, 65536 };

	setrlimit(RLIMIT_NOFILE, &r);
	packet_build(14 + FR_HDRS + FR_DELIVERED);
	if (attach("bench_spread"))
		return -1;
	many = calloc(c->arg, sizeof(*many));
	for (n_many = 0; n_many < c->arg; n_many++) {
		if (endpoint(&many[n_many], 64, n_many)) {
			n_many++;
			return -1;
		}
		fr->endpoint_of[n_many] = many[n_many].id;
	}
	fr->endpoints = n_many;
	fr->next = 0;
	next_many = 0;
	return 0;
}

/* Each burst from the next socket. */
static int sockets_tx(const struct bench_case *c, unsigned int ops)
{
	unsigned int i;

	for (i = 0; i < ops; i += BURST) {
		if (send_frames(&many[next_many], BURST, BURST, SENT_LEN, 32))
			return -1;
		next_many = next_many + 1 == n_many ? 0 : next_many + 1;
	}
	return 0;
}

/* Each packet to the next socket. */
static int sockets_rx(const struct bench_case *c, unsigned int ops)
{
	unsigned int i;

	if (inject(ops, BURST))
		return -1;
	for (i = 0; i < ops; i++) {
		if (drain(&many[next_many], 1))
			return -1;
		next_many = next_many + 1 == n_many ? 0 : next_many + 1;
	}
	return 0;
}

static int sockets_rx_control(const struct bench_case *c, unsigned int ops)
{
	return inject(ops, BURST);
}

/* Each socket has been used before anything is counted: its first frame costs more. */
static int sockets_tx_setup(const struct bench_case *c)
{
	return sockets_setup(c) || sockets_tx(c, c->arg * BURST) ? -1 : 0;
}

static int sockets_rx_setup(const struct bench_case *c)
{
	unsigned int i;

	if (sockets_setup(c) || prepare_etran(c))
		return -1;
	/* No socket more often than it has buffers. */
	for (i = 0; i < c->arg; i += 128)
		if (sockets_rx(c, 128))
			return -1;
	return 0;
}

/* ---- controls ---- */

static int null_syscall(const struct bench_case *c, unsigned int ops)
{
	while (ops--)
		syscall(SYS_getppid);
	return 0;
}

/* Both transports have one name, so each arm has its own attached before it runs. */
static int reattach(const char *name)
{
	xsk_free(&sock);
	bpf_link__destroy(transport);
	transport = NULL;
	if (!et_wait_for(et_count("channels") == 0 && et_count("endpoints") == 0))
		return bench_fail("a socket did not go");
	return attach(name) || endpoint(&sock, SOCKET_CHUNKS, 0) ? -1 : 0;
}

static int prepare_unplanted(const struct bench_case *c)
{
	return reattach("bench_empty");
}

static int prepare_planted(const struct bench_case *c)
{
	return reattach("bench_planted");
}

static const struct bench_case cases[] = {
	{
		.name = "control_null_syscall", .text = "getppid()",
		.unit = "instructions/call", .measure = BENCH_COST, .ops = 256,
		.arm[BENCH_PLAIN] = { null_syscall },
	}, {
		.name = "control_aa", .text = "plain AF_XDP transmission beside itself",
		.unit = "instructions/frame", .measure = BENCH_RATIO, .goal = 1, .exact = true,
		.ops = 256, .arg = BURST, .setup = plain_tx_setup, .teardown = down,
		.arm = { [BENCH_PLAIN] = { plain_tx }, [BENCH_ETRAN] = { plain_tx } },
	}, {
		.name = "control_planted", .text = "100 instructions more in the egress program",
		.unit = "instructions/frame", .measure = BENCH_ADDED, .goal = BENCH_PLANTED,
		.exact = true, .ops = 256, .arg = BURST, .teardown = down,
		.arm = { [BENCH_PLAIN] = { etran_tx, prepare_unplanted },
			 [BENCH_ETRAN] = { etran_tx, prepare_planted } },
	},
#define LINK_TX(_name, _burst, _goal)							\
	{										\
		.name = _name, .text = "veth, sendto to the peer's XDP, " #_burst " a call",	\
		.unit = "instructions/frame", .measure = BENCH_RATIO, .goal = _goal,	\
		.ops = 256, .arg = _burst, .setup = link_tx_setup, .teardown = down,	\
		.arm = { [BENCH_PLAIN] = { plain_tx }, [BENCH_ETRAN] = { etran_tx } },	\
	}
	LINK_TX("link_tx", 16, 0.25),
	LINK_TX("link_tx@1", 1, 0),
	LINK_TX("link_tx@64", 64, 0),
	{
		.name = "link_tx_hash", .text = "the same, a hash lookup in egress, 16 a call",
		.unit = "instructions/frame", .measure = BENCH_RATIO,
		.ops = 256, .arg = BURST, .setup = link_hash_setup, .teardown = down,
		.arm = { [BENCH_PLAIN] = { plain_tx }, [BENCH_ETRAN] = { etran_tx } },
	},
#define DIRECT(_name, _text, _setup, _goal)						\
	{										\
		.name = _name, .text = _text,						\
		.unit = "instructions/frame", .measure = BENCH_RATIO, .goal = _goal,	\
		.ops = 256, .arg = BURST, .setup = _setup, .teardown = down,		\
		.missing = no_direct,							\
		.arm = { [BENCH_PLAIN] = { plain_tx }, [BENCH_ETRAN] = { direct_tx } },	\
	}
	DIRECT("direct_tx", "testnic, zero-copy, 16 a call", direct_setup, 1.07),
	DIRECT("direct_tx_hash", "the same, a hash lookup in egress", direct_hash_setup, 1.18),
	DIRECT("direct_tx_batch", "the driver takes descriptors in batches", direct_batch_setup, 0),
	{
		.name = "ingress", .text = "dispatcher and transport that consume, over an empty XDP program",
		.unit = "instructions/packet", .measure = BENCH_ADDED, .goal = 60,
		.ops = 256, .arg = BURST, .setup = ingress_setup, .teardown = down,
		.arm = { [BENCH_PLAIN] = { ingress_run, prepare_drop },
			 [BENCH_ETRAN] = { ingress_run, prepare_etran } },
	}, {
		.name = "deliver", .text = "64 bytes from veth to an application, copy mode",
		.unit = "instructions/packet", .measure = BENCH_RATIO, .goal = 1,
		.ops = 128, .arg = BURST, .setup = deliver_setup, .teardown = down,
		.arm = { [BENCH_PLAIN] = { plain_rx, prepare_socket },
			 [BENCH_ETRAN] = { etran_rx, prepare_etran },
			 [BENCH_PLAIN_CONTROL] = { ingress_run, prepare_drop },
			 [BENCH_ETRAN_CONTROL] = { ingress_run, prepare_drop } },
	}, {
		.name = "gen", .text = "16 packets a kick, beside AF_XDP l2fwd",
		.unit = "instructions/packet", .measure = BENCH_RATIO, .goal = 0.8,
		.ops = 128, .arg = 1, .setup = gen_setup, .teardown = down,
		.arm = { [BENCH_PLAIN] = { l2fwd_run, prepare_socket },
			 [BENCH_ETRAN] = { gen_run, prepare_etran, BURST },
			 [BENCH_PLAIN_CONTROL] = { l2fwd_control, prepare_drop },
			 [BENCH_ETRAN_CONTROL] = { ingress_run, prepare_drop, BURST } },
	}, {
		.name = "answer", .text = "16 packets received and 16 generated, beside AF_XDP l2fwd",
		.unit = "instructions/packet", .measure = BENCH_RATIO,
		.ops = 128, .arg = BURST, .setup = gen_setup, .teardown = down,
		.arm = { [BENCH_PLAIN] = { l2fwd_run, prepare_socket },
			 [BENCH_ETRAN] = { gen_run, prepare_etran },
			 [BENCH_PLAIN_CONTROL] = { l2fwd_control, prepare_drop },
			 [BENCH_ETRAN_CONTROL] = { ingress_run, prepare_drop } },
	},
#define QUEUE(_name, _n, _goal)								\
	{										\
		.name = _name, .text = "ranked queue, pop and push, so many queued",	\
		.unit = "instructions/pair", .measure = BENCH_COST, .goal = _goal,	\
		.ops = 64, .arg = _n, .setup = queue_setup, .teardown = down,		\
		.arm = { [BENCH_ETRAN] = { held_run, prepare_pairs, FR_PAIRS },		\
			 [BENCH_ETRAN_CONTROL] = { held_run, prepare_ranks, FR_PAIRS } },	\
	}
	QUEUE("queue@10", 10, 0),
	QUEUE("queue@1000", 1000, 250),
	QUEUE("queue@100000", 100000, 0),
#define TIMED(_name, _n, _ops, _goal)							\
	{										\
		.name = _name, .text = "timed release, insert and expire, so many flows",	\
		.unit = "instructions/frame", .measure = BENCH_COST, .goal = _goal,	\
		.ops = _ops, .arg = _n, .setup = timed_setup, .teardown = timed_down,	\
		.arm = { [BENCH_ETRAN] = { timed_run, prepare_timed },			\
			 [BENCH_ETRAN_CONTROL] = { timed_run, prepare_untimed } },	\
	}
	TIMED("timed@10", 10, 4000, 0),
	TIMED("timed@1024", 1024, 4096, 0),
	TIMED("timed@8000", 8000, 8000, 300),
	TIMED("timed@100000", 100000, 100000, 0),
#define HELD(_name, _text, _n, _goal, _base)						\
	{										\
		.name = _name, .text = _text ", so many frames held",			\
		.unit = "instructions/frame", .measure = BENCH_GROWTH, .goal = _goal,	\
		.base = _base, .ops = 256, .arg = _n,					\
		.setup = held_setup, .teardown = down, .arm[BENCH_ETRAN] = { held_run },	\
	}
	HELD("hold@10", "hold and release", 10, 0, "hold@10"),
	HELD("hold@1000", "hold and release", 1000, 1.02, "hold@10"),
	HELD("hold@100000", "hold and release", 100000, 1.02, "hold@10"),
	HELD("egress_held@10", "egress", 10, 0, "egress_held@10"),
	HELD("egress_held@1000", "egress", 1000, 1.02, "egress_held@10"),
	HELD("egress_held@100000", "egress", 100000, 1.02, "egress_held@10"),
#define SOCKETS_TX(_name, _n, _goal)							\
	{										\
		.name = _name, .text = "egress, so many sockets in turn",		\
		.unit = "instructions/frame", .measure = BENCH_GROWTH, .goal = _goal,	\
		.base = "egress_sockets@10", .ops = 256, .arg = _n,			\
		.setup = sockets_tx_setup, .teardown = down,				\
		.arm[BENCH_ETRAN] = { sockets_tx },					\
	}
	SOCKETS_TX("egress_sockets@10", 10, 0),
	SOCKETS_TX("egress_sockets@1000", 1000, 1.02),
	SOCKETS_TX("egress_sockets@4000", 4000, 1.02),
#define SOCKETS_RX(_name, _n, _goal)							\
	{										\
		.name = _name, .text = "delivery, so many sockets in turn",		\
		.unit = "instructions/packet", .measure = BENCH_GROWTH, .goal = _goal,	\
		.base = "deliver_sockets@10", .ops = 128, .arg = _n,			\
		.setup = sockets_rx_setup, .teardown = down,				\
		.arm = { [BENCH_ETRAN] = { sockets_rx, prepare_etran },			\
			 [BENCH_ETRAN_CONTROL] = { sockets_rx_control, prepare_drop } },	\
	}
	SOCKETS_RX("deliver_sockets@10", 10, 0),
	SOCKETS_RX("deliver_sockets@1000", 1000, 1.02),
	SOCKETS_RX("deliver_sockets@4000", 4000, 1.02),
};

/*
 * The module looks endpoints up by an id that only grows, in a tree that gets deeper at 64, 4096 and so
 * on, at 26 instructions a level. So that a case costs the same whatever ran before it, all of them
 * begin beyond the first step, like on a machine that has been up for a while.
 */
static int age(void)
{
	int i, err = attach("bench_empty") || endpoint(&sock, 64, 0);

	for (i = 0; !err && i < 80; i++) {
		xsk_detach(&sock);
		err = xsk_attach(&sock, FR_NAME, 0);
	}
	down(NULL);
	return err ? et_fail("%s", bench_error) : 0;
}

int main(int argc, char **argv)
{
	bool list = argc == 2 && !strcmp(argv[1], "-l");

	if (!list && (init() || age()))
		return 1;
	return bench_main(argc, argv, "frames", cases, ARRAY_SIZE(cases));
}
