"""The first line of a stream from another worker: whose bytes follow.

It is one line of JSON. After a client's come the client's bytes, as they are; after an
application's come :mod:`frames <blackbull.mqtt.workers.frames>`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from blackbull.abc import Address

from ..auth.requests import Transport
from ..payload import encode_json

MAX_LINE: Final = 1_048_576
"""Bytes of an opening; a certificate is the longest thing in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a stream is for.

    Attributes:
        worker: Names the process that opens it.
        client: A client's bytes follow; else the application's.
        peername: The client's address.
        transport: How the client is connected to that worker.
        certificate: The client's verified certificate.
    """

    worker: str
    client: bool = False
    peername: Address | None = None
    transport: Transport = "tcp"
    certificate: Mapping[str, object] | None = field(default=None, repr=False)


def encode_opening(opening: Opening) -> bytes:
    """Return *opening* as a line."""
    content = {
        "worker": opening.worker,
        "client": opening.client,
        "peername": opening.peername,
        "transport": opening.transport,
        "certificate": opening.certificate,
    }
    return encode_json(content) + b"\n"


def decode_opening(line: bytes) -> Opening:
    """Return what a line says; :func:`encode_opening` made it."""
    content = json.loads(line)
    return Opening(
        worker=content["worker"],
        client=content["client"],
        peername=cast("Address | None", _as_it_was(content["peername"])),
        transport=content["transport"],
        certificate=content["certificate"] and _certificate(content["certificate"]),
    )


def _certificate(content: dict[str, object]) -> dict[str, object]:
    return {name: _as_it_was(value) for name, value in content.items()}


def _as_it_was(value: object) -> object:
    """``ssl`` and ``socket`` give tuples, of which JSON makes lists."""
    return tuple(_as_it_was(each) for each in value) if isinstance(value, list) else value
