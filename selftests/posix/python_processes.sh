#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Connections that one process has and another one answers, by what Python's library has for that: ForkingTCPServer, sockets that
# are sent to workers of multiprocessing, subprocess, http.server with CGI. See python_processes.py.

. "$(dirname -- "$0")/lib.sh"

WAYS="forking handle fds pickle command"
# How many connections.
N=50
posix_up 19

# on HOST ARGUMENTS...: python_processes.py there; HOST is etran or kernel
on()
{
	"$1" timeout 100 python3 "$POSIX_DIR/python_processes.py" "${@:2}"
}

# answered WAY PORT: the other host asks on connections that are begun here
answered()
{
	local asker rc

	on kernel expect $ADDR_B "$2" $N >"$W/expect" 2>&1 &
	asker=$!
	wait_for listens tcp_b "$2" && on etran answer "$1" $ADDR_B "$2" $N
	rc=$?
	[ $rc = 0 ] || kill $asker
	wait $asker && [ $rc = 0 ] || { cat "$W/expect"; return 1; }
}

port=9100
for way in $WAYS; do
	background etran python3 "$POSIX_DIR/python_processes.py" serve $way $ADDR_A $port
	ok "$way: the server on etran listens" wait_for listens tcp_a $port
	ok "$way: $N connections, 8 at a time" by_etran on kernel ask $ADDR_A $port $N
	ok "$way: $N connections from etran" by_etran answered $way $((port + 1))
	port=$((port + 2))
done

# What CGI programs do as nobody: they read the body from the connection, and write to it.
mkdir -p "$W/site/cgi-bin"
chmod 755 "$W"
cat >"$W/site/cgi-bin/sum" <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
echo "$REQUEST_METHOD $QUERY_STRING $(id -u)"
[ -z "$CONTENT_LENGTH" ] || head -c "$CONTENT_LENGTH" | sha256sum
END
chmod 755 "$W/site/cgi-bin/sum"
head -c 200000 /dev/urandom >"$W/site/body"
URL=http://$ADDR_A:8002

cgi_get()
{
	[ "$(kernel curl -sS -m 60 "$URL/cgi-bin/sum?words" 2>&1)" = "GET words 65534" ]
}

# cgi_post NUMBER
cgi_post()
{
	kernel curl -sS -m 60 -H Expect: --data-binary @"$W/site/body" "$URL/cgi-bin/sum?$1" >"$W/post.$1" 2>&1 &&
	printf 'POST %s 65534\n%s  -\n' "$1" "$(sha256sum <"$W/site/body" | cut -d' ' -f1)" | cmp - "$W/post.$1"
}

# Beside them, the server itself sends a file.
cgi_many()
{
	local i pids=() rc=0

	for i in $(seq 10); do
		cgi_post "$i" &
		pids+=($!)
	done
	kernel curl -sS -m 60 -o "$W/got" "$URL/body" && cmp "$W/got" "$W/site/body" || rc=1
	for i in "${pids[@]}"; do
		wait "$i" || rc=1
	done
	return $rc
}

background etran python3 -m http.server --cgi -d "$W/site" -b $ADDR_A 8002
ok "http.server with CGI listens" wait_for listens tcp_a 8002
ok "CGI: GET" by_etran cgi_get
ok "CGI: POST" by_etran cgi_post 0
ok "CGI: ten at once" by_etran cgi_many
posix_end
