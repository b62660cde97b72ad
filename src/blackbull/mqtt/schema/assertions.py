"""JSON Schema's assertions: keywords that judge a value by themselves.

Each is made once, from the keyword's value, and raises :class:`Mismatch` for what it refuses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Final, TypeAlias

from .mismatch import Mismatch, kind_of

Check: TypeAlias = Callable[[object], None]
Maker: TypeAlias = Callable[[object], Check]


def same(one: object, other: object) -> bool:
    """Return True if two JSON values are equal: 1 and 1.0 are, 1 and true are not."""
    return frozen(one) == frozen(other)


def frozen(value: object) -> object:
    """Return something hashable that is equal for equal JSON values only."""
    if isinstance(value, list | tuple):
        return (list, tuple(frozen(item) for item in value))
    if isinstance(value, Mapping):
        return (dict, frozenset((name, frozen(item)) for name, item in value.items()))
    return (bool, value) if isinstance(value, bool) else value


def number(value: object) -> float | None:
    """Return *value* if it is a JSON number, else None."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def text_of(value: object) -> str:
    """Return *value*, which a schema needs to be text.

    Raises:
        TypeError: it is not.
    """
    if isinstance(value, str):
        return value
    raise TypeError(f"{value!r} is no text")


def number_of(value: object) -> float:
    """Return *value*, which a schema needs to be a number.

    Raises:
        TypeError: it is not.
    """
    found = number(value)
    if found is None:
        raise TypeError(f"{value!r} is no number")
    return found


def list_of(value: object) -> Sequence[object]:
    """Return *value*, which a schema needs to be an array.

    Raises:
        TypeError: it is not.
    """
    if isinstance(value, list | tuple):
        return value
    raise TypeError(f"{value!r} is no array")


def object_of(value: object) -> Mapping[str, object]:
    """Return *value*, which a schema needs to be an object.

    Raises:
        TypeError: it is not.
    """
    if isinstance(value, Mapping):
        return value
    raise TypeError(f"{value!r} is no object")


def _is_integer(value: object) -> bool:
    found = number(value)
    return found is not None and (isinstance(found, int) or found.is_integer())


TYPES: Final[Mapping[str, Callable[[object], bool]]] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": _is_integer,
    "null": lambda value: value is None,
    "number": lambda value: number(value) is not None,
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
}


def _type(names: object) -> Check:
    wanted = [names] if isinstance(names, str) else [text_of(name) for name in list_of(names)]
    unknown = [name for name in wanted if name not in TYPES]
    if unknown:
        raise ValueError(f"there is no JSON type {unknown[0]!r}")
    tests = [TYPES[name] for name in wanted]
    nouns = " or ".join(wanted)

    def check(value: object) -> None:
        for test in tests:
            if test(value):
                return
        raise Mismatch(f"must be of type {nouns}, not {kind_of(value)}")

    return check


def _enum(values: object) -> Check:
    allowed = {frozen(each) for each in list_of(values)}
    nouns = ", ".join(map(repr, list_of(values)))

    def check(value: object) -> None:
        if frozen(value) not in allowed:
            raise Mismatch(f"must be one of {nouns}")

    return check


def _const(wanted: object) -> Check:
    def check(value: object) -> None:
        if not same(value, wanted):
            raise Mismatch(f"must be {wanted!r}")

    return check


def _required(names: object) -> Check:
    wanted = [text_of(name) for name in list_of(names)]

    def check(value: object) -> None:
        if isinstance(value, dict):
            for name in wanted:
                if name not in value:
                    raise Mismatch("is missing").at(name)

    return check


def _dependent_required(names: object) -> Check:
    wanted = {name: [text_of(each) for each in list_of(others)]
              for name, others in object_of(names).items()}  # fmt: skip

    def check(value: object) -> None:
        if isinstance(value, dict):
            for name, others in wanted.items():
                for other in others:
                    if name in value and other not in value:
                        raise Mismatch(f"is missing beside {name!r}").at(other)

    return check


def _unique_items(wanted: object) -> Check:
    def check(value: object) -> None:
        if not wanted or not isinstance(value, list):
            return
        if len({frozen(item) for item in value}) < len(value):
            raise Mismatch("has the same item twice")

    return check


def _pattern(text: object) -> Check:
    pattern = re.compile(text_of(text))

    def check(value: object) -> None:
        if isinstance(value, str) and not pattern.search(value):
            raise Mismatch(f"must match {pattern.pattern!r}")

    return check


def _multiple_of(step: object) -> Check:
    # Of decimal digits, as people write them: 0.3 is a multiple of 0.1.
    exact = Fraction(str(number_of(step)))

    def check(value: object) -> None:
        found = number(value)
        if found is not None and (not math.isfinite(found) or Fraction(str(found)) % exact):
            raise Mismatch(f"must be a multiple of {step}")

    return check


def _length(value: object) -> float | None:
    return len(value) if isinstance(value, str) else None


def _count(value: object) -> float | None:
    return len(value) if isinstance(value, list) else None


def _size(value: object) -> float | None:
    return len(value) if isinstance(value, dict) else None


def _bound(
    measure: Callable[[object], float | None],
    right: Callable[[float, float], bool],
    problem: str,
) -> Maker:
    """Return the maker of a keyword that compares what *measure* finds with its own value."""

    def make(limit: object) -> Check:
        allowed = number_of(limit)

        def check(value: object) -> None:
            found = measure(value)
            if found is not None and not right(found, allowed):
                raise Mismatch(problem.format(limit))

        return check

    return make


def _at_least(found: float, limit: float) -> bool:
    return found >= limit


def _at_most(found: float, limit: float) -> bool:
    return found <= limit


ASSERTIONS: Final[Mapping[str, Maker]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "required": _required,
    "dependentRequired": _dependent_required,
    "uniqueItems": _unique_items,
    "pattern": _pattern,
    "multipleOf": _multiple_of,
    "minimum": _bound(number, _at_least, "must be at least {}"),
    "maximum": _bound(number, _at_most, "must be at most {}"),
    "exclusiveMinimum": _bound(number, lambda found, limit: found > limit, "must be more than {}"),
    "exclusiveMaximum": _bound(number, lambda found, limit: found < limit, "must be less than {}"),
    "minLength": _bound(_length, _at_least, "must have {} characters or more"),
    "maxLength": _bound(_length, _at_most, "must have {} characters or fewer"),
    "minItems": _bound(_count, _at_least, "must have {} items or more"),
    "maxItems": _bound(_count, _at_most, "must have {} items or fewer"),
    "minProperties": _bound(_size, _at_least, "must have {} fields or more"),
    "maxProperties": _bound(_size, _at_most, "must have {} fields or fewer"),
}
