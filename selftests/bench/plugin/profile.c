// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin for QEMU's code translator: how often each block of guest code ran, in windows that the
 * guest opens with bench_mark() of ../bench.h. ../profile says what the addresses are.
 *
 * Each translation block has a counter a window; at the end a line a block goes to the file out=:
 * address, number of instructions, the counts of windows 1 to 8, then the distance of each instruction
 * from the first. A block that an exception ends early counts in full, which is rare enough.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "qemu-plugin.h"

#define WINDOWS	9	/* 0: not counted */

/* The build says for which QEMU: those before 9 know version 1, later ones 2 and more. */
#ifndef PLUGIN_VERSION
#define PLUGIN_VERSION 1
#endif
EXPORT int qemu_plugin_version = PLUGIN_VERSION;

struct block {
	struct block *next;
	uint64_t count[WINDOWS];
	uint64_t addr;
	uint32_t n;
	uint16_t at[];		/* of each instruction, from addr */
};

static struct block *blocks;
static unsigned int window;
static const char *out;

static void ran(unsigned int cpu, void *data)
{
	((struct block *)data)->count[window]++;
}

static void marked(unsigned int cpu, void *data)
{
	window = (uintptr_t)data;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	static const uint8_t mark[] = { 0x0f, 0x1f, 0x80 };
	size_t n = qemu_plugin_tb_n_insns(tb), i;
	struct block *b = calloc(1, sizeof(*b) + n * sizeof(b->at[0]));

	if (!b || !n)
		return;
	b->n = n;
	b->addr = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t v = qemu_plugin_insn_vaddr(insn);
		const uint8_t *code;

		b->at[i] = v - b->addr;
		if (qemu_plugin_insn_size(insn) != 7 || (v & 4095) > 4096 - 7)
			continue;
		code = qemu_plugin_insn_haddr(insn);
		if (code && !memcmp(code, mark, 3) && code[6] == 0x5e && code[5] == 0x7a &&
		    code[4] == 0 && code[3] < WINDOWS)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, QEMU_PLUGIN_CB_NO_REGS,
							       (void *)(uintptr_t)code[3]);
	}
	b->next = blocks;
	blocks = b;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, ran, QEMU_PLUGIN_CB_NO_REGS, b);
}

static void finish(qemu_plugin_id_t id, void *data)
{
	FILE *f = fopen(out, "w");
	struct block *b;
	uint32_t i;

	if (!f) {
		perror(out);
		return;
	}
	for (b = blocks; b; b = b->next) {
		uint64_t any = 0;

		for (i = 1; i < WINDOWS; i++)
			any |= b->count[i];
		if (!any)
			continue;
		fprintf(f, "%llx %u", (unsigned long long)b->addr, b->n);
		for (i = 1; i < WINDOWS; i++)
			fprintf(f, " %llu", (unsigned long long)b->count[i]);
		for (i = 0; i < b->n; i++)
			fprintf(f, " %x", b->at[i]);
		fputc('\n', f);
	}
	if (fclose(f))
		perror(out);
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			out = strdup(argv[i] + 4);
	if (!out) {
		fprintf(stderr, "profile: out=FILE is missing\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, finish, NULL);
	return 0;
}
