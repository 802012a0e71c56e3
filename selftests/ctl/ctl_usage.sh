#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The command line of etranctl: help, prefixes, options, JSON and exit status 2. No kernel needed.

. "$(dirname -- "$0")/lib.sh"
need_files

for c in load replace unload list show set filter stats check version; do
	ctl help $c
	expect "help $c" 0 "^usage: etranctl $c"
done
ctl load help
expect "help may stand behind" 0 "^usage: etranctl load"
ctl help
expect "help lists the commands" 0 "etranctl load OBJ"
ctl --help
expect "--help" 0 "etranctl load OBJ"
ctl -h unl
expect "-h with a shortened command" 0 "^usage: etranctl unload"
ctl -V
expect "-V" 0 "^etranctl [0-9]"
ctl ver
expect "a command may be shortened" 0 "^etranctl [0-9]"
ctl -j version
expect "-j version" 0
json "-j version is JSON" '.version and .abi and .ops and has("module")'
ctl -p version
json "-p version is JSON" '.version'
check "-p version has several lines" test "$(wc -l <<<"$OUT")" -gt 3
ctl version -j
json "options may stand behind the command" '.version'
ctl -j help
json "-j help is JSON" '.commands | length >= 8'

usage()
{
	local what=$1
	shift
	ctl -j "$@"
	expect "$what" 2
	# What stands behind "etranctl: " on stderr is the error on stdout; quotes are escaped there.
	check "$what: JSON error" says '^\{"error":".{10,}"\}$' "$OUT"
}
ctl
expect "no command" 2 "no command given"
usage "unknown command" frobnicate
usage "command that fits two" l
usage "command that fits three" s
usage "unknown option" --frobnicate list
usage "unknown letter" -x list
usage "option without its value" load x --dev
usage "load without object" load
usage "load with two objects" load a b
usage "unload without name" unload
usage "unload with a path" unload ../x
usage "unload NAME --all" unload x --all
usage "list with an argument" list x
usage "show of two" show a b
usage "replace without object" replace
usage "set without an assignment" set
usage "set with a device" set a.b=1 --dev eth0
usage "replace with a device" replace x --dev eth0
usage "stats with two names" stats a b
usage "stats -w without seconds" stats -w
usage "stats -w 0" stats -w 0
usage "stats -w with a day and more" stats --watch 86401
usage "stats -w with something else" stats -w 1s
usage "-w of another command" list -w 1
usage "version with an argument" version x
usage "option of another command" list --dev eth0
usage "--set of another command" stats --set a=b
usage "--all of another command" list --all
usage "--force of another command" load x --force
usage "check with a name that is too long" check averyveryverylongname
usage "check with an empty name" check a/
usage "filter without a verb" filter
usage "filter with another verb" filter frob
usage "filter add without object" filter add
usage "filter add with two objects" filter add a b
usage "filter add --force" filter add a --force
usage "filter add with a priority that is none" filter add a --priority high
usage "filter add with a priority that is too high" filter add a --priority 2147483648
usage "filter list with an argument" filter list a
usage "filter list --set" filter list --set a=b
usage "filter del without name" filter del
usage "filter del with a path" filter del ../x
usage "filter del with a name that is too long" filter del averyveryverylongname
usage "filter del --priority" filter del a --priority 1
usage "--priority of another command" load a --priority 1

"$CTL" version >/dev/full 2>"$WORK/err"
check "a full disk is no success" test $? = 1

if command -v man >/dev/null; then
	check "the man page has no warnings" test -z \
		"$(man --warnings -E UTF-8 -l "$TOP/ctl/man/etranctl.8" 2>&1 >/dev/null)"
else
	skip_case "the man page has no warnings" "man is not installed"
fi
for c in load replace unload list show set filter stats check version; do
	check "the man page has $c" grep -q "$c" "$TOP/ctl/man/etranctl.8"
done
done_testing
