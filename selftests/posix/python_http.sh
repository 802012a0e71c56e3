#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Python's http.server on etran's TCP with curl on the kernel's, and the other way round: checksums of what was fetched.

. "$(dirname -- "$0")/lib.sh"
posix_up 6

mkdir "$W/files"
head -c 3000000 /dev/urandom >"$W/files/large"
head -c 700 /dev/urandom >"$W/files/small"
printf 'x' >"$W/files/byte"

fetch_all()
{
	local host=$1 url=$2 f

	for f in large small byte; do
		"$host" curl -sS -m 60 -o "$W/got" "$url/$f" 2>&1 && cmp "$W/got" "$W/files/$f" || return
	done
}

# Twice in one connection, of the keep-alive kind.
fetch_twice()
{
	"$1" curl -sS -m 60 -o "$W/got1" "$2/small" -o "$W/got2" "$2/large" &&
	cmp "$W/got1" "$W/files/small" && cmp "$W/got2" "$W/files/large"
}

background etran python3 -m http.server -d "$W/files" -b 0.0.0.0 8000
ok "http.server listens, and ss knows" wait_for listens tcp_a 8000
ok "curl of the kernel's TCP fetches from it" by_etran fetch_all kernel http://$ADDR_A:8000
ok "a local curl fetches from it, by the kernel's TCP" fetch_all beside http://$ADDR_A:8000

background kernel python3 -m http.server -d "$W/files" -b 0.0.0.0 8001
ok "http.server of the kernel's TCP listens" wait_for listens tcp_b 8001
ok "curl on etran fetches from it" by_etran fetch_all etran http://$ADDR_B:8001
ok "curl on etran, several files at once" by_etran fetch_twice etran http://$ADDR_B:8001
posix_end
