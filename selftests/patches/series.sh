#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The patch series in module/patches are well-formed: numbered without gaps, each a mail that git am takes, with a message
# that says why and what ends the need for it, signed off, small, and in the kernel's style as far as lengths go. Whether
# they fit needs a tree: install/patches.sh, and each kernel that the lab builds.

. "$(dirname -- "$0")/../lib.sh"
set -o pipefail
PATCHES=$ETRAN_TOP/module/patches
W=$(mktemp -d)
trap 'rm -rf "$W"' EXIT
# What a patch may add. What is larger should be two, or less.
MOST=300

# in_series DIR: the patches of one series have the numbers 1, 2, ...
in_series()
{
	local n=0 p

	for p in "$1"/*; do
		n=$((n + 1))
		[[ ${p##*/} == $(printf '%04d' $n)-*.patch ]] || { echo "${p##*/}: not number $n"; return 1; }
	done
	[ $n -gt 0 ]
}

# well_formed FILE: a mail that git am takes, in the form that git format-patch gives
well_formed()
{
	cd "$W" || return 1
	sed -n 1p "$1" | grep -qE '^From [0-9a-f]{40} ' || { echo "no first line of git format-patch"; return 1; }
	grep -qE '^Subject: \[PATCH[^]]*\] [a-z_]+: [^ ]' "$1" || { echo "no subject '[PATCH] subsystem: what'"; return 1; }
	git mailinfo msg patch < "$1" > info || return 1
	grep -q '^Author: .' info && grep -q '^Email: .*@' info || { echo "nobody wrote it"; return 1; }
	[ "$(grep -cE '^Signed-off-by: .+ <.+@.+>$' msg)" -ge 1 ] || { echo "not signed off"; return 1; }
	[ "$(sed '/^Signed-off-by:/d' msg | wc -w)" -gt 50 ] || { echo "its message does not say why"; return 1; }
}

# parses FILE: each hunk has the lines that it says, each file is named, and the statistics are those of the patch
parses()
{
	cd "$W" || return 1
	git apply --numstat "$1" > stat || return 1
	grep -q . stat || { echo "it changes nothing"; return 1; }
	awk '{ plus += $1; minus += $2 } END { printf "%d %d\n", plus, minus }' stat > counted
	sed -n 's/^ [0-9]* files\{0,1\} changed\(, \([0-9]*\) insertions\{0,1\}(+)\)\{0,1\}\(, \([0-9]*\) deletions\{0,1\}(-)\)\{0,1\}$/\2 \4/p' "$1" |
		awk '{ print $1 + 0, $2 + 0 }' | diff counted - || { echo "the statistics in its message are another patch's"; return 1; }
}

# small FILE: as few lines as that, none too long, no white space at their ends
small()
{
	cd "$W" || return 1
	git apply --numstat "$1" | awk -v most=$MOST '{ n += $1 } END { if (n > most) { print "it adds", n, "lines"; exit 1 } }' &&
		awk '/^diff --git / { code = 1 }
		     code && /^\+/ && !/^\+\+\+ / {
			line = substr($0, 2)
			if (line ~ /[ \t]$/) { print "white space at the end: " line; bad = 1 }
			width = 0
			for (i = 1; i <= length(line); i++)
				width += substr(line, i, 1) == "\t" ? 8 - width % 8 : 1
			if (width > 100) { print width " columns: " line; bad = 1 }
		     }
		     END { exit bad }' "$1"
}

# ends FILE: it names the mainline commits that make it unnecessary, or says that there is none
ends()
{
	grep -qE '^Not needed from Linux [0-9]+\.[0-9]+ on, commits? [0-9a-f]{12}|No mainline commit makes it unnecessary' \
		<(sed '/^---$/,$d' "$1")
}

shopt -s nullglob
series=("$PATCHES"/[0-9]*.[0-9]*/)
all=("$PATCHES"/[0-9]*.[0-9]*/*.patch)
# Those for the kernel before mainline had what they bring.
early=("$PATCHES"/6.6/*.patch)
tap_plan $((2 + ${#series[@]} + 3 * ${#all[@]} + ${#early[@]}))
ok "there is a series for 6.6" test -d "$PATCHES/6.6"
ok "and one for 6.12" test -d "$PATCHES/6.12"
for s in "${series[@]}"; do
	s=${s%/}
	ok "${s##*/}: numbers without gaps" in_series "$s"
	for p in "$s"/*.patch; do
		name=${s##*/}/$(cut -c1-4 <<<"${p##*/}")
		ok "$name: a mail that git am takes" well_formed "$p"
		ok "$name: a patch" parses "$p"
		ok "$name: small" small "$p"
	done
done
for p in "${early[@]}"; do
	ok "6.6/$(cut -c1-4 <<<"${p##*/}"): says what ends it" ends "$p"
done
tap_end
