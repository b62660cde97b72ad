"""What handlers return, and the responses that it becomes."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import AsyncIterable, Callable, Mapping
from typing import Any, Final, TypeAlias, cast

from blackbull import json
from blackbull.native import NativeHandler
from blackbull.response import EventSourceResponse, Response, StreamingResponse

Render: TypeAlias = Callable[[Any], Response | NativeHandler]

HTML: Final = b"text/html; charset=utf-8"
JSON: Final = b"application/json"
BINARY: Final = b"application/octet-stream"

_new = object.__new__


def complete(body: bytes, content_type: bytes, *, status: int = 200) -> Response:
    """Return a response of values known to be right: nothing is checked."""
    response = _new(Response)
    response.status = status
    response.body = body
    response.content_type = content_type
    response.fields = ()
    return response


def _text(value: str) -> Response:
    response = _new(Response)
    response.status = 200
    response.body = value.encode()
    response.content_type = HTML
    response.fields = ()
    return response


def _json(value: object) -> Response:
    response = _new(Response)
    response.status = 200
    response.body = json.encode(value)
    response.content_type = JSON
    response.fields = ()
    return response


def _binary(value: bytes | bytearray | memoryview) -> Response:
    return complete(bytes(value), BINARY)


def _nothing(value: None) -> Response:
    # RFC 9110 §15.3.5
    return complete(b"", b"", status=204)


def _as_is(value: Response | NativeHandler) -> Response | NativeHandler:
    return value


def _stream(value: AsyncIterable[str | bytes]) -> NativeHandler:
    return StreamingResponse(value)


BUILT_IN: Final[Mapping[type, Render]] = {
    str: _text,
    bytes: _binary,
    bytearray: _binary,
    memoryview: _binary,
    dict: _json,
    list: _json,
    types.NoneType: _nothing,
    types.AsyncGeneratorType: _stream,
    Response: _as_is,
    StreamingResponse: _as_is,
    EventSourceResponse: _as_is,
}


class ReturnConverters:
    """From the values that handlers return to responses, by type.

    Attributes:
        table: What makes a response of a value of exactly that type; it grows as types are met.
    """

    __slots__ = ("_registered", "table")

    def __init__(self) -> None:
        self._registered: dict[type, Callable[[Any], object]] = {}
        self.table: dict[type, Render] = dict(BUILT_IN)

    @property
    def streams(self) -> bool:
        """True while an async generator is streamed, and no converter takes it."""
        return types.AsyncGeneratorType not in self._registered

    def register(self, kind: type, converter: Callable[[Any], object]) -> None:
        """Let handlers return a *kind*; its subclasses too, unless they have their own.

        Args:
            kind: A class; also one that can be returned already.
            converter: Returns something else that a handler may return.
        """
        self._registered[kind] = converter
        # In place: compiled handlers hold this dict.
        self.table.clear()
        self.table.update({known: BUILT_IN[known] for known in BUILT_IN.keys() - {kind}})

    def respond(self, value: object) -> Response | NativeHandler:
        """Return the response that *value* stands for.

        Raises:
            TypeError: nothing is known about its type.
        """
        kind = type(value)
        render = self.table.get(kind)
        if render is None:
            render = self.table[kind] = self._find(kind)
        return render(value)

    def _find(self, kind: type) -> Render:
        for base in kind.__mro__:
            if base in self._registered:
                return self._converted(self._registered[base])
            if base in BUILT_IN:
                return BUILT_IN[base]
        if dataclasses.is_dataclass(kind):
            return _json
        if issubclass(kind, AsyncIterable):
            return _stream
        raise TypeError(
            f"a handler returned {kind.__module__}.{kind.__qualname__}, which has no form as a "
            "response: return str, bytes, dict, list, a dataclass, a Response, an async generator "
            "or None, or teach the application with register_converter()"
        )

    def _converted(self, converter: Callable[[Any], object]) -> Render:
        def render(value: object) -> Response | NativeHandler:
            converted = converter(value)
            if type(converted) is type(value):
                raise TypeError(
                    f"the converter for {type(value).__qualname__} returned another one"
                )
            return self.respond(converted)

        return cast("Render", render)
