#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Connections that several processes use: fork(), exec, posix_spawn(), SCM_RIGHTS, threads beside them (processes.c). Each case
# with connections that are begun here and that come here. One counts only if it holds with the kernel's TCP, too.

. "$(dirname -- "$0")/lib.sh"
PROCESSES=${ETRAN_TEST_BUILD:-$O/selftests/posix}/processes
# The control connection is the kernel's.
export ETRAN_PORTS=7001-65535

cases()
{
	"$PROCESSES" list "$1"
}

# Over IPv6: one of each kind, as what differs is addresses.
CASES_6="child_answers_what_came_before_fork megabyte_read_and_written_in_turns child_writes_behind_unsent_data
	child_without_privileges names_in_the_child options_in_the_child reset_is_told_once executed_program_asks_its_socket
	exec_in_the_same_process passed_on_and_used_by_both forks_while_threads_work"

# all ROLE ADDR [CASE...]: what it says of each case goes to $W/ROLE.kernel and $W/ROLE.etran
all()
{
	local role=$1 addr=$2

	shift 2
	PROCESSES_TCP=kernel beside "$PROCESSES" "$role" $addr 7000 "$@" >"$W/$role.kernel" 2>>"$W/background"
	PROCESSES_TCP=etran etran "$PROCESSES" "$role" $addr 7000 "$@" >"$W/$role.etran" 2>>"$W/background"
	grep -qx "done" "$W/$role.kernel" && grep -qx "done" "$W/$role.etran" || { tail -n 3 "$W/$role".*; return 1; }
}

# holds ROLE CASE
holds()
{
	local tcp

	for tcp in kernel etran; do
		grep -qx "$2: ok" "$W/$1.$tcp" || {
			echo "with ${tcp}'s TCP:"
			grep "^$2: " "$W/$1.$tcp" || echo "not reached"
			return 1
		}
	done
}

# both ROLE: of CASES_6 those that it has
both()
{
	cases "$1" | grep -xF "$(printf '%s\n' $CASES_6)"
}

posix_up $((5 + $( (cases client; cases server; both client; both server) | wc -l)))
background kernel "$PROCESSES" serve 7000
ok "the other host listens" wait_for listens tcp_b 7000
for role in client server; do
	ok "$role: all cases are run" by_etran all $role $ADDR_B
	for c in $(cases $role); do
		ok "$role: ${c//_/ }" holds $role "$c"
	done
	# shellcheck disable=SC2046
	ok "$role over IPv6: all cases are run" by_etran all $role $ADDR6_B $(both $role)
	for c in $(both $role); do
		ok "$role over IPv6: ${c//_/ }" holds $role "$c"
	done
done
posix_end
