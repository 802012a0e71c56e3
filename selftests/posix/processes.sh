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

# all ROLE: what it says of each case goes to $W/ROLE.kernel and $W/ROLE.etran
all()
{
	local role=$1

	PROCESSES_TCP=kernel beside "$PROCESSES" "$role" $ADDR_B 7000 >"$W/$role.kernel" 2>>"$W/background"
	PROCESSES_TCP=etran etran "$PROCESSES" "$role" $ADDR_B 7000 >"$W/$role.etran" 2>>"$W/background"
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

posix_up $((3 + $(cases client | wc -l) + $(cases server | wc -l)))
background kernel "$PROCESSES" serve 7000
ok "the other host listens" wait_for listens tcp_b 7000
for role in client server; do
	ok "$role: all cases are run" by_etran all $role
	for c in $(cases $role); do
		ok "$role: ${c//_/ }" holds $role "$c"
	done
done
posix_end
