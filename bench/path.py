"""What a request or a message costs us without sockets: microseconds from arrival to answer.

    python bench/path.py [--rows plaintext,ws-32] [--profile ROW] [--count 20000] [--metrics]

A connection in memory is fed one arrival at a time, and whatever the loop has to do until the
answer is complete is counted. There is no kernel and no load generator in these numbers, so they
are steady enough to judge a change by; ``http.py``, ``ws.py`` and ``http2.py`` say what it means
for clients.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import pstats
import random
import sys
import time
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

# The directory of this script holds a module named http: the standard library's must win.
BENCH = Path(__file__).resolve().parent
sys.path.remove(str(BENCH))
sys.path[:0] = [str(BENCH.parent), str(BENCH.parent / "src"), str(BENCH / "apps")]

import ours  # noqa: E402
import uvloop  # noqa: E402
from hpack import Encoder  # noqa: E402

from blackbull.config import Settings  # noqa: E402
from blackbull.log import LimitLog  # noqa: E402
from blackbull.metrics import MetricsExtension  # noqa: E402
from blackbull.server.bindings.http1 import HTTP1Consumer  # noqa: E402
from blackbull.server.bindings.http2 import HTTP2Binding, HTTP2Consumer  # noqa: E402
from blackbull.server.bindings.service import HTTPService  # noqa: E402
from blackbull.server.bindings.websocket import WebSocketUpgrade  # noqa: E402
from blackbull.transport.memory import MemoryConnection  # noqa: E402

PLAIN = b"Host: 127.0.0.1:8000\r\nAccept: text/plain, */*;q=0.1\r\nConnection: keep-alive\r\n"
BROWSER = PLAIN + b"".join(b"X-Field-%d: the value of this field\r\n" % n for n in range(10))
BODY = b"0123456789abcdef" * 64
POST = PLAIN + b"Content-Type: application/octet-stream\r\nContent-Length: 1024\r\n"
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
STREAMS = 32
LARGEST_WINDOW = 2**31 - 1


class Client(ABC):
    """One connection to our application, in memory.

    Args:
        service: What the connections of our server share.
    """

    def __init__(self, service: HTTPService) -> None:
        self.view = MemoryConnection()
        self.service = service

    @abstractmethod
    def open(self) -> None:
        """Do what comes before the first arrival that counts."""

    @abstractmethod
    def waits(self) -> bool:
        """Return whether a part of the answer is still to come."""


class HTTP1Client(Client):
    def open(self) -> None:
        self.consumer = HTTP1Consumer(self.view, self.service)
        self.view.attach(self.consumer)

    def waits(self) -> bool:
        return self.consumer.exchange is not None


class WebSocketClient(Client):
    """Expects every message back: at least as many bytes, less their masks, as were sent."""

    handshake = HANDSHAKE + b"\r\n"
    at_least = 0

    def open(self) -> None:
        self.service.upgrades[b"websocket"] = WebSocketUpgrade(self.service)
        self.view.attach(HTTP1Consumer(self.view, self.service))
        self.view.feed(self.handshake)

    def waits(self) -> bool:
        return len(self.view.sent) < self.at_least


class DeflateClient(WebSocketClient):
    handshake = HANDSHAKE + DEFLATE + b"\r\n"


class HTTP2Client(Client):
    def open(self) -> None:
        binding = HTTP2Binding(self.service)
        self.consumer = HTTP2Consumer(self.view, self.service, parser=binding.parser)
        self.view.attach(self.consumer)
        window = (4).to_bytes(2, "big") + LARGEST_WINDOW.to_bytes(4, "big")
        more = (LARGEST_WINDOW - 65535).to_bytes(4, "big")
        self.view.feed(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, window))
        self.view.feed(frame(4, 1, 0, b"") + frame(8, 0, 0, more))

    def waits(self) -> bool:
        return bool(self.consumer.machine.active)


def get(path: bytes, fields: bytes = PLAIN) -> bytes:
    """Return a request without content."""
    return b"GET " + path + b" HTTP/1.1\r\n" + fields + b"\r\n"


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return an HTTP/2 frame."""
    return (
        len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload
    )


def requests(path: Callable[[int], str]) -> Callable[[int], list[bytes]]:
    """Return what makes arrivals of as many HTTP/2 requests as there are streams at a time."""

    def make(count: int) -> list[bytes]:
        encoder = Encoder()
        fields = [(":method", "GET"), (":scheme", "http"), (":authority", "127.0.0.1:8000")]
        frames = [
            frame(1, 5, 2 * n + 1, encoder.encode([*fields, (":path", path(n)), ("accept", "*/*")]))
            for n in range(count * STREAMS)
        ]
        return [b"".join(frames[n : n + STREAMS]) for n in range(0, len(frames), STREAMS)]

    return make


def message(text: bytes, number: int, *, deflate: bool = False) -> bytes:
    """Return *text* in a frame as a client sends it."""
    if deflate:
        compressor = zlib.compressobj(wbits=-15)
        text = compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)[:-4]
    key = (number * 2654435761 % 2**32).to_bytes(4, "big")
    stream = (key * (len(text) // 4 + 1))[: len(text)]
    masked = int.from_bytes(text, "big") ^ int.from_bytes(stream, "big")
    size = len(text)
    head = bytes((0xC1 if deflate else 0x81, 0x80 | min(size, 126)))
    if size > 125:
        head += size.to_bytes(2, "big")
    return head + key + masked.to_bytes(size, "big")


def text(size: int) -> bytes:
    """Return a message of *size* bytes: records with numbers."""
    source = random.Random(size)
    made = "".join(f'{{"id":{source.randrange(10**8)}}},' for _ in range(size // 8))
    return made[:size].encode()


def each(make: Callable[[int], bytes]) -> Callable[[int], list[bytes]]:
    """Return what makes arrivals, each from its number."""
    return lambda count: [make(n) for n in range(count)]


@dataclass(frozen=True)
class Row:
    """A kind of arrival.

    Attributes:
        client: What is connected.
        make: Returns so many arrivals.
        share: Requests or messages in each.
        answer: Bytes that at least come back for each arrival; where nothing else tells.
    """

    client: type[Client]
    make: Callable[[int], list[bytes]]
    share: int = 1
    answer: int = 0


def http1(make: Callable[[int], bytes], share: int = 1) -> Row:
    return Row(HTTP1Client, each(make), share)


def echo(size: int, share: int = 1) -> Row:
    made = text(size)
    return Row(WebSocketClient, each(lambda n: message(made, n) * share), share, size * share)


ROWS = {
    "plaintext": http1(lambda n: get(b"/plaintext")),
    "json": http1(lambda n: get(b"/json")),
    "path": http1(lambda n: get(b"/users/42")),
    "paths": http1(lambda n: get(b"/users/%d" % n)),
    "echo": http1(lambda n: b"POST /echo HTTP/1.1\r\n" + POST + b"\r\n" + BODY),
    "browser": http1(lambda n: get(b"/plaintext", BROWSER + b"Cookie: sid=1\r\n")),
    "cookies": http1(lambda n: get(b"/plaintext", BROWSER + b"Cookie: sid=%040x\r\n" % n)),
    "pipeline": http1(lambda n: get(b"/plaintext") * 16, 16),
    "big": http1(lambda n: get(b"/big")),
    "stream": http1(lambda n: get(b"/stream")),
    "ws-32": echo(32),
    "ws-32-deep": echo(32, 16),
    "ws-16k": echo(16384),
    "ws-16k-deflate": Row(
        DeflateClient, each(lambda n: message(text(16384), n, deflate=True)), answer=1024
    ),
    "h2-plaintext": Row(HTTP2Client, requests(lambda n: "/plaintext"), STREAMS),
    "h2-path": Row(HTTP2Client, requests(lambda n: "/users/42"), STREAMS),
    "h2-paths": Row(HTTP2Client, requests(lambda n: f"/users/{n * 7919 % 20000}"), STREAMS),
    "h2-big": Row(HTTP2Client, requests(lambda n: "/big"), STREAMS),
}


async def measure(row: Row, arrivals: Iterable[bytes]) -> float:
    """Return the seconds that *arrivals* took, each answered before the next comes."""
    await ours.app.startup()
    loop = asyncio.get_running_loop()
    service = HTTPService(ours.app, Settings(), loop=loop, limits=LimitLog())
    client = row.client(service)
    client.open()
    while client.waits():
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    view = client.view
    rest = iter(arrivals)
    finished = loop.create_future()

    def run() -> None:
        # In a callback, as on a real arrival: no task is running.
        while not client.waits():
            view.sent.clear()
            if isinstance(client, WebSocketClient):
                client.at_least = row.answer
            arrival = next(rest, None)
            if arrival is None:
                finished.set_result(None)
                return
            view.feed(arrival)
        loop.call_soon(run)

    gc.collect()
    started = time.perf_counter()
    loop.call_soon(run)
    await finished
    taken = time.perf_counter() - started
    view.close()
    service.close()
    await ours.app.shutdown()
    return taken


def main() -> None:
    """Measure every row three times and print the best, or profile one."""
    parser = argparse.ArgumentParser(description="What a request costs us without sockets.")
    parser.add_argument("--rows", default=",".join(ROWS), help="comma-separated")
    parser.add_argument("--profile", choices=ROWS)
    parser.add_argument("--count", type=int, default=20000, help="requests or messages")
    parser.add_argument("--metrics", action="store_true", help="count what happens")
    arguments = parser.parse_args()
    if arguments.metrics:
        ours.app.add_extension(MetricsExtension())
    if arguments.profile:
        row = ROWS[arguments.profile]
        arrivals = row.make(max(arguments.count // row.share, 1))
        profiler = cProfile.Profile()
        profiler.enable()
        uvloop.run(measure(row, arrivals))
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
        return
    print("| row | us per arrival | us per request or message |\n| --- | ---: | ---: |")
    for name in arguments.rows.split(","):
        row = ROWS[name]
        arrivals = row.make(max(arguments.count // row.share, 1))
        best = min(uvloop.run(measure(row, arrivals)) for _ in range(3)) / len(arrivals) * 1e6
        print(f"| {name} | {best:.2f} | {best / row.share:.2f} |", flush=True)


if __name__ == "__main__":
    main()
