// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Channels: AF_XDP sockets on etran link devices, or on queues of the NIC (direct.c).
 *
 * The kernel's AF_XDP interface is used directly. libxdp's helpers would load an XDP program and
 * fill an XSKMAP, neither of which a link device has: the module delivers by itself.
 *
 * Memory. One UMEM a channel, aligned chunks of 2048 bytes: first the frames to send from, then
 * those to receive into. The two never mix, so a flood of received data cannot take the memory
 * to answer it. Each ring has as many entries as there are frames that can be in it, so no ring
 * can overflow and no call has to handle that.
 *
 * A frame that was sent is free again when the kernel has read its descriptor (completion ring)
 * *and* its byte in the endpoint's status mapping is zero (the transport gave it back). Frames come
 * back message by message, so callers keep the frames of a message as a chain and ask for a
 * chain; looking at all frames for each send would cost more than the send.
 *
 * All mappings are MADV_DONTFORK: a child could only do harm with them, and its copies of the ring
 * and status mappings would keep the sockets open after the parent closed them.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/if_xdp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <etran.h>

#include "channel.h"
#include "direct.h"
#include "error.h"
#include "fork.h"

#ifndef SOL_XDP
#define SOL_XDP 283
#endif

#define DEV_PATH		"/dev/etran"
#define TX_FRAMES		4096
#define RX_FRAMES		2048
#define MIN_FRAMES		64
#define MAX_FRAMES		65536
/* For how long to look for a queue that is really free. */
#define BIND_TIMEOUT_MS		3000
/* Of a ring that has more than one ETRAN_IOC_KICK takes. */
#define MAX_KICKS		256

enum frame_state {
	FRAME_FREE,	/* on the free list */
	FRAME_TAKEN,	/* in a chain, the kernel may have its descriptor */
	FRAME_READ,	/* the kernel has read the descriptor; it may still keep the frame */
};

/**
 * struct ring - one of the four rings, shared with the kernel
 * @producer: written by who fills it
 * @consumer: written by who empties it
 * @flags: XDP_RING_NEED_WAKEUP
 * @desc: struct xdp_desc or u64 each
 * @mask: entries - 1
 * @pos: our own copy of the index that we write
 * @map: the mapping
 * @map_len: its length in bytes
 */
struct ring {
	uint32_t *producer;
	uint32_t *consumer;
	const uint32_t *flags;
	void *desc;
	uint32_t mask;
	uint32_t pos;
	void *map;
	size_t map_len;
};

/**
 * struct etran_channel - see the top of this file
 * @ctl: /dev/etran
 * @xsk: the AF_XDP socket
 * @endpoint: the endpoint's descriptor, -1 without one
 * @direct: on a queue of the NIC
 * @first_queue: direct mode: queues of the NIC that may be taken
 * @last_queue: the last of them
 * @tx_offset: where a request record begins in its frame
 * @queue: queue of the link device, or of the NIC
 * @tx_frames: frames 0..tx_frames - 1 are for sending
 * @rx_frames: those behind them for receiving
 * @umem: the memory
 * @umem_len: bytes
 * @tx: descriptors to send
 * @rx: received descriptors
 * @fill: buffers to receive into
 * @comp: descriptors that the kernel has read
 * @status: mapping of the endpoint, NULL without one
 * @status_len: bytes
 * @held: one byte a frame, in @status
 * @state: enum frame_state of each TX frame
 * @next: next TX frame in its chain or on the free list
 * @free_head: first free TX frame
 * @free: how many are on the free list
 * @kept: true for each RX frame that etran_rx_keep() took
 * @given: receive buffers given back since the module was last told, see tell_room()
 * @forks: etran_forks() when it was opened
 * @link: the link device
 */
struct etran_channel {
	int ctl;
	int xsk;
	int endpoint;
	bool direct;
	uint32_t first_queue;
	uint32_t last_queue;
	uint32_t tx_offset;
	uint32_t queue;
	uint32_t tx_frames;
	uint32_t rx_frames;
	uint8_t *umem;
	size_t umem_len;
	struct ring tx;
	struct ring rx;
	struct ring fill;
	struct ring comp;
	const struct etran_status *status;
	size_t status_len;
	const uint8_t *held;
	uint8_t *state;
	uint32_t *next;
	uint32_t free_head;
	uint32_t free;
	bool *kept;
	uint32_t given;
	unsigned int forks;
	struct etran_link_info link;
};

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* ---- finding the module, a link device, a transport ---- */

static int open_ctl(bool direct)
{
	struct etran_version v = {};
	int fd = open(DEV_PATH, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
			return etran_fail(ENOENT, "no " DEV_PATH
					  ": the module etran is not loaded; load it with: modprobe etran");
		if (errno == EACCES || errno == EPERM)
			return etran_fail(EACCES, DEV_PATH
					  " may not be opened by this user; run as root or change its permissions");
		return etran_fail(errno, "cannot open " DEV_PATH ": %s", strerror(errno));
	}
	if (ioctl(fd, ETRAN_IOC_VERSION, &v)) {
		etran_fail(EPROTO, DEV_PATH " does not tell its version (%s); is it etran's?",
			   strerror(errno));
		close(fd);
		return -1;
	}
	if (v.abi != ETRAN_ABI_VERSION) {
		etran_fail(EPROTO, "the loaded module etran %.31s has interface %u, this library needs %u; install both from one release",
			   v.module, v.abi, ETRAN_ABI_VERSION);
		close(fd);
		return -1;
	}
	if (direct && !(v.features & ETRAN_FEATURE_DIRECT)) {
		etran_fail(EOPNOTSUPP, "this kernel has no AF_XDP hook, which queues of a NIC need; unset ETRAN_NIC_QUEUES, or use a kernel with etran's patches");
		close(fd);
		return -1;
	}
	return fd;
}

int etran_kernel_version(struct etran_version *version)
{
	int fd, ret = 0;

	if (!version)
		return etran_fail(EFAULT, "version is NULL");
	fd = open(DEV_PATH, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return etran_fail(errno, "cannot open " DEV_PATH ": %s; is the module etran loaded?",
				  strerror(errno));
	if (ioctl(fd, ETRAN_IOC_VERSION, version))
		ret = etran_fail(errno, DEV_PATH " does not tell its version: %s", strerror(errno));
	close(fd);
	return ret;
}

/* Does this link device go by that name, or does the device below it? */
static bool link_matches(const struct etran_link_info *link, const char *name)
{
	return !strncmp(link->name, name, sizeof(link->name)) ||
	       !strncmp(link->lower_name, name, sizeof(link->lower_name));
}

static int find_link(int ctl, const char *name, struct etran_link_info *link)
{
	uint32_t id = 0;

	for (;;) {
		memset(link, 0, sizeof(*link));
		link->id = id;
		if (ioctl(ctl, ETRAN_IOC_LINK, link))
			break;
		if (!name || link_matches(link, name))
			return 0;
		id = link->id + 1;
	}
	if (errno != ENODEV)
		return etran_fail(errno, "cannot list etran link devices: %s", strerror(errno));
	if (!name)
		return etran_fail(ENODEV, "no etran link device in this network namespace; make one with: etranctl load TRANSPORT.bpf.o --dev IF");
	if (!if_nametoindex(name))
		return etran_fail(ENODEV, "no network device '%s' in this network namespace; see: ip link",
				  name);
	return etran_fail(ENODEV, "'%s' is no etran link device and has none above it; make one with: etranctl load TRANSPORT.bpf.o --dev %s",
			  name, name);
}

/* A transport is looked for before memory is pinned, to fail early and with its name. */
static int find_transport(int ctl, const char *name)
{
	struct etran_transport_info info;
	char loaded[256] = "";
	size_t len = 0;
	uint32_t id = 0;

	for (;;) {
		memset(&info, 0, sizeof(info));
		info.id = id;
		if (ioctl(ctl, ETRAN_IOC_TRANSPORT, &info))
			break;
		if (!strncmp(info.name, name, sizeof(info.name)))
			return 0;
		if (len < sizeof(loaded))
			len += snprintf(loaded + len, sizeof(loaded) - len, " %.*s",
					(int)sizeof(info.name), info.name);
		id = info.id + 1;
	}
	if (errno != ENOENT)
		return etran_fail(errno, "cannot list transports: %s", strerror(errno));
	return etran_fail(EPROTONOSUPPORT,
			  "transport '%s' is not loaded (loaded:%s); load it with: etranctl load %s.bpf.o --dev IF",
			  name, len ? loaded : " none", name);
}

/* ---- set-up ---- */

static int frames_wanted(uint32_t asked, const char *env, uint32_t dflt, uint32_t *out)
{
	const char *s = getenv(env);
	unsigned long n = asked;
	char *end;

	if (!asked && s && *s) {
		n = strtoul(s, &end, 0);
		if (*end)
			n = 0;
	} else if (!asked) {
		n = dflt;
	}
	if (n < MIN_FRAMES || n > MAX_FRAMES || (n & (n - 1)))
		return etran_fail(EINVAL, "%s must be a power of two in %u..%u, not '%s'", env,
				  MIN_FRAMES, MAX_FRAMES,
				  asked ? "the number in struct etran_channel_config" : s);
	*out = n;
	return 0;
}

/* Pinned memory counts against RLIMIT_MEMLOCK unless the process has CAP_IPC_LOCK. */
static void raise_memlock(void)
{
	struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };

	if (!setrlimit(RLIMIT_MEMLOCK, &lim))
		return;
	if (!getrlimit(RLIMIT_MEMLOCK, &lim) && lim.rlim_cur < lim.rlim_max) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_MEMLOCK, &lim);
	}
}

static int make_umem(struct etran_channel *ch)
{
	struct xdp_umem_reg reg = {};
	struct rlimit lim = {};

	ch->umem_len = (size_t)(ch->tx_frames + ch->rx_frames) * ETRAN_FRAME_SIZE;
	ch->umem = mmap(NULL, ch->umem_len, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (ch->umem == MAP_FAILED) {
		ch->umem = NULL;
		return etran_fail(ENOMEM, "no memory for %zu bytes of frames; set ETRAN_TX_FRAMES and ETRAN_RX_FRAMES lower",
				  ch->umem_len);
	}
	madvise(ch->umem, ch->umem_len, MADV_DONTFORK);
	reg.addr = (uintptr_t)ch->umem;
	reg.len = ch->umem_len;
	reg.chunk_size = ETRAN_FRAME_SIZE;
	if (!setsockopt(ch->xsk, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)))
		return 0;
	if (errno == ENOBUFS) {
		getrlimit(RLIMIT_MEMLOCK, &lim);
		return etran_fail(ENOBUFS, "%zu bytes of memory may not be pinned, RLIMIT_MEMLOCK is %llu; raise it (ulimit -l) or set ETRAN_TX_FRAMES and ETRAN_RX_FRAMES lower",
				  ch->umem_len, (unsigned long long)lim.rlim_cur);
	}
	return etran_fail(errno, "XDP_UMEM_REG of %zu bytes: %s", ch->umem_len, strerror(errno));
}

static int map_ring(struct etran_channel *ch, struct ring *r, const struct xdp_ring_offset *off,
		    off_t pgoff, uint32_t entries, size_t desc_size)
{
	uint8_t *map;

	r->map_len = off->desc + entries * desc_size;
	map = mmap(NULL, r->map_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ch->xsk,
		   pgoff);
	if (map == MAP_FAILED)
		return etran_fail(errno, "cannot map a ring of the AF_XDP socket: %s",
				  strerror(errno));
	madvise(map, r->map_len, MADV_DONTFORK);
	r->map = map;
	r->producer = (uint32_t *)(map + off->producer);
	r->consumer = (uint32_t *)(map + off->consumer);
	r->flags = (uint32_t *)(map + off->flags);
	r->desc = map + off->desc;
	r->mask = entries - 1;
	return 0;
}

static int make_rings(struct etran_channel *ch)
{
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof(off);
	const struct {
		int opt;
		uint32_t entries;
	} sizes[] = {
		{ XDP_TX_RING, ch->tx_frames },
		{ XDP_UMEM_COMPLETION_RING, ch->tx_frames },
		{ XDP_RX_RING, ch->rx_frames },
		{ XDP_UMEM_FILL_RING, ch->rx_frames },
	};
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (setsockopt(ch->xsk, SOL_XDP, sizes[i].opt, &sizes[i].entries,
			       sizeof(sizes[i].entries)))
			return etran_fail(errno, "cannot make a ring of %u entries: %s",
					  sizes[i].entries, strerror(errno));
	if (getsockopt(ch->xsk, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len) || len != sizeof(off))
		return etran_fail(EPROTO, "the kernel's AF_XDP is too old for this library");
	if (map_ring(ch, &ch->tx, &off.tx, XDP_PGOFF_TX_RING, ch->tx_frames,
		     sizeof(struct xdp_desc)) ||
	    map_ring(ch, &ch->rx, &off.rx, XDP_PGOFF_RX_RING, ch->rx_frames,
		     sizeof(struct xdp_desc)) ||
	    map_ring(ch, &ch->fill, &off.fr, XDP_UMEM_PGOFF_FILL_RING, ch->rx_frames,
		     sizeof(uint64_t)) ||
	    map_ring(ch, &ch->comp, &off.cr, XDP_UMEM_PGOFF_COMPLETION_RING, ch->tx_frames,
		     sizeof(uint64_t)))
		return -1;
	return 0;
}

static int make_frames(struct etran_channel *ch)
{
	uint64_t *fill = ch->fill.desc;
	uint32_t i;

	ch->state = calloc(ch->tx_frames, sizeof(*ch->state));
	ch->next = calloc(ch->tx_frames, sizeof(*ch->next));
	ch->kept = calloc(ch->rx_frames, sizeof(*ch->kept));
	if (!ch->state || !ch->next || !ch->kept)
		return etran_fail(ENOMEM, "no memory for %u frame states", ch->tx_frames);
	for (i = 0; i < ch->tx_frames; i++)
		ch->next[i] = i + 1;
	ch->next[ch->tx_frames - 1] = ETRAN_NO_FRAME;
	ch->free_head = 0;
	ch->free = ch->tx_frames;

	for (i = 0; i < ch->rx_frames; i++)
		fill[i] = (uint64_t)(ch->tx_frames + i) * ETRAN_FRAME_SIZE;
	ch->fill.pos = ch->rx_frames;
	__atomic_store_n(ch->fill.producer, ch->fill.pos, __ATOMIC_RELEASE);
	return 0;
}

static int bind_error(const struct etran_channel *ch, int err)
{
	switch (err) {
	case EBUSY:
		return etran_fail(EBUSY, "all %u queues of %.16s are in use (%u bound); end a program that uses one, or make the link device with more queues",
				  ch->link.queues, ch->link.name, ch->link.queues_bound);
	case ENETDOWN:
		return etran_fail(ENETDOWN, "%.16s is down; set it up with: ip link set %.16s up",
				  ch->link.name, ch->link.name);
	case ENODEV:
	case ENXIO:
		return etran_fail(ENODEV, "%.16s was removed meanwhile", ch->link.name);
	default:
		return etran_fail(err, "cannot bind an AF_XDP socket to queue %u of %.16s: %s",
				  ch->queue, ch->link.name, strerror(err));
	}
}

/*
 * The kernel names a free queue, but another program may take it first, and one whose owner was
 * killed stays busy for some ten milliseconds after the module has let it go. Ask again each time;
 * when the answer does not change, try others.
 */
static int bind_queue(struct etran_channel *ch)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct sockaddr_xdp sa = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = XDP_ZEROCOPY | XDP_USE_NEED_WAKEUP,
	};
	long long end = now_ms() + BIND_TIMEOUT_MS;
	uint32_t last = UINT32_MAX, tries = 0;
	uint32_t ifindex = ch->link.ifindex;
	int err;

	for (;;) {
		uint32_t queue = ch->link.free_queue;

		if (queue < ch->link.queues) {
			if (queue == last)
				queue = (queue + (uint32_t)getpid() + tries) % ch->link.queues;
			last = ch->link.free_queue;
			sa.sxdp_ifindex = ifindex;
			sa.sxdp_queue_id = queue;
			ch->queue = queue;
			if (!bind(ch->xsk, (struct sockaddr *)&sa, sizeof(sa)))
				return 0;
			err = errno;
		} else {
			err = EBUSY;
		}
		if (err != EBUSY || now_ms() >= end)
			return bind_error(ch, err);
		nanosleep(&pause, NULL);
		tries++;
		memset(&ch->link, 0, sizeof(ch->link));
		ch->link.ifindex = ifindex;
		if (ioctl(ch->ctl, ETRAN_IOC_LINK, &ch->link))
			return etran_fail(errno, "the link device was removed meanwhile");
	}
}

/* The first free one of those that the program may have; one whose owner was killed is busy for a moment. */
static int bind_nic_queue(struct etran_channel *ch)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct sockaddr_xdp sa = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = XDP_USE_NEED_WAKEUP,
		.sxdp_ifindex = ch->link.lower_ifindex,
	};
	long long end = now_ms() + BIND_TIMEOUT_MS;

	if (!sa.sxdp_ifindex)
		return etran_fail(ENODEV, "the device below %.16s is not in this network namespace, so none of its queues can be had",
				  ch->link.name);
	for (;;) {
		for (ch->queue = ch->first_queue; ch->queue <= ch->last_queue; ch->queue++) {
			sa.sxdp_queue_id = ch->queue;
			if (!bind(ch->xsk, (struct sockaddr *)&sa, sizeof(sa)))
				return 0;
			if (errno != EBUSY)
				return etran_fail(errno, "cannot bind an AF_XDP socket to queue %u of %.16s: %s; ETRAN_NIC_QUEUES says %u-%u, see: ethtool -l %.16s",
						  ch->queue, ch->link.lower_name, strerror(errno),
						  ch->first_queue, ch->last_queue, ch->link.lower_name);
		}
		if (now_ms() >= end)
			return etran_fail(EBUSY, "queues %u-%u of %.16s are all in use; name others with ETRAN_NIC_QUEUES",
					  ch->first_queue, ch->last_queue, ch->link.lower_name);
		nanosleep(&pause, NULL);
	}
}

static int set_direct(struct etran_channel *ch)
{
	int direct = direct_queues(&ch->first_queue, &ch->last_queue);

	if (direct <= 0)
		return direct;
	ch->direct = true;
	ch->tx_offset = DIRECT_PAYLOAD - sizeof(struct etran_req);
	return 0;
}

/* In direct mode some frames are the driver's for good: see direct.c. */
static int add_driver_frames(struct etran_channel *ch)
{
	uint32_t slots = ch->direct ? direct_ring_slots(ch->link.lower_ifindex) : 0;

	while (ch->rx_frames / 2 < slots) {
		if (ch->rx_frames > MAX_FRAMES / 2)
			return etran_fail(EINVAL, "%.16s has receive rings of %u slots, for which a channel cannot have frames enough; make them shorter: ethtool -G %.16s rx %u",
					  ch->link.lower_name, slots, ch->link.lower_name, MAX_FRAMES / 2);
		ch->rx_frames *= 2;
	}
	return 0;
}

static int open_xsk(struct etran_channel *ch)
{
	ch->xsk = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (ch->xsk >= 0)
		return 0;
	if (errno == EPERM)
		return etran_fail(EPERM, "AF_XDP sockets need CAP_NET_RAW; run as root or with that capability (setcap cap_net_raw+ep PROGRAM)");
	if (errno == EAFNOSUPPORT)
		return etran_fail(EAFNOSUPPORT, "this kernel has no AF_XDP sockets (CONFIG_XDP_SOCKETS)");
	return etran_fail(errno, "cannot make an AF_XDP socket: %s", strerror(errno));
}

struct etran_channel *etran_channel_open(const struct etran_channel_config *config)
{
	struct etran_channel_config c = {};
	struct etran_channel *ch;

	if (config) {
		if (config->size != sizeof(c)) {
			etran_fail(EINVAL, "config.size is %zu, this library knows %zu",
				   config->size, sizeof(c));
			return NULL;
		}
		c = *config;
	}
	if (!c.device)
		c.device = getenv("ETRAN_DEV");
	if (c.device && !*c.device)
		c.device = NULL;

	ch = calloc(1, sizeof(*ch));
	if (!ch) {
		etran_fail(ENOMEM, "no memory for a channel");
		return NULL;
	}
	ch->ctl = -1;
	ch->xsk = -1;
	ch->endpoint = -1;
	ch->forks = etran_forks();
	if (set_direct(ch))
		goto fail;
	ch->ctl = open_ctl(ch->direct);
	if (ch->ctl < 0)
		goto fail;
	if (frames_wanted(c.tx_frames, "ETRAN_TX_FRAMES", TX_FRAMES, &ch->tx_frames) ||
	    frames_wanted(c.rx_frames, "ETRAN_RX_FRAMES", RX_FRAMES, &ch->rx_frames) ||
	    find_link(ch->ctl, c.device, &ch->link) || add_driver_frames(ch))
		goto fail;
	raise_memlock();
	if (open_xsk(ch) || make_umem(ch) || make_rings(ch) || make_frames(ch) ||
	    (ch->direct ? bind_nic_queue(ch) : bind_queue(ch)))
		goto fail;
	return ch;
fail:
	{
		int err = errno;

		etran_channel_close(ch);
		errno = err;
	}
	return NULL;
}

/* In a child of fork() the mappings are not there; something else may be. */
static void unmap(const struct etran_channel *ch, const void *map, size_t len)
{
	if (map && ch->forks == etran_forks())
		munmap((void *)map, len);
}

void etran_channel_close(struct etran_channel *ch)
{
	if (!ch)
		return;
	etran_endpoint_detach(ch);
	unmap(ch, ch->tx.map, ch->tx.map_len);
	unmap(ch, ch->rx.map, ch->rx.map_len);
	unmap(ch, ch->fill.map, ch->fill.map_len);
	unmap(ch, ch->comp.map, ch->comp.map_len);
	if (ch->xsk >= 0)
		close(ch->xsk);
	unmap(ch, ch->umem, ch->umem_len);
	if (ch->ctl >= 0)
		close(ch->ctl);
	free(ch->state);
	free(ch->next);
	free(ch->kept);
	free(ch);
}

int etran_channel_fds(const struct etran_channel *ch, int fds[4])
{
	const int all[3] = { ch->xsk, ch->ctl, ch->endpoint };
	int i, n = 0;

	for (i = 0; i < 3; i++)
		if (all[i] >= 0)
			fds[n++] = all[i];
	return n;
}

int etran_channel_fd(const struct etran_channel *ch)
{
	return ch->xsk;
}

const struct etran_link_info *etran_channel_link(const struct etran_channel *ch)
{
	return &ch->link;
}

uint32_t etran_channel_queue(const struct etran_channel *ch)
{
	return ch->queue;
}

uint32_t etran_channel_tx_frames(const struct etran_channel *ch)
{
	return ch->tx_frames;
}

uint32_t etran_channel_rx_frames(const struct etran_channel *ch)
{
	return ch->rx_frames;
}

/* ---- endpoint ---- */

static int map_status(struct etran_channel *ch)
{
	size_t page = sysconf(_SC_PAGESIZE), len;
	const struct etran_status *st;
	uint32_t chunks, offset;

	/* The first page says how long the mapping is. */
	st = mmap(NULL, page, PROT_READ, MAP_SHARED, ch->endpoint, 0);
	if (st == MAP_FAILED)
		return etran_fail(errno, "cannot map the endpoint's status: %s", strerror(errno));
	chunks = st->chunks;
	offset = st->chunk_offset;
	munmap((void *)st, page);
	if (offset < sizeof(*st) || chunks < ch->tx_frames)
		return etran_fail(EPROTO, "the module's status mapping has %u frames at %u, this library needs %u; install both from one release",
				  chunks, offset, ch->tx_frames);
	len = ((size_t)offset + chunks + page - 1) / page * page;
	st = mmap(NULL, len, PROT_READ, MAP_SHARED, ch->endpoint, 0);
	if (st == MAP_FAILED)
		return etran_fail(errno, "cannot map %zu bytes of the endpoint's status: %s", len,
				  strerror(errno));
	madvise((void *)st, len, MADV_DONTFORK);
	ch->status = st;
	ch->status_len = len;
	ch->held = (const uint8_t *)st + offset;
	return 0;
}

int etran_endpoint_attach(struct etran_channel *ch, struct etran_endpoint_open *arg)
{
	int fd, err;

	if (ch->endpoint >= 0)
		return etran_fail(EALREADY, "this channel has an endpoint already");
	arg->transport[sizeof(arg->transport) - 1] = 0;
	if (find_transport(ch->ctl, arg->transport))
		return -1;
	arg->xsk_fd = ch->xsk;
	arg->flags |= O_CLOEXEC;
	fd = ioctl(ch->ctl, ETRAN_IOC_ENDPOINT_OPEN, arg);
	if (fd < 0) {
		if (errno == ENOENT)
			return find_transport(ch->ctl, arg->transport) ? -1 :
			       etran_fail(EAGAIN, "transport '%s' is being replaced; try again",
					  arg->transport);
		if (errno == EADDRINUSE)
			return etran_fail(EADDRINUSE, "the port is in use by another endpoint");
		return etran_fail(errno, "cannot open an endpoint of '%s' on %.16s: %s",
				  arg->transport, ch->link.name, strerror(errno));
	}
	ch->endpoint = fd;
	if (map_status(ch)) {
		err = errno;
		etran_endpoint_detach(ch);
		errno = err;
		return -1;
	}
	return fd;
}

void etran_endpoint_lost(struct etran_channel *ch)
{
	ch->endpoint = -1;
	etran_endpoint_detach(ch);
}

void etran_endpoint_detach(struct etran_channel *ch)
{
	unmap(ch, ch->status, ch->status_len);
	ch->status = NULL;
	ch->held = NULL;
	if (ch->endpoint >= 0)
		close(ch->endpoint);
	ch->endpoint = -1;
}

const struct etran_status *etran_endpoint_status(const struct etran_channel *ch)
{
	return ch->status;
}

int etran_endpoint_bind_port(struct etran_channel *ch, struct etran_endpoint_bind *arg)
{
	uint16_t port = arg->port;

	if (!ioctl(ch->endpoint, ETRAN_IOC_BIND, arg))
		return 0;
	if (errno == EADDRINUSE)
		return etran_fail(EADDRINUSE, "port %u is in use by another endpoint", port);
	if (errno == EACCES)
		return etran_fail(EACCES, "port %u needs CAP_NET_BIND_SERVICE; choose a higher one, or setcap cap_net_bind_service+ep PROGRAM",
				  port);
	if (errno == EADDRNOTAVAIL)
		return etran_fail(EADDRNOTAVAIL, "this host has no such address, or no port is free");
	return etran_fail(errno, "the transport refuses port %u: %s", port, strerror(errno));
}

int etran_endpoint_ready(struct etran_channel *ch, int ready)
{
	uint32_t arg = !!ready;

	if (!ioctl(ch->endpoint, ETRAN_IOC_READY, &arg))
		return 0;
	return etran_fail(errno, "cannot tell the kernel what is ready: %s", strerror(errno));
}

/* ---- transmit ---- */

uint32_t etran_tx_free(const struct etran_channel *ch)
{
	return ch->free;
}

void *etran_tx_frame(struct etran_channel *ch, struct etran_chain *chain)
{
	uint32_t f = ch->free_head;

	if (f == ETRAN_NO_FRAME)
		return NULL;
	ch->free_head = ch->next[f];
	ch->free--;
	ch->next[f] = ETRAN_NO_FRAME;
	ch->state[f] = FRAME_TAKEN;
	if (chain->count++)
		ch->next[chain->tail] = f;
	else
		chain->head = f;
	chain->tail = f;
	return ch->umem + (size_t)f * ETRAN_FRAME_SIZE + ch->tx_offset;
}

void etran_tx_queue(struct etran_channel *ch, const struct etran_chain *chain, uint32_t len)
{
	struct xdp_desc *d = (struct xdp_desc *)ch->tx.desc + (ch->tx.pos & ch->tx.mask);

	d->addr = (uint64_t)chain->tail * ETRAN_FRAME_SIZE + ch->tx_offset;
	d->len = len;
	d->options = 0;
	__atomic_store_n(ch->tx.producer, ++ch->tx.pos, __ATOMIC_RELEASE);
}

/* Is who sends from the ring to be told? A driver can say that it looks by itself. */
static bool driver_waits(const struct etran_channel *ch)
{
	return !ch->direct || __atomic_load_n(ch->tx.flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP;
}

int etran_tx_kick(struct etran_channel *ch)
{
	int i;

	if (!driver_waits(ch))
		return 0;
	for (i = 0; i < MAX_KICKS; i++) {
		if (!ioctl(ch->endpoint, ETRAN_IOC_KICK))
			return 0;
		if (errno != EAGAIN)
			break;
	}
	if (errno == ENODEV || errno == ENETDOWN || errno == ENXIO)
		return etran_fail(ENETDOWN, "%.16s is down or was removed", ch->link.name);
	return etran_fail(errno, "cannot send on %.16s: %s", ch->link.name, strerror(errno));
}

int etran_tx_pending(const struct etran_channel *ch)
{
	return __atomic_load_n(ch->tx.consumer, __ATOMIC_RELAXED) != ch->tx.pos;
}

static void read_completions(struct etran_channel *ch)
{
	uint32_t end = __atomic_load_n(ch->comp.producer, __ATOMIC_ACQUIRE);
	const uint64_t *desc = ch->comp.desc;
	uint64_t f;

	if (ch->comp.pos == end)
		return;
	for (; ch->comp.pos != end; ch->comp.pos++) {
		f = desc[ch->comp.pos & ch->comp.mask] / ETRAN_FRAME_SIZE;
		if (f < ch->tx_frames && ch->state[f] == FRAME_TAKEN)
			ch->state[f] = FRAME_READ;
	}
	__atomic_store_n(ch->comp.consumer, ch->comp.pos, __ATOMIC_RELEASE);
}

uint32_t etran_tx_reclaim(struct etran_channel *ch, struct etran_chain *chain)
{
	uint32_t f;

	read_completions(ch);
	while (chain->count) {
		f = chain->head;
		/* The kernel sets the byte before it completes: read in the opposite order. */
		if (ch->state[f] != FRAME_READ ||
		    (ch->held && __atomic_load_n(&ch->held[f], __ATOMIC_ACQUIRE)))
			break;
		chain->head = ch->next[f];
		chain->count--;
		ch->state[f] = FRAME_FREE;
		ch->next[f] = ch->free_head;
		ch->free_head = f;
		ch->free++;
	}
	if (!chain->count)
		chain->head = chain->tail = ETRAN_NO_FRAME;
	return chain->count;
}

int etran_tx_wait(struct etran_channel *ch, uint32_t released, int timeout_ms)
{
	struct etran_wait wait = { .released = released, .timeout_ms = timeout_ms };

	if (!ioctl(ch->endpoint, ETRAN_IOC_WAIT_RELEASED, &wait))
		return 0;
	return etran_fail(errno, "waiting for frames to come back: %s", strerror(errno));
}

/* ---- receive ---- */

/* Does a transport let senders wait until there are @least buffers more than when it was last told? */
static inline void tell_room(struct etran_channel *ch, uint32_t least)
{
	if (ch->given < least || !ch->status ||
	    !__atomic_load_n(&ch->status->rx_short, __ATOMIC_RELAXED))
		return;
	ch->given = 0;
	/* Nothing can go wrong, and no error would be this call's business. */
	ioctl(ch->endpoint, ETRAN_IOC_ROOM);
}

/* The frame of a descriptor in the RX ring; NULL when it cannot be one. */
static const void *frame_at(const struct etran_channel *ch, uint32_t pos, uint32_t *len)
{
	const struct xdp_desc *d = (const struct xdp_desc *)ch->rx.desc + (pos & ch->rx.mask);
	uint64_t first = (uint64_t)ch->tx_frames * ETRAN_FRAME_SIZE;

	if (d->addr < first || d->addr >= ch->umem_len || d->len < sizeof(struct etran_rec) ||
	    d->len > ETRAN_FRAME_SIZE - d->addr % ETRAN_FRAME_SIZE)
		return NULL;
	*len = d->len;
	return ch->umem + d->addr;
}

const void *etran_rx_peek(struct etran_channel *ch, uint32_t *len)
{
	const void *frame;

	while (ch->rx.pos != __atomic_load_n(ch->rx.producer, __ATOMIC_ACQUIRE)) {
		frame = frame_at(ch, ch->rx.pos, len);
		if (frame)
			return frame;
		etran_rx_pop(ch);
	}
	if (ch->direct && __atomic_load_n(ch->fill.flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP)
		direct_refill(ch->xsk);
	tell_room(ch, 1);
	return NULL;
}

const void *etran_rx_peek_at(struct etran_channel *ch, uint32_t n, uint32_t *len)
{
	if (n >= __atomic_load_n(ch->rx.producer, __ATOMIC_ACQUIRE) - ch->rx.pos)
		return NULL;
	return frame_at(ch, ch->rx.pos + n, len);
}

static void fill(struct etran_channel *ch, uint64_t addr)
{
	uint64_t *entry = ch->fill.desc;

	entry[ch->fill.pos & ch->fill.mask] = addr / ETRAN_FRAME_SIZE * ETRAN_FRAME_SIZE;
	__atomic_store_n(ch->fill.producer, ++ch->fill.pos, __ATOMIC_RELEASE);
	ch->given++;
}

/* What was at its head is the caller's. */
static const struct xdp_desc *take(struct etran_channel *ch)
{
	const struct xdp_desc *d = (const struct xdp_desc *)ch->rx.desc +
				   (ch->rx.pos & ch->rx.mask);

	ch->rx.pos++;
	return d;
}

void etran_rx_pop(struct etran_channel *ch)
{
	fill(ch, take(ch)->addr);
	__atomic_store_n(ch->rx.consumer, ch->rx.pos, __ATOMIC_RELEASE);
	/* Before the ring is empty, for what is sent then takes its time to come. */
	tell_room(ch, ch->rx_frames / 8);
}

uint32_t etran_rx_keep(struct etran_channel *ch)
{
	uint32_t f = take(ch)->addr / ETRAN_FRAME_SIZE - ch->tx_frames;

	ch->kept[f] = true;
	__atomic_store_n(ch->rx.consumer, ch->rx.pos, __ATOMIC_RELEASE);
	return f;
}

uint32_t etran_rx_frame(const struct etran_channel *ch, const void *p)
{
	uintptr_t at = (uintptr_t)p, first = (uintptr_t)ch->umem +
		       (size_t)ch->tx_frames * ETRAN_FRAME_SIZE;

	if (at < first || at - first >= (size_t)ch->rx_frames * ETRAN_FRAME_SIZE)
		return ETRAN_NO_FRAME;
	return (at - first) / ETRAN_FRAME_SIZE;
}

int etran_rx_give(struct etran_channel *ch, uint32_t frame)
{
	if (frame >= ch->rx_frames || !ch->kept[frame])
		return etran_fail(EINVAL, "RX frame %u was not kept, or was given back before", frame);
	ch->kept[frame] = false;
	fill(ch, (uint64_t)(ch->tx_frames + frame) * ETRAN_FRAME_SIZE);
	return 0;
}

void etran_rx_given(struct etran_channel *ch)
{
	tell_room(ch, 1);
}

uint32_t etran_rx_delivered(const struct etran_channel *ch)
{
	uint32_t n = __atomic_load_n(&ch->status->delivered, __ATOMIC_ACQUIRE);

	/* The driver puts records there without the module. */
	return ch->direct ? n + __atomic_load_n(ch->rx.producer, __ATOMIC_ACQUIRE) : n;
}

int etran_rx_wait(struct etran_channel *ch, uint32_t delivered, uint32_t flags, int timeout_ms)
{
	struct etran_wait_rx wait = {
		.delivered = delivered,
		.flags = driver_waits(ch) ? flags : flags & ~ETRAN_WAIT_KICK,
		.timeout_ms = timeout_ms,
		.producer = ch->direct ? (uintptr_t)ch->rx.producer : 0,
	};

	if (!ioctl(ch->endpoint, ETRAN_IOC_WAIT_RX, &wait))
		return 0;
	return etran_fail(errno, "waiting for records: %s", strerror(errno));
}

int etran_rx_wake(struct etran_channel *ch)
{
	if (!ioctl(ch->endpoint, ETRAN_IOC_WAKE))
		return 0;
	return etran_fail(errno, "waking who waits for records: %s", strerror(errno));
}
