from __future__ import annotations

import datetime
import enum
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import pytest

from blackbull.connection import Connection
from blackbull.di import Depends
from blackbull.routing.handler.parameters import EMPTY, Source, annotations_of, compile_arguments
from blackbull.routing.pattern import parse_path
from tests.unit.routing.driving import connection

if TYPE_CHECKING:
    from decimal import Decimal


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Item:
    name: str


def provider() -> int:
    return 5


def sources(function: Callable[..., object], path: str = "/") -> dict[str, str]:
    arguments = compile_arguments(function, parse_path(path).placeholders)
    return {item.name: str(item.source) for item in arguments.parameters}


def values(function: Callable[..., object], conn: Connection, path: str = "/") -> dict[str, object]:
    arguments = compile_arguments(function, parse_path(path).placeholders)
    return arguments.read(conn, conn._content or b"")


def test_parameters_are_resolved_in_the_documented_order() -> None:
    def handler(
        scope,
        conn,
        connection,
        request,
        anything: Connection,
        body,
        x: int,
        page: int = 1,
        dep=Depends(provider),
        note: Annotated[int, Depends(provider)] = 0,
    ) -> None: ...

    assert sources(handler, "/{x}") == {
        "scope": "connection",
        "conn": "connection",
        "connection": "connection",
        "request": "connection",
        "anything": "connection",
        "body": "body",
        "x": "path",
        "page": "query",
        "dep": "depends",
        "note": "depends",
    }


def test_parameter_whose_name_is_in_the_path_is_a_path_parameter_first() -> None:
    def handler(scope, body: int, conn: str) -> None: ...

    assert sources(handler, "/{scope}/{body}/{conn}") == dict.fromkeys(
        ["scope", "body", "conn"], "path"
    )


def test_parameter_with_a_dataclass_is_the_body() -> None:
    def one(item: Item) -> None: ...
    def many(items: list[Item] | None = None) -> None: ...
    def named(body: Item) -> None: ...

    assert sources(one) == {"item": "body"}
    assert sources(many) == {"items": "body"}
    assert values(named, connection(content=b'{"name":"a"}')) == {"body": Item("a")}


def test_parameter_with_a_scalar_annotation_is_never_the_connection() -> None:
    def handler(scope: str, request: int, conn: str | None = None) -> None: ...

    assert sources(handler) == dict.fromkeys(["scope", "request", "conn"], "query")


def test_read_gives_every_kind_of_value() -> None:
    def handler(
        id: int,
        conn,
        body: bytes,
        since: datetime.datetime,
        colour: Colour = Colour.RED,
        tag: list[str] | None = None,
    ) -> None: ...

    conn = connection(
        query=b"since=2026-01-31T12:00:00%2B00:00&tag=a&tag=b+c",
        content=b"data",
        params={"id": "7"},
    )
    assert values(handler, conn, "/{id}") == {
        "id": 7,
        "conn": conn,
        "body": b"data",
        "since": datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC),
        "colour": Colour.RED,
        "tag": ["a", "b c"],
    }


def test_parameters_say_whether_they_are_required() -> None:
    def handler(a: int, b: int = 3) -> None: ...

    first, second = compile_arguments(handler, {}).parameters
    assert (first.required, first.default, first.annotation) == (True, EMPTY, int)
    assert (second.required, second.default, second.source) == (False, 3, Source.QUERY)


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (lambda *, x=b"": x, None),
        (lambda x, /: x, "'x' cannot be given by name"),
        (lambda *args: args, "'args' cannot be given by name"),
        (lambda body, item: (body, item), None),
    ],
)
def test_parameter_kinds_that_cannot_be_named_raise(
    function: Callable[..., object], problem: str | None
) -> None:
    if problem is None:
        assert compile_arguments(function, {}).parameters
        return
    with pytest.raises(TypeError, match=problem):
        compile_arguments(function, {})


def test_parameter_of_another_type_raises_and_names_it() -> None:
    def handler(ok: int, wrong: dict[str, int]) -> None: ...

    with pytest.raises(TypeError, match=r"handler: parameter 'wrong': dict\[str, int\] is neither"):
        compile_arguments(handler, {})


def test_parameter_in_the_path_of_an_impossible_type_raises() -> None:
    def handler(x: Item) -> None: ...

    with pytest.raises(TypeError, match="'x' stands in the path"):
        compile_arguments(handler, parse_path("/{x}").placeholders)


def test_two_parameters_for_the_body_raise() -> None:
    def handler(body, item: Item) -> None: ...

    with pytest.raises(TypeError, match="parameter 'item': 'body' takes the body already"):
        compile_arguments(handler, {})


def test_default_of_a_path_parameter_warns() -> None:
    def handler(x: int = 3) -> None: ...

    with pytest.warns(RuntimeWarning, match="default of 'x' is never used"):
        compile_arguments(handler, parse_path("/{x}").placeholders)


def test_annotations_of_a_factorys_local_classes_are_found() -> None:
    @dataclass
    class Local:
        name: str

    def handler(item: Local) -> None: ...

    def register() -> None:
        # Registered from a function in between, as a decorator does.
        assert annotations_of(handler) == {"item": Local}

    register()
    assert sources(handler) == {"item": "body"}


def test_annotations_that_nobody_can_resolve_raise_with_the_cure() -> None:
    def handler(price: Decimal) -> None: ...

    with pytest.raises(TypeError, match=r"handler: name 'Decimal' is not defined.*top level"):
        annotations_of(handler)


def test_annotation_of_the_return_value_is_not_needed() -> None:
    def handler(x: int) -> Decimal: ...

    assert annotations_of(handler) == {"x": int}


def test_annotations_of_callables_are_found() -> None:
    class Handler:
        def __init__(self, size: float) -> None: ...

        def __call__(self, x: int) -> None: ...

    def function(x: int, y: str) -> None: ...

    assert annotations_of(Handler(1)) == {"x": int}
    assert annotations_of(Handler) == {"size": float}
    assert annotations_of(functools.partial(function, y="1")) == {"x": int, "y": str}
    assert annotations_of(print) == {}


def test_depends_that_goes_in_a_circle_raises() -> None:
    def first(value=None) -> None: ...
    def second(value=Depends(first)) -> None: ...

    first.__defaults__ = (Depends(second),)

    def handler(value=Depends(first)) -> None: ...

    with pytest.raises(TypeError, match=r"circle: .*first needs .*second needs .*first"):
        compile_arguments(handler, {})


def test_depends_on_what_cannot_be_given_raises_and_names_both() -> None:
    def needs(value: dict[str, int]) -> None: ...
    def handler(value=Depends(needs)) -> None: ...

    with pytest.raises(TypeError, match=r"handler: parameter 'value': .*needs: parameter 'value'"):
        compile_arguments(handler, {})


def test_arguments_know_what_dependencies_want() -> None:
    async def waits() -> None:
        await later()

    async def later() -> None: ...

    def reads(body) -> None: ...
    def nested(a=Depends(reads)) -> None: ...
    def handler(a=Depends(nested)) -> None: ...
    def waiting(a=Depends(waits)) -> None: ...
    def ready(a=Depends(later)) -> None: ...

    assert compile_arguments(handler, {}).takes_body
    assert not compile_arguments(handler, {}).waits
    assert compile_arguments(waiting, {}).waits
    assert not compile_arguments(ready, {}).waits
