from __future__ import annotations

import re
import uuid

import pytest

from blackbull.connection import Connection
from blackbull.errors import ConfigurationError
from blackbull.routing import Router, make_route
from blackbull.routing.handler import ReturnConverters
from tests.unit.routing.driving import route_of


async def nothing() -> None:
    """Takes nothing."""


async def as_text(id: str) -> None:
    """Wants text."""


async def as_int(id: int) -> None:
    """Wants a number."""


async def as_float(id: float) -> None:
    """Wants a number."""


async def as_maybe(id: int | None) -> None:
    """Wants a number or None."""


async def as_any(id) -> None:
    """Wants whatever it is."""


async def as_uuid(id: uuid.UUID) -> None:
    """Wants a UUID."""


async def takes_conn(request: Connection) -> None:
    """Reads path_params itself."""


async def full(scope: object, receive: object, send: object) -> None:
    """Reads path_params itself."""


@pytest.mark.parametrize(
    ("path", "handler"),
    [
        ("/{id:int}", as_int),
        ("/{id:int}", as_float),
        ("/{id:int}", as_maybe),
        ("/{id:int}", as_any),
        ("/{id}", as_int),
        ("/{id}", as_uuid),
        ("/{id:path}", as_text),
        ("/{id:uuid}", as_uuid),
        ("/{id:int}", takes_conn),
        ("/{id:int}", full),
    ],
)
def test_validate_of_what_fits_is_silent(path: str, handler: object) -> None:
    router = Router()
    router.add(route_of(handler, path))
    router.validate()
    assert router.routes


@pytest.mark.parametrize(
    ("path", "handler", "problem"),
    [
        ("/{id}", nothing, r"GET /\{id\}: .*nothing has no parameter for \{id\}"),
        ("/{id:int}", as_text, r"\{id:int\} gives int, but .*as_text wants str"),
        ("/{id:str}", as_int, "gives str, but .*as_int wants int"),
        ("/{id:float}", as_int, "gives float, but .*as_int wants int"),
        ("/{id:uuid}", as_text, "gives UUID, but"),
    ],
)
def test_validate_of_what_does_not_fit_says_so(path: str, handler: object, problem: str) -> None:
    router = Router()
    router.add(route_of(handler, path))
    with pytest.raises(ConfigurationError, match=problem):
        router.validate()


def test_validate_lists_all_problems() -> None:
    router = Router()
    router.add(route_of(nothing, "/a/{x}/{y}"))
    router.add(route_of(as_text, "/b/{id:int}"))
    router.add(
        make_route("GET", re.compile("/c/(?P<z>.)"), handler=nothing, converters=ReturnConverters())
    )
    with pytest.raises(ConfigurationError) as caught:
        router.validate()
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert [re.findall(r"\{(\w+)", line)[-1] for line in lines] == ["x", "y", "id", "z"]
