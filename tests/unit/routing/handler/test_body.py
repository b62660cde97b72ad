from __future__ import annotations

import datetime
import enum
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, Literal

import pytest

from blackbull.errors import HTTPException
from blackbull.routing.handler.body import body_reader, is_body


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Item:
    name: str
    price: float
    count: int = 1


@dataclass
class Order:
    items: list[Item]
    note: str | None = None
    pair: tuple[int, str] = (0, "")
    many: tuple[int, ...] = ()
    tags: set[str] = field(default_factory=set)
    prices: dict[str, float] = field(default_factory=dict)
    colour: Colour = Colour.RED
    at: datetime.datetime | None = None
    ident: uuid.UUID | None = None
    cost: Decimal = Decimal(0)
    mode: Literal["a", 1] = "a"
    anything: Any = None
    raw: object = None
    flags: Sequence[bool] = ()
    computed: int = field(init=False, default=7)
    shared: ClassVar[int] = 3


@dataclass
class Circle:
    radius: float


@dataclass
class Square:
    side: float


@dataclass
class Drawing:
    shapes: list[Circle | Square | str | None]


@dataclass
class Tree:
    value: int
    children: list[Tree] = field(default_factory=list)


@dataclass
class Span:
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


@dataclass(frozen=True, kw_only=True)
class Frozen:
    inner: Mapping[str, list[Span]]


def read(annotation: object, value: object) -> object:
    return body_reader(annotation)(json.dumps(value).encode())


def test_body_of_a_dataclass_fills_fields_and_defaults() -> None:
    assert read(Item, {"name": "a", "price": 1}) == Item("a", 1.0, 1)
    assert type(read(Item, {"name": "a", "price": 1}).price) is float


def test_body_of_every_supported_type_is_converted() -> None:
    order = read(
        Order,
        {
            "items": [{"name": "a", "price": 1.5, "count": 2}],
            "note": "n",
            "pair": [1, "x"],
            "many": [1, 2],
            "tags": ["t", "t"],
            "prices": {"a": 1},
            "colour": "red",
            "at": "2026-01-31T12:00:00",
            "ident": "00000000-0000-0000-0000-000000000001",
            "cost": "1.50",
            "mode": 1,
            "anything": [None],
            "raw": {"x": 1},
            "flags": [True],
        },
    )
    assert order == Order(
        [Item("a", 1.5, 2)],
        "n",
        (1, "x"),
        (1, 2),
        {"t"},
        {"a": 1.0},
        Colour.RED,
        datetime.datetime(2026, 1, 31, 12),
        uuid.UUID(int=1),
        Decimal("1.50"),
        1,
        [None],
        {"x": 1},
        [True],
    )


def test_body_of_a_union_takes_the_dataclass_that_fits() -> None:
    value = {"shapes": [{"radius": 1}, {"side": 2}, "line", None]}
    assert read(Drawing, value) == Drawing([Circle(1.0), Square(2.0), "line", None])


def test_body_of_a_class_that_contains_itself_is_read() -> None:
    value = {"value": 1, "children": [{"value": 2, "children": [{"value": 3}]}]}
    assert read(Tree, value) == Tree(1, [Tree(2, [Tree(3)])])


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (Item, [], "the body must be an object, not an array"),
        (Item, {"price": 1}, "field 'name' is missing"),
        (Item, {"name": "a", "price": 1, "x": 2}, "field 'x' is unknown"),
        (Item, {"name": 1, "price": 1}, "field 'name' must be a string, not a number"),
        (Item, {"name": "a", "price": "1"}, "field 'price' must be a number, not a string"),
        (Item, {"name": "a", "price": True}, "field 'price' must be a number, not a boolean"),
        (Item, {"name": "a", "price": 10**400}, "field 'price' must be a smaller number|no JSON"),
        (Item, {"name": "a", "price": 1, "count": 1.5}, "field 'count' must be an integer"),
        (Item, {"name": "a", "price": 1, "count": True}, "field 'count' must be an integer"),
        (Item, {"name": None, "price": 1}, "field 'name' must be a string, not null"),
        (Order, {"items": [{"name": "a", "price": 1}, {"name": "b"}]}, r"'items\[1\]\.price' is m"),
        (Order, {"items": {}}, "field 'items' must be an array, not an object"),
        (Order, {"items": [], "pair": [1]}, "field 'pair' must be an array of 2 items, not 1"),
        (Order, {"items": [], "pair": "ab"}, "field 'pair' must be an array of 2 items, not a st"),
        (Order, {"items": [], "pair": [1, 2]}, r"field 'pair\[1\]' must be a string"),
        (Order, {"items": [], "prices": {"a": "b"}}, r"field 'prices\.a' must be a number"),
        (Order, {"items": [], "prices": []}, "field 'prices' must be an object, not an array"),
        (Order, {"items": [], "colour": "blue"}, "field 'colour' must be one of red, not 'blue'"),
        (Order, {"items": [], "at": "soon"}, "field 'at' must be a date and time in ISO 8601"),
        (Order, {"items": [], "ident": {}}, "field 'ident' must be a UUID, not an object"),
        (Order, {"items": [], "mode": "b"}, "field 'mode' must be one of 'a', 1, not 'b'"),
        (Order, {"items": [], "mode": True}, "field 'mode' must be one of 'a', 1, not True"),
        (Order, {"items": [], "computed": 1}, "field 'computed' is unknown"),
        (Drawing, {"shapes": [1]}, r"'shapes\[0\]' must be Circle or Square or a string or null"),
        (Drawing, {"shapes": [{"x": 1}]}, r"'shapes\[0\]' must be Circle or Square or a string"),
        (Span, {"low": 2, "high": 1}, "the body is not valid: low is above high"),
        (Frozen, {"inner": {"a": [{"low": 2, "high": 1}]}}, r"'inner\.a\[0\]' is not valid: low"),
        (list[int], [1, "x"], r"field '\[1\]' must be an integer, not a string"),
        (dict[str, int], {"a": None}, "field 'a' must be an integer, not null"),
    ],
)
def test_body_that_does_not_fit_is_a_400_that_names_field_and_cause(
    annotation: object, value: object, problem: str
) -> None:
    with pytest.raises(HTTPException, match=problem) as caught:
        read(annotation, value)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the body is empty: send JSON"),
        (b"{", "the body is no JSON"),
        (b"\xff", "the body is no JSON"),
        (b'{"name": NaN}', "the body is no JSON"),
        (b'{"name": "a", "price": 1} x', "the body is no JSON"),
        (b"[" * 200_000, "the body is no JSON"),
    ],
)
def test_body_that_is_no_json_is_a_400(content: bytes, problem: str) -> None:
    with pytest.raises(HTTPException, match=problem) as caught:
        body_reader(Item)(content)
    assert caught.value.status == 400


def test_body_nested_deeper_than_we_follow_is_a_400() -> None:
    depth = 600
    content = b'{"value":1,"children":[' * depth + b"]}" * depth
    with pytest.raises(HTTPException, match=r"nested too deeply|no JSON") as caught:
        body_reader(Tree)(content)
    assert caught.value.status == 400


def test_body_empty_with_a_default_is_the_default() -> None:
    assert body_reader(Item | None, None)(b"") is None
    assert body_reader(Item | None, None)(b"null") is None
    assert body_reader(bytes, b"x")(b"") == b"x"


@pytest.mark.parametrize("annotation", [bytes, object, Any])
def test_body_as_bytes_is_the_content(annotation: object) -> None:
    content = b"\xff{"
    assert body_reader(annotation)(content) is content


def test_body_as_str_is_utf8() -> None:
    assert body_reader(str)("é".encode()) == "é"
    with pytest.raises(HTTPException, match="UTF-8") as caught:
        body_reader(str)(b"\xff")
    assert caught.value.status == 400


@pytest.mark.parametrize("annotation", [list, list[Any], dict, dict[str, Any]])
def test_body_of_plain_containers_is_any_json(annotation: object) -> None:
    value = [1, {"a": None}] if "list" in str(annotation) else {"a": [1]}
    assert read(annotation, value) == value


@dataclass
class Unreadable:
    value: complex


@dataclass
class UnknownName:
    value: Nowhere  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (Unreadable, r"Unreadable\.value: there is no way from JSON"),
        (UnknownName, "UnknownName: .*Nowhere.*top level"),
        (dict[int, str], "keys of a JSON object are text"),
        (list[complex], "no way from JSON"),
    ],
)
def test_body_reader_for_what_json_has_no_form_of_raises(annotation: object, problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        body_reader(annotation)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [(Item, True), (Item | None, True), (list[Item], True), (int, False), (list[int], False)],
)
def test_is_body_looks_for_dataclasses(annotation: object, expected: bool) -> None:
    assert is_body(annotation) is expected
