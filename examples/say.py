"""Say something to a WebSocket and print what it answers, one answer for each message.

    python examples/say.py ws://127.0.0.1:8000/echo hello

It needs the ``websockets`` package. A refused handshake prints its status; a WebSocket that is
closed prints the code and the reason.
"""

from __future__ import annotations

import argparse

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol


def main() -> None:
    """Say every message of the command line."""
    parser = argparse.ArgumentParser(description="Say something to a WebSocket.")
    parser.add_argument("url")
    parser.add_argument("message", nargs="*")
    parser.add_argument("--subprotocol", action="append", type=Subprotocol)
    parser.add_argument("--origin", type=Origin)
    given = parser.parse_args()
    try:
        with connect(given.url, subprotocols=given.subprotocol, origin=given.origin) as socket:
            if socket.subprotocol:
                print(f"speaking {socket.subprotocol}")
            for message in given.message:
                socket.send(message)
                print(socket.recv())
    except InvalidStatus as refused:
        print(f"refused: {refused.response.status_code}")
    except ConnectionClosed as closed:
        print(
            f"closed: {closed.rcvd.code} {closed.rcvd.reason}".rstrip() if closed.rcvd else "lost"
        )


if __name__ == "__main__":
    main()
