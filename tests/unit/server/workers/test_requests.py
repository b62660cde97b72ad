"""Counting requests, where they are to be counted."""

from __future__ import annotations

from blackbull import BlackBull, Connection
from blackbull.config import Settings
from blackbull.native import Receive, Send
from blackbull.response import Response
from blackbull.server.workers.requests import count_requests


class App:
    """Answers, and counts what it is asked."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def begin(self, conn: Connection) -> Response:
        self.calls.append("begin")
        return Response(b"")

    async def __call__(self, conn: Connection, receive: Receive, send: Send) -> None:
        self.calls.append("call")

    async def startup(self) -> None:
        self.calls.append("startup")

    async def stopping(self) -> None:
        self.calls.append("stopping")

    async def shutdown(self) -> None:
        self.calls.append("shutdown")


def test_requests_are_not_counted_unless_they_are_bounded() -> None:
    assert count_requests(Settings(), lambda: None) is None
    assert BlackBull().worker.count == 1


async def test_enough_is_told_once(monkeypatch: object) -> None:
    told: list[int] = []
    app = App()
    counted = count_requests(Settings(max_requests=3), lambda: told.append(len(app.calls)))
    assert counted is not None
    around = counted(app)
    conn: Connection = object()  # type: ignore[assignment]
    for _ in range(9):
        assert isinstance(around.begin(conn), Response)
    assert told == [2]
    await around.startup()
    await around.stopping()
    await around.shutdown()
    assert app.calls[9:] == ["startup", "stopping", "shutdown"]


def test_jitter_spreads_the_ends() -> None:
    limits = set()
    for _ in range(50):
        told: list[int] = []
        settings = Settings(max_requests=2, max_requests_jitter=3)
        counted = count_requests(settings, lambda told=told: told.append(1))
        assert counted is not None
        around, requests = counted(App()), 0
        while not told:
            around.begin(object())  # type: ignore[arg-type]
            requests += 1
        limits.add(requests)
    assert limits == {2, 3, 4, 5}
