#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# memcached, four threads, on etran's TCP: connections that one thread accepts and another serves. The client is python's.

. "$(dirname -- "$0")/lib.sh"
posix_up 4

background etran memcached -u root -l $ADDR_A -p 11211 -t 4
background kernel memcached -u root -l $ADDR_B -p 11212 -t 4
ok "memcached on etran listens" wait_for listens tcp_a 11211
ok "values there and back, 16 connections" by_etran kernel python3 memcached_client.py $ADDR_A 11211
ok "memcached on the kernel's listens" wait_for listens tcp_b 11212
ok "the same, by a client on etran" by_etran etran python3 memcached_client.py $ADDR_B 11212
posix_end
