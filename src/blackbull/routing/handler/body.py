"""JSON bodies to dataclasses and their kin; what does not fit is a 400 that says where and why."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, cast, get_args, get_origin, get_type_hints

from blackbull import json
from blackbull.errors import HTTPException

from .coercion import EMPTY, bare, members, scalar, shown

Decoder: TypeAlias = Callable[[object], object]
BodyReader: TypeAlias = Callable[[bytes], object]

JSON_NAMES: Final[Mapping[type, str]] = {
    bool: "a boolean",
    dict: "an object",
    float: "a number",
    int: "a number",
    list: "an array",
    str: "a string",
    types.NoneType: "null",
}


class Mismatch(Exception):
    """A JSON value does not fit its type.

    Attributes:
        at: Where, from the innermost step outwards.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.at: list[str] = []

    def __str__(self) -> str:
        where = "".join(reversed(self.at)).removeprefix(".")
        return f"field {where!r} {self.args[0]}" if where else f"the body {self.args[0]}"


def body_reader(annotation: object, default: object = EMPTY) -> BodyReader:
    """Return what reads a request's whole content as *annotation*.

    Args:
        annotation: ``bytes`` as it is, ``str`` as UTF-8, anything else from JSON.
        default: The value of an empty body; ``EMPTY`` when that is an error.

    Returns:
        A function that raises a 400.

    Raises:
        TypeError: there is no way from JSON to *annotation*.
    """
    kinds = members(annotation)
    if any(kind in {EMPTY, bytes, object, Any} for kind in kinds):
        return bytes if default is EMPTY else lambda content: content or default
    if str in kinds and len(kinds) == 1:
        return _read_text
    decode = Decoders().get(annotation)

    def read(content: bytes) -> object:
        if not content:
            if default is EMPTY:
                raise HTTPException(400, "the body is empty: send JSON")
            return default
        try:
            return decode(json.decode(content))
        except Mismatch as mismatch:
            raise HTTPException(400, str(mismatch)) from None
        except RecursionError:
            raise HTTPException(400, "the body is nested too deeply") from None
        except ValueError as error:
            raise HTTPException(400, f"the body is no JSON: {error}") from None

    return read


def is_body(annotation: object) -> bool:
    """Return True if *annotation* can only be meant for a body: it has a dataclass in it."""
    return any(
        dataclasses.is_dataclass(member) or any(is_body(item) for item in get_args(member))
        for member in members(annotation)
    )


def _read_text(content: bytes) -> object:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise HTTPException(400, "the body is no text in UTF-8") from None


class Decoders:
    """Makes decoders for types; one per dataclass, so that a class may contain itself."""

    def __init__(self) -> None:
        self._dataclasses: dict[type, _DataclassDecoder] = {}

    def get(self, annotation: object) -> Decoder:
        """Return the decoder for *annotation*; it raises :class:`Mismatch`.

        Raises:
            TypeError: JSON has no form of *annotation*.
        """
        kinds = members(annotation)
        return self._union(kinds) if len(kinds) > 1 else self._one(kinds[0])

    def _union(self, kinds: Sequence[object]) -> Decoder:
        # Dataclasses first: their decoders refuse more than the others'.
        ordered = sorted(kinds, key=lambda kind: not dataclasses.is_dataclass(kind))
        branches = [self._one(kind) for kind in ordered if kind is not types.NoneType]
        nullable = types.NoneType in kinds
        if len(branches) == 1:
            return _nullable(branches[0])
        return _any_of(branches, " or ".join(_noun(kind) for kind in ordered), nullable=nullable)

    def _one(self, kind: object) -> Decoder:
        kind = bare(kind)
        if kind in {Any, object}:
            return _anything
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return self._dataclass(kind)
        origin = get_origin(kind) or kind
        arguments = get_args(kind)
        if origin is tuple and arguments and arguments[-1] is not Ellipsis:
            return _fixed(tuple(self.get(item) for item in arguments))
        if origin in {list, tuple, set, frozenset, Sequence}:
            item = self.get(arguments[0]) if arguments else _anything
            return _array(item, list if origin is Sequence else cast("type", origin))
        if origin in {dict, Mapping}:
            if arguments and arguments[0] not in {str, Any, object}:
                raise TypeError(f"the keys of a JSON object are text, not {arguments[0]!r}")
            return _object(self.get(arguments[1]) if arguments else _anything)
        if kind is types.NoneType:
            return _expect(types.NoneType)
        if kind in {str, bool, int}:
            return _expect(kind)
        if kind is float:
            return _number
        if origin is Literal:
            return _literal(arguments)
        found = scalar(kind)
        if found is None:
            raise TypeError(f"there is no way from JSON to {kind!r}")
        return _text(found.decode, found.noun)

    def _dataclass(self, kind: type) -> Decoder:
        decoder = self._dataclasses.get(kind)
        if decoder is None:
            # Known before its fields are: they may name the class again.
            decoder = self._dataclasses[kind] = _DataclassDecoder(kind)
            decoder.compile(self)
        return decoder


class _DataclassDecoder:
    """A JSON object to an instance of a dataclass; unknown keys are refused."""

    __slots__ = ("_fields", "_kind", "_required")

    def __init__(self, kind: type) -> None:
        self._kind = kind
        self._fields: dict[str, Decoder] = {}
        self._required: list[str] = []

    def compile(self, decoders: Decoders) -> None:
        """Find the fields' decoders.

        Raises:
            TypeError: a field's type has no form in JSON, or cannot be resolved.
        """
        try:
            hints = get_type_hints(self._kind, include_extras=True)
        except NameError as error:
            raise TypeError(
                f"{self._kind.__qualname__}: {error}; define the types of its fields at the top "
                "level of a module"
            ) from error
        for field in dataclasses.fields(self._kind):
            if not field.init:
                continue
            try:
                self._fields[field.name] = decoders.get(hints[field.name])
            except TypeError as error:
                raise TypeError(f"{self._kind.__qualname__}.{field.name}: {error}") from error
            if field.default is field.default_factory is dataclasses.MISSING:
                self._required.append(field.name)

    def __call__(self, value: object) -> object:
        if not isinstance(value, dict):
            raise Mismatch(f"must be an object, not {_json_name(value)}")
        arguments = {}
        name = ""
        try:
            for name, item in value.items():
                decode = self._fields.get(name)
                if decode is None:
                    raise Mismatch("is unknown")
                arguments[name] = decode(item)
            for name in self._required:
                if name not in arguments:
                    raise Mismatch("is missing")
        except Mismatch as mismatch:
            mismatch.at.append(f".{name}")
            raise
        try:
            return self._kind(**arguments)
        except (TypeError, ValueError) as error:
            # What __post_init__ says of values that do not go together.
            raise Mismatch(f"is not valid: {error}") from error


def _anything(value: object) -> object:
    return value


def _expect(kind: type) -> Decoder:
    def decode(value: object) -> object:
        # type() and not isinstance(): true is no integer.
        if type(value) is not kind:
            raise Mismatch(f"must be {_noun(kind)}, not {_json_name(value)}")
        return value

    return decode


def _number(value: object) -> object:
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise Mismatch("must be a smaller number") from None
    raise Mismatch(f"must be a number, not {_json_name(value)}")


def _literal(values: tuple[object, ...]) -> Decoder:
    def decode(value: object) -> object:
        for allowed in values:
            if value == allowed and type(value) is type(allowed):
                return value
        raise Mismatch(f"must be one of {', '.join(map(repr, values))}, not {shown(value)}")

    return decode


def _text(decode_text: Callable[[str], object], noun: str) -> Decoder:
    def decode(value: object) -> object:
        if type(value) is str or type(value) is int or type(value) is float:
            try:
                return decode_text(str(value))
            except (ValueError, OverflowError):
                raise Mismatch(f"must be {noun}, not {shown(value)}") from None
        raise Mismatch(f"must be {noun}, not {_json_name(value)}")

    return decode


def _nullable(decode: Decoder) -> Decoder:
    def decode_nullable(value: object) -> object:
        return None if value is None else decode(value)

    return decode_nullable


def _any_of(branches: Sequence[Decoder], nouns: str, *, nullable: bool) -> Decoder:
    def decode(value: object) -> object:
        if nullable and value is None:
            return None
        for branch in branches:
            try:
                return branch(value)
            except Mismatch:
                continue
        raise Mismatch(f"must be {nouns}, not {_json_name(value)} that fits none of them")

    return decode


def _array(decode: Decoder, make: Callable[[list[object]], object]) -> Decoder:
    def decode_array(value: object) -> object:
        if not isinstance(value, list):
            raise Mismatch(f"must be an array, not {_json_name(value)}")
        items: list[object] = []
        try:
            for item in value:
                items.append(decode(item))
        except Mismatch as mismatch:
            mismatch.at.append(f"[{len(items)}]")
            raise
        return items if make is list else make(items)

    return decode_array


def _fixed(decoders: tuple[Decoder, ...]) -> Decoder:
    def decode(value: object) -> object:
        if not isinstance(value, list) or len(value) != len(decoders):
            seen = f"{len(value)}" if isinstance(value, list) else _json_name(value)
            raise Mismatch(f"must be an array of {len(decoders)} items, not {seen}")
        items: list[object] = []
        try:
            for item, decode_item in zip(value, decoders, strict=True):
                items.append(decode_item(item))
        except Mismatch as mismatch:
            mismatch.at.append(f"[{len(items)}]")
            raise
        return tuple(items)

    return decode


def _object(decode: Decoder) -> Decoder:
    def decode_object(value: object) -> object:
        if not isinstance(value, dict):
            raise Mismatch(f"must be an object, not {_json_name(value)}")
        items: dict[str, object] = {}
        name = ""
        try:
            for name, item in value.items():
                items[name] = decode(item)
        except Mismatch as mismatch:
            mismatch.at.append(f".{name}")
            raise
        return items

    return decode_object


def _json_name(value: object) -> str:
    return JSON_NAMES.get(type(value), "a number")


def _noun(kind: object) -> str:
    if kind is int:
        return "an integer"
    if isinstance(kind, type) and kind in JSON_NAMES:
        return JSON_NAMES[kind]
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return kind.__name__
    found = scalar(kind)
    if found is not None:
        return found.noun
    origin = get_origin(kind)
    return JSON_NAMES.get(origin, "an array") if isinstance(origin, type) else str(kind)
