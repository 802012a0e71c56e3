# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Shared by the lab's scripts: where things are kept, progress, locks, downloads.
# Sourced, never run. Everything it says goes to stderr: the scripts answer on
# stdout, with a path or a command's own output and nothing else.

LAB_DIR=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
TOP_DIR=$(cd -- "$LAB_DIR/../.." && pwd -P)
ETRAN_CACHE=${ETRAN_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/etran}
# One series of kernels is what Debian 12 and 13 share and what etran is tested on.
LAB_SERIES=6.12
# The moment that elapsed times count from; inherited, so that they run on
# through all scripts of one make.
export ETRAN_T0=${ETRAN_T0:-$(date +%s)}

say()
{
	printf '[%4ds] %s\n' "$(($(date +%s) - ETRAN_T0))" "$*" >&2
}

die()
{
	printf '%s: %s\n' "${LAB_SELF:-lab}" "$*" >&2
	exit 1
}

# A heartbeat for steps that are silent for long. Ends with the shell that
# started it, as it looks for that shell each time.
heartbeat_start()
{
	local what=$1 parent=$BASHPID

	(
		trap 'exit 0' TERM
		while sleep 15 && kill -0 "$parent" 2>/dev/null; do
			say "$what ..."
		done
	) </dev/null >/dev/null &
	HEARTBEAT=$!
}

heartbeat_stop()
{
	[ -n "${HEARTBEAT:-}" ] || return 0
	kill "$HEARTBEAT" 2>/dev/null
	wait "$HEARTBEAT" 2>/dev/null
	HEARTBEAT=
	return 0
}

# Two scripts may want the same cache entry at once: the second waits, then
# finds it there. The lock ends with the process, however it ends.
cache_lock()
{
	local name=$1

	mkdir -p "$ETRAN_CACHE" || die "cannot create the cache $ETRAN_CACHE; set ETRAN_CACHE to a writable directory"
	exec {LOCK_FD}>"$ETRAN_CACHE/.lock-$name" || die "cannot write in $ETRAN_CACHE"
	if ! flock -n "$LOCK_FD"; then
		say "waiting for another run that is preparing $name"
		flock "$LOCK_FD"
	fi
}

cache_unlock()
{
	exec {LOCK_FD}>&-
}

# Runs its arguments as root: as they are, or by a sudo that asks nothing.
as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo -n "$@"
	fi
}

can_be_root()
{
	[ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
}

# Package lists go stale or are missing on a fresh machine; once per run is enough.
apt_update()
{
	[ -z "${ETRAN_APT_UPDATED:-}" ] || return 0
	can_be_root || return 1
	say "apt-get update"
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -o DPkg::Lock::Timeout=600 update </dev/null >&2 || return 1
	export ETRAN_APT_UPDATED=1
}

# apt_download DIR PACKAGE...: fetches packages into DIR without installing them.
apt_download()
{
	local dir=$1
	shift

	(
		cd "$dir" || exit 1
		apt-get -q -o APT::Sandbox::User="$(id -un)" download "$@" </dev/null >&2
	)
}
