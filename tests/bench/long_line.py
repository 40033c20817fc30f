"""A long line on loopback: every connection through it carries so many bytes a second, and not more."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.server import free_port

_BLOCK = 64 * 1024


@contextmanager
def a_long_line(port: int, bytes_per_s: float) -> Iterator[int]:
    """Give a port that leads to `port`."""
    loop, near = asyncio.new_event_loop(), free_port()
    ready = threading.Event()

    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        began, carried = time.monotonic(), 0
        try:
            while block := await source.read(_BLOCK):
                target.write(block)
                await target.drain()
                carried += len(block)
                await asyncio.sleep(max(0.0, began + carried / bytes_per_s - time.monotonic()))
        except OSError:
            pass
        finally:
            target.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        with suppress(asyncio.CancelledError):
            await asyncio.gather(carry(reader, back), carry(there, writer))

    async def serve() -> None:
        server = await asyncio.start_server(connect, "127.0.0.1", near)
        ready.set()
        async with server:
            await server.serve_forever()

    task = loop.create_task(serve())

    def run() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            left = asyncio.all_tasks(loop)
            for each in left:
                each.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait()
    try:
        yield near
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(timeout=5)
