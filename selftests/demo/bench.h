/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* What the echo clients have in common: arguments, payload that can be checked, results. */
#ifndef DEMO_BENCH_H
#define DEMO_BENCH_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define BENCH_MAX_STEPS	32
#define BENCH_PORT	4000

/**
 * struct bench - a client's run
 * @proto: name in the output
 * @server: where to
 * @id: number of this client, part of what it sends
 * @machine: print for programs
 * @raw: file for each RPC's time, or NULL
 * @steps: entries in @step
 * @step: size of the message in bytes, how many
 * @max_size: largest of the sizes
 * @failed: something went wrong
 */
struct bench {
	const char *proto;
	struct sockaddr_in server;
	unsigned int id;
	bool machine;
	FILE *raw;
	unsigned int steps;
	struct {
		size_t size;
		unsigned int count;
	} step[BENCH_MAX_STEPS];
	size_t max_size;
	bool failed;
};

/**
 * bench_args() - read a client's command line; ends the program on a wrong one
 * @b: filled in
 * @proto: name in the output
 * @argc: as main()
 * @argv: as main()
 */
void bench_args(struct bench *b, const char *proto, int argc, char **argv);

/**
 * bench_port() - read a number of a port; ends the program on a wrong one
 * @text: the number
 * @max: largest
 * Return: the port.
 */
uint16_t bench_port(const char *text, unsigned int max);

/**
 * bench_fill() - make a payload that no other RPC has
 * @b: the run
 * @buf: where to
 * @size: bytes
 * @seq: number of the RPC
 */
void bench_fill(const struct bench *b, uint8_t *buf, size_t size, unsigned int seq);

/**
 * bench_verify() - is each byte what bench_fill() made?
 * @b: the run
 * @buf: what came back
 * @got: how many bytes
 * @size: how many were sent
 * @seq: number of the RPC
 * Return: true, or false with a message on stderr.
 */
bool bench_verify(const struct bench *b, const uint8_t *buf, size_t got, size_t size,
		  unsigned int seq);

/**
 * bench_now() - time
 * Return: CLOCK_MONOTONIC in ns.
 */
uint64_t bench_now(void);

/**
 * bench_run() - do all steps and print the results
 * @b: the run
 * @rpc: does one echo RPC: sends @size bytes at @out, receives into @in, which has room for
 *	 max_size bytes; returns bytes received, or -1 after a message on stderr
 * @arg: for @rpc
 * Return: exit status of the program.
 */
int bench_run(struct bench *b,
	      ssize_t (*rpc)(void *arg, const void *out, size_t size, void *in, size_t room),
	      void *arg);

#endif /* DEMO_BENCH_H */
