# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# What tests of unmodified programs share: two hosts (../tcp/hosts.sh), tcp_a with etran's TCP and tcp_b with the kernel's; TAP
# (../lib.sh). A test sets W, calls posix_up N, then runs programs with "etran CMD" and "kernel CMD", and posix_end.

POSIX_DIR=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
. "$POSIX_DIR/../lib.sh"
ADDR_A=10.78.0.1
ADDR_B=10.78.0.2
ADDR6_B=fd78::2
RUN=$O/bin/etran-run
PIDS=()
HOSTS=

# On the host with etran, through the shim; on the one without it; on the former without the shim.
etran()
{
	ip netns exec tcp_a env ETRAN_VERBOSE=1 "$RUN" "$@"
}

kernel()
{
	ip netns exec tcp_b "$@"
}

beside()
{
	ip netns exec tcp_a "$@"
}

# background COMMAND...: ends with the test, in a process group of its own for what it starts to end as well
background()
{
	set -m
	"$@" >>"$W/background" 2>&1 &
	PIDS+=($!)
	set +m
}

# listens HOST PORT: somebody does, in the kernel's table
listens()
{
	ip netns exec "$1" ss -Hltn "sport = :$2" | grep -q .
}

# connections: how many etran's TCP has had
connections()
{
	"$CTL" stats tcp 2>/dev/null | awk '$1 == "conn_active" || $1 == "conn_passive" { n += $2 } END { print n + 0 }'
}

# by_etran COMMAND...: it succeeds, and etran's TCP had connections meanwhile
by_etran()
{
	local before after

	before=$(connections)
	"$@" || return
	after=$(connections)
	[ "$after" -gt "$before" ] && return
	echo "no connection was etran's: $before before, $after now"
	return 1
}

posix_up()
{
	trap posix_down EXIT
	W=$(mktemp -d)
	: >"$W/background"
	tap_plan "$1"
	bash "$POSIX_DIR/../tcp/hosts.sh" up 1500 KERNEL >&2 || { echo "Bail out! no hosts"; exit 1; }
	HOSTS=1
}

group_gone()
{
	! kill -0 -- "-$1" 2>/dev/null
}

posix_down()
{
	local pid

	for pid in "${PIDS[@]}"; do
		kill -- "-$pid"
	done 2>/dev/null
	wait 2>/dev/null
	# The shell between is gone at once; what it started may look for signals once a second.
	for pid in "${PIDS[@]}"; do
		wait_for group_gone "$pid"
	done
	[ -z "$HOSTS" ] || bash "$POSIX_DIR/../tcp/hosts.sh" down >&2 || echo "# hosts.sh down failed"
	rm -rf "$W"
}

posix_end()
{
	[ "$TAP_FAILED" = 0 ] || sed 's/^/# background: /' "$W/background" | tail -n 20
	tap_end
}
