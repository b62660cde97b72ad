"""Where to listen, as it is said over a channel."""

from __future__ import annotations

from dataclasses import fields
from typing import Final, cast

from blackbull.transport.where import InheritedFd, Tcp, Unix, Where

_KINDS: Final[dict[str, type[Tcp] | type[Unix] | type[InheritedFd]]] = {
    kind.__name__: kind for kind in (Tcp, Unix, InheritedFd)
}


def encode_where(where: Where) -> list[object]:
    """Return *where* as a list that JSON can hold."""
    values = {each.name: getattr(where, each.name) for each in fields(where)}
    return [type(where).__name__, values]


def decode_where(encoded: object) -> Where:
    """Return what :func:`encode_where` was given."""
    kind, values = cast("tuple[str, dict[str, str]]", encoded)
    return _KINDS[kind](**values)  # type: ignore[arg-type]
