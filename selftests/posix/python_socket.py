#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
The tests of Python's own socket module (package libpython3-testsuite) between two hosts: the server's half of each runs in
one network namespace, the client's thread in the other.

usage: python_socket.py SERVER CLIENT ADDRESS CLASS...

SERVER and CLIENT are namespaces, ADDRESS is the server's, CLASS one of test_socket's. The exit status is 0 if none failed
and some ran.
"""
import ctypes
import os
import socket
import sys
import threading
import unittest

from test.support import socket_helper

libc = ctypes.CDLL(None, use_errno=True)


def enter(name):
    """The calling thread is in that network namespace from here on."""
    fd = os.open("/run/netns/" + name, os.O_RDONLY | os.O_CLOEXEC)
    if libc.setns(fd, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns")
    os.close(fd)


def main():
    server, client, address, classes = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
    # The first who uses the network decides from which namespace etran does.
    with socket.socket() as s:
        try:
            s.connect((address, 1))
        except OSError:
            pass
    socket_helper.HOST = socket_helper.HOSTv4 = address
    bind_port = socket_helper.bind_port
    here = threading.local()
    here.address = address

    def bind_port_here(sock, host=address):
        return bind_port(sock, host if host != address else getattr(here, "address", "0.0.0.0"))

    socket_helper.bind_port = bind_port_here
    from test import test_socket

    run = test_socket.ThreadableTest.clientRun

    def run_there(self, function):
        enter(client)
        run(self, function)

    test_socket.ThreadableTest.clientRun = run_there
    enter(server)
    suite = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromTestCase(getattr(test_socket, c))
                               for c in classes)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    print(f"{result.testsRun} run, {len(result.skipped)} skipped")
    sys.exit(not result.wasSuccessful() or result.testsRun == len(result.skipped))


main()
