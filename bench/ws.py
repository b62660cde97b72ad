"""Measure our WebSockets against others on this machine, and print a table.

    python bench/ws.py [--rows ping-32,ping-16k] [--peers ours,uvicorn] [--seconds 2] [--rounds 3]
                       [--quick] [--json FILE] [--cores SERVER,LOAD]

The same method as ``http.py``, with ``load/websocket.c`` for the load. The client offers
compression as a browser does, or not at all, and every server answers with its defaults. A server
that declines the offer has no compressed rows.

``bench/README.md`` says what each row sends and how to read the result.
"""

from __future__ import annotations

import contextlib
import random
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

# The directory of this script holds a module named http: the standard library's must win.
sys.path.remove(str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from bench.measure import BenchError, LoadTools, NotOfferedError, Sample, Server
from bench.peers import WEBSOCKET_PEERS, Peer, known_peers
from bench.suite import Cost, Row, Suite, run

VARIETY = 64
SMALL = 32
PUBLISHED = 512
LARGE = 16 * 1024
LARGE_CONNECTIONS = 16
CONNECTIONS = 64
MEMBERS = 1000
IDLE_CONNECTIONS = 1000
TAIL = b"\x00\x00\xff\xff"


def messages(size: int) -> list[bytes]:
    """Return different texts of *size* bytes: records such as applications send."""
    source = random.Random(size)
    texts = []
    for _ in range(VARIETY):
        text = "["
        while len(text) < size:
            value = source.randrange(10**6) / 100
            text += f'{{"id":{source.randrange(10**8)},"value":{value},"state":"active"}},'
        texts.append(text[:size].encode())
    return texts


def compress(text: bytes) -> bytes:
    """Return the payload of *text* in a compressed message (RFC 7692 §7.2.1)."""
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def message_file(tools: LoadTools, size: int, *, deflate: bool) -> list[str]:
    """Return the arguments of ``load/websocket.c`` for messages of *size*."""
    path = tools.directory / f"messages-{size}{'-deflate' * deflate}"
    if not path.exists():
        with path.open("wb") as file:
            for text in messages(size):
                sent = compress(text) if deflate else text
                file.write(len(text).to_bytes(4, "big") + len(sent).to_bytes(4, "big"))
                file.write(text + sent)
    return [*["-z"] * deflate, str(path)]


@contextlib.contextmanager
def opened(server: Server, path: str, *, deflate: bool) -> Iterator[ClientConnection]:
    """Open a WebSocket with a client that nobody here wrote.

    Raises:
        NotOfferedError: the server declines compression.
        BenchError: it declines the WebSocket, or breaks it.
    """
    compression = "deflate" if deflate else None
    address = f"ws://127.0.0.1:{server.port}{path}"
    try:
        with connect(address, compression=compression, open_timeout=5, max_size=None) as client:
            if deflate and not client.protocol.extensions:
                raise NotOfferedError("compression is declined")
            yield client
    except (WebSocketException, TimeoutError) as error:
        raise BenchError(f"{path}: {error}") from error


def check_echo(server: Server, *, deflate: bool) -> None:
    """Make sure that *server* echoes messages of all sizes.

    Raises:
        NotOfferedError: it declines compression.
        BenchError: it does not.
    """
    with opened(server, "/ws", deflate=deflate) as client:
        for text in (*messages(SMALL)[:4], *messages(LARGE)[:4]):
            client.send(text, text=True)
            if client.recv(timeout=5, decode=False) != text:
                raise BenchError(f"{len(text)} bytes come back changed")


def check_publishing(server: Server, *, deflate: bool) -> None:
    """Make sure that what is published reaches all members.

    Raises:
        NotOfferedError: the server declines compression.
        BenchError: it does not.
    """
    with contextlib.ExitStack() as clients:
        members = [
            clients.enter_context(opened(server, "/members", deflate=deflate)) for _ in range(3)
        ]
        publisher = clients.enter_context(opened(server, "/publish", deflate=deflate))
        for text in ("joined", *(text.decode() for text in messages(PUBLISHED)[:4])):
            if text != "joined":
                publisher.send(text)
            if any(member.recv(timeout=5) != text for member in members):
                raise BenchError(f"{text[:20]!r} does not reach all members")


def client(tools: LoadTools, size: int, *arguments: object, deflate: bool) -> list[str]:
    """Return the command of the load generator for messages of *size*."""
    command = [tools.programs["websocket"], *message_file(tools, size, deflate=deflate)]
    return [*command, *(str(argument) for argument in arguments)]


def echo(
    size: int, depth: int, goals: Mapping[str, float] | None = None, *, deflate: bool = False
) -> Row:
    """Return a row of messages that come back, *depth* in flight on every connection."""
    connections = CONNECTIONS if size == SMALL else LARGE_CONNECTIONS

    def check(tools: LoadTools, server: Server) -> None:
        check_echo(server, deflate=deflate)

    def load(tools: LoadTools, server: Server, seconds: int) -> Sample:
        where = ("echo", server.port, "/ws", connections, depth, seconds)
        command = client(tools, size, *where, deflate=deflate)
        return tools.run_held(server, command)

    text = f"{size} B" if size < 1024 else f"{size // 1024} KiB"
    way = "one in flight" if depth == 1 else f"{depth} in flight"
    return Row(f"echo, {text}, {way}{', compressed' * deflate}", load, check, goals or {})


def broadcast(depth: int, goals: Mapping[str, float], *, deflate: bool = False) -> Row:
    """Return a row of messages that reach every member, *depth* in flight; deliveries count."""

    def check(tools: LoadTools, server: Server) -> None:
        check_publishing(server, deflate=deflate)

    def load(tools: LoadTools, server: Server, seconds: int) -> Sample:
        where = ("fanout", server.port, "/members", "/publish", MEMBERS, depth, seconds)
        command = client(tools, PUBLISHED, *where, deflate=deflate)
        return tools.run_held(server, command)

    way = "one in flight" if depth == 1 else f"{depth} in flight"
    label = f"broadcast to {MEMBERS:,}, {PUBLISHED} B, {way}{', compressed' * deflate}"
    return Row(label, load, check, goals)


def idle(*, deflate: bool = False) -> Cost:
    """Return the cost of a WebSocket that has echoed one message and is silent."""

    def measure(tools: LoadTools, peer: Peer) -> list[float]:
        with Server(peer, tools.cores) as server:
            check_echo(server, deflate=deflate)
            where = ("idle", server.port, "/ws", IDLE_CONNECTIONS)
            command = client(tools, PUBLISHED, *where, deflate=deflate)
            return [tools.idle_bytes(server, command, count=IDLE_CONNECTIONS) / 1024]

    with_what = " with compression" * deflate
    return Cost(f"KiB per idle WebSocket{with_what} (of {IDLE_CONNECTIONS:,})", measure)


ECHO = {"uvicorn": 1.8, "aiohttp": 1.05, "granian": 3.0}
COMPRESSED_ECHO = {"uvicorn": 1.2}
BROADCAST = {"uvicorn": 5.0}
SUITE = Suite(
    summary="Measure our WebSockets against others.",
    unit="messages",
    rows={
        "ping-32": echo(SMALL, 1, ECHO),
        "deep-32": echo(SMALL, 16, ECHO),
        "ping-16k": echo(LARGE, 1, ECHO),
        "deep-16k": echo(LARGE, 16, ECHO),
        "ping-32-deflate": echo(SMALL, 1, COMPRESSED_ECHO, deflate=True),
        "deep-32-deflate": echo(SMALL, 16, COMPRESSED_ECHO, deflate=True),
        "ping-16k-deflate": echo(LARGE, 1, COMPRESSED_ECHO, deflate=True),
        "deep-16k-deflate": echo(LARGE, 16, COMPRESSED_ECHO, deflate=True),
        "broadcast": broadcast(1, BROADCAST),
        "broadcast-deep": broadcast(16, BROADCAST),
        "broadcast-deflate": broadcast(1, BROADCAST, deflate=True),
    },
    costs={"idle": idle(), "idle-deflate": idle(deflate=True)},
    peers=known_peers(WEBSOCKET_PEERS),
    default_peers=(
        *("ours", "uvicorn", "uvicorn-wsproto", "granian"),
        *("aiohttp", "hypercorn", "socketify"),
    ),
    programs=("websocket",),
    legend=" `u` compression was agreed on, but most messages came back without it.",
)

if __name__ == "__main__":
    sys.exit(run(SUITE))
