"""The kinds of schemas: each decodes a payload, or says what is wrong with it, and documents it."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, get_origin

from ..payload import decode_json
from .document import REFERENCE, Components, Document
from .mismatch import InvalidPayload, Mismatch
from .validator import Validator
from .values import Readers, plain_type

try:
    import msgspec
except ImportError:
    msgspec = None  # type: ignore[assignment]

HAS_MSGSPEC: Final = msgspec is not None


class PayloadSchema(ABC):
    """What the payloads of some topics are."""

    content_type: ClassVar[str] = "application/json"

    @abstractmethod
    def decode(self, payload: bytes) -> object:
        """Return what *payload* says.

        Raises:
            InvalidPayload: it does not fit.
        """

    @abstractmethod
    def document(self, components: Components, name: str) -> Document:
        """Return the schema as JSON Schema.

        Args:
            components: Where named parts of it go.
            name: What to call it if it has no name of its own.
        """

    @abstractmethod
    def gives(self, annotation: object) -> bool:
        """Return True if a parameter with *annotation* may take what :meth:`decode` returns."""


class TypedSchema(PayloadSchema):
    """A dataclass, or another type that JSON has a form of.

    Args:
        annotation: The type.

    Raises:
        TypeError: JSON has no form of it.
    """

    def __init__(self, annotation: object) -> None:
        self.annotation = annotation
        self._read = Readers().of(annotation)

    def decode(self, payload: bytes) -> object:
        return _checked(payload, self._read)

    def document(self, components: Components, name: str) -> Document:
        return components.of(self.annotation)

    def gives(self, annotation: object) -> bool:
        return annotation == self.annotation or plain_type(annotation) == plain_type(
            self.annotation
        )


class TextSchema(PayloadSchema):
    """``str``: text in UTF-8, as it is."""

    content_type = "text/plain"

    def decode(self, payload: bytes) -> object:
        try:
            return payload.decode()
        except UnicodeDecodeError:
            raise InvalidPayload("the payload is no text in UTF-8") from None

    def document(self, components: Components, name: str) -> Document:
        return {"type": "string"}

    def gives(self, annotation: object) -> bool:
        return plain_type(annotation) is str


class JSONSchema(PayloadSchema):
    """A JSON Schema: the payload must be JSON that fits it.

    Args:
        schema: The schema, as a mapping. ``$ref`` may point to places inside it.

    Raises:
        ValueError: it is malformed, or uses a keyword that is not supported.
    """

    def __init__(self, schema: Mapping[str, object]) -> None:
        self.schema: Document = copy.deepcopy(dict(schema))
        self._check = Validator(self.schema).check

    def decode(self, payload: bytes) -> object:
        def read(value: object) -> object:
            self._check(value)
            return value

        return _checked(payload, read)

    def document(self, components: Components, name: str) -> Document:
        title = self.schema.get("title")
        wanted = title if isinstance(title, str) else name
        found, new = components.reserve(id(self), wanted)
        if new:
            components.schemas[found] = _moved(self.schema, f"{REFERENCE}{found}")
        return {"$ref": f"{REFERENCE}{found}"}

    def gives(self, annotation: object) -> bool:
        plain = plain_type(annotation)
        origin = get_origin(plain) or plain
        return origin in {dict, list, Mapping, str, int, float, bool}


class StructSchema(PayloadSchema):
    """A ``msgspec.Struct``, or a type made of them.

    Args:
        struct: The type.
    """

    def __init__(self, struct: type) -> None:
        self.struct = struct
        self._decoder: msgspec.json.Decoder[object] = msgspec.json.Decoder(struct)

    def decode(self, payload: bytes) -> object:
        try:
            return self._decoder.decode(payload)
        except (msgspec.DecodeError, RecursionError) as error:
            raise InvalidPayload(f"the payload does not fit: {error}") from None

    def document(self, components: Components, name: str) -> Document:
        template = REFERENCE + "{name}"
        (schema,), parts = msgspec.json.schema_components([self.struct], ref_template=template)
        components.schemas.update(parts)
        return schema

    def gives(self, annotation: object) -> bool:
        return plain_type(annotation) is self.struct


def payload_schema(source: object) -> PayloadSchema:
    """Return what *source*, as applications give it, means.

    Args:
        source: A dataclass or another type, a JSON Schema, or what this function returned.

    Raises:
        TypeError: JSON has no form of it.
        ValueError: it is a JSON Schema that is malformed or not supported.
    """
    if isinstance(source, PayloadSchema):
        return source
    if isinstance(source, Mapping):
        return JSONSchema(source)
    plain = plain_type(source)
    if plain is str:
        return TextSchema()
    if plain in {bytes, Any, object}:
        raise TypeError(f"schema={source!r} says nothing about the payload: leave it out")
    if HAS_MSGSPEC and isinstance(plain, type) and issubclass(plain, msgspec.Struct):
        return StructSchema(plain)
    return TypedSchema(source)


def _checked(payload: bytes, read: Callable[[object], object]) -> object:
    try:
        return read(decode_json(payload))
    except Mismatch as mismatch:
        raise InvalidPayload(str(mismatch)) from None
    except RecursionError:
        raise InvalidPayload("the payload is nested too deeply") from None
    except ValueError as error:
        raise InvalidPayload(f"the payload is no JSON: {error}") from None


def _moved(schema: object, place: str) -> object:
    """Return *schema* with its references as they are where it stands at *place*."""
    if isinstance(schema, list):
        return [_moved(item, place) for item in schema]
    if not isinstance(schema, dict):
        return schema
    moved = {name: _moved(value, place) for name, value in schema.items()}
    target = schema.get("$ref")
    if isinstance(target, str):
        moved["$ref"] = place + target.removeprefix("#")
    return moved
