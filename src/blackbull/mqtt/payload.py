"""What applications publish and read: bytes as they are, text as UTF-8, anything else as JSON."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from collections.abc import Mapping, Set


def encode_payload(payload: object) -> bytes:
    """Return *payload* as the bytes of an Application Message.

    Args:
        payload: Bytes stay what they are and text becomes UTF-8. Anything else becomes JSON:
            numbers, booleans, lists, mappings, dataclasses, enums, UUIDs, decimals (as text),
            dates and times.

    Raises:
        TypeError: *payload* is None or has no JSON form.
        ValueError: a number is not finite, *payload* contains itself, or text holds a lone
            surrogate.
    """
    if isinstance(payload, bytes):
        return payload
    if isinstance(payload, str):
        return payload.encode()
    if isinstance(payload, bytearray | memoryview):
        return bytes(payload)
    if payload is None:
        raise TypeError("None is no payload: publish b'' for an empty one, 'null' for JSON's null")
    return encode_json(payload)


def encode_json(value: object) -> bytes:
    """Return *value* as compact JSON.

    Raises:
        TypeError: *value* has no JSON form.
        ValueError: a number is not finite, *value* contains itself or is nested too deeply, or
            text holds a lone surrogate.

    Spec:
        RFC 8259
    """
    try:
        return json.dumps(
            value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain
        ).encode()
    except RecursionError:
        raise ValueError("the value is nested too deeply for JSON") from None


def decode_json(data: bytes) -> object:
    """Return the value that *data* describes.

    Raises:
        ValueError: *data* is no JSON in UTF-8, or is nested too deeply.

    Spec:
        RFC 8259
    """
    try:
        return json.loads(data.decode(), parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, uuid.UUID | decimal.Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Set):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form: publish bytes, text or JSON values")


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is no JSON")
