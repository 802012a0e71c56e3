# SPDX-License-Identifier: GPL-2.0
"""memcached_client.py HOST PORT: values into memcached by 16 connections, and out by all of them."""
import hashlib
import socket
import sys

CONNECTIONS = 16


def value(i):
    return hashlib.sha256(str(i).encode()).digest() * (40 * i + 1)


def main():
    socks = [socket.create_connection((sys.argv[1], int(sys.argv[2])), 20) for _ in range(CONNECTIONS)]
    files = [s.makefile("rb") for s in socks]
    for i, s in enumerate(socks):
        v = value(i)
        s.sendall(b"set k%d 0 0 %d\r\n%s\r\n" % (i, len(v), v))
    for f in files:
        assert f.readline() == b"STORED\r\n"
    for i, s in enumerate(socks):
        s.sendall(b"get k%d\r\n" % ((i + 5) % CONNECTIONS))
    for i, f in enumerate(files):
        v = value((i + 5) % CONNECTIONS)
        assert f.readline() == b"VALUE k%d 0 %d\r\n" % ((i + 5) % CONNECTIONS, len(v))
        assert f.read(len(v)) == v
        assert f.readline() == b"\r\n" and f.readline() == b"END\r\n"
    for s in socks:
        s.close()


main()
