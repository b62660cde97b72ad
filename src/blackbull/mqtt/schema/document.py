"""From annotations to JSON Schema, in the words that draft 7 and 2020-12 share.

AsyncAPI's own schemas are a superset of draft 7.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import inspect
import re
import types
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias, Union, get_args, get_origin

from .values import field_types, plain_type

Document: TypeAlias = dict[str, object]

REFERENCE: Final = "#/components/schemas/"
SCALARS: Final[Mapping[object, Document]] = {
    Any: {},
    object: {},
    types.NoneType: {"type": "null"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    uuid.UUID: {"type": "string", "format": "uuid"},
    decimal.Decimal: {"type": ["string", "number"]},
    datetime.datetime: {"type": "string", "format": "date-time"},
    datetime.date: {"type": "string", "format": "date"},
    datetime.time: {"type": "string", "format": "time"},
}


class Components:
    """The named schemas of one document.

    Attributes:
        schemas: Name to schema.
    """

    def __init__(self) -> None:
        self.schemas: dict[str, object] = {}
        self._names: dict[object, str] = {}

    def reserve(self, key: object, name: str) -> tuple[str, bool]:
        """Return the component's name of *key*, and whether it is new: fill it in then.

        Args:
            key: What the component describes; the same key has the same name.
            name: The name that it should have; a number is added when another key has it.
        """
        known = self._names.get(key)
        if known is not None:
            return known, False
        base = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII) or "schema"
        free, number = base, 1
        while free in self.schemas:
            number += 1
            free = f"{base}{number}"
        self._names[key] = free
        self.schemas[free] = {}
        return free, True

    def of(self, annotation: object) -> Document:
        """Return the schema of *annotation*; a dataclass becomes a component that it refers to."""
        kind = plain_type(annotation)
        known = SCALARS.get(kind)
        if known is not None:
            return dict(known)
        origin = get_origin(kind) or kind
        arguments = get_args(kind)
        if origin in {Union, types.UnionType}:
            return {"anyOf": [self.of(member) for member in arguments]}
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin in {dict, Mapping}:
            values = self.of(arguments[1]) if arguments else True
            return {"type": "object", "additionalProperties": values}
        if origin is tuple and arguments and arguments[-1] is not Ellipsis:
            items = [self.of(argument) for argument in arguments]
            size = len(items)
            return {"type": "array", "items": items, "minItems": size, "maxItems": size}
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return {"enum": [member.value for member in kind]}
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return self._class(kind)
        return {"type": "array", "items": self.of(arguments[0]) if arguments else True}

    def _class(self, kind: type) -> Document:
        name, new = self.reserve(kind, kind.__name__)
        if new:
            # Its name is taken before its fields are looked at: a class may contain itself.
            self.schemas[name] = self._object(kind)
        return {"$ref": f"{REFERENCE}{name}"}

    def _object(self, kind: type) -> Document:
        hints = field_types(kind)
        properties: dict[str, object] = {}
        required: list[str] = []
        for field in _fields(kind):
            schema = self.of(hints[field.name])
            if field.default is field.default_factory is dataclasses.MISSING:
                required.append(field.name)
            properties[field.name] = _with_default(schema, field.default)
        found: Document = {"type": "object", "properties": properties}
        if required:
            found["required"] = required
        text = kind.__doc__
        if text and not text.startswith(f"{kind.__name__}("):
            found["description"] = inspect.cleandoc(text)
        return found


def _fields(kind: type) -> Iterable[dataclasses.Field[object]]:
    return (field for field in dataclasses.fields(kind) if field.init)


def _with_default(schema: Document, default: object) -> Document:
    value = default.value if isinstance(default, enum.Enum) else default
    if "$ref" in schema or not isinstance(value, str | int | float | bool | None):
        return schema
    return {**schema, "default": value}
