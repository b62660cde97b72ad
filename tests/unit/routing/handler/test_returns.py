from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import pytest

from blackbull.response import (
    EventSourceResponse,
    JSONResponse,
    Response,
    StreamingResponse,
)
from blackbull.routing.handler.returns import ReturnConverters
from tests.spec import spec
from tests.unit.routing.driving import connection, sent_by


@dataclass
class Point:
    x: int
    inner: Point | None = None


class Money:
    def __init__(self, amount: int) -> None:
        self.amount = amount


class Euro(Money):
    """Money of one country."""


class Text(str):
    """A str of another class."""

    __slots__ = ()


async def numbers() -> AsyncIterator[str]:
    yield "1"
    yield "2"


class Iterable:
    def __aiter__(self) -> AsyncIterator[str]:
        return numbers()


@pytest.mark.parametrize(
    ("value", "status", "content_type", "body"),
    [
        ("é", 200, b"text/html; charset=utf-8", "é".encode()),
        (Text("a"), 200, b"text/html; charset=utf-8", b"a"),
        (b"\xff", 200, b"application/octet-stream", b"\xff"),
        (bytearray(b"a"), 200, b"application/octet-stream", b"a"),
        (memoryview(b"a"), 200, b"application/octet-stream", b"a"),
        ({"a": [1, "é"]}, 200, b"application/json", '{"a":[1,"é"]}'.encode()),
        ([1, Point(2)], 200, b"application/json", b'[1,{"x":2,"inner":null}]'),
        (Point(1, Point(2)), 200, b"application/json", b'{"x":1,"inner":{"x":2,"inner":null}}'),
        (None, 204, b"", b""),
    ],
)
def test_respond_to_a_value_gives_its_response(
    value: object, status: int, content_type: bytes, body: bytes
) -> None:
    response = ReturnConverters().respond(value)
    assert isinstance(response, Response)
    assert (response.status, response.content_type, response.body) == (status, content_type, body)
    assert response.fields == ()


@spec("RFC 9110 §15.3.5")
def test_respond_to_none_has_neither_content_nor_type() -> None:
    response = ReturnConverters().respond(None)
    assert isinstance(response, Response)
    assert not response.body
    assert not list(response.headers)


@pytest.mark.parametrize(
    "value",
    [
        Response("a"),
        JSONResponse({}),
        StreamingResponse(numbers()),
        EventSourceResponse(numbers()),
    ],
)
def test_respond_to_a_response_is_itself(value: Response) -> None:
    assert ReturnConverters().respond(value) is value


@pytest.mark.parametrize("make", [numbers, Iterable])
async def test_respond_to_an_async_iterable_streams_plain_text(make: type[Iterable]) -> None:
    handler = ReturnConverters().respond(make())
    assert isinstance(handler, StreamingResponse)
    start, *parts = await sent_by(handler, connection())
    assert (b"content-type", b"text/plain; charset=utf-8") in start.fields
    assert [part.data for part in parts] == [b"1", b"2", b""]


@pytest.mark.parametrize("value", [1, 1.5, True, (1, 2), {1}, object(), Point, iter([])])
def test_respond_to_anything_else_raises_with_the_cure(value: object) -> None:
    with pytest.raises(TypeError, match=r"register_converter\(\)"):
        ReturnConverters().respond(value)


@pytest.mark.parametrize("met_before", [False, True])
def test_register_teaches_a_type_and_its_subclasses(met_before: bool) -> None:
    converters = ReturnConverters()
    if met_before:
        with pytest.raises(TypeError):
            converters.respond(Euro(1))
    converters.register(Money, lambda money: {"amount": money.amount})
    for value in (Money(1), Euro(1)):
        response = converters.respond(value)
        assert isinstance(response, Response)
        assert json.loads(response.body) == {"amount": 1}


@pytest.mark.parametrize("order", [1, -1])
def test_register_nearest_class_wins_whatever_the_order(order: int) -> None:
    converters = ReturnConverters()
    for kind in [Money, Euro][::order]:
        converters.register(kind, lambda _, kind=kind: kind.__name__)
    assert converters.respond(Euro(1)).body == b"Euro"
    assert converters.respond(Money(1)).body == b"Money"


@pytest.mark.parametrize("met_before", [False, True])
def test_register_replaces_what_is_built_in(met_before: bool) -> None:
    converters = ReturnConverters()
    if met_before:
        converters.respond(Text("a"))
    converters.register(str, lambda text: Response(text.upper(), 200, "text/plain"))
    for value in ("abc", Text("abc")):
        response = converters.respond(value)
        assert (response.body, response.content_type) == (b"ABC", b"text/plain")


def test_register_keeps_the_table_that_handlers_hold() -> None:
    converters = ReturnConverters()
    table = converters.table
    converters.register(Money, lambda _: "m")
    converters.respond(Money(1))
    assert converters.table is table
    assert Money in table


def test_register_converter_that_returns_the_same_type_raises() -> None:
    converters = ReturnConverters()
    converters.register(Money, lambda money: money)
    with pytest.raises(TypeError, match="Money returned another one"):
        converters.respond(Money(1))


def test_respond_to_a_mapping_that_is_no_dict_raises() -> None:
    class Odd(Mapping[str, int]):
        def __getitem__(self, key: str) -> int:
            raise KeyError(key)

        def __iter__(self):
            return iter(())

        def __len__(self) -> int:
            return 0

    with pytest.raises(TypeError, match="Odd"):
        ReturnConverters().respond(Odd())
