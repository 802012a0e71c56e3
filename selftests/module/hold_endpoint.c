// SPDX-License-Identifier: GPL-2.0
/* hold_endpoint FILE: opens an endpoint of tt, writes to FILE, and waits to be killed. */
#include "xsk.h"

int main(int argc, char **argv)
{
	struct xsk x;
	int fd;

	if (argc != 2 || xsk_open(&x, &(struct xsk_config) { .port = 1 }))
		return 1;
	fd = open(argv[1], O_WRONLY | O_CREAT, 0644);
	if (fd < 0 || write(fd, "ready\n", 6) != 6)
		return 1;
	pause();
	return 0;
}
