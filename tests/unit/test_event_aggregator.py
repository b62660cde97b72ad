"""Every event's name and the keys of its detail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from blackbull.abc import Aggregator
from blackbull.connection import Connection
from blackbull.event import Event, EventDispatcher
from blackbull.event_aggregator import REQUEST_EVENTS, EventAggregator
from blackbull.protocol.head import RequestHead

PEER = ("192.0.2.7", 4711)


class Wire:
    """The transport connection of a request."""

    peername = PEER
    sockname = ("192.0.2.1", 80)
    ssl = None
    connection_id = "0" * 32


CONN = Connection(RequestHead("GET", "/a", fields=((b"x", b"1"),)), Wire())
BOOM = LookupError("boom")


def handler() -> None:
    """Stand for a route's handler."""


REQUEST = {
    "conn": CONN,
    "client_ip": "192.0.2.7",
    "method": "GET",
    "path": "/a",
    "http_version": "1.1",
}
HANDLER = {
    "conn": CONN,
    "client_ip": "192.0.2.7",
    "method": "GET",
    "path": "/a",
    "handler": handler,
}
Emission = Callable[[EventAggregator], Awaitable[None]]
EVENTS: list[tuple[str, Emission, dict[str, object]]] = [
    ("app_startup", lambda a: a.on_app_startup(), {}),
    ("app_shutdown", lambda a: a.on_app_shutdown(), {}),
    (
        "request_received",
        lambda a: a.on_request_received(CONN),
        {**REQUEST, "headers": CONN.headers},
    ),
    ("before_handler", lambda a: a.on_before_handler(CONN, handler), HANDLER),
    (
        "after_handler",
        lambda a: a.on_after_handler(CONN, handler),
        {**HANDLER, "exception": None},
    ),
    (
        "after_handler",
        lambda a: a.on_after_handler(CONN, handler, exception=BOOM),
        {**HANDLER, "exception": BOOM},
    ),
    (
        "request_completed",
        lambda a: a.on_request_completed(CONN, status=200, response_bytes=5, duration_ms=1.5),
        {**REQUEST, "status": 200, "response_bytes": 5, "duration_ms": 1.5},
    ),
    ("request_disconnected", lambda a: a.on_request_disconnected(CONN), REQUEST),
    (
        "scope_completed",
        lambda a: a.on_scope_completed(CONN, BOOM),
        {
            "conn": CONN,
            "type": "http",
            "client_ip": "192.0.2.7",
            "path": "/a",
            "exception": BOOM,
        },
    ),
    (
        "error",
        lambda a: a.on_error(CONN, BOOM),
        {"scope": CONN, "conn": CONN, "exception": BOOM},
    ),
    (
        "connection_accepted",
        lambda a: a.on_connection_accepted(PEER),
        {"peername": PEER, "protocol": "http"},
    ),
    (
        "connection_closed",
        lambda a: a.on_connection_closed(PEER, "echo", 2.5),
        {"peername": PEER, "protocol": "echo", "duration_ms": 2.5},
    ),
    (
        "message_received",
        lambda a: a.on_message_received("echo", "data", 7),
        {"protocol": "echo", "message_type": "data", "payload_size": 7},
    ),
    (
        "message_sent",
        lambda a: a.on_message_sent("echo", "data", 8),
        {"protocol": "echo", "message_type": "data", "payload_size": 8},
    ),
]


@pytest.mark.parametrize(("name", "emission", "detail"), EVENTS, ids=[row[0] for row in EVENTS])
async def test_aggregator_event_listened_to_has_the_documented_keys(
    name: str, emission: Emission, detail: dict[str, object]
) -> None:
    """S07, S08: the keys of the connection and message events, and of all others."""
    dispatcher, seen = EventDispatcher(), []

    async def listen(event: Event) -> None:
        seen.append(event)

    dispatcher.on(name, listen, blocking=True)
    await emission(EventAggregator(dispatcher))
    assert seen == [Event(name, detail)]


@pytest.mark.parametrize(("name", "emission", "detail"), EVENTS, ids=[row[0] for row in EVENTS])
async def test_aggregator_raising_interceptor_reaches_the_emitter(
    name: str, emission: Emission, detail: dict[str, object]
) -> None:
    async def refuse(event: Event) -> None:
        raise PermissionError(event.name)

    dispatcher = EventDispatcher()
    dispatcher.intercept(name, refuse)
    with pytest.raises(PermissionError, match=name):
        await emission(EventAggregator(dispatcher))


@pytest.mark.parametrize(("name", "emission", "detail"), EVENTS, ids=[row[0] for row in EVENTS])
async def test_aggregator_event_not_listened_to_touches_nothing(
    name: str, emission: Emission, detail: dict[str, object]
) -> None:
    dispatcher, seen = EventDispatcher(), []

    async def listen(event: Event) -> None:
        seen.append(event)

    for other in {row[0] for row in EVENTS} - {name}:
        dispatcher.on(other, listen, blocking=True)
    await emission(EventAggregator(dispatcher))
    assert seen == []


async def test_aggregator_callback_forms_emit_in_order_with_the_same_keys() -> None:
    dispatcher, seen = EventDispatcher(), []

    async def listen(event: Event) -> None:
        seen.append(event)

    aggregator = EventAggregator(dispatcher)
    for name in ("connection_accepted", "connection_closed", "error"):
        dispatcher.on(name, listen)
    aggregator.connection_accepted_soon(PEER, "echo")
    aggregator.error_soon(CONN, BOOM)
    aggregator.connection_closed_soon(PEER, "echo", 3.0)
    assert await dispatcher.drain(1)
    assert seen == [
        Event("connection_accepted", {"peername": PEER, "protocol": "echo"}),
        Event("error", {"scope": CONN, "conn": CONN, "exception": BOOM}),
        Event("connection_closed", {"peername": PEER, "protocol": "echo", "duration_ms": 3.0}),
    ]


async def test_aggregator_client_without_address_has_no_client_ip() -> None:
    class Unnamed(Wire):
        peername = None  # type: ignore[assignment]

    dispatcher, seen = EventDispatcher(), []

    async def listen(event: Event) -> None:
        seen.append(event.detail["client_ip"])

    dispatcher.on("request_received", listen, blocking=True)
    conn = Connection(RequestHead("GET", "/"), Unnamed())
    await EventAggregator(dispatcher).on_request_received(conn)
    assert seen == [None]


@pytest.mark.parametrize("name", sorted({row[0] for row in EVENTS if "app_" not in row[0]}))
def test_has_listeners_forms_answer_for_their_event(name: str) -> None:
    dispatcher = EventDispatcher()
    aggregator = EventAggregator(dispatcher)
    ask = getattr(aggregator, f"has_{name}_listeners")
    assert not ask()
    assert not aggregator.has_request_listeners()

    async def listen(event: Event) -> None: ...

    dispatcher.on(name, listen)
    assert ask()
    assert aggregator.has_listeners(name)
    assert aggregator.has_request_listeners() is (name in REQUEST_EVENTS)


async def test_aggregator_is_what_a_raw_handler_is_promised() -> None:
    promised: Aggregator = EventAggregator(EventDispatcher())
    await promised.on_message_received("echo", "data", 1)
    await promised.on_message_sent("echo", "data", 1)
