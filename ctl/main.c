// SPDX-License-Identifier: GPL-2.0
/*
 * etranctl: loads and unloads transports, tells what there is. It is on no path that data takes:
 * transports work on after it has exited.
 *
 * One table of commands, chosen by any prefix that fits only one; options may stand anywhere on the
 * line; `help` as any argument explains the command instead of running it.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "etranctl.h"

enum {
	OPT_DEV = 1 << 0,
	OPT_SET = 1 << 1,
	OPT_ALL = 1 << 2,
	OPT_FORCE = 1 << 3,
	OPT_PRIORITY = 1 << 4,
	OPT_WATCH = 1 << 5,
	OPT_RPC = 1 << 6,	/* --peer, --port, --state */
};

/* Long options without a letter. */
enum { LONG_DEV = 256, LONG_SET, LONG_ALL, LONG_FORCE, LONG_PRIORITY, LONG_PEER, LONG_PORT, LONG_STATE };

static const struct command {
	const char *name;
	int (*run)(const struct ctl_args *args);
	unsigned int opts;
	const char *usage;
	const char *help;
} commands[] = {
	{ "load", cmd_load, OPT_DEV | OPT_SET,
	  "load OBJ [--dev [NETNS/]IF]... [--set VAR=VALUE]...",
	  "Loads the transport in the BPF object OBJ and enables it on each device IF.\n"
	  "\n"
	  "OBJ is a path, or a name: homa is homa.bpf.o in $ETRAN_BPF_PATH or in\n"
	  ETRAN_BPF_DIR ".\n"
	  "  --dev [NETNS/]IF   device that transports shall use, in network namespace NETNS;\n"
	  "                     makes a link device etranN on it and attaches the dispatcher\n"
	  "  --set VAR=VALUE    sets a tunable ('etranctl show OBJ' lists them), live or not\n"
	  "All or nothing: when a step fails, what was done before is undone.\n" },
	{ "replace", cmd_replace, OPT_SET,
	  "replace OBJ [--set VAR=VALUE]...",
	  "Gives the loaded transport of the same name the programs in the BPF object OBJ, under\n"
	  "traffic. Endpoints, held frames, queues and maps stay. Refused unless name, protocol,\n"
	  "state_version, queues and the kinds and sizes of the maps are the same.\n"
	  "  --set VAR=VALUE    sets a tunable; the others keep their values\n" },
	{ "unload", cmd_unload, OPT_ALL | OPT_FORCE,
	  "unload NAME | --all [--force]",
	  "Unloads the transport NAME. With the last one go the dispatchers and the link\n"
	  "devices that etranctl made.\n"
	  "  --all    all transports and filters, and what may be left of earlier ones\n"
	  "  --force  also one that is not pinned where this process can see it\n" },
	{ "list", cmd_list, 0, "list",
	  "Lists the loaded transports and the devices that they use.\n" },
	{ "show", cmd_show, 0, "show [NAME | OBJ]",
	  "Shows all about the transport NAME: tunables, devices, maps, and when and why earlier\n"
	  "ones of that name were ejected or unloaded; or what the BPF object OBJ is and which\n"
	  "tunables it has. Without argument: all transports in short, and the latest ends.\n" },
	{ "set", cmd_set, 0, "set NAME.TUNABLE=VALUE...",
	  "Changes live tunables of the loaded transport or filter NAME; 'etranctl show NAME' lists them\n"
	  "with unit, range and meaning. The name in front of a tunable's own may be left out:\n"
	  "homa.unsched_bytes is homa_unsched_bytes of homa.\n"
	  "All or nothing: every VALUE is checked before the first one is set. They are set in the order\n"
	  "given. Bytes may be given as 10K (10,000) or 10Ki (10,240), times as 5us, shares as 5%.\n"
	  "Tunables that are not live are constants of the programs: see load and replace.\n" },
	{ "filter", cmd_filter, OPT_SET | OPT_PRIORITY | OPT_FORCE,
	  "filter add OBJ [--priority N] [--set VAR=VALUE]... | list | del NAME [--force]",
	  "Filters see the packets of all transports in both directions and may drop them.\n"
	  "  add OBJ   attaches the filter in the BPF object OBJ (a path or a name, as for load)\n"
	  "      --priority N     instead of its own: the lowest runs first\n"
	  "      --set VAR=VALUE  sets a tunable ('etranctl show OBJ' lists them)\n"
	  "  list      lists the filters in the order of running, with what they saw and dropped\n"
	  "  del NAME  detaches the filter NAME\n"
	  "      --force          also one that is not pinned where this process can see it\n"
	  "Its maps are pinned in " PIN_DIR "/" FILTER_DIR "/NAME.\n" },
	{ "stats", cmd_stats, OPT_DEV | OPT_ALL | OPT_WATCH,
	  "stats [NAME] [--dev [NETNS/]IF]... [--all] [-w SECONDS]",
	  "Prints counters, and whether they add up: of everything, or of the transport NAME,\n"
	  "or of the link device on IF.\n"
	  "  --all                those that are zero too\n"
	  "  -w, --watch SECONDS  again and again, with rates per second, until Ctrl-C or\n"
	  "                       SIGTERM ends it; with -j one line of JSON each time\n" },
	{ "rpc", cmd_rpc, OPT_RPC, "rpc [NAME] [--peer ADDR] [--port PORT] [--state STATE]",
	  "Lists what is under way now, of the transport NAME or of all that tell: id, who began it, state,\n"
	  "the peer, the port here, bytes sent and received of how many, how old it is, and for how long\n"
	  "the peer has said nothing about it. The oldest first.\n"
	  "  --peer ADDR    only those with this host\n"
	  "  --port PORT    only those with this port at either end\n"
	  "  --state STATE  only those in this state; homa: outgoing, incoming, in-service, failed\n" },
	{ "conn", cmd_conn, OPT_RPC, "conn [NAME] [--peer ADDR] [--port PORT] [--state STATE]",
	  "Lists the connections, of the transport NAME or of all that tell, as 'ss -tin' does those of the\n"
	  "kernel: state, bytes received and not read, bytes not acknowledged, both ends, congestion control,\n"
	  "windows in segments, DCTCP's alpha, round trip time and its variation, retransmission timeout,\n"
	  "segments sent again, pacing rate. JSON has more of each.\n"
	  "  --peer ADDR    only those with this host\n"
	  "  --port PORT    only those with this port at either end\n"
	  "  --state STATE  only those in this state: SYN-SENT, SYN-RECV, ESTAB, FIN-WAIT-1, FIN-WAIT-2,\n"
	  "                 CLOSE-WAIT, CLOSING, LAST-ACK, TIME-WAIT, CLOSED\n" },
	{ "check", cmd_check, OPT_DEV, "check [[NETNS/]IF]...",
	  "Is this machine ready? Each line says ok, warn or fail, and what to do about it.\n"
	  "Looks at the devices named, or at all of this network namespace.\n" },
	{ "version", cmd_version, 0, "version",
	  "Prints versions of etranctl, of what it was built with, and of the loaded module.\n" },
	{ "help", NULL, 0, "help [COMMAND]", "Explains a command.\n" },
};

#define NCOMMANDS ((int)(sizeof(commands) / sizeof(*commands)))

static void usage(FILE *out)
{
	int i;

	fprintf(out, "usage: etranctl [OPTIONS] COMMAND\n\n");
	for (i = 0; i < NCOMMANDS; i++)
		fprintf(out, "  etranctl %s\n", commands[i].usage);
	fprintf(out, "\n"
		"  -j, --json     answer in JSON\n"
		"  -p, --pretty   answer in indented JSON\n"
		"  -d, --debug    all that libbpf, libxdp and the verifier say, on stderr\n"
		"  -V, --version  version\n"
		"  -h, --help     this text, or that of the command\n\n"
		"Commands may be shortened. Exit status: 0 done, 1 failed, 2 wrong usage,\n"
		"3 kernel not ready ('etranctl check' tells why).\n");
}

/* With -j also help is JSON, so that stdout always parses. */
static int help(const struct command *cmd)
{
	struct json_object *obj, *list;
	int i;

	if (!opt_json) {
		if (cmd)
			printf("usage: etranctl %s\n\n%s", cmd->usage, cmd->help);
		else
			usage(stdout);
		return CTL_OK;
	}
	obj = json_object_new_object();
	list = json_object_new_array();
	for (i = 0; i < NCOMMANDS; i++) {
		struct json_object *c;

		if (cmd && cmd != &commands[i])
			continue;
		c = json_object_new_object();
		out_str(c, "command", commands[i].name);
		out_str(c, "usage", commands[i].usage);
		out_str(c, "help", commands[i].help);
		json_object_array_add(list, c);
	}
	json_object_object_add(obj, "commands", list);
	answer(obj);
	return CTL_OK;
}

static int find_command(const char *word, const struct command **cmd)
{
	char fits[128] = "";
	int i, n = 0;

	for (i = 0; i < NCOMMANDS; i++) {
		if (strncmp(commands[i].name, word, strlen(word)))
			continue;
		*cmd = &commands[i];
		if (!strcmp(commands[i].name, word))
			return CTL_OK;
		snprintf(fits + strlen(fits), sizeof(fits) - strlen(fits), "%s%s", n++ ? ", " : "",
			 commands[i].name);
	}
	if (n == 1)
		return CTL_OK;
	if (n)
		return fail(CTL_USAGE, "'%s' may be %s; write more of it", word, fits);
	return fail(CTL_USAGE, "there is no command '%s'; 'etranctl help' lists them", word);
}

/* Options that a command does not have are mistakes, not noise. */
static int check_options(const struct command *cmd, const struct ctl_args *args)
{
	const char *wrong = NULL;

	if (args->ndev && !(cmd->opts & OPT_DEV))
		wrong = "--dev";
	if (args->nset && !(cmd->opts & OPT_SET))
		wrong = "--set";
	if (args->all && !(cmd->opts & OPT_ALL))
		wrong = "--all";
	if (args->force && !(cmd->opts & OPT_FORCE))
		wrong = "--force";
	if (args->priority && !(cmd->opts & OPT_PRIORITY))
		wrong = "--priority";
	if (args->watch && !(cmd->opts & OPT_WATCH))
		wrong = "--watch";
	if (args->peer && !(cmd->opts & OPT_RPC))
		wrong = "--peer";
	if (args->port && !(cmd->opts & OPT_RPC))
		wrong = "--port";
	if (args->state && !(cmd->opts & OPT_RPC))
		wrong = "--state";
	return wrong ? fail(CTL_USAGE, "%s takes no %s; 'etranctl help %s' shows what it takes",
			    cmd->name, wrong, cmd->name) : CTL_OK;
}

static int run(int nwords, const char **words, struct ctl_args *args, bool want_help)
{
	const struct command *cmd = NULL;
	int i, n = 0, status;

	/* "help" may stand before or after the command. */
	for (i = 0; i < nwords; i++) {
		if (!strcmp(words[i], "help"))
			want_help = true;
		else
			words[n++] = words[i];
	}
	if (!n) {
		if (want_help)
			return help(NULL);
		if (!opt_json)
			usage(stderr);
		return fail(CTL_USAGE, "no command given; 'etranctl help' lists them");
	}
	status = find_command(words[0], &cmd);
	if (status)
		return status;
	if (want_help || !cmd->run)
		return help(cmd->run ? cmd : NULL);
	status = check_options(cmd, args);
	if (status)
		return status;
	args->arg = words + 1;
	args->nargs = n - 1;
	return cmd->run(args);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "pretty", no_argument, NULL, 'p' },
		{ "debug", no_argument, NULL, 'd' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ "dev", required_argument, NULL, LONG_DEV },
		{ "set", required_argument, NULL, LONG_SET },
		{ "all", no_argument, NULL, LONG_ALL },
		{ "force", no_argument, NULL, LONG_FORCE },
		{ "priority", required_argument, NULL, LONG_PRIORITY },
		{ "watch", required_argument, NULL, 'w' },
		{ "peer", required_argument, NULL, LONG_PEER },
		{ "port", required_argument, NULL, LONG_PORT },
		{ "state", required_argument, NULL, LONG_STATE },
		{}
	};
	struct ctl_args args = {};
	bool want_help = false, want_version = false, bad = false;
	char wrong[64] = "";
	int opt, status;

	args.dev = calloc(argc, sizeof(*args.dev));
	args.set = calloc(argc, sizeof(*args.set));
	if (!args.dev || !args.set)
		return fail(CTL_FAILURE, "out of memory; free some");

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":jpdVhw:", options, NULL)) != -1) {
		switch (opt) {
		case 'p':
			opt_pretty = true;
			/* fallthrough */
		case 'j':
			opt_json = true;
			break;
		case 'd':
			opt_debug = true;
			break;
		case 'V':
			want_version = true;
			break;
		case 'h':
			want_help = true;
			break;
		case 'w':
			args.watch = optarg;
			break;
		case LONG_DEV:
			args.dev[args.ndev++] = optarg;
			break;
		case LONG_SET:
			args.set[args.nset++] = optarg;
			break;
		case LONG_ALL:
			args.all = true;
			break;
		case LONG_FORCE:
			args.force = true;
			break;
		case LONG_PRIORITY:
			args.priority = optarg;
			break;
		case LONG_PEER:
			args.peer = optarg;
			break;
		case LONG_PORT:
			args.port = optarg;
			break;
		case LONG_STATE:
			args.state = optarg;
			break;
		default:
			/* Reported below, once it is known whether in JSON too. */
			if (!bad && opt == ':')
				snprintf(wrong, sizeof(wrong), "%s needs a value", argv[optind - 1]);
			else if (!bad && optopt && optopt < 256)
				snprintf(wrong, sizeof(wrong), "there is no option -%c", optopt);
			else if (!bad)
				snprintf(wrong, sizeof(wrong), "there is no option %s",
					 argv[optind - 1]);
			bad = true;
			break;
		}
	}
	log_setup();
	if (bad)
		status = fail(CTL_USAGE, "%s; 'etranctl help' lists them", wrong);
	else if (want_version)
		status = cmd_version(&args);
	else
		status = run(argc - optind, (const char **)argv + optind, &args, want_help);
	answer_print();
	free(args.dev);
	free(args.set);
	/* A full disk or a closed pipe is no success. */
	if (fflush(stdout) || ferror(stdout)) {
		perror("etranctl: standard output");
		if (!status)
			status = CTL_FAILURE;
	}
	return status;
}
