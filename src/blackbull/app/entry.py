"""A route, ready to run."""

from __future__ import annotations

from blackbull.connection import Connection
from blackbull.event_aggregator import EventAggregator
from blackbull.middleware import compose
from blackbull.native import NativeHandler, Receive, Send
from blackbull.response import Response
from blackbull.routing.handler.plan import Immediate
from blackbull.routing.route import Route
from blackbull.routing.router import Router


class Entry:
    """What the pipeline keeps of a route.

    Attributes:
        immediate: Answers in the arrival callback; None for a handler that may wait.
        run: The handler within the middleware of its group and route.
        run_announced: The same, with the handler's events around the handler.
    """

    __slots__ = ("immediate", "run", "run_announced")

    def __init__(
        self, immediate: Immediate | None, run: NativeHandler, run_announced: NativeHandler
    ) -> None:
        self.immediate = immediate
        self.run = run
        self.run_announced = run_announced


def route_entry(route: Route, events: EventAggregator) -> Entry:
    """Return the entry of *route*, which tells *events* about its handler.

    Raises:
        ConfigurationError: a middleware cannot be composed.
    """
    handler = route.handler
    run = route.plan.run

    async def announced(conn: Connection, receive: Receive, send: Send) -> None:
        await events.on_before_handler(conn, handler)
        failure: BaseException | None = None
        try:
            await run(conn, receive, send)
        except BaseException as error:
            failure = error
            raise
        finally:
            await events.on_after_handler(conn, handler, exception=failure)

    around = route.middlewares
    return Entry(route.immediate, compose(around, run), compose(around, announced))


def asterisk_entry(router: Router) -> Entry:
    """Return the entry that answers ``OPTIONS *`` with every method of *router*.

    Spec:
        RFC 9110 §9.3.7, §10.2.1
    """
    requests = (route for route in router.routes if route.scheme == "http")
    methods = {method for route in requests for method in route.methods} | {"OPTIONS"}
    if "GET" in methods:
        methods.add("HEAD")
    allow = {"allow": ", ".join(sorted(methods))}

    def answer(conn: Connection) -> Response:
        return Response(b"", 204, "", allow)

    async def run(conn: Connection, receive: Receive, send: Send) -> None:
        await send(answer(conn))

    return Entry(answer, run, run)
