"""Fuzz target: the WebSocket machine raises nothing, and no cut changes what it reports.

The first byte of the input decides whether permessage-deflate was negotiated; the rest is the
wire. ``python -m tests.fuzz.websocket tests/fuzz/corpus/websocket`` runs it under atheris, where
that is installed; the corpus is replayed by ``test_replay_websocket.py``.
"""

from __future__ import annotations

import sys

from tests.property.test_websocket_laws import LIMITS, OVERHEAD, observe


def check(data: bytes) -> list[object]:
    """Feed *data* whole, byte by byte, and event by event.

    Raises:
        AssertionError: a law is broken.
        Exception: whatever the machine should not have raised.
    """
    deflate, wire = data[:1] == b"d", data[1:]
    whole, _ = observe([wire], deflate=deflate)
    bytewise, held = observe([bytes([byte]) for byte in wire], deflate=deflate)
    assert held <= LIMITS.max_message_size + OVERHEAD
    assert bytewise == whole
    assert observe([wire], deflate=deflate, room=1)[0] == whole
    return whole


def main() -> None:
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, lambda data: check(data) and None)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
