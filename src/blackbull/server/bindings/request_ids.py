"""Requests that say who they are: in their responses, and in what their handlers log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import replace
from typing import TypeAlias, cast

from blackbull.connection import Connection
from blackbull.headers import Field, Fields
from blackbull.log.context import REQUEST_ID, current_request
from blackbull.messages import WebSocketAccept
from blackbull.native import NativeHandler, Receive, ResponseMessage, ResponseStart, Send
from blackbull.response import Response

Begin: TypeAlias = Callable[[Connection], Response | NativeHandler]


def with_request_ids(begin: Begin) -> Begin:
    """Return *begin* so that each response has ``x-request-id`` and each handler a context."""

    def identified(conn: Connection) -> Response | NativeHandler:
        token = current_request.set(conn)
        try:
            outcome = begin(conn)
        finally:
            current_request.reset(token)
        if isinstance(outcome, Response):
            return add_id(outcome, conn)
        handler = outcome

        async def identify(conn: Connection, receive: Receive, send: Send) -> None:
            current_request.set(conn)  # in the context of this very task

            async def send_identified(message: ResponseMessage) -> None:
                await send(identify_message(message, conn))

            await handler(conn, receive, send_identified)

        return identify

    return identified


def identify_message(message: ResponseMessage, conn: Connection) -> ResponseMessage:
    """Return *message* with the request's id if it begins a response."""
    if isinstance(message, Response):
        return add_id(message, conn)
    if isinstance(message, ResponseStart):
        return replace(message, fields=identified_fields(message.fields, conn))
    # A WebSocket's messages go the way of a request's: see blackbull.messages.
    opening: object = message
    if isinstance(opening, WebSocketAccept):
        fields = identified_fields(opening.fields, conn)
        return cast("ResponseMessage", replace(opening, fields=fields))
    return message


def add_id(response: Response, conn: Connection) -> Response:
    """Return *response* with the id; itself is left alone: it may be everybody's."""
    made = copy(response)
    made.fields = list(identified_fields(response.fields, conn))
    return made


def identified_fields(fields: Iterable[Field], conn: Connection) -> Fields:
    """Return *fields* with the id of *conn*, unless the application has said one."""
    kept = tuple(fields)
    if any(name == REQUEST_ID for name, _ in kept):
        return kept
    return (*kept, (REQUEST_ID, conn.request_id.encode()))
