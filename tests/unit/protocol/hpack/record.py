"""Record the header blocks that real clients send, for test_stories.py.

usage: python -m tests.unit.protocol.hpack.record NAME -- COMMAND ...

Serves HTTP/2 with the h2 package on a free port of the loopback, runs COMMAND with ``{url}``
replaced, and writes ``stories/NAME.json``: one connection, every header block as it came, and what
the hpack package reads in it.
"""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import hpack
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamEnded

STORIES = Path(__file__).parent / "stories"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, PADDED, PRIORITY = 1, 8, 32


def blocks_of(wire: bytes) -> list[bytes]:
    """Return the header block fragments of the HEADERS frames in *wire*."""
    found = []
    at = len(PREFACE)
    while at + 9 <= len(wire):
        length, kind, flags = int.from_bytes(wire[at : at + 3]), wire[at + 3], wire[at + 4]
        payload = wire[at + 9 : at + 9 + length]
        at += 9 + length
        if kind == HEADERS:
            padding = payload[0] if flags & PADDED else 0
            start = bool(flags & PADDED) + 5 * bool(flags & PRIORITY)
            found.append(payload[start : len(payload) - padding])
    return found


def serve_one(listener: socket.socket) -> bytes:
    """Answer every request of one connection; return what the client sent."""
    sock, _ = listener.accept()
    sock.settimeout(10)
    server = H2Connection(H2Configuration(client_side=False))
    server.initiate_connection()
    wire = b""
    with sock:
        sock.sendall(server.data_to_send())
        while data := sock.recv(65536):
            wire += data
            for event in server.receive_data(data):
                if isinstance(event, RequestReceived):
                    server.send_headers(event.stream_id, [(":status", "200")])
                if isinstance(event, StreamEnded):
                    server.send_data(event.stream_id, b"ok", end_stream=True)
            sock.sendall(server.data_to_send())
    return wire


def main() -> None:
    name, _, *command = sys.argv[1:]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = subprocess.Popen([part.replace("{url}", url) for part in command])
        wire = serve_one(listener)
        client.wait(10)
    decoder = hpack.Decoder()
    story = [
        {
            "wire": block.hex(),
            "fields": [
                [field.decode("latin-1") for field in pair]
                for pair in decoder.decode(block, raw=True)
            ],
        }
        for block in blocks_of(wire)
    ]
    text = json.dumps({"command": shlex.join(command), "blocks": story}, indent=1)
    STORIES.joinpath(f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
