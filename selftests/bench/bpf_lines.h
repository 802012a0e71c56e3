/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For profiles: at which addresses the compiled code of which source line of a BPF program begins. One line each,
 * behind "@bpf": address, file, line.
 */
#ifndef BENCH_BPF_LINES_H
#define BENCH_BPF_LINES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>

static void bpf_lines_of(int fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info), i, n;
	struct bpf_line_info *lines;
	const char *file, *base;
	struct btf *btf;
	__u64 *addr;

	if (bpf_prog_get_info_by_fd(fd, &info, &len) || !info.nr_jited_line_info || !info.btf_id)
		return;
	n = info.nr_jited_line_info;
	if (n > info.nr_line_info)
		n = info.nr_line_info;
	btf = btf__load_from_kernel_by_id(info.btf_id);
	lines = calloc(n, sizeof(*lines));
	addr = calloc(n, sizeof(*addr));
	if (!btf || !lines || !addr)
		goto out;
	memset(&info, 0, sizeof(info));
	info.nr_line_info = n;
	info.line_info_rec_size = sizeof(*lines);
	info.line_info = (unsigned long)lines;
	info.nr_jited_line_info = n;
	info.jited_line_info_rec_size = sizeof(*addr);
	info.jited_line_info = (unsigned long)addr;
	len = sizeof(info);
	if (bpf_prog_get_info_by_fd(fd, &info, &len))
		goto out;
	for (i = 0; i < n; i++) {
		file = btf__name_by_offset(btf, lines[i].file_name_off);
		base = file ? strrchr(file, '/') : NULL;
		printf("%llx %s:%u\n", addr[i], base ? base + 1 : file ?: "?",
		       BPF_LINE_INFO_LINE_NUM(lines[i].line_col));
	}
out:
	free(addr);
	free(lines);
	btf__free(btf);
}

/* Of all programs that are loaded. */
static void bpf_lines_print(void)
{
	__u32 id = 0;
	int fd;

	printf("@bpf\n");
	while (!bpf_prog_get_next_id(id, &id)) {
		fd = bpf_prog_get_fd_by_id(id);
		if (fd < 0)
			continue;
		bpf_lines_of(fd);
		close(fd);
	}
	fflush(stdout);
}

#endif /* BENCH_BPF_LINES_H */
