"""What a request costs us without sockets: microseconds from arrival to answer.

    python bench/path.py [--profile ROW] [--count 20000]

A connection in memory is fed one request at a time, and whatever the loop has to do until the
answer is complete is counted. There is no kernel and no load generator in these numbers, so they
are steady enough to judge a change by; ``bench/http.py`` says what it means for clients.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import sys
import time
from collections.abc import Callable
from pathlib import Path

# The directory of this script holds a module named http: the standard library's must win.
BENCH = Path(__file__).resolve().parent
sys.path.remove(str(BENCH))
sys.path[:0] = [str(BENCH.parent), str(BENCH.parent / "src"), str(BENCH / "apps")]

import ours  # noqa: E402
import uvloop  # noqa: E402

from blackbull.config import Settings  # noqa: E402
from blackbull.log import LimitLog  # noqa: E402
from blackbull.server.bindings.http1 import HTTP1Consumer  # noqa: E402
from blackbull.server.bindings.service import HTTPService  # noqa: E402
from blackbull.transport.memory import MemoryConnection  # noqa: E402

PLAIN = b"Host: 127.0.0.1:8000\r\nAccept: text/plain, */*;q=0.1\r\nConnection: keep-alive\r\n"
BROWSER = PLAIN + b"".join(b"X-Field-%d: the value of this field\r\n" % n for n in range(10))
BODY = b"0123456789abcdef" * 64
POST = PLAIN + b"Content-Type: application/octet-stream\r\nContent-Length: 1024\r\n"


def get(path: bytes, fields: bytes = PLAIN) -> bytes:
    """Return a request without content."""
    return b"GET " + path + b" HTTP/1.1\r\n" + fields + b"\r\n"


Make = Callable[[int], bytes]
ROWS: dict[str, Make] = {
    "plaintext": lambda n: get(b"/plaintext"),
    "json": lambda n: get(b"/json"),
    "path": lambda n: get(b"/users/42"),
    "paths": lambda n: get(b"/users/%d" % n),
    "echo": lambda n: b"POST /echo HTTP/1.1\r\n" + POST + b"\r\n" + BODY,
    "browser": lambda n: get(b"/plaintext", BROWSER + b"Cookie: sid=1\r\n"),
    "cookies": lambda n: get(b"/plaintext", BROWSER + b"Cookie: sid=%040x\r\n" % n),
    "pipeline": lambda n: get(b"/plaintext") * 16,
    "big": lambda n: get(b"/big"),
    "stream": lambda n: get(b"/stream"),
}


async def measure(requests: list[bytes]) -> float:
    """Return seconds per arrival, each answered before the next comes."""
    await ours.app.startup()
    loop = asyncio.get_running_loop()
    service = HTTPService(ours.app, Settings(), loop=loop, limits=LimitLog())
    view = MemoryConnection()
    consumer = HTTP1Consumer(view, service)
    view.attach(consumer)
    started = time.perf_counter()
    for request in requests:
        consumer.data_received(request)
        while consumer.exchange is not None:
            await asyncio.sleep(0)
        view.sent.clear()
    taken = time.perf_counter() - started
    view.close()
    service.close()
    await ours.app.shutdown()
    return taken / len(requests)


def main() -> None:
    """Measure every row three times and print the best, or profile one."""
    parser = argparse.ArgumentParser(description="What a request costs us without sockets.")
    parser.add_argument("--profile", choices=ROWS)
    parser.add_argument("--count", type=int, default=20000)
    arguments = parser.parse_args()
    if arguments.profile:
        requests = [ROWS[arguments.profile](n) for n in range(arguments.count)]
        profiler = cProfile.Profile()
        profiler.enable()
        uvloop.run(measure(requests))
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
        return
    print("| row | us per arrival |\n| --- | ---: |")
    for name, make in ROWS.items():
        requests = [make(n) for n in range(arguments.count)]
        best = min(uvloop.run(measure(requests)) for _ in range(3))
        print(f"| {name} | {best * 1e6:.2f} |", flush=True)


if __name__ == "__main__":
    main()
