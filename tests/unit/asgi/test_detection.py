from __future__ import annotations

import functools

import fastapi
import litestar
import pytest
from starlette.applications import Starlette

from blackbull.asgi import HostedApp, as_native_app, is_asgi_app
from blackbull.errors import ConfigurationError
from blackbull.response import Response
from tests.unit.asgi.doubles import App


async def asgi3(scope: object, receive: object, send: object) -> None: ...


class ASGI3:
    async def __call__(self, scope: object, receive: object, send: object) -> None: ...


class Awaited:
    def __init__(self, scope: object, receive: object, send: object) -> None: ...

    def __await__(self) -> object: ...


class ASGI2:
    def __init__(self, scope: object) -> None: ...

    async def __call__(self, receive: object, send: object) -> None: ...


def wrapper(*args: object, **kwargs: object) -> object:
    return asgi3(*args, **kwargs)


def wsgi(environ: object, start_response: object) -> list[bytes]:
    return []


def factory() -> object:
    return asgi3


@pytest.mark.parametrize(
    "app",
    [asgi3, ASGI3(), Awaited, wrapper, functools.partial(ASGI3()), ASGI3().__call__],
)
def test_asgi3_in_any_shape_is_recognised(app: object) -> None:
    assert is_asgi_app(app)
    assert isinstance(as_native_app(app), HostedApp)


@pytest.mark.parametrize(
    ("app", "cure"),
    [
        (ASGI2, "guarantee_single_callable"),
        (ASGI3, "takes no arguments"),
        (wsgi, "a2wsgi"),
        (factory, "name what it returns"),
        (lambda a, b, c, d: None, "scope, receive, send"),
        ("module:app", "cannot be called"),
        (None, "cannot be called"),
    ],
)
def test_anything_else_is_refused_with_the_cure(app: object, cure: str) -> None:
    assert not is_asgi_app(app)
    with pytest.raises(ConfigurationError, match=cure):
        as_native_app(app)
    with pytest.raises(ConfigurationError, match=cure):
        HostedApp(app)  # type: ignore[arg-type]


def test_native_application_is_not_wrapped() -> None:
    app = App(Response("x"))
    assert as_native_app(app) is app


@pytest.mark.parametrize(
    "app", [fastapi.FastAPI(), litestar.Litestar([], logging_config=None), Starlette()]
)
def test_frameworks_of_others_are_recognised(app: object) -> None:
    assert isinstance(as_native_app(app), HostedApp)
