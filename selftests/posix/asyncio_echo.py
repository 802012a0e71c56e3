# SPDX-License-Identifier: GPL-2.0
"""asyncio_echo.py serve|call HOST PORT: echo server; 20 clients that compare what comes back."""
import asyncio
import hashlib
import sys


async def echo(reader, writer):
    while data := await reader.read(5000):
        writer.write(data)
        await writer.drain()
    writer.close()


async def serve(host, port):
    server = await asyncio.start_server(echo, host, port)
    await server.serve_forever()


async def client(host, port, i):
    data = hashlib.sha256(str(i).encode()).digest() * (100 * i + 1)
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(data)
    writer.write_eof()
    assert await reader.read(-1) == data
    writer.close()
    await writer.wait_closed()


async def call(host, port):
    await asyncio.gather(*(client(host, port, i) for i in range(20)))


asyncio.run({"serve": serve, "call": call}[sys.argv[1]](sys.argv[2], int(sys.argv[3])))
