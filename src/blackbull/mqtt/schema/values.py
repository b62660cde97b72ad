"""From JSON values to annotated Python: dataclasses, their fields, and what those are made of.

Readers are compiled once, when a schema is registered. A key that a dataclass does not have is
ignored: devices of several ages send to one topic, and the newer ones say more.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import types
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NewType,
    TypeAlias,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from .mismatch import Mismatch, kind_of

Reader: TypeAlias = Callable[[object], object]

FROM_TEXT: Final[Mapping[object, tuple[Callable[[str], object], str]]] = {
    uuid.UUID: (uuid.UUID, "a UUID"),
    decimal.Decimal: (decimal.Decimal, "a decimal number"),
    datetime.datetime: (datetime.datetime.fromisoformat, "a date and time"),
    datetime.date: (datetime.date.fromisoformat, "a date"),
    datetime.time: (datetime.time.fromisoformat, "a time"),
}
EXACT: Final[Mapping[object, str]] = {
    bool: "a boolean", int: "an integer", str: "a string", types.NoneType: "null",
}  # fmt: skip


def plain_type(annotation: object) -> object:
    """Return *annotation* without what only people and tools read: Annotated and NewType."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        else:
            return types.NoneType if annotation is None else annotation


class Readers:
    """Makes readers; one for each dataclass, so that a class may contain itself."""

    def __init__(self) -> None:
        self._classes: dict[type, _ClassReader] = {}

    def of(self, annotation: object) -> Reader:
        """Return what reads a JSON value as *annotation*; it raises :class:`Mismatch`.

        Raises:
            TypeError: no JSON value is one.
        """
        kind = plain_type(annotation)
        origin = get_origin(kind) or kind
        arguments = get_args(kind)
        if kind in {Any, object}:
            return _as_it_is
        if kind in EXACT:
            return _exactly(kind, EXACT[kind])
        if kind is float:
            return _number
        if kind in FROM_TEXT:
            return _from_text(*FROM_TEXT[kind])
        if origin in {Union, types.UnionType}:
            return self._union(arguments)
        if origin is Literal:
            return _one_of(arguments, {})
        if origin in {dict, Mapping}:
            return self._mapping(arguments)
        if origin is tuple and arguments and arguments[-1] is not Ellipsis:
            return _fixed([self.of(item) for item in arguments])
        if origin in {list, tuple, set, frozenset, Sequence}:
            item = self.of(arguments[0]) if arguments else _as_it_is
            return _array(item, list if origin is Sequence else cast("type", origin))
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            members = {member.value: member for member in kind}
            return _one_of(tuple(members), members)
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return self._class(kind)
        raise TypeError(f"there is no way from JSON to {annotation!r}")

    def _union(self, arguments: tuple[object, ...]) -> Reader:
        # Dataclasses last: they ignore what they do not know, so they fit too easily.
        ordered = sorted(arguments, key=dataclasses.is_dataclass)
        # An integer is a float too, and its own type fits better.
        ordered.sort(key=lambda kind: kind is float)
        readers = [self.of(kind) for kind in ordered]

        def read(value: object) -> object:
            problems = []
            for reader in readers:
                try:
                    return reader(value)
                except Mismatch as mismatch:
                    problems.append(mismatch)
            # The one that came furthest says most.
            raise max(problems, key=lambda problem: len(problem.trail))

        return read

    def _mapping(self, arguments: tuple[object, ...]) -> Reader:
        if arguments and plain_type(arguments[0]) not in {str, Any, object}:
            raise TypeError(f"the keys of a JSON object are text, not {arguments[0]!r}")
        item = self.of(arguments[1]) if arguments else _as_it_is

        def read(value: object) -> object:
            return {name: _step(item, each, name) for name, each in _object(value).items()}

        return read

    def _class(self, kind: type) -> Reader:
        reader = self._classes.get(kind)
        if reader is None:
            # Known before its fields are: they may name the class again.
            reader = self._classes[kind] = _ClassReader(kind)
            reader.compile(self)
        return reader


class _ClassReader:
    """A JSON object to an instance of a dataclass."""

    __slots__ = ("_fields", "_kind")

    def __init__(self, kind: type) -> None:
        self._kind = kind
        self._fields: list[tuple[str, Reader, bool]] = []

    def compile(self, readers: Readers) -> None:
        """Find the readers of the fields.

        Raises:
            TypeError: a field's type cannot be resolved, or has no form in JSON.
        """
        hints = field_types(self._kind)
        for field in dataclasses.fields(self._kind):
            if field.init:
                try:
                    reader = readers.of(hints[field.name])
                except TypeError as error:
                    raise TypeError(f"{self._kind.__qualname__}.{field.name}: {error}") from error
                required = field.default is field.default_factory is dataclasses.MISSING
                self._fields.append((field.name, reader, required))

    def __call__(self, value: object) -> object:
        given = _object(value)
        arguments = {}
        for name, reader, required in self._fields:
            if name in given:
                arguments[name] = _step(reader, given[name], name)
            elif required:
                raise Mismatch("is missing").at(name)
        try:
            return self._kind(**arguments)
        except (TypeError, ValueError) as error:
            # What __post_init__ says of values that do not go together.
            raise Mismatch(f"is not valid: {error}") from error


def field_types(kind: type) -> dict[str, object]:
    """Return the types of a dataclass's fields.

    Raises:
        TypeError: one of them cannot be resolved.
    """
    try:
        return get_type_hints(kind, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"{kind.__qualname__}: {error}; define the types of its fields at the top level of a "
            "module"
        ) from error


def _as_it_is(value: object) -> object:
    return value


def _step(reader: Reader, value: object, step: str | int) -> object:
    try:
        return reader(value)
    except Mismatch as mismatch:
        raise mismatch.at(step) from None


def _object(value: object) -> dict[str, object]:
    if isinstance(value, dict):
        return value
    raise Mismatch(f"must be an object, not {kind_of(value)}")


def _exactly(kind: object, noun: str) -> Reader:
    def read(value: object) -> object:
        # type() and not isinstance(): true is no integer.
        if type(value) is kind:
            return value
        raise Mismatch(f"must be {noun}, not {kind_of(value)}")

    return read


def _number(value: object) -> object:
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise Mismatch("must be a smaller number") from None
    raise Mismatch(f"must be a number, not {kind_of(value)}")


def _from_text(convert: Callable[[str], object], noun: str) -> Reader:
    def read(value: object) -> object:
        if isinstance(value, str) or (noun == "a decimal number" and type(value) in {int, float}):
            try:
                return convert(str(value))
            except (ValueError, ArithmeticError):
                raise Mismatch(f"must be {noun}") from None
        raise Mismatch(f"must be {noun}, not {kind_of(value)}")

    return read


def _one_of(allowed: tuple[object, ...], members: Mapping[object, object]) -> Reader:
    known = {(type(value), value): members.get(value, value) for value in allowed}
    nouns = ", ".join(map(repr, allowed))

    def read(value: object) -> object:
        if not isinstance(value, list | dict):
            found = known.get((type(value), value), known)
            if found is not known:
                return found
        raise Mismatch(f"must be one of {nouns}")

    return read


def _array(item: Reader, make: Callable[[list[object]], object]) -> Reader:
    def read(value: object) -> object:
        if not isinstance(value, list):
            raise Mismatch(f"must be an array, not {kind_of(value)}")
        items = [_step(item, each, number) for number, each in enumerate(value)]
        try:
            return make(items)
        except TypeError:
            raise Mismatch("must have items that can be in a set") from None

    return read


def _fixed(readers: Sequence[Reader]) -> Reader:
    def read(value: object) -> object:
        if not isinstance(value, list) or len(value) != len(readers):
            raise Mismatch(f"must be an array of {len(readers)} items")
        pairs = enumerate(zip(readers, value, strict=True))
        return tuple(_step(reader, each, number) for number, (reader, each) in pairs)

    return read
