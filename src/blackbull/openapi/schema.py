"""From type annotations to JSON Schema 2020-12, the dialect of OpenAPI 3.1."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import inspect
import re
import types
import uuid
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Annotated, Final, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

Schema: TypeAlias = dict[str, object]

EMPTY: Final = inspect.Parameter.empty
ANYTHING: Final[Schema] = {}

SCALARS: Final[Mapping[object, Schema]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    None: {"type": "null"},
    types.NoneType: {"type": "null"},
    bytes: {"type": "string", "format": "binary"},
    uuid.UUID: {"type": "string", "format": "uuid"},
    decimal.Decimal: {"type": "string"},
    datetime.datetime: {"type": "string", "format": "date-time"},
    datetime.date: {"type": "string", "format": "date"},
    datetime.time: {"type": "string", "format": "time"},
}
ARRAYS: Final = (list, set, frozenset, tuple, Sequence, Set, Iterable)


class Schemas:
    """Schemas of annotations; dataclasses are collected as components and referred to.

    Attributes:
        components: Name to schema.
    """

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}
        self._names: dict[type, str] = {}

    def of(self, annotation: object) -> Schema:
        """Return the schema of *annotation*; one that allows anything where it is not known."""
        if isinstance(annotation, type) or annotation is None:
            known = SCALARS.get(annotation)
            if known is not None:
                return dict(known)
        origin = get_origin(annotation)
        arguments = get_args(annotation)
        if origin is Annotated:
            return self.of(arguments[0])
        if origin is Literal:
            return _enumeration(arguments)
        if origin in {Union, types.UnionType}:
            return {"anyOf": [self.of(member) for member in arguments]}
        if origin is not None or not isinstance(annotation, type):
            return self._generic(origin, arguments)
        if dataclasses.is_dataclass(annotation):
            return self._reference(annotation)
        if issubclass(annotation, enum.Enum):
            return _enumeration([member.value for member in annotation])
        if issubclass(annotation, Mapping):
            return {"type": "object"}
        return {"type": "array"} if issubclass(annotation, ARRAYS) else dict(ANYTHING)

    def _generic(self, origin: object, arguments: tuple[object, ...]) -> Schema:
        if not isinstance(origin, type):
            return dict(ANYTHING)
        if issubclass(origin, Mapping):
            values = self.of(arguments[1]) if len(arguments) > 1 else dict(ANYTHING)
            return {"type": "object", "additionalProperties": values}
        if origin is tuple and Ellipsis not in arguments:
            items = [self.of(argument) for argument in arguments]
            size = len(items)
            return {"type": "array", "prefixItems": items, "minItems": size, "maxItems": size}
        if issubclass(origin, ARRAYS):
            return {"type": "array", "items": self.of(arguments[0])}
        return dict(ANYTHING)

    def _reference(self, kind: type) -> Schema:
        name = self._names.get(kind)
        if name is None:
            name = self._free_name(kind)
            self._names[kind] = name
            # Its name is known before its fields are looked at: a class may contain itself.
            self.components[name] = {}
            self.components[name] = self._object(kind)
        return {"$ref": f"#/components/schemas/{name}"}

    def _free_name(self, kind: type) -> str:
        # OpenAPI 3.1.1 §4.8.7.1: which characters a component's name may have.
        name = re.sub(r"[^a-zA-Z0-9._-]", "_", kind.__name__)
        if name in self.components:
            name = re.sub(r"[^a-zA-Z0-9._-]", "_", f"{kind.__module__}.{kind.__qualname__}")
        return name

    def _object(self, kind: type) -> Schema:
        hints = hints_of(kind)
        properties: dict[str, Schema] = {}
        required: list[str] = []
        for field in dataclasses.fields(kind):
            if not field.init:
                continue
            schema = self.of(hints.get(field.name, EMPTY))
            if field.default is not dataclasses.MISSING:
                schema = with_default(schema, field.default)
            elif field.default_factory is dataclasses.MISSING:
                required.append(field.name)
            properties[field.name] = schema
        found: Schema = {"type": "object", "properties": properties}
        if required:
            found["required"] = required
        if kind.__doc__ and not kind.__doc__.startswith(f"{kind.__name__}("):
            found["description"] = inspect.cleandoc(kind.__doc__)
        return found


def with_default(schema: Schema, default: object) -> Schema:
    """Return *schema* with *default*, as far as JSON can express that."""
    value = default.value if isinstance(default, enum.Enum) else default
    if isinstance(value, str | int | float | bool | None):
        return {**schema, "default": value}
    return schema


def hints_of(target: object) -> dict[str, object]:
    """Return the resolved annotations of a function or class; none if one cannot be resolved."""
    try:
        return get_type_hints(target, include_extras=True)
    except (AttributeError, NameError, TypeError):
        return {}


def _enumeration(values: Iterable[object]) -> Schema:
    known = [value for value in values if isinstance(value, str | int | float | bool | None)]
    kinds = {type(value) for value in known}
    if len(kinds) == 1:
        return {**SCALARS[kinds.pop()], "enum": known}
    return {"enum": known}
