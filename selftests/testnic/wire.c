// SPDX-License-Identifier: GPL-2.0
/* Faults of the wire: as many as asked for, the same again with the same seed, counted. */
#include <sys/stat.h>
#include "testnic_test.h"

#define COUNT 1000
#define LEN 100
#define COUNT_OF(a) (sizeof(a) / sizeof(*(a)))

FIXTURE(wire) {
	int out, in;
};

FIXTURE_SETUP(wire)
{
	ASSERT_EQ(0, tn_up(""));
	self->out = tn_packet_socket("tn0");
	ASSERT_EQ(0, et_enter(tn.b));
	self->in = tn_packet_socket("tn1");
	ASSERT_EQ(0, et_enter(tn.a));
	ASSERT_GE(self->out, 0);
	ASSERT_GE(self->in, 0);
}

FIXTURE_TEARDOWN(wire)
{
	EXPECT_EQ(0, et_sh("ip link set tn0 down"));
	EXPECT_EQ(0, tn_conserved("tn0", "tn1"));
	close(self->out);
	close(self->in);
	EXPECT_EQ(0, tn_down());
}

static void numbered(uint8_t *f, uint32_t seq, uint32_t len)
{
	tn_ethernet(f, false, TN_PROTO);
	memcpy(f + 14, &seq, 4);
	memset(f + 18, seq, len - 18);
}

static int put(int fd, const uint8_t *f, size_t len)
{
	return send(fd, f, len, 0) == (ssize_t)len ? 0 : et_fail("send");
}

/*
 * What came of COUNT numbered frames: their numbers as they arrived, how many bits were wrong, and a
 * sum over every byte.
 */
struct outcome {
	uint32_t n, seq[2 * COUNT], damaged, bits;
	uint64_t sum;
};

static uint32_t wrong_bits(const uint8_t *f, uint32_t seq)
{
	uint32_t i, n = 0;
	uint8_t want[LEN];

	numbered(want, seq, LEN);
	for (i = 0; i < LEN; i++)
		n += __builtin_popcount(want[i] ^ f[i]);
	return n;
}

/* The number of a frame in which at most one bit is wrong; -1 if it is none. */
static int64_t number_of(const uint8_t *f, uint32_t len, uint32_t *bits)
{
	uint32_t said, seq, i;

	if (len != LEN)
		return -1;
	memcpy(&said, f + 14, 4);
	/* The wrong bit may be one of the number itself. */
	for (i = 0; i <= 32; i++) {
		seq = i ? said ^ 1u << (i - 1) : said;
		if (seq >= COUNT)
			continue;
		*bits = wrong_bits(f, seq);
		if (*bits <= 1)
			return seq;
	}
	return -1;
}

static int pattern(struct _test_data_wire *self, uint64_t seed, struct outcome *o)
{
	uint8_t f[2048];
	uint32_t i, bits;
	int64_t seq;
	int n;

	memset(o, 0, sizeof(*o));
	if (tn_set("tn0", "seed", seed))
		return -1;
	for (i = 0; i < COUNT; i++) {
		numbered(f, i, LEN);
		if (put(self->out, f, LEN))
			return -1;
		/* No more at a time than the receive ring takes. */
		if (i % 100 == 99)
			usleep(1000);
	}
	while ((n = tn_packet_recv(self->in, f, sizeof(f), 400)) >= 0) {
		seq = number_of(f, n, &bits);
		errno = 0;
		if (seq < 0)
			return et_fail("a frame of %d bytes that nobody sent", n);
		if (o->n == 2 * COUNT)
			return et_fail("too many frames");
		o->seq[o->n++] = seq;
		o->damaged += bits > 0;
		o->bits += bits;
		for (i = 0; i < LEN; i++)
			o->sum = (o->sum ^ f[i]) * 0x100000001b3;
	}
	return 0;
}

static bool same(const struct outcome *a, const struct outcome *b)
{
	return a->n == b->n && !memcmp(a->seq, b->seq, a->n * sizeof(a->seq[0]));
}

TEST_F(wire, nothing_by_default)
{
	static struct outcome o;

	ASSERT_EQ(0, pattern(self, 1, &o));
	ASSERT_EQ(COUNT, o.n);
	for (uint32_t i = 0; i < COUNT; i++)
		ASSERT_EQ(i, o.seq[i]);
	EXPECT_EQ(0, o.damaged);
}

/* 200,000 ppm of 1,000: 200 give or take five standard deviations. */
#define PPM 200000
#define LOW 137
#define HIGH 263

TEST_F(wire, loss)
{
	static struct outcome o, again, other;

	ASSERT_EQ(0, tn_set("tn0", "loss", PPM));
	ASSERT_EQ(0, pattern(self, 7, &o));
	EXPECT_EQ(tn_counter("tn0", "wire_lost"), COUNT - o.n);
	EXPECT_GE(COUNT - o.n, LOW);
	EXPECT_LE(COUNT - o.n, HIGH);
	ASSERT_EQ(0, pattern(self, 7, &again));
	EXPECT_TRUE(same(&o, &again));
	ASSERT_EQ(0, pattern(self, 8, &other));
	EXPECT_FALSE(same(&o, &other));
	/* Another fault does not change which are lost. */
	ASSERT_EQ(0, tn_set("tn0", "corrupt", PPM));
	ASSERT_EQ(0, tn_set("tn0", "delay_ns", 1000));
	ASSERT_EQ(0, pattern(self, 7, &again));
	EXPECT_TRUE(same(&o, &again));
	EXPECT_GT(again.damaged, 0);
	/* Certain, and impossible again. */
	ASSERT_EQ(0, tn_set("tn0", "loss", 1000000));
	ASSERT_EQ(0, pattern(self, 7, &other));
	EXPECT_EQ(0, other.n);
}

/* The other direction has faults of its own. */
TEST_F(wire, one_direction_only)
{
	static struct outcome o;

	ASSERT_EQ(0, tn_set("tn1", "loss", 1000000));
	ASSERT_EQ(0, pattern(self, 1, &o));
	EXPECT_EQ(COUNT, o.n);
	EXPECT_EQ(0, tn_counter("tn0", "wire_lost"));
	EXPECT_EQ(0, et_sh("ethtool -S tn0 | grep -qw 'tx_packets: %u'", COUNT));
}

/* Each end has its MTU: what the sender's allows may be too long for the receiver's buffers. */
TEST_F(wire, longer_than_the_receiver_takes)
{
	uint8_t f[9014];

	ASSERT_EQ(0, et_sh("ip link set tn0 mtu 9000"));
	numbered(f, 1, 9014);
	ASSERT_EQ(0, put(self->out, f, 9014));
	EXPECT_EQ(1, tn_counter("tn1", "rx_too_long"));
	ASSERT_EQ(0, tn_sh_b("ip link set tn1 mtu 9000"));
	ASSERT_EQ(0, put(self->out, f, 9014));
	EXPECT_EQ(9014, tn_packet_recv(self->in, f, sizeof(f), ET_PATIENCE_MS));
}

TEST_F(wire, duplication)
{
	static struct outcome o, again;
	uint32_t twice = 0, i;

	ASSERT_EQ(0, tn_set("tn0", "duplicate", PPM));
	ASSERT_EQ(0, pattern(self, 7, &o));
	for (i = 1; i < o.n; i++)
		twice += o.seq[i] == o.seq[i - 1];
	EXPECT_EQ(COUNT, o.n - twice);
	EXPECT_EQ(twice, tn_counter("tn0", "wire_duplicated"));
	EXPECT_GE(twice, LOW);
	EXPECT_LE(twice, HIGH);
	ASSERT_EQ(0, pattern(self, 7, &again));
	EXPECT_TRUE(same(&o, &again));
}

TEST_F(wire, corruption)
{
	static struct outcome o, again;

	ASSERT_EQ(0, tn_set("tn0", "corrupt", PPM));
	ASSERT_EQ(0, pattern(self, 7, &o));
	EXPECT_EQ(COUNT, o.n);
	EXPECT_EQ(o.damaged, o.bits);
	EXPECT_EQ(o.damaged, tn_counter("tn0", "wire_corrupted"));
	EXPECT_GE(o.damaged, LOW);
	EXPECT_LE(o.damaged, HIGH);
	/* The same bits of the same frames, and others with another seed. */
	ASSERT_EQ(0, pattern(self, 7, &again));
	EXPECT_EQ(o.sum, again.sum);
	ASSERT_EQ(0, pattern(self, 8, &again));
	EXPECT_NE(o.sum, again.sum);
}

TEST_F(wire, reordering)
{
	static struct outcome o, again;
	uint32_t late = 0, i, k, before;
	socklen_t size = sizeof(int);
	int error;

	ASSERT_EQ(0, tn_set("tn0", "reorder", 50000));
	ASSERT_EQ(0, tn_set("tn0", "reorder_gap", 4));
	/* On a slow machine a packet may be held for long. */
	ASSERT_EQ(0, tn_set("tn0", "reorder_wait_ns", 10000000000));
	ASSERT_EQ(0, tn_set("tn0", "loss", 0));
	ASSERT_EQ(0, pattern(self, 7, &o));
	for (i = 0; i < o.n; i++) {
		bool is_late = false;

		for (k = 0, before = 0; k < i; k++)
			is_late |= o.seq[k] > o.seq[i];
		if (!is_late)
			continue;
		late++;
		/* Those after it that were not held themselves. */
		for (k = 0; k < i; k++) {
			bool other_late = false;

			if (o.seq[k] < o.seq[i])
				continue;
			for (uint32_t j = 0; j < k; j++)
				other_late |= o.seq[j] > o.seq[k];
			before += !other_late;
		}
		ASSERT_EQ(4, before);
	}
	/* At the end there may have been none to wait for. */
	EXPECT_LE(late, tn_counter("tn0", "wire_reordered"));
	EXPECT_GE(late + 4, tn_counter("tn0", "wire_reordered"));
	EXPECT_GE(late, 15);
	EXPECT_EQ(COUNT, o.n + tn_counter("tn0", "wire_reordered") - late);
	/* What is still held goes with the device. */
	ASSERT_EQ(0, et_sh("ip link set tn0 down && ip link set tn0 up"));
	/* A packet socket tells once that the device was down. */
	ASSERT_EQ(0, getsockopt(self->out, SOL_SOCKET, SO_ERROR, &error, &size));
	ASSERT_EQ(0, pattern(self, 7, &again));
	EXPECT_TRUE(same(&o, &again));
}

/* A packet that is held back and has no successors comes nevertheless, but not early. */
TEST_F(wire, held_packet_times_out)
{
	uint8_t f[LEN];
	uint64_t from;

	ASSERT_EQ(0, tn_set("tn0", "reorder", 1000000));
	ASSERT_EQ(0, tn_set("tn0", "reorder_wait_ns", 200000000));
	numbered(f, 1, LEN);
	from = et_now_ms();
	ASSERT_EQ(0, put(self->out, f, LEN));
	ASSERT_EQ(LEN, tn_packet_recv(self->in, f, LEN, ET_PATIENCE_MS));
	EXPECT_GE(et_now_ms() - from, 199);
}

TEST_F(wire, delay)
{
	uint8_t f[LEN], g[LEN];
	uint64_t from;
	uint32_t i;

	ASSERT_EQ(0, tn_set("tn0", "delay_ns", 200000000));
	from = et_now_ms();
	for (i = 0; i < 50; i++) {
		numbered(f, i, LEN);
		ASSERT_EQ(0, put(self->out, f, LEN));
	}
	for (i = 0; i < 50; i++) {
		numbered(f, i, LEN);
		ASSERT_EQ(LEN, tn_packet_recv(self->in, g, LEN, ET_PATIENCE_MS));
		EXPECT_GE(et_now_ms() - from, 199);
		ASSERT_EQ(0, memcmp(f, g, LEN));
	}
}

/* 20 frames of 1,000 bytes at 1 Mbit/s are 160 ms; order stays when the rate is lifted. */
TEST_F(wire, rate)
{
	uint8_t f[1000], g[1000];
	uint64_t from;
	uint32_t i;

	ASSERT_EQ(0, tn_set("tn0", "rate", 1000000));
	from = et_now_ms();
	for (i = 0; i < 21; i++) {
		if (i == 20)
			ASSERT_EQ(0, tn_set("tn0", "rate", 0));
		numbered(f, i, 1000);
		ASSERT_EQ(0, put(self->out, f, 1000));
	}
	for (i = 0; i < 21; i++) {
		numbered(f, i, 1000);
		ASSERT_EQ(1000, tn_packet_recv(self->in, g, 1000, ET_PATIENCE_MS));
		ASSERT_EQ(0, memcmp(f, g, 1000));
	}
	EXPECT_GE(et_now_ms() - from, 159);
}

/* So slow that nothing leaves the queue while the test looks: 1,000 bytes take 8 s. */
#define CRAWL 1000

static int crawl_with_30(int out, const char *limit, uint32_t value)
{
	uint8_t f[1000];
	uint32_t i;

	if (tn_set("tn0", "rate", CRAWL) || tn_set("tn0", limit, value))
		return -1;
	for (i = 0; i < 30; i++) {
		numbered(f, i, sizeof(f));
		if (put(out, f, sizeof(f)))
			return -1;
	}
	return 0;
}

TEST_F(wire, queue_of_packets)
{
	ASSERT_EQ(0, crawl_with_30(self->out, "queue_packets", 10));
	EXPECT_EQ(20, tn_counter("tn0", "wire_queue_full"));
	ASSERT_EQ(0, et_sh("ip link set tn0 down"));
	EXPECT_EQ(10, tn_counter("tn0", "wire_down"));
}

/* How long it is, and was at most since somebody looked. */
TEST_F(wire, queue_length)
{
	#define LOOK(line) et_sh("grep -qx '" line "' " TN_DEBUGFS "/tn0/queue")
	ASSERT_EQ(0, crawl_with_30(self->out, "queue_packets", 10));
	EXPECT_EQ(0, LOOK("packets 10"));
	EXPECT_EQ(0, LOOK("bytes 10000"));
	EXPECT_EQ(0, LOOK("most_packets 10"));
	ASSERT_EQ(0, et_sh("ip link set tn0 down"));
	EXPECT_EQ(0, LOOK("most_bytes 10000"));
	EXPECT_EQ(0, LOOK("most_bytes 0"));
	EXPECT_EQ(0, LOOK("packets 0"));
	#undef LOOK
}

TEST_F(wire, queue_of_bytes)
{
	uint8_t f[100];

	ASSERT_EQ(0, crawl_with_30(self->out, "queue_bytes", 5100));
	EXPECT_EQ(25, tn_counter("tn0", "wire_queue_full"));
	/* A small one fits in. */
	numbered(f, 30, sizeof(f));
	ASSERT_EQ(0, put(self->out, f, sizeof(f)));
	EXPECT_EQ(25, tn_counter("tn0", "wire_queue_full"));
}

/* ---- ECN and trimming ---- */

static uint16_t sum_of(const uint8_t *b, uint32_t len)
{
	uint32_t sum = 0, i;

	for (i = 0; i < len; i += 2)
		sum += b[i] << 8 | b[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

enum kind { V4, V6, V4_VLAN };

#define SIZE 1000

/* Return: where the IP header is. */
static uint32_t ip_frame(uint8_t *f, enum kind kind, uint8_t ecn)
{
	uint32_t at = kind == V4_VLAN ? 18 : 14, i;
	uint16_t sum;

	tn_ethernet(f, false, kind == V4 ? ETH_P_IP : kind == V6 ? ETH_P_IPV6 : ETH_P_8021Q);
	if (kind == V4_VLAN)
		memcpy(f + 14, "\x00\x07\x08\x00", 4);
	for (i = at; i < SIZE; i++)
		f[i] = i * 13;
	if (kind == V6) {
		f[at] = 0x6a;
		f[at + 1] = (f[at + 1] & 0xcf) | ecn << 4;
		f[at + 6] = 253;
		return at;
	}
	f[at] = 0x45;
	f[at + 1] = 0xa8 | ecn;
	f[at + 6] = 0;
	f[at + 7] = 0;
	f[at + 9] = 253;
	f[at + 10] = 0;
	f[at + 11] = 0;
	sum = sum_of(f + at, 20);
	f[at + 10] = sum >> 8;
	f[at + 11] = sum;
	return at;
}

/*
 * Whatever has been put into the queue, which crawls; the rest of the packets shall be marked. IP, as
 * they are: of several that are received at once, packet sockets get those of a protocol that the
 * kernel does not know last.
 */
static int fill_queue(struct _test_data_wire *self)
{
	uint8_t f[SIZE];

	ip_frame(f, V4, 0);
	f[40] = ~f[40];
	return tn_set("tn0", "rate", 200000) ?: put(self->out, f, SIZE) ?:
		put(self->out, f, SIZE) ?: put(self->out, f, SIZE) ?: put(self->out, f, SIZE) ?:
		put(self->out, f, SIZE) ?: put(self->out, f, SIZE) ?: put(self->out, f, SIZE) ?:
		put(self->out, f, SIZE) ?: put(self->out, f, SIZE) ?: put(self->out, f, SIZE);
}

static int skip_filling(struct _test_data_wire *self)
{
	uint8_t f[SIZE];
	int i;

	for (i = 0; i < 10; i++)
		if (tn_packet_recv(self->in, f, SIZE, ET_PATIENCE_MS) != SIZE)
			return et_fail("the filling did not come");
	return 0;
}

TEST_F(wire, ecn)
{
	static const struct {
		enum kind kind;
		uint8_t ecn, becomes;
	} c[] = {
		{ V4, 0, 0 }, { V4, 1, 3 }, { V4, 2, 3 }, { V4, 3, 3 },
		{ V6, 0, 0 }, { V6, 1, 3 }, { V6, 2, 3 }, { V6, 3, 3 },
		{ V4_VLAN, 0, 0 }, { V4_VLAN, 1, 3 }, { V4_VLAN, 2, 3 },
	};
	uint8_t f[SIZE], g[SIZE];
	uint32_t i, at;
	int n;

	ASSERT_EQ(0, tn_set("tn0", "ecn_bytes", 2500));
	/* Nothing is queued: nothing is marked. */
	for (i = 0; i < COUNT_OF(c); i++) {
		ip_frame(f, c[i].kind, c[i].ecn);
		ASSERT_EQ(0, put(self->out, f, SIZE));
		/* The kernel takes a tag off for packet sockets. */
		n = tn_packet_recv(self->in, g, SIZE, ET_PATIENCE_MS);
		ASSERT_EQ(c[i].kind == V4_VLAN ? SIZE - 4 : SIZE, n);
		if (c[i].kind != V4_VLAN)
			ASSERT_EQ(0, memcmp(f, g, SIZE));
	}
	EXPECT_EQ(0, tn_counter("tn0", "wire_marked"));

	ASSERT_EQ(0, fill_queue(self));
	for (i = 0; i < COUNT_OF(c); i++) {
		ip_frame(f, c[i].kind, c[i].ecn);
		ASSERT_EQ(0, put(self->out, f, SIZE));
	}
	EXPECT_EQ(6, tn_counter("tn0", "wire_marked"));
	ASSERT_EQ(0, skip_filling(self));
	for (i = 0; i < COUNT_OF(c); i++) {
		at = ip_frame(f, c[i].kind, c[i].becomes);
		n = tn_packet_recv(self->in, g, SIZE, ET_PATIENCE_MS);
		if (c[i].kind == V4_VLAN) {
			ASSERT_EQ(SIZE - 4, n);
			ASSERT_EQ(0, memcmp(f + at, g + 14, SIZE - at));
			at = 14;
		} else {
			ASSERT_EQ(SIZE, n);
			ASSERT_EQ(0, memcmp(f, g, SIZE));
		}
		if (c[i].kind != V6)
			EXPECT_EQ(0, sum_of(g + at, 20));
	}
}

/* Whether the first bytes are the same; says where they are not. */
static int begins(const uint8_t *got, const uint8_t *want, uint32_t len)
{
	uint32_t i;

	errno = 0;
	for (i = 0; i < len; i++)
		if (got[i] != want[i])
			return et_fail("byte %u is %02x, not %02x; EtherType %02x%02x", i, got[i],
				       want[i], got[12], got[13]);
	return 0;
}

TEST_F(wire, trimming)
{
	uint8_t f[SIZE], g[SIZE];

	ASSERT_EQ(0, tn_set("tn0", "trim_bytes", 2500));
	ASSERT_EQ(0, tn_set("tn0", "trim_header", 54));
	ip_frame(f, V4, 0);
	ASSERT_EQ(0, put(self->out, f, SIZE));
	ASSERT_EQ(SIZE, tn_packet_recv(self->in, g, SIZE, ET_PATIENCE_MS));

	/* Before trimming begins there are three frames of the filling. */
	ASSERT_EQ(0, fill_queue(self));
	EXPECT_EQ(7, tn_counter("tn0", "wire_trimmed"));
	ASSERT_EQ(0, put(self->out, f, SIZE));
	ASSERT_EQ(0, put(self->out, f, 54));
	ASSERT_EQ(0, tn_set("tn0", "trim_header", 100));
	ASSERT_EQ(0, put(self->out, f, SIZE));
	EXPECT_EQ(9, tn_counter("tn0", "wire_trimmed"));
	for (int i = 0; i < 10; i++)
		ASSERT_EQ(i < 3 ? SIZE : 54, tn_packet_recv(self->in, g, SIZE, ET_PATIENCE_MS));
	ASSERT_EQ(54, tn_packet_recv(self->in, g, SIZE, ET_PATIENCE_MS));
	EXPECT_EQ(0, begins(g, f, 54));
	ASSERT_EQ(54, tn_packet_recv(self->in, g, SIZE, ET_PATIENCE_MS));
	EXPECT_EQ(0, begins(g, f, 54));
	ASSERT_EQ(100, tn_packet_recv(self->in, g, SIZE, ET_PATIENCE_MS));
	EXPECT_EQ(0, begins(g, f, 100));
}

/* ---- settings ---- */

TEST_F(wire, bad_values)
{
	static const char * const bad[][2] = {
		{ "loss", "1000001" }, { "loss", "-1" }, { "loss", "" }, { "loss", "x" },
		{ "loss", "1 2" }, { "duplicate", "1000001" }, { "corrupt", "1000001" },
		{ "reorder", "1000001" }, { "reorder_gap", "0" }, { "reorder_gap", "1001" },
		{ "reorder_wait_ns", "0" }, { "delay_ns", "10000000001" },
		{ "rate", "1000000000001" }, { "queue_bytes", "4294967296" },
		{ "queue_packets", "0" }, { "queue_packets", "65537" },
		{ "ecn_bytes", "4294967296" }, { "trim_bytes", "4294967296" },
		{ "trim_header", "13" }, { "trim_header", "9001" },
		{ "seed", "18446744073709551616" }, { "rx_queue", "16" }, { "rx_queue", "none" },
		{ "rx_queue", "a string that is longer than any" }, { "tx_batch", "2" },
		{ "completion_delay_ns", "1000000001" },
	};

	for (uint32_t i = 0; i < COUNT_OF(bad); i++)
		EXPECT_EQ(EINVAL, tn_write("tn0", bad[i][0], bad[i][1]));
	EXPECT_NE(0, tn_write("tn0", "counters", "0"));
}

/* The folder has the device's name, and another while both ends have the same. */
TEST_F(wire, folder_follows_name)
{
	struct stat st;
	char name[64];

	ASSERT_EQ(0, et_sh("ip link set tn0 down && ip link set tn0 name nic0"));
	EXPECT_EQ(0, tn_write("nic0", "loss", "1"));
	EXPECT_EQ(ENOENT, tn_write("tn0", "loss", "1"));
	ASSERT_EQ(0, et_sh("ip link set nic0 name tn1"));
	ASSERT_EQ(0, fstat(tn.a, &st));
	snprintf(name, sizeof(name), "tn1@%lu", (unsigned long)st.st_ino);
	EXPECT_EQ(0, tn_write(name, "loss", "2"));
	ASSERT_EQ(0, et_sh("ip link set tn1 name tn0"));
	EXPECT_EQ(0, tn_write("tn0", "loss", "0"));
	EXPECT_EQ(0, tn_write("tn1", "loss", "0"));
}

TN_MAIN
