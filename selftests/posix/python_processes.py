# SPDX-License-Identifier: GPL-2.0
"""
Echo by other processes than the one that has the connections, in ways of Python's library.

usage: python_processes.py serve WAY HOST PORT       connections that come here
       python_processes.py answer WAY HOST PORT N    N connections that are begun here
       python_processes.py ask HOST PORT N           begins N, several at a time, and compares what comes back
       python_processes.py expect HOST PORT N        the same with N that come here

WAY is forking (socketserver.ForkingTCPServer; os.fork), handle (multiprocessing.reduction.send_handle to workers that were forked
before), fds (socket.send_fds to workers of the start method spawn), pickle (a socket through a multiprocessing.Pipe to
such), command (subprocess.Popen of cat with the socket as its standard input and output).
"""
import asyncio
import hashlib
import multiprocessing
import os
import socket
import socketserver
import subprocess
import sys
from multiprocessing import reduction


def echo(sock):
    with sock:
        while data := sock.recv(5000):
            sock.sendall(data)


class Forking:
    """A child for each."""

    def __init__(self):
        self.children = []

    def answer(self, sock):
        pid = os.fork()
        if not pid:
            echo(sock)
            os._exit(0)
        self.children.append(pid)
        sock.close()

    def end(self):
        assert all(os.waitpid(pid, 0)[1] == 0 for pid in self.children)


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        echo(self.request)


class Command:
    """cat for each."""

    def __init__(self):
        self.children = []

    def answer(self, sock):
        self.children.append(subprocess.Popen(["cat"], stdin=sock, stdout=sock))
        sock.close()

    def end(self):
        assert all(child.wait() == 0 for child in self.children)


def work(pipe, way):
    while word := pipe.recv():
        if way == "pickle":
            sock = word
        elif way == "handle":
            sock = socket.socket(fileno=reduction.recv_handle(pipe))
        else:
            with socket.fromfd(pipe.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as s:
                fd, = socket.recv_fds(s, 10, 1)[1]
            sock = socket.socket(fileno=fd)
        assert sock.family == socket.AF_INET and sock.getpeername()
        echo(sock)


class Workers:
    """Each of three in turn."""

    def __init__(self, way):
        context = multiprocessing.get_context("fork" if way == "handle" else "spawn")
        self.way, self.next, self.workers = way, 0, []
        for _ in range(3):
            here, there = context.Pipe()
            process = context.Process(target=work, args=(there, way))
            process.start()
            self.workers.append((process, here))

    def answer(self, sock):
        process, pipe = self.workers[self.next % 3]
        self.next += 1
        if self.way == "pickle":
            pipe.send(sock)
        else:
            pipe.send("one more")
            if self.way == "handle":
                reduction.send_handle(pipe, sock.fileno(), process.pid)
            else:
                with socket.fromfd(pipe.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as s:
                    socket.send_fds(s, [b"it"], [sock.fileno()])
        sock.close()

    def end(self):
        for process, pipe in self.workers:
            pipe.send("")
            process.join()
            assert process.exitcode == 0


def answerer(way):
    return {"forking": Forking, "command": Command}.get(way, lambda: Workers(way))()


def serve(way, host, port):
    if way == "forking":
        socketserver.ForkingTCPServer.allow_reuse_address = True
        socketserver.ForkingTCPServer((host, int(port)), Handler).serve_forever()
    a = answerer(way)
    with socket.create_server((host, int(port))) as listener:
        while True:
            a.answer(listener.accept()[0])


def answer(way, host, port, n):
    a = answerer(way)
    for _ in range(int(n)):
        a.answer(socket.create_connection((host, int(port))))
    a.end()


async def compare(reader, writer, i):
    data = hashlib.sha256(str(i).encode()).digest() * (60 * i + 1)
    writer.write(data)
    writer.write_eof()
    assert await reader.read(-1) == data
    writer.close()
    await writer.wait_closed()


async def ask(host, port, n):
    several = asyncio.Semaphore(8)

    async def one(i):
        async with several:
            await compare(*await asyncio.open_connection(host, int(port)), i)

    await asyncio.gather(*(one(i) for i in range(int(n))))


async def expect(host, port, n):
    results = asyncio.Queue()
    numbers = iter(range(int(n)))

    async def came(reader, writer):
        try:
            await compare(reader, writer, next(numbers))
            results.put_nowait(None)
        except Exception as error:
            results.put_nowait(error)

    server = await asyncio.start_server(came, host, int(port))
    for _ in range(int(n)):
        error = await results.get()
        if error:
            raise error
    server.close()


if __name__ == "__main__":
    what, arguments = sys.argv[1], sys.argv[2:]
    if what in ("serve", "answer"):
        {"serve": serve, "answer": answer}[what](*arguments)
    else:
        asyncio.run({"ask": ask, "expect": expect}[what](*arguments))
