# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# Shared by the tests of etranctl: TAP output, running the tool, two hosts joined by a veth pair.
# Sourced. A test calls ctl, then expect (or check), and done_testing at its end.

HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
TOP=$(cd -- "$HERE/../.." && pwd -P)
BUILD=${ETRAN_BUILD:-$TOP/build}
CTL=$BUILD/bin/etranctl
OBJ=${ETRAN_TEST_BUILD:-$BUILD/selftests/ctl}
KO=${ETRAN_MODULE:-$BUILD/module/$(uname -r)/etran.ko}
PIN=/sys/fs/bpf/etran
WORK=$(mktemp -d)

TESTS=0
FAILURES=0
CLEANUP=()

echo "TAP version 13"

at_exit()
{
	CLEANUP+=("$*")
}

finish()
{
	local i rc=$?

	for ((i = ${#CLEANUP[@]} - 1; i >= 0; i--)); do
		eval "${CLEANUP[i]}" >/dev/null 2>&1
	done
	rm -rf "$WORK"
	exit $rc
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

skip_all()
{
	echo "1..0 # SKIP $*"
	exit 4
}

done_testing()
{
	echo "1..$TESTS"
	[ $FAILURES = 0 ] || exit 1
	exit 0
}

pass()
{
	TESTS=$((TESTS + 1))
	echo "ok $TESTS - $1"
}

skip_case()
{
	TESTS=$((TESTS + 1))
	echo "ok $TESTS - $1 # SKIP $2"
}

flunk()
{
	TESTS=$((TESTS + 1))
	FAILURES=$((FAILURES + 1))
	echo "not ok $TESTS - $1"
	shift
	[ $# = 0 ] || printf '%s\n' "$@" | sed 's/^/# /'
}

# check DESCRIPTION COMMAND...: passes when the command succeeds.
check()
{
	local what=$1
	shift

	if "$@" >"$WORK/check" 2>&1; then
		pass "$what"
	else
		flunk "$what" "failed ($?): $*" "$(tail -n 20 "$WORK/check")"
	fi
}

# ctl ARGUMENT...: runs etranctl; RC, OUT and ERR hold what came of it.
ctl()
{
	"$CTL" "$@" >"$WORK/out" 2>"$WORK/err"
	took $? "etranctl $*"
}

# took STATUS WHAT: of an etranctl that was started otherwise than by ctl; its output is in
# $WORK/out and $WORK/err.
took()
{
	RC=$1
	LAST=$2
	OUT=$(<"$WORK/out")
	ERR=$(<"$WORK/err")
}

# says PATTERN TEXT: a line of TEXT fits. Without grep: a process more for each check is what the
# tests would spend most of their time on, in a machine that is emulated.
says()
{
	local line

	while IFS= read -r line; do
		[[ $line =~ $1 ]] && return 0
	done <<<"$2"
	return 1
}

# expect DESCRIPTION STATUS [PATTERN]: of the last ctl. PATTERN (extended regular expression) must
# be in what it said: on stderr when it failed, on stdout when it did not. An error is one sentence
# of cause and cure, so it must have a semicolon; and a tool that crashed is no error message.
expect()
{
	local what=$1 status=$2 pattern=${3:-} text=$OUT

	[ "$status" = 0 ] || text=$ERR
	if [ "$RC" != "$status" ]; then
		flunk "$what" "$LAST: exit status $RC, not $status" "stdout: $OUT" "stderr: $ERR"
	elif [ -n "$pattern" ] && ! says "$pattern" "$text"; then
		flunk "$what" "$LAST: said not '$pattern'" "stdout: $OUT" "stderr: $ERR"
	elif [ "$status" != 0 ] && [ "${NO_SENTENCE:-0}" = 0 ] &&
	     ! says '^etranctl: .+; .+' "$ERR"; then
		flunk "$what" "$LAST: names no cause and cure" "stderr: $ERR"
	else
		pass "$what"
	fi
}

# json DESCRIPTION JQ-FILTER: the last output is exactly one JSON value, and the filter is true of it.
json()
{
	if jq -s -e "length == 1 and (.[0] | $2)" <"$WORK/out" >"$WORK/jq" 2>&1; then
		pass "$1"
	else
		flunk "$1" "$LAST: not one JSON value, or not true: $2" "$OUT" "$(<"$WORK/jq")"
	fi
}

# wait_for COMMAND...: until it succeeds, twenty seconds at most (a machine under emulation is slow).
wait_for()
{
	local end=$((SECONDS + 20))

	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

need_files()
{
	local f

	for f in "$CTL" "$@"; do
		[ -e "$f" ] || { echo "# $f is missing: run 'make' first"; echo "Bail out! not built"; exit 1; }
	done
	command -v jq >/dev/null || skip_all "jq is not installed"
}

need_root()
{
	[ "$(id -u)" = 0 ] || skip_all "needs root"
}

load_module()
{
	need_files "$KO"
	need_root
	if [ ! -d /sys/module/etran ]; then
		insmod "$KO" || { flunk "insmod $KO" "$(dmesg | tail -n 5)"; done_testing; }
		at_exit "wait_for rmmod etran"
	fi
	# What is registered last is done first.
	at_exit "$CTL unload --all"
}

# Hosts ctl_a and ctl_b: network namespaces, 10.9.0.1 and 10.9.0.2 on their ends of a veth pair.
two_hosts()
{
	local h n=1

	modprobe -q veth
	for h in ctl_a ctl_b; do
		ip netns add $h || { flunk "ip netns add $h"; done_testing; }
		at_exit ip netns del $h
	done
	ip link add veth0 netns ctl_a type veth peer name veth0 netns ctl_b
	for h in ctl_a ctl_b; do
		ip -n $h link set lo up
		ip -n $h addr add 10.9.0.$n/24 dev veth0
		ip -n $h link set veth0 up
		n=$((n + 1))
	done
}

# Whether the kernel has the AF_XDP hook, HAS_HOOK, and what `check` must say of it, as a filter for json:
# HOOK.
hook_verdict()
{
	if grep -q ' xsk_hook_attach$' /proc/kallsyms; then
		HAS_HOOK=1
		HOOK='.verdict == "ok" and .cure == null'
	else
		HAS_HOOK=0
		HOOK='.verdict == "warn" and (.text | test("no AF_XDP hook")) and (.cure | test("module/patches"))'
	fi
}

pings()
{
	ip netns exec ctl_a ping -q -c 3 -i 0.2 -W 5 10.9.0.2
}

loaded()
{
	"$CTL" -j list | jq -e --arg n "$1" 'any(.name == $n)'
}

# What is in the kernel that etranctl might leave there: pins, link devices, XDP programs, and BPF
# programs, maps and links but for those that bpftool lists with. Without numbers, which go on.
snapshot()
{
	local ns

	find /sys/fs/bpf -mindepth 1 ! -path /sys/fs/bpf/xdp |
		sed -E 's/dispatch-[0-9]+-[0-9]+/dispatch/' | sort
	for ns in "" $(ls /run/netns); do
		echo "namespace $ns"
		ip ${ns:+-n "$ns"} -o link show type etran
		ip ${ns:+-n "$ns"} -d -o link show | grep -oE 'prog/xdp id [0-9]+ name [^ ]+' | sed 's/id [0-9]*//'
	done
	{ bpftool prog list; bpftool map list; bpftool link list; } |
		awk '$1 ~ /^[0-9]+:$/ && $0 !~ /pid_iter|dumper|libbpf_| iter / {
			print $2, $3 == "name" ? $4 : "" }' | sort
}

same_as()
{
	snapshot >"$WORK/now"
	diff "$1" "$WORK/now"
}

# clean DESCRIPTION BASELINE: what the kernel frees late is waited for.
clean()
{
	if wait_for same_as "$2"; then
		pass "$1"
	else
		flunk "$1" "left (>) or missing (<):" "$(same_as "$2")"
	fi
}
