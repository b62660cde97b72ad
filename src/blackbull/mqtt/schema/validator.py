"""JSON Schema: a schema is compiled to functions once, and what those refuse is a mismatch.

The vocabulary is what draft 7 and 2020-12 have in common in practice. A keyword of the standards
that is not known here is refused when the schema is registered, and not ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from .assertions import ASSERTIONS, Check, list_of, number_of, object_of, text_of
from .mismatch import Mismatch

SchemaObject: TypeAlias = Mapping[str, object]

UNSUPPORTED: Final = frozenset({
    "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor",
    "unevaluatedItems", "unevaluatedProperties", "dependencies",
})  # fmt: skip


class Validator:
    """A compiled JSON Schema.

    *format* judges nothing, as the standard has it by default.

    Args:
        schema: The schema; ``$ref`` may point to places inside it.

    Attributes:
        check: Raises :class:`Mismatch` for a value that does not fit.

    Raises:
        ValueError: it uses a keyword that is not supported, or is malformed.

    Spec:
        JSON Schema 2020-12, JSON Schema draft 7
    """

    def __init__(self, schema: SchemaObject | bool) -> None:
        self._root = schema
        self._references: dict[str, list[Check]] = {}
        self.check: Check = self._compile(schema)

    def _compile(self, schema: object) -> Check:
        if schema is True:
            return _accept
        if schema is False:
            return _refuse
        if not isinstance(schema, Mapping):
            raise ValueError(f"a JSON Schema is an object or a boolean, not {schema!r}")
        return _all([self._keyword(name, value, schema) for name, value in schema.items()])

    def _keyword(self, name: str, value: object, schema: SchemaObject) -> Check:
        if name in UNSUPPORTED:
            raise ValueError(f"the JSON Schema keyword {name!r} is not supported")
        try:
            if name in ASSERTIONS:
                return ASSERTIONS[name](value)
            if name in APPLICATORS:
                return APPLICATORS[name](self, value, schema)
        except (TypeError, re.error) as error:
            raise ValueError(f"the JSON Schema is malformed at {name!r}: {error}") from error
        return _accept

    def _ref(self, value: object, schema: SchemaObject) -> Check:
        target = text_of(value)
        known = self._references.get(target)
        if known is None:
            # Known before it is compiled: a schema may contain itself.
            known = self._references[target] = []
            known.append(self._compile(self._find(target)))
        compiled = known

        def check(value: object) -> None:
            compiled[0](value)

        return check

    def _find(self, target: str) -> object:
        if target != "#" and not target.startswith("#/"):
            raise ValueError(f"$ref {target!r} leaves the schema: copy what it refers to into it")
        found: object = self._root
        for step in target.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, Mapping) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                raise ValueError(f"$ref {target!r} points to nothing")
        return found

    def _all_of(self, value: object, schema: SchemaObject) -> Check:
        return _all([self._compile(each) for each in list_of(value)])

    def _any_of(self, value: object, schema: SchemaObject) -> Check:
        checks = [self._compile(each) for each in list_of(value)]

        def check(value: object) -> None:
            if not any(fits(each, value) for each in checks):
                raise Mismatch("fits none of the schemas in anyOf")

        return check

    def _one_of(self, value: object, schema: SchemaObject) -> Check:
        checks = [self._compile(each) for each in list_of(value)]

        def check(value: object) -> None:
            found = sum(fits(each, value) for each in checks)
            if found != 1:
                raise Mismatch(f"fits {found} of the schemas in oneOf, not one")

        return check

    def _not(self, value: object, schema: SchemaObject) -> Check:
        unwanted = self._compile(value)

        def check(value: object) -> None:
            if fits(unwanted, value):
                raise Mismatch("fits the schema in not")

        return check

    def _if(self, value: object, schema: SchemaObject) -> Check:
        condition = self._compile(value)
        then = self._compile(schema.get("then", True))
        otherwise = self._compile(schema.get("else", True))

        def check(value: object) -> None:
            (then if fits(condition, value) else otherwise)(value)

        return check

    def _properties(self, value: object, schema: SchemaObject) -> Check:
        checks = {name: self._compile(each) for name, each in object_of(value).items()}

        def check(value: object) -> None:
            if isinstance(value, dict):
                for name, each in checks.items():
                    if name in value:
                        _inside(each, value[name], name)

        return check

    def _pattern_properties(self, value: object, schema: SchemaObject) -> Check:
        patterns = object_of(value).items()
        checks = [(re.compile(text), self._compile(each)) for text, each in patterns]

        def check(value: object) -> None:
            if isinstance(value, dict):
                for name, item in value.items():
                    for pattern, each in checks:
                        if pattern.search(name):
                            _inside(each, item, name)

        return check

    def _additional_properties(self, value: object, schema: SchemaObject) -> Check:
        rest = self._compile(value)
        known = frozenset(object_of(schema.get("properties", {})))
        patterns = [re.compile(text) for text in object_of(schema.get("patternProperties", {}))]

        def check(value: object) -> None:
            if isinstance(value, dict):
                for name, item in value.items():
                    if name not in known and not any(each.search(name) for each in patterns):
                        _inside(rest, item, name)

        return check

    def _property_names(self, value: object, schema: SchemaObject) -> Check:
        names = self._compile(value)

        def check(value: object) -> None:
            if isinstance(value, dict):
                for name in value:
                    _inside(names, name, name)

        return check

    def _dependent_schemas(self, value: object, schema: SchemaObject) -> Check:
        checks = {name: self._compile(each) for name, each in object_of(value).items()}

        def check(value: object) -> None:
            if isinstance(value, dict):
                for name, each in checks.items():
                    if name in value:
                        each(value)

        return check

    def _items(self, value: object, schema: SchemaObject) -> Check:
        # In draft 7 an array describes the first items, and additionalItems the others.
        if isinstance(value, list):
            first = self._prefix_items(value, schema)
            rest = _each(self._compile(schema.get("additionalItems", True)), len(value))
            return _all([first, rest])
        return _each(self._compile(value), len(list_of(schema.get("prefixItems", []))))

    def _prefix_items(self, value: object, schema: SchemaObject) -> Check:
        checks = [self._compile(each) for each in list_of(value)]

        def check(value: object) -> None:
            if isinstance(value, list):
                for number, (each, item) in enumerate(zip(checks, value, strict=False)):
                    _inside(each, item, number)

        return check

    def _contains(self, value: object, schema: SchemaObject) -> Check:
        wanted = self._compile(value)
        least = number_of(schema.get("minContains", 1))
        most = number_of(schema.get("maxContains", float("inf")))

        def check(value: object) -> None:
            if isinstance(value, list):
                found = sum(fits(wanted, item) for item in value)
                if not least <= found <= most:
                    raise Mismatch(f"has {found} items that fit the schema in contains")

        return check


def fits(check: Check, value: object) -> bool:
    """Return True if *check* has nothing against *value*."""
    try:
        check(value)
    except Mismatch:
        return False
    return True


def _accept(value: object) -> None:
    pass


def _refuse(value: object) -> None:
    raise Mismatch("is not allowed")


def _all(checks: Sequence[Check]) -> Check:
    judging = [each for each in checks if each is not _accept]
    if len(judging) < 2:
        return judging[0] if judging else _accept

    def check(value: object) -> None:
        for each in judging:
            each(value)

    return check


def _each(item: Check, first: int) -> Check:
    """Return a check of all items of an array from number *first* on."""

    def check(value: object) -> None:
        if isinstance(value, list):
            for number in range(first, len(value)):
                _inside(item, value[number], number)

    return check


def _inside(check: Check, value: object, step: str | int) -> None:
    try:
        check(value)
    except Mismatch as mismatch:
        raise mismatch.at(step) from None


APPLICATORS: Final[Mapping[str, Callable[[Validator, object, SchemaObject], Check]]] = {
    "$ref": Validator._ref,
    "allOf": Validator._all_of,
    "anyOf": Validator._any_of,
    "oneOf": Validator._one_of,
    "not": Validator._not,
    "if": Validator._if,
    "properties": Validator._properties,
    "patternProperties": Validator._pattern_properties,
    "additionalProperties": Validator._additional_properties,
    "propertyNames": Validator._property_names,
    "dependentSchemas": Validator._dependent_schemas,
    "items": Validator._items,
    "prefixItems": Validator._prefix_items,
    "contains": Validator._contains,
}
