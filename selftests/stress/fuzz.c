// SPDX-License-Identifier: GPL-2.0
/*
 * Random and mutated frames from the wire, random requests and random ioctls. The corpus (README.md)
 * is sent before them. ETRAN_TEST_SEED and ETRAN_TEST_COUNT replace seed and count.
 */
#include <dirent.h>
#include "stress.h"

STRESS_FIXTURE

/* ---- frames from the wire ---- */

/* A packet from a to b but for its IP header: @ip bytes of zero. Return: its length. */
static int build(struct stress *s, uint8_t *b, const char *type, int ip, uint32_t len)
{
	struct load_hdr lh = { LOAD_MAGIC, 99, 1, len, load_sum(99, 1, len) };
	int n = 14 + ip + sizeof(lh) + len;

	memset(b, 0x5a, n);
	memset(b, 0, 14 + ip);
	memcpy(b, s->hosts.b.mac, 6);
	memcpy(b + 6, "\x02\0\0\0\0\x0f", 6);
	memcpy(b + 12, type, 2);
	memcpy(b + 14 + ip, &lh, sizeof(lh));
	return n;
}

/* The same, right in all respects. */
static int build4(struct stress *s, uint8_t *b, uint32_t len)
{
	int n = build(s, b, "\x08\0", 20, len), tot = n - 14;

	b[14] = 0x45;
	b[16] = tot >> 8;
	b[17] = tot;
	b[22] = 64;
	b[23] = LOAD_PROTO;
	memcpy(b + 26, &s->hosts.a.addr, 4);
	memcpy(b + 30, &s->hosts.b.addr, 4);
	raw_sum(b);
	return n;
}

static int build6(struct stress *s, uint8_t *b, uint32_t len)
{
	int n = build(s, b, "\x86\xdd", 40, len), plen = n - 54;

	b[14] = 0x60;
	b[18] = plen >> 8;
	b[19] = plen;
	b[20] = LOAD_PROTO;
	b[21] = 64;
	inet_pton(AF_INET6, ET_ADDR6_A, b + 22);
	inet_pton(AF_INET6, ET_ADDR6_B, b + 38);
	return n;
}

/* An ICMP or ICMPv6 error that quotes a packet which b has sent. */
static int build_error(struct stress *s, uint8_t *b, bool v6)
{
	uint8_t q[256];
	uint16_t sum;
	int n;

	if (v6) {
		n = build6(s, q, 32) - 14;
		memmove(b, q, 54);
		b[18] = 0;
		b[19] = 8 + n;
		b[20] = 58;
		memset(b + 54, 0, 8);
		b[54] = 1;
		memcpy(b + 62, q + 14, n);
		memcpy(b + 62 + 8, q + 38, 16);
		memcpy(b + 62 + 24, q + 22, 16);
		/* Its sum is left wrong half of the time by who calls; the kernel's to judge. */
		return 62 + n;
	}
	n = build4(s, q, 32) - 14;
	memcpy(b, q, 34);
	b[16] = 0;
	b[17] = 28 + n;
	b[23] = 1;
	raw_sum(b);
	memset(b + 34, 0, 8);
	b[34] = 3;
	b[35] = 1;
	memcpy(b + 42, q + 14, n);
	memcpy(b + 42 + 12, &s->hosts.b.addr, 4);
	memcpy(b + 42 + 16, &s->hosts.a.addr, 4);
	sum = ip_sum(b + 34, 8 + n);
	b[36] = sum >> 8;
	b[37] = sum;
	return 42 + n;
}

/* Room for @n bytes at @at of a packet of @len. */
static int insert(uint8_t *b, int len, int at, int n)
{
	memmove(b + at + n, b + at, len - at);
	memset(b + at, 0, n);
	return len + n;
}

static int mutate(struct stress *s, uint8_t *b, uint64_t *seed)
{
	uint64_t r = stress_rnd(seed);
	uint32_t size = (r >> 32) % 1200;
	int n, i, at, kind = r % 8;
	bool fix;

	switch (kind) {
	case 0:
		n = 14 + r / 8 % 1400;
		for (i = 0; i < n; i++)
			b[i] = stress_rnd(seed);
		if (r & 0x10000)
			memcpy(b, s->hosts.b.mac, 6);
		if (r & 0x20000)
			memcpy(b + 12, r & 0x40000 ? "\x08\0" : "\x86\xdd", 2);
		return n;
	case 1:
	case 2:
		n = build6(s, b, size);
		break;
	case 3:
		n = build_error(s, b, false);
		break;
	case 4:
		n = build_error(s, b, true);
		break;
	default:
		n = build4(s, b, size);
		break;
	}
	fix = b[12] == 8;
	r = stress_rnd(seed);
	switch (r % 12) {
	case 0:		/* truncated */
		n = 14 + (r >> 8) % (n - 13);
		break;
	case 1:		/* VLAN, or two */
		n = insert(b, n, 12, r & 0x10000 ? 8 : 4);
		b[12] = 0x81;
		b[14] = 0x10;
		if (r & 0x10000)
			b[16] = 0x81;
		return n;
	case 2:		/* IPv4 options, IPv6 extension headers */
		if (b[12] == 8) {
			at = 4 * (1 + (r >> 8) % 10);
			n = insert(b, n, 34, at);
			b[14] += at / 4;
			b[16] = (n - 14) >> 8;
			b[17] = n - 14;
		} else {
			static const uint8_t ext[] = { 0, 43, 44, 60, 50, 51, 135, 59 };

			for (i = (r >> 8) % 12; i >= 0; i--) {
				n = insert(b, n, 54, 8);
				b[54] = b[20];
				b[55] = r & 0x100000 ? 0 : (r >> 24);
				b[20] = ext[stress_rnd(seed) % 8];
			}
			b[18] = (n - 54) >> 8;
			b[19] = n - 54;
		}
		break;
	case 3:		/* a fragment */
		if (b[12] == 8) {
			b[20] = r >> 8;
			b[21] = r >> 16;
		}
		break;
	case 4:		/* lengths that lie */
		b[b[12] == 8 ? 16 : 18] = r >> 8;
		b[b[12] == 8 ? 17 : 19] = r >> 16;
		break;
	case 5:		/* padding behind */
		memset(b + n, 0xee, 40);
		n += (r >> 8) % 40;
		break;
	case 6:		/* to somebody else */
		b[(r >> 8) % 6] ^= 1 << ((r >> 16) & 7);
		break;
	case 7:		/* as it is */
		break;
	default:	/* some bytes in the headers, or anywhere */
		for (i = (r >> 8) % 8; i >= 0; i--) {
			uint64_t x = stress_rnd(seed);

			at = x & 1 ? 14 + (x >> 8) % 60 : (x >> 8) % n;
			if (at < n)
				b[at] = x & 2 ? x >> 40 : b[at] ^ 1 << ((x >> 40) & 7);
		}
	}
	/* A wrong sum would end most of them at the first look. */
	if (fix && n >= 34 && (b[14] & 15) >= 5 && 14 + (b[14] & 15) * 4 <= n && r >> 63)
		raw_sum(b);
	return n;
}

/* Each file in corpus/ that ends in .frame: bytes in hex, '#' begins a comment. */
static int replay(struct stress *s, int fd)
{
	char path[PATH_MAX], line[4096], *p;
	const char *top = getenv("ETRAN_TOP");
	uint8_t b[2048];
	struct dirent *e;
	int n, sent = 0;
	unsigned int v;
	DIR *d;
	FILE *f;

	snprintf(path, sizeof(path), "%s/selftests/stress/corpus", top ?: "../..");
	d = opendir(path);
	if (!d)
		d = opendir("corpus");
	if (!d)
		return et_fail("%s", path);
	while ((e = readdir(d))) {
		if (!strstr(e->d_name, ".frame"))
			continue;
		n = openat(dirfd(d), e->d_name, O_RDONLY);
		f = n < 0 ? NULL : fdopen(n, "r");
		if (!f)
			return et_fail("%s", e->d_name);
		n = 0;
		while (fgets(line, sizeof(line), f)) {
			line[strcspn(line, "#\n")] = 0;
			for (p = line; sscanf(p, " %2x", &v) == 1 && n < (int)sizeof(b); p++) {
				b[n++] = v;
				p += strspn(p, " ") + 1;
			}
		}
		fclose(f);
		if (n < 14)
			return et_fail("%s is no frame: %d bytes", e->d_name, n);
		if (send(fd, b, n, 0) != n)
			return et_fail("sending %s", e->d_name);
		sent++;
	}
	closedir(d);
	printf("# %d frames of the corpus\n", sent);
	return sent ? 0 : et_fail("the corpus is empty");
}

TEST_F_TIMEOUT(stress, frames_from_the_wire, 200)
{
	struct stress *s = &self->s;
	uint64_t seed = stress_seed(0x66757a7a);
	uint32_t i, n = stress_count(200000);
	struct et_counters before, after;
	static uint8_t b[4096];
	int fd, len;

	ASSERT_EQ(0, stress_honest_open(s, 0));
	fd = raw_open();
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, et_counters_read(&before, ETRAN_COUNTERS_MODULE, 0));
	ASSERT_EQ(0, replay(s, fd));
	for (i = 0; i < n; i++) {
		len = mutate(s, b, &seed);
		if (len > 1514)
			len = 1514;
		/* The kernel itself may refuse one, as too short; it has no room for others at once. */
		if (send(fd, b, len, 0) < 0 && errno == ENOBUFS)
			usleep(1000);
		if (i % 8192 == 0)
			ASSERT_EQ(0, stress_honest(s, 2));
	}
	close(fd);
	ASSERT_EQ(0, stress_honest(s, 20));
	ASSERT_EQ(0, stress_conserved(s));
	ASSERT_EQ(0, et_counters_read(&after, ETRAN_COUNTERS_MODULE, 0));
#define GREW(name) (et_value(&after, name) - et_value(&before, name))
	/* They came as far as the transport, and were stopped on the way. */
	EXPECT_LT(n / 20, GREW("rx_packets"));
	EXPECT_LT(0, GREW("rx_options"));
	EXPECT_LT(0, GREW("rx_fragment"));
}

/* ---- requests ---- */

TEST_F_TIMEOUT(stress, requests, 200)
{
	struct stress *s = &self->s;
	uint64_t seed = stress_seed(0x72657175657374), r;
	uint32_t i, k, n = stress_count(400000);
	struct xsk x;

	ASSERT_EQ(0, stress_honest_open(s, 0));
	ASSERT_EQ(0, stress_open(&x, 1));
	for (i = 0; i < n; i += 16) {
		for (k = 0; k < 16; k++) {
			uint8_t *q;

			r = stress_rnd(&seed);
			stress_request(&x, r % STRESS_SEND, r >> 40, r, r, r >> 16 & 0x1ff);
			q = x.umem + r % STRESS_SEND * XSK_CHUNK;
			/* All of the record, or some bytes of it; mostly its own endpoint. */
			if (r >> 60 < 4)
				for (uint32_t at = 0; at < sizeof(struct etran_req); at += 8)
					*(uint64_t *)(q + at) = stress_rnd(&seed);
			else
				q[4 + (r >> 32) % (sizeof(struct etran_req) - 4)] = r >> 24;
			if (r >> 60 < 3)
				((struct etran_req *)q)->endpoint = x.id;
			/* Where no neighbour has to be asked for, or nowhere. */
			((struct load_req *)((struct etran_req *)q)->data)->daddr =
				r & 1 << 21 ? 0 : r & 1 << 22 ? s->hosts.a.addr : ~0u << (r & 31);
		}
		ASSERT_EQ(0, xsk_kick(&x));
		xsk_complete(&x, NULL, 0);
		if (i % 8192 == 0)
			ASSERT_EQ(0, stress_honest(s, 2));
	}
	ASSERT_EQ(0, stress_honest(s, 20));
	ASSERT_EQ(0, stress_conserved(s));
	printf("# %llu packets arrived\n", (unsigned long long)s->load->good);
	EXPECT_LT(n / 8, s->load->good);
	/* A sixteenth has an endpoint that does not exist. */
	EXPECT_LT(n / 32, et_count("frame_endpoint"));
	xsk_close(&x);
}

/* ---- ioctls ---- */

TEST_F_TIMEOUT(stress, ioctls, 200)
{
	static const unsigned int cmds[] = {
		ETRAN_IOC_VERSION, ETRAN_IOC_LINK, ETRAN_IOC_TRANSPORT, ETRAN_IOC_COUNTERS,
		ETRAN_IOC_ENDPOINT_OPEN, ETRAN_IOC_BIND, ETRAN_IOC_READY, ETRAN_IOC_WAIT_RELEASED,
		ETRAN_IOC_WAIT_RX, ETRAN_IOC_KICK, ETRAN_IOC_WAKE,
	};
	struct stress *s = &self->s;
	uint64_t seed = stress_seed(0x696f63746c), r;
	uint32_t i, k, n = stress_count(400000);
	static union {
		uint64_t word[1 << 13];
		struct etran_counters counters;
		struct etran_endpoint_open open;
		struct etran_wait wait;
		struct etran_wait_rx wait_rx;
	} big;
	unsigned int cmd;
	uint64_t *arg;
	int fds[2], fd, got;
	long page = sysconf(_SC_PAGESIZE);
	uint8_t *edge;
	struct xsk x;

	/* A page behind which there is none, one that cannot be written. */
	edge = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, edge);
	ASSERT_EQ(0, munmap(edge + page, page));
	ASSERT_EQ(0, mprotect(edge + 2 * page, page, PROT_READ));
	ASSERT_EQ(0, stress_honest_open(s, 0));
	ASSERT_EQ(0, stress_open(&x, 1));
	fds[0] = et_device();
	fds[1] = x.ep;
	for (i = 0; i < n; i++) {
		r = stress_rnd(&seed);
		cmd = r % 4 ? cmds[r / 4 % 11] : r % 8 ? (uint32_t)(r >> 32) :
		      /* The right number with another size or direction. */
		      _IOC(r >> 40 & 3, ETRAN_IOC_MAGIC, r >> 48 & 31, r >> 8 & 0x3fff);
		arg = r >> 60 < 12 ? big.word : r >> 60 == 12 ? (void *)(edge + page - (r >> 20) % 64) :
		      r >> 60 == 13 ? (void *)(edge + 2 * page) : (void *)(uintptr_t)stress_rnd(&seed);
		if (arg == big.word) {
			for (k = 0; k < 20; k++)
				big.word[k] = stress_rnd(&seed) % 3 ? stress_rnd(&seed) % 4 :
					 stress_rnd(&seed);
			if (cmd == ETRAN_IOC_COUNTERS && r & 0x10000)
				big.counters.buf = (uintptr_t)(big.word + 64);
			if (cmd == ETRAN_IOC_COUNTERS)
				big.counters.count %= 256;
			if (cmd == ETRAN_IOC_ENDPOINT_OPEN && r & 0x10000) {
				struct etran_endpoint_open *o = &big.open;

				strcpy(o->transport, LOAD_NAME);
				o->xsk_fd = r & 0x20000 ? x.fd : (int)(r >> 20 & 63);
				o->flags = r & 0x40000 ? 0 : o->flags;
			}
		}
		/* An answer that never comes is no fault. */
		if (cmd == ETRAN_IOC_WAIT_RELEASED || cmd == ETRAN_IOC_WAIT_RX) {
			if (arg != big.word)
				continue;
			if (cmd == ETRAN_IOC_WAIT_RX)
				big.wait_rx.timeout_ms = r >> 32 & 1;
			else
				big.wait.timeout_ms = r >> 32 & 1;
		}
		fd = fds[r >> 50 & 1];
		got = ioctl(fd, cmd, arg);
		if (got > 2 && cmd == ETRAN_IOC_ENDPOINT_OPEN && fd == fds[0])
			close(got);
		if (i % 8192 == 0)
			ASSERT_EQ(0, stress_honest(s, 2));
	}
	close(fds[0]);
	munmap(edge, page);
	munmap(edge + 2 * page, page);
	ASSERT_EQ(0, stress_honest(s, 20));
	ASSERT_EQ(0, stress_conserved(s));
	xsk_close(&x);
}

STRESS_MAIN
