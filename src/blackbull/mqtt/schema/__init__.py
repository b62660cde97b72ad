"""What ``schema=`` takes, and what it makes of a payload.

A dataclass, or any type that JSON has a form of, gives an instance of it; a JSON Schema (a
mapping) gives the JSON value, which has been validated; a ``msgspec.Struct`` is left to msgspec.
"""

from __future__ import annotations

from .mismatch import InvalidPayload
from .payload import JSONSchema, PayloadSchema, StructSchema, TypedSchema, payload_schema

__all__ = [
    "InvalidPayload",
    "JSONSchema",
    "PayloadSchema",
    "StructSchema",
    "TypedSchema",
    "payload_schema",
]
