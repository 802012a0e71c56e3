// SPDX-License-Identifier: GPL-2.0
/*
 * Lost packets do not lose RPCs: with 1 % loss both ways RPCs of all sizes complete, and with 10 %
 * short ones. Packets that etran sends pass no qdisc, so netem cannot lose them; an XDP program in
 * front of the dispatcher does (lossy.bpf.c). That it can be there shows besides that etran lives
 * with other XDP programs on its device.
 */
#include <net/if.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>
#include "homa_test.h"

#define PORT	300

struct lossy_state {
	uint64_t seed;
	uint64_t seen;
	uint64_t dropped;
};

FIXTURE(loss)
{
	struct xdp_program *prog[2];
	int state[2];
};

FIXTURE_VARIANT(loss)
{
	int family;
	/* of 10000 */
	uint32_t loss;
	unsigned int rpcs;
	/* every so many-th is longer; 0: none is */
	unsigned int medium;
	unsigned int large;
};

FIXTURE_VARIANT_ADD(loss, one_percent_of_mixed_sizes)
{
	.family = AF_INET,
	.loss = 100,
	.rpcs = 300,
	.medium = 4,
	.large = 50,
};

FIXTURE_VARIANT_ADD(loss, ten_percent_of_short_messages)
{
	.family = AF_INET,
	.loss = 1000,
	.rpcs = 300,
};

FIXTURE_VARIANT_ADD(loss, three_percent_of_mixed_sizes_over_ipv6)
{
	.family = AF_INET6,
	.loss = 300,
	.rpcs = 200,
	.medium = 4,
	.large = 50,
};

static int attach(struct __test_metadata *_metadata, struct xdp_program **prog, uint32_t loss,
		  uint64_t seed)
{
	struct lossy_state s = { .seed = seed };
	struct bpf_object *obj;
	uint32_t zero = 0;
	char path[256];
	size_t size;
	void *ro;
	int fd;

	snprintf(path, sizeof(path), "%s/lossy.bpf.o", getenv("ETRAN_TEST_BUILD") ?: ".");
	*prog = xdp_program__open_file(path, "xdp", NULL);
	ASSERT_EQ(0, libxdp_get_error(*prog)) TH_LOG("%s", path);
	obj = xdp_program__bpf_obj(*prog);
	ro = bpf_map__initial_value(bpf_object__find_map_by_name(obj, ".rodata"), &size);
	ASSERT_TRUE(ro && size == sizeof(loss));
	memcpy(ro, &loss, sizeof(loss));
	ASSERT_EQ(0, xdp_program__attach(*prog, if_nametoindex("v0"), XDP_MODE_NATIVE, 0));
	fd = bpf_map__fd(bpf_object__find_map_by_name(obj, "state"));
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, bpf_map_update_elem(fd, &zero, &s, BPF_ANY));
	return fd;
}

FIXTURE_SETUP(loss)
{
	int h;

	homa_family = variant->family;
	libxdp_set_print(NULL);
	libbpf_set_print(NULL);
	for (h = HOST_A; h <= HOST_B; h++) {
		enter(h);
		self->state[h] = attach(_metadata, &self->prog[h], variant->loss, 1 + h);
	}
}

FIXTURE_TEARDOWN(loss)
{
	int h;

	for (h = HOST_A; h <= HOST_B; h++) {
		enter(h);
		EXPECT_EQ(0, xdp_program__detach(self->prog[h], if_nametoindex("v0"),
						 XDP_MODE_NATIVE, 0));
		xdp_program__close(self->prog[h]);
	}
}

static size_t size_of(const FIXTURE_VARIANT(loss) *v, unsigned int i)
{
	if (v->large && i % v->large == 7)
		return i % 100 < 50 ? 1000000 : 250000;
	if (v->medium && i % v->medium == 1)
		return 2000 + 97 * i;
	return 1 + i;
}

TEST_F(loss, all_rpcs_complete)
{
	/* Outstanding at a time: enough that a lost packet does not stop all. */
	const unsigned int window = 20;
	unsigned int sent = 0, received = 0;
	uint8_t *buf = malloc(HOMA_MAX_MESSAGE_LENGTH), *done = calloc(1, variant->rpcs);
	struct lossy_state s[2];
	struct echo_server server;
	uint64_t id, cookie;
	uint32_t zero = 0;
	ssize_t n, at;
	int fd;

	ASSERT_EQ(0, echo_start(&server, HOST_B, PORT, 2));
	fd = sock_on(HOST_A, 0);
	ASSERT_LE(0, fd);
	while (received < variant->rpcs) {
		while (sent < variant->rpcs && sent - received < window) {
			fill(buf, size_of(variant, sent), sent);
			ASSERT_EQ(0, request(fd, PORT, buf, size_of(variant, sent), &id, sent));
			sent++;
		}
		id = 0;
		n = response(fd, buf, HOMA_MAX_MESSAGE_LENGTH, &id, &cookie);
		ASSERT_LT(0, n) TH_LOG("RPC %llu of %zu bytes: errno %d", (unsigned long long)cookie,
				       size_of(variant, cookie), errno);
		ASSERT_LT(cookie, sent);
		ASSERT_EQ(0, done[cookie]);
		done[cookie] = 1;
		ASSERT_EQ(size_of(variant, cookie), n);
		at = wrong(buf, n, cookie);
		ASSERT_EQ(-1, at) TH_LOG("RPC %llu of %zd bytes is wrong at %zd",
					 (unsigned long long)cookie, n, at);
		received++;
	}
	ASSERT_RPCS_IDLE(20);
	homa_close(fd);
	echo_stop(&server);
	EXPECT_EQ(0, server.bad);
	EXPECT_EQ(variant->rpcs, server.served);
	ASSERT_IDLE(20);
	EXPECT_EQ(0, homa_counter("frame_stale"));

	/* That there was anything to repair at all. */
	ASSERT_EQ(0, bpf_map_lookup_elem(self->state[HOST_A], &zero, &s[HOST_A]));
	ASSERT_EQ(0, bpf_map_lookup_elem(self->state[HOST_B], &zero, &s[HOST_B]));
	TH_LOG("host a: %llu of %llu packets lost, host b: %llu of %llu; %llu RESENDs",
	       (unsigned long long)s[0].dropped, (unsigned long long)s[0].seen,
	       (unsigned long long)s[1].dropped, (unsigned long long)s[1].seen,
	       (unsigned long long)homa_counter("tx_resend"));
	EXPECT_LT(variant->rpcs, s[HOST_A].seen);
	EXPECT_LT(s[HOST_A].seen * variant->loss / 30000, s[HOST_A].dropped);
	EXPECT_LT(s[HOST_B].seen * variant->loss / 30000, s[HOST_B].dropped);
	EXPECT_LT(0, homa_counter("tx_data_resent"));
}

TEST_HARNESS_MAIN_WITH_HOSTS(1500, HOSTS_BOTH, "")
