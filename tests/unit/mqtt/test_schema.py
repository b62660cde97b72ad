"""Schemas: what fits, what does not and why, and how both are documented."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NewType

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackbull.mqtt.payload import encode_payload
from blackbull.mqtt.schema import InvalidPayload, JSONSchema, PayloadSchema, payload_schema
from blackbull.mqtt.schema.document import Components
from blackbull.mqtt.tap import Message, compile_tap, run_taps

Celsius = NewType("Celsius", float)


class Unit(enum.Enum):
    CELSIUS = "C"
    KELVIN = "K"


@dataclass
class Tag:
    name: str
    children: list[Tag] = field(default_factory=list)


@dataclass
class Reading:
    """What a sensor says."""

    celsius: Celsius
    sensor: str = "nameless"
    unit: Unit = Unit.CELSIUS
    tags: tuple[Tag, ...] = ()
    at: datetime.datetime | None = None
    where: tuple[float, float] = (0.0, 0.0)
    extra: dict[str, int | str] = field(default_factory=dict)
    kind: Literal["air", "water", 3] = "air"
    number: Annotated[int, "of the sensor"] = 0
    key: uuid.UUID | None = None
    price: decimal.Decimal = decimal.Decimal(0)
    labels: frozenset[str] = frozenset()
    anything: Any = None
    secret: int = field(default=1, init=False)


@dataclass
class Positive:
    value: int

    def __post_init__(self) -> None:
        if self.value <= 0:
            raise ValueError("it is not positive")


class Struct(msgspec.Struct):
    celsius: float
    tags: list[str] = []


def decode(source: object, value: object) -> object:
    return payload_schema(source).decode(encode_payload(value))


def problem(source: object, payload: object) -> str:
    with pytest.raises(InvalidPayload) as caught:
        decode(source, payload)
    return str(caught.value)


# ---------------------------------------------------------------------- typed values


def test_dataclass_gets_typed_fields() -> None:
    value = {
        "celsius": 21,
        "sensor": "attic",
        "unit": "K",
        "tags": [{"name": "a", "children": [{"name": "b"}]}],
        "at": "2026-11-29T12:00:00Z",
        "where": [1, 2.5],
        "extra": {"a": 1, "b": "x"},
        "kind": 3,
        "number": 7,
        "key": "12345678-1234-5678-1234-567812345678",
        "price": "1.50",
        "labels": ["a", "b", "a"],
        "anything": [None],
        "firmware": "newer than this program",
    }
    assert decode(Reading, value) == Reading(
        celsius=Celsius(21.0),
        sensor="attic",
        unit=Unit.KELVIN,
        tags=(Tag("a", [Tag("b")]),),
        at=datetime.datetime(2026, 11, 29, 12, tzinfo=datetime.timezone.utc),  # noqa: UP017
        where=(1.0, 2.5),
        extra={"a": 1, "b": "x"},
        kind=3,
        number=7,
        key=uuid.UUID("12345678-1234-5678-1234-567812345678"),
        price=decimal.Decimal("1.50"),
        labels=frozenset({"a", "b"}),
        anything=[None],
    )
    assert decode(Reading, {"celsius": 1}) == Reading(Celsius(1.0))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, "'celsius' is missing"),
        ([], "the payload must be an object, not an array"),
        ({"celsius": "21"}, "'celsius' must be a number, not a string"),
        ({"celsius": True}, "'celsius' must be a number, not a boolean"),
        ({"celsius": 10**400}, "'celsius' must be a smaller number"),
        ({"celsius": 1, "number": 1.0}, "'number' must be an integer, not a number"),
        ({"celsius": 1, "number": True}, "'number' must be an integer, not a boolean"),
        ({"celsius": 1, "sensor": None}, "'sensor' must be a string, not null"),
        ({"celsius": 1, "unit": "F"}, "'unit' must be one of 'C', 'K'"),
        ({"celsius": 1, "unit": {}}, "'unit' must be one of 'C', 'K'"),
        ({"celsius": 1, "kind": True}, "'kind' must be one of 'air', 'water', 3"),
        ({"celsius": 1, "at": "soon"}, "'at' must be a date and time"),
        ({"celsius": 1, "at": 5}, "'at' must be a date and time, not a number"),
        ({"celsius": 1, "key": "x"}, "'key' must be a UUID"),
        ({"celsius": 1, "price": "x"}, "'price' must be a decimal number"),
        ({"celsius": 1, "where": [1]}, "'where' must be an array of 2 items"),
        ({"celsius": 1, "where": [1, None]}, "'where[1]' must be a number, not null"),
        ({"celsius": 1, "extra": {"a": 1.5}}, "'extra.a' must be "),
        ({"celsius": 1, "labels": [{}]}, "'labels[0]' must be a string, not an object"),
        (
            {"celsius": 1, "tags": [{"name": "a"}, {"name": "b", "children": [{}]}]},
            "'tags[1].children[0].name' is missing",
        ),
    ],
)
def test_dataclass_says_what_does_not_fit(value: object, expected: str) -> None:
    assert expected in problem(Reading, value)


def test_dataclass_that_refuses_its_values_is_a_mismatch() -> None:
    assert decode(Positive, {"value": 1}) == Positive(1)
    assert problem(Positive, {"value": 0}) == "the payload is not valid: it is not positive"


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"\xff", b"NaN", b'{"celsius": Infinity}', b"[" * 100_000]
)
@pytest.mark.parametrize("source", [Reading, {"type": "object"}, Struct])
def test_payload_that_is_no_json_is_invalid(source: object, payload: bytes) -> None:
    with pytest.raises(InvalidPayload):
        payload_schema(source).decode(payload)


@pytest.mark.parametrize(
    ("source", "payload", "expected"),
    [
        (float, b"21.5", 21.5),
        (int, b"3", 3),
        (list[int], b"[1, 2]", [1, 2]),
        (Sequence[str], b'["a"]', ["a"]),
        (Mapping[str, float], b'{"a": 1}', {"a": 1.0}),
        (set[int], b"[1, 1]", {1}),
        (tuple[int, ...], b"[1]", (1,)),
        (Positive | Tag, b'{"name": "a"}', Tag("a")),
        (int | float, b"1", 1),
        (dict, b'{"a": [1]}', {"a": [1]}),
        (list, b"[{}]", [{}]),
        (None, b"null", None),
        (datetime.date, b'"2026-11-29"', datetime.date(2026, 11, 29)),
        (str, "wörld".encode(), "wörld"),
        (Struct, b'{"celsius": 1}', Struct(1.0)),
    ],
)
def test_schema_may_be_any_type_that_json_has(
    source: object, payload: bytes, expected: object
) -> None:
    found = payload_schema(source).decode(payload)
    assert found == expected
    assert type(found) is type(expected)


def test_text_schema_refuses_what_is_no_text() -> None:
    with pytest.raises(InvalidPayload, match="UTF-8"):
        payload_schema(str).decode(b"\xff")


def test_struct_says_what_does_not_fit() -> None:
    assert "celsius" in problem(Struct, {"celsius": "warm"})


class Opaque: ...


@dataclass
class HasOpaque:
    inner: list[Opaque]


@dataclass
class Unresolved:
    inner: Nowhere  # type: ignore[name-defined] # noqa: F821


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (bytes, "leave it out"),
        (object, "leave it out"),
        (Opaque, "no way from JSON"),
        (HasOpaque, "HasOpaque.inner"),
        (Unresolved, "Nowhere"),
        (dict[int, str], "keys"),
        (3, "no way from JSON"),
    ],
)
def test_schema_that_says_nothing_is_refused(source: object, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        payload_schema(source)


# ---------------------------------------------------------------------- JSON Schema

RULES: list[dict[str, object]] = [
    {"type": "integer"},
    {"type": ["string", "null"]},
    {"type": "number", "minimum": 1, "exclusiveMaximum": 3},
    {"exclusiveMinimum": 1, "maximum": 3, "multipleOf": 0.5},
    {"type": "string", "minLength": 1, "maxLength": 2, "pattern": "^a"},
    {"enum": [1, "a", None, [1], {"a": 1.0}]},
    {"const": True},
    {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2},
    {"items": {"type": "integer"}, "prefixItems": [{"type": "string"}], "uniqueItems": True},
    {"contains": {"type": "integer"}, "minContains": 1, "maxContains": 2},
    {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}},
    {"properties": {"a": {}}, "patternProperties": {"^b": {"type": "null"}},
     "additionalProperties": False},
    {"additionalProperties": {"type": "integer"}, "minProperties": 1, "maxProperties": 2},
    {"propertyNames": {"maxLength": 1}},
    {"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"b": {"required": ["c"]}}},
    {"allOf": [{"type": "integer"}, {"minimum": 0}]},
    {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    {"oneOf": [{"type": "integer"}, {"minimum": 2}]},
    {"not": {"type": "integer"}},
    {"if": {"type": "integer"}, "then": {"minimum": 2}, "else": {"type": "string"}},
    {"$ref": "#/$defs/x", "$defs": {"x": {"type": ["integer", "array"],
                                           "items": {"$ref": "#/$defs/x"}}}},
    {"properties": {"a": {"$ref": "#"}}, "additionalProperties": {"type": "integer"}},
    {"properties": {"a": False, "b": True}},
    {"description": "anything", "format": "email", "x-vendor": 1},
    {},
]  # fmt: skip

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 4)
    | st.sampled_from([0.5, 1.0, 1.5, 2.25, -0.1, 0.3, 1e300])
    | st.sampled_from(["", "a", "ab", "abc", "b"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "bb", "c"]), inner)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("rule", RULES, ids=str)
@given(value=VALUES)
@settings(max_examples=30)
def test_json_schema_agrees_with_the_reference(rule: dict[str, object], value: object) -> None:
    reference = jsonschema.Draft202012Validator(rule).is_valid(value)
    schema = JSONSchema(rule)
    payload = encode_payload(json.dumps(value))
    if reference:
        assert schema.decode(payload) == value
    else:
        with pytest.raises(InvalidPayload):
            schema.decode(payload)


@given(value=VALUES)
@settings(max_examples=30)
def test_json_schema_knows_the_tuples_of_draft_7(value: object) -> None:
    rule = {"items": [{"type": "integer"}], "additionalItems": {"type": "string"}}
    reference = jsonschema.Draft7Validator(rule).is_valid(value)
    try:
        JSONSchema(rule).decode(encode_payload(json.dumps(value)))
    except InvalidPayload:
        assert not reference
    else:
        assert reference


def test_json_schema_counts_tenths_as_people_do() -> None:
    assert JSONSchema({"multipleOf": 0.1}).decode(b"0.3") == 0.3
    with pytest.raises(InvalidPayload):
        JSONSchema({"multipleOf": 0.1}).decode(b"1e999")


def test_json_schema_says_where_and_why() -> None:
    schema = {
        "properties": {"list": {"items": {"properties": {"a": {"minimum": 3}}}}},
        "required": ["list"],
    }
    assert problem(schema, {"list": [{}, {"a": 1}]}) == "'list[1].a' must be at least 3"
    assert problem(schema, {}) == "'list' is missing"


def test_json_schema_that_contains_itself_does_not_run_forever() -> None:
    assert "nested" in problem({"$ref": "#"}, 1)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "text"},
        {"type": 3},
        {"properties": []},
        {"properties": {"a": 3}},
        {"required": "a"},
        {"pattern": "("},
        {"minimum": "1"},
        {"items": 3},
        {"unevaluatedProperties": False},
        {"$ref": "https://example.com/other"},
        {"$ref": "#/$defs/none"},
        {"$ref": 3},
        {"enum": 3},
        {"allOf": {}},
    ],
)
def test_json_schema_that_is_malformed_is_refused(schema: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"malformed|supported|\$ref|type|JSON Schema"):
        payload_schema(schema)


# ---------------------------------------------------------------------- documents


def documented(source: object) -> dict[str, object]:
    components = Components()
    schema = payload_schema(source).document(components, "thing")
    return {**schema, "components": {"schemas": components.schemas}}


def test_document_of_a_dataclass_accepts_what_the_dataclass_does() -> None:
    document = documented(Reading)
    jsonschema.Draft7Validator.check_schema(document)
    validator = jsonschema.Draft7Validator(document)
    good = {"celsius": 1, "tags": [{"name": "a"}], "where": [1, 2], "at": None, "more": 1}
    assert validator.is_valid(good)
    assert decode(Reading, good)
    for bad in ({}, {"celsius": "1"}, {"celsius": 1, "tags": [{}]}, {"celsius": 1, "where": [1]}):
        assert not validator.is_valid(bad)
    schemas = document["components"]["schemas"]  # type: ignore[index]
    assert schemas.keys() == {"Reading", "Tag"}
    assert schemas["Reading"]["description"] == "What a sensor says."
    assert schemas["Reading"]["required"] == ["celsius"]
    assert schemas["Reading"]["properties"]["sensor"] == {"type": "string", "default": "nameless"}
    assert "secret" not in schemas["Reading"]["properties"]
    assert "description" not in schemas["Tag"]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_document_of_a_json_schema_means_the_same(rule: dict[str, object]) -> None:
    document = documented(rule)
    validator = jsonschema.Draft202012Validator(document)
    original = jsonschema.Draft202012Validator(rule)
    for value in (None, 1, 2.5, "a", [1, "a"], {"a": 1}, {"a": {"a": 1}}, [[1]], {"b": None}):
        assert validator.is_valid(value) == original.is_valid(value)


def test_document_names_a_json_schema_by_its_title() -> None:
    assert documented({"title": "Air quality"})["$ref"] == "#/components/schemas/Air_quality"
    assert documented({})["$ref"] == "#/components/schemas/thing"


def test_document_of_two_classes_with_one_name_has_both() -> None:
    other = dataclass(type("Reading", (), {"__annotations__": {"x": int}}))
    components = Components()
    for source in (Reading, other, Reading):
        payload_schema(source).document(components, "thing")
    assert components.schemas.keys() == {"Reading", "Tag", "Reading2"}


def test_document_of_a_struct_is_what_msgspec_says() -> None:
    document = documented(Struct)
    assert document["$ref"] == "#/components/schemas/Struct"
    assert jsonschema.Draft202012Validator(document).is_valid({"celsius": 1})
    assert documented(str)["type"] == "string"


# ---------------------------------------------------------------------- callbacks


def parameter(callback: Any, schema: object) -> str:
    return compile_tap("a/{room}", callback, schema=schema).value_name


async def annotated(msg: Message, room: str, reading: Reading) -> None: ...
async def reordered(msg: Message, reading: Reading, room: str) -> None: ...
async def bare(msg, value, room):  # type: ignore[no-untyped-def]
    ...
async def without(msg: Message, room: str) -> None: ...
async def loose(msg: Message, room: str, value: dict[str, object], limit: int = 3) -> None: ...
async def no_message(reading: Reading, room: str) -> None: ...
async def other(msg: Message, room: str, tag: Tag) -> None: ...
async def two(msg, room, reading, another):  # type: ignore[no-untyped-def]
    ...


@pytest.mark.parametrize(
    ("callback", "schema", "expected"),
    [
        (annotated, Reading, "reading"),
        (reordered, Reading, "reading"),
        (bare, Reading, "value"),
        (without, Reading, ""),
        (loose, {"type": "object"}, "value"),
        (bare, {"type": "object"}, "value"),
    ],
)
def test_decoded_value_goes_where_its_type_is(
    callback: object, schema: object, expected: str
) -> None:
    assert parameter(callback, schema) == expected


@pytest.mark.parametrize(
    ("callback", "schema"), [(other, Reading), (two, Reading), (annotated, None), (loose, Reading)]
)
def test_decoded_value_that_fits_nowhere_is_refused(callback: object, schema: object) -> None:
    with pytest.raises(TypeError, match="schema="):
        parameter(callback, schema)


def test_decoded_value_does_not_come_first() -> None:
    with pytest.raises(TypeError, match=r"no_message\(msg, reading\)"):
        parameter(no_message, Reading)


def test_decoded_value_finds_a_class_of_a_function() -> None:
    @dataclass
    class Local:
        x: int

    async def take(msg: Message, room: str, local: Local) -> None: ...

    assert parameter(take, Local) == "local"


async def test_tap_with_a_schema_gets_the_value(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[object] = []

    async def on_reading(msg: Message, reading: Reading, room: str) -> None:
        seen.append((msg.topic, reading.celsius, room))

    tap = compile_tap("sensors/{room}", on_reading, schema=Reading)
    await run_taps([tap], Message("sensors/attic", b'{"celsius": 21.5}'))
    assert seen == [("sensors/attic", 21.5, "attic")]
    for _ in range(5):
        await run_taps([tap], Message("sensors/attic", b'{"celsius": "warm"}'))
    assert len(seen) == 1
    assert (tap.invalid.count, tap.failures.count) == (5, 0)
    [record] = caplog.records
    assert "'celsius' must be a number, not a string" in record.getMessage()
    assert record.exc_info is None


def test_schema_may_be_prepared_once_for_several_taps() -> None:
    schema = payload_schema(Reading)
    assert isinstance(schema, PayloadSchema)
    assert payload_schema(schema) is schema
