"""JSON for answers and bodies: msgspec where it is installed, else the standard library.

Both mean the same: compact UTF-8, dataclasses as objects, dates in ISO 8601, NaN and the
infinities as null; what is read must be JSON as RFC 8259 defines it.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import json.encoder
import uuid
from collections.abc import Callable, Mapping, Set
from typing import Final, cast

try:
    import msgspec
except ImportError:
    msgspec = None  # type: ignore[assignment]

HAS_MSGSPEC: Final = msgspec is not None

__all__ = ["HAS_MSGSPEC", "decode", "encode"]

ROOM: Final = 200
"""Levels that what is decoded leaves, of those that can be followed, for an answer around it."""

_OPEN: Final = b"[" * ROOM
_CLOSE: Final = b"]" * ROOM


def encode(value: object) -> bytes:
    """Return *value* as JSON.

    Args:
        value: None, bool, int, float, text, mappings with text as keys, lists, tuples, sets,
            dataclasses, enums, UUIDs, decimals (as text), dates and times; nested as one likes.

    Raises:
        TypeError: *value* holds something that has no JSON form.
        ValueError: *value* contains itself or is nested too deeply, or text holds a lone
            surrogate.

    Spec:
        RFC 8259
    """
    return _encode(value)


def decode(data: bytes) -> object:
    """Return the value that *data* describes; :func:`encode` can follow it, and :data:`ROOM` more.

    Raises:
        ValueError: *data* is no JSON in UTF-8, or is nested too deeply.

    Spec:
        RFC 8259
    """
    if len(data) > 2 * ROOM and data.count(b"[") + data.count(b"{") > ROOM:
        return _decode_with_room(data)
    return _decode(data)


def _decode_with_room(data: bytes) -> object:
    # How deep is too deep is known to the interpreter only, and depends on where we are called.
    try:
        value = _decode(_OPEN + data + _CLOSE)
        for _ in range(ROOM):
            (value,) = cast("list[object]", value)
    except ValueError:
        _decode(data)  # raises what is wrong with it, if anything is
        raise ValueError("it is nested too deeply") from None
    return value


def plain(value: object) -> object:
    """Return something simpler than *value*, for the encoders.

    Raises:
        TypeError: *value* has no JSON form.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime.datetime | datetime.time):
        return value.isoformat().removesuffix("+00:00") + "Z" * _is_utc(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, uuid.UUID | decimal.Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Set):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _is_utc(value: datetime.datetime | datetime.time) -> bool:
    return value.utcoffset() == datetime.timedelta(0)


def _stdlib_writer() -> Callable[[object], str]:
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return json.JSONEncoder(
            ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain
        ).encode
    # JSONEncoder.encode() makes one of these for each call, which costs more than its work.
    chunks: Callable[[object, int], tuple[str, ...]] = make(
        None, plain, json.encoder.encode_basestring, None, ":", ",", False, False, False
    )
    return lambda value: "".join(chunks(value, 0))


_write = _stdlib_writer()


def encode_stdlib(value: object) -> bytes:
    """:func:`encode` with nothing but the standard library."""
    try:
        return _write(value).encode()
    except RecursionError:
        raise ValueError("the value is nested too deeply for JSON") from None
    except UnicodeEncodeError:
        raise
    except ValueError as error:
        if "Out of range float" not in str(error):
            raise
    return _write(_finite(value)).encode()


def _finite(value: object) -> object:
    """Return *value* with null for NaN and the infinities; only for values that hold one."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, str | int | None):
        return value
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return _finite(plain(value))


def decode_stdlib(data: bytes) -> object:
    """:func:`decode` with nothing but the standard library."""
    try:
        return json.loads(data.decode(), parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


if HAS_MSGSPEC:
    _encoder = msgspec.json.Encoder(enc_hook=plain)
    _decoder = msgspec.json.Decoder()

    def _encode(value: object) -> bytes:
        try:
            return _encoder.encode(value)
        except RecursionError:
            raise ValueError("the value is nested too deeply for JSON") from None

    def _decode(data: bytes) -> object:
        try:
            return _decoder.decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(str(error)) from None
else:
    _encode = encode_stdlib
    _decode = decode_stdlib
