// SPDX-License-Identifier: GPL-2.0
/* send_proto ADDR PROTO COUNT: sends COUNT IPv4 packets of protocol PROTO to ADDR. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	char payload[400] = { 'x' };
	int fd, i;

	if (argc != 4 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: send_proto ADDR PROTO COUNT\n");
		return 2;
	}
	fd = socket(AF_INET, SOCK_RAW, atoi(argv[2]));
	for (i = 0; fd >= 0 && i < atoi(argv[3]); i++)
		if (sendto(fd, payload, sizeof(payload), 0, (void *)&to, sizeof(to)) < 0)
			break;
	if (fd < 0 || i < atoi(argv[3])) {
		perror("send_proto");
		return 1;
	}
	return 0;
}
