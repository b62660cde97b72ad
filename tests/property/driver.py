"""What an HTTP/1.1 machine makes of bytes, written down so that it can be compared."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from blackbull.errors import RemoteProtocolError
from blackbull.protocol.http1 import (
    Data,
    EndOfMessage,
    HeadParser,
    HTTP1Connection,
    HTTP1Limits,
    HTTP1RequestHead,
)

LIMITS = HTTP1Limits(
    max_header_line=96, max_header_total=320, max_fields=8, max_body=200, max_chunk_line=24,
    max_chunk_overhead=100, max_drain=64,
)  # fmt: skip
DATE = b"\r\ndate: D\r\n\r\n"


def observe(
    arrivals: Iterable[bytes], limits: HTTP1Limits = LIMITS
) -> tuple[list[tuple[object, ...]], int]:
    """Feed a machine that answers every request as soon as it is complete.

    Returns:
        What was reported, adjacent content joined, then ``("refused", code)`` or
        ``("end", keep_alive)``; and the most bytes that were held after an arrival.
    """
    machine = HTTP1Connection(HeadParser(limits))
    seen: list[tuple[object, ...]] = []
    held = 0
    try:
        for data in arrivals:
            machine.receive(data)
            while (event := machine.next_event()) is not None:
                if isinstance(event, HTTP1RequestHead):
                    seen.append(("head", event.method, event.raw_path, event.fields))
                elif isinstance(event, Data):
                    assert event.data
                    joined = seen.pop()[1] if seen[-1][0] == "data" else b""
                    assert isinstance(joined, bytes)
                    seen.append(("data", joined + event.data))
                elif isinstance(event, EndOfMessage):
                    seen.append(("trailers", event.trailers))
                if machine.request_complete:
                    machine.send_response(200, b"text/plain", (), b"ok", DATE)
            held = max(held, machine.buffered)
            if not machine.keep_alive and machine.request_complete:
                break
    except RemoteProtocolError as error:
        refusal = error
    else:
        return [*seen, ("end", machine.keep_alive)], held
    assert refusal.code in {400, 413, 414, 417, 421, 431, 501, 505}
    assert refusal.spec
    machine.send_refusal(refusal, DATE)
    assert machine.next_event() is None
    return [*seen, ("refused", refusal.code)], held


def pieces(wire: bytes, cuts: Iterable[int]) -> list[bytes]:
    """Cut *wire* at *cuts*."""
    at = sorted({0, len(wire), *(cut % (len(wire) + 1) for cut in cuts)})
    return [wire[a:b] for a, b in itertools.pairwise(at)]
