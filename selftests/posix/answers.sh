#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What sockets answer: the same with etran's TCP as with the kernel's, as client and as server (answers.c).

. "$(dirname -- "$0")/lib.sh"
ANSWERS=${ETRAN_TEST_BUILD:-$O/selftests/posix}/answers
SECTIONS="names data waiting events ends copies room large options done"
posix_up 24

# part FILE SECTION
part()
{
	sed -n "/^== $2\$/,/^== /p" "$1" | sed '/^== /d'
}

# same ROLE SECTION
same()
{
	grep -qx "== $2" "$W/$1.etran" || { echo "not reached"; tail -n 3 "$W/$1.etran"; return 1; }
	diff <(part "$W/$1.kernel" "$2") <(part "$W/$1.etran" "$2")
}

both()
{
	local role=$1

	shift
	beside timeout 60 "$ANSWERS" "$role" "$@" >"$W/$role.kernel" 2>&1
	by_etran etran timeout 60 "$ANSWERS" "$role" "$@" >"$W/$role.etran" 2>>"$W/background"
	grep -qx "== done" "$W/$role.kernel"
}

background kernel "$ANSWERS" serve 7000
ok "the other host listens" wait_for listens tcp_b 7000
ok "client: asked" both client $ADDR_B 7000
for s in connecting $SECTIONS; do
	[ $s = done ] || ok "client: $s" same client $s
done
ok "server: asked" both server $ADDR_B 7000 $ADDR_A
for s in listening $SECTIONS; do
	ok "server: $s" same server $s
done
posix_end
