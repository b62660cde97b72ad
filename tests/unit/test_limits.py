"""What a route may say about its requests."""

from __future__ import annotations

import dataclasses

import pytest

from blackbull import BlackBull
from blackbull.config import Settings
from blackbull.limits import LimitOverrides, RequestLimits
from blackbull.protocol.head import RequestHead
from blackbull.utils import Scheme


async def nothing() -> str:
    return ""


def test_limits_that_a_route_does_not_set_are_those_of_the_settings() -> None:
    limits = RequestLimits.from_settings(Settings(body_timeout=7.0))
    assert limits.body_timeout == 7.0
    changed = limits.overridden(LimitOverrides(max_body_size=0, request_timeout=3))
    assert changed == dataclasses.replace(limits, max_body_size=0, request_timeout=3)
    assert {f.name for f in dataclasses.fields(LimitOverrides)} == set(
        RequestLimits.__dataclass_fields__
    )


@pytest.mark.parametrize(
    ("limits", "error", "message"),
    [
        ({"max_body_size": -1}, ValueError, "max_body_size is 0 or more, not -1"),
        ({"body_timeout": float("inf")}, ValueError, "body_timeout is 0 or more, not inf"),
        ({"request_timeout": float("nan")}, ValueError, "request_timeout is 0 or more, not nan"),
        ({"max_body_size": 1.5}, TypeError, "max_body_size is a number of bytes, not 1.5"),
        ({"min_body_rate": "2"}, TypeError, "min_body_rate is a number, not '2'"),
        ({"body_total_timeout": True}, TypeError, "body_total_timeout is a number, not True"),
    ],
)
def test_limits_that_are_none_are_refused_where_they_are_written(
    limits: dict[str, object], error: type[Exception], message: str
) -> None:
    for register in (BlackBull().group, BlackBull().route, BlackBull().group().route):
        with pytest.raises(error, match=message):
            register(**limits)


def test_limits_of_requests_are_no_option_of_a_websocket() -> None:
    app = BlackBull()
    with pytest.raises(ValueError, match="'/ws' is a WebSocket: of a request's limits it has none"):
        app.route(path="/ws", scheme=Scheme.websocket, request_timeout=1)(nothing)
    group = app.group(request_timeout=1)

    @group.route(path="/ws", scheme=Scheme.websocket)
    async def fine(ws: object) -> None: ...


def found(app: BlackBull, method: str, path: str) -> LimitOverrides | None:
    assert app.find_limits is not None
    return app.find_limits(RequestHead(method, path))


@pytest.mark.parametrize("with_placeholder", [False, True])
def test_limits_are_found_by_method_and_path(with_placeholder: bool) -> None:
    app = BlackBull()
    app.route("GET", "/a", request_timeout=1)(nothing)
    app.route("POST", "/a")(nothing)
    outer = app.group(max_body_size=5, body_timeout=4)
    inner = outer.group(body_timeout=3)
    inner.route("POST", "/inner", min_body_rate=2)(nothing)
    outer.route("POST", "/outer")(nothing)
    if with_placeholder:
        app.route("POST", "/of/{name:int}", max_body_size=9)(_named)
    assert found(app, "GET", "/a") == LimitOverrides(request_timeout=1)
    assert found(app, "HEAD", "/a") == LimitOverrides(request_timeout=1)
    assert found(app, "POST", "/a") is None
    assert found(app, "PUT", "/a") is None
    assert found(app, "POST", "/none") is None
    assert found(app, "POST", "/outer") == LimitOverrides(max_body_size=5, body_timeout=4)
    assert found(app, "POST", "/inner") == LimitOverrides(
        max_body_size=5, body_timeout=3, min_body_rate=2
    )
    of = LimitOverrides(max_body_size=9) if with_placeholder else None
    assert found(app, "POST", "/of/7") == of
    assert found(app, "POST", "/of/x") is None


async def _named(name: int) -> str:
    return str(name)


def test_limits_that_no_route_sets_are_not_looked_for() -> None:
    app = BlackBull()
    app.group(max_body_size=None).route(path="/")(nothing)
    app.freeze()
    assert app.find_limits is None
