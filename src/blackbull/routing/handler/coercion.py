"""Text of a query or a path to the types that handlers ask for."""

from __future__ import annotations

import datetime
import decimal
import enum
import inspect
import re
import types
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, NewType, TypeVar, Union, get_args, get_origin

from blackbull.errors import HTTPException

EMPTY: Final = inspect.Parameter.empty
TRUE: Final = frozenset({"1", "true", "yes", "on"})
FALSE: Final = frozenset({"0", "false", "no", "off"})
MAX_SHOWN: Final = 60
# An int is acceptable where a float is wanted (PEP 484).
NUMERIC: Final = (int, float)

E = TypeVar("E", bound=enum.Enum)
QueryReader = Callable[[Mapping[str, list[str]]], object]


@dataclass(frozen=True, slots=True)
class Scalar:
    """How a type is written as text.

    Attributes:
        noun: What the text must be, for messages: "an integer".
        decode: From the text to the value; a ValueError means that it does not fit.
    """

    noun: str
    decode: Callable[[str], object]


def bare(annotation: object) -> object:
    """Return *annotation* without ``Annotated``, ``NewType`` and type aliases around it."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif hasattr(annotation, "__value__"):
            annotation = annotation.__value__
        else:
            return annotation


def members(annotation: object) -> tuple[object, ...]:
    """Return the members of a union, of anything else the thing itself; ``NoneType`` for None."""
    annotation = bare(annotation)
    if get_origin(annotation) in {Union, types.UnionType}:
        return tuple(found for item in get_args(annotation) for found in members(item))
    return (types.NoneType if annotation is None else annotation,)


def accepts(annotation: object, given: type) -> bool:
    """Return True if a value of class *given* satisfies *annotation*."""
    for member in members(annotation):
        if member in {EMPTY, Any, object, given}:
            return True
        if isinstance(member, type) and (issubclass(given, member) or (given, member) == NUMERIC):
            return True
    return False


def scalar(annotation: object) -> Scalar | None:
    """Return how the type *annotation* is written as text; None if it is not."""
    annotation = bare(annotation)
    if get_origin(annotation) is Literal:
        return _literal(get_args(annotation))
    if not isinstance(annotation, type):
        return None
    if issubclass(annotation, enum.Enum):
        return _enum(annotation)
    return SCALARS.get(annotation)


def shown(value: object) -> str:
    """Return *value* as a message shows it: quoted and not too long."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def query_reader(name: str, annotation: object, default: object) -> QueryReader | None:
    """Return what reads one parameter of a query.

    Args:
        name: Of the parameter.
        annotation: A scalar type, a list of one, or either of them or None; a parameter without
            annotation is text, or of its default's type.
        default: The value when the query does not name the parameter; ``EMPTY`` when it must.

    Returns:
        None when *annotation* is none of these. The reader raises a 400.
    """
    if annotation is EMPTY:
        annotation = type(default) if isinstance(default, bool | int | float) else str
    wanted = [member for member in members(annotation) if member is not types.NoneType]
    if len(wanted) != 1:
        return None
    if get_origin(wanted[0]) is list or wanted[0] is list:
        return _list_reader(name, wanted[0], default)
    kind = scalar(wanted[0])
    if kind is None:
        return None

    def read(query: Mapping[str, list[str]]) -> object:
        values = query.get(name)
        if values is None:
            return _absent(name, default)
        return _decode(name, kind, values[-1])

    return read


def _list_reader(name: str, annotation: object, default: object) -> QueryReader | None:
    kind = scalar((*get_args(annotation), str)[0])
    if kind is None:
        return None

    def read(query: Mapping[str, list[str]]) -> object:
        values = query.get(name)
        if values is None:
            absent = _absent(name, default)
            # A handler may change its list; the default must not change with it.
            return absent.copy() if isinstance(absent, list) else absent
        return [_decode(name, kind, value) for value in values]

    return read


def _absent(name: str, default: object) -> object:
    if default is EMPTY:
        raise HTTPException(400, f"query parameter {name!r} is missing")
    return default


def _decode(name: str, kind: Scalar, text: str) -> object:
    try:
        return kind.decode(text)
    except (ValueError, OverflowError):
        raise HTTPException(
            400, f"query parameter {name!r} must be {kind.noun}, not {shown(text)}"
        ) from None


def path_reader(name: str, annotation: object) -> Callable[[object], object] | None:
    """Return what turns the text of a bare ``{name}`` into the type *annotation*.

    Returns:
        None when the text is what the handler wants. The reader raises a 404: the path of
        something that cannot exist.

    Raises:
        TypeError: *annotation* has no form as text.
    """
    if accepts(annotation, str):
        return None
    wanted = [member for member in members(annotation) if member is not types.NoneType]
    kind = scalar(wanted[0]) if len(wanted) == 1 else None
    if kind is None:
        raise TypeError(f"{name!r} stands in the path, which cannot give {annotation!r}")

    def read(value: object) -> object:
        if value is None:
            return None
        try:
            return kind.decode(str(value))
        except (ValueError, OverflowError):
            raise HTTPException(404, f"{name!r} must be {kind.noun}, not {shown(value)}") from None

    return read


def _bool(text: str) -> bool:
    lowered = text.lower()
    if lowered in TRUE:
        return True
    if lowered in FALSE:
        return False
    raise ValueError(text)


def _matching(regex: str, decode: Callable[[str], object]) -> Callable[[str], object]:
    fullmatch = re.compile(regex, re.ASCII).fullmatch

    def decode_matching(text: str) -> object:
        if fullmatch(text) is None:
            raise ValueError(text)
        return decode(text)

    return decode_matching


NUMBER: Final = r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,4})?"
SCALARS: Final[Mapping[type, Scalar]] = {
    str: Scalar("text", str),
    int: Scalar("an integer", _matching("[+-]?[0-9]+", int)),
    float: Scalar("a number", _matching(NUMBER, float)),
    bool: Scalar("true or false", _bool),
    decimal.Decimal: Scalar("a number", _matching(NUMBER, decimal.Decimal)),
    uuid.UUID: Scalar("a UUID", uuid.UUID),
    datetime.datetime: Scalar("a date and time in ISO 8601", datetime.datetime.fromisoformat),
    datetime.date: Scalar("a date in ISO 8601", datetime.date.fromisoformat),
    datetime.time: Scalar("a time in ISO 8601", datetime.time.fromisoformat),
}
"""The types that are written as text, but for enums and literals."""


def _enum(kind: type[E]) -> Scalar:
    return _choice({str(member.value): member for member in kind})


def _literal(values: tuple[object, ...]) -> Scalar:
    return _choice({str(value): value for value in values})


def _choice(choices: Mapping[str, object]) -> Scalar:
    def decode(text: str) -> object:
        try:
            return choices[text]
        except KeyError:
            raise ValueError(text) from None

    return Scalar(f"one of {', '.join(choices)}", decode)
