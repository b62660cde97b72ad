"""Counting the requests of a worker that is to be replaced after so many."""

from __future__ import annotations

import random
from collections.abc import Callable

from blackbull.config import Settings
from blackbull.connection import Connection
from blackbull.native import FindLimits, NativeApp, NativeHandler, Receive, Send, find_limits
from blackbull.response import Response


def count_requests(
    settings: Settings, enough: Callable[[], object]
) -> Callable[[NativeApp], NativeApp] | None:
    """Return how to count an application's requests; None where the settings do not bound them.

    Args:
        settings: They say how many requests of one worker are enough.
        enough: Called once, by the last of these.
    """
    if not settings.max_requests:
        return None
    # At random, so that workers that started together do not end together.
    limit = settings.max_requests + random.randint(0, settings.max_requests_jitter)
    return lambda app: Counted(app, limit=limit, enough=enough)


class Counted:
    """An application whose requests are counted; where they are not, nothing stands here.

    Args:
        app: What answers.
        limit: How many requests are enough.
        enough: Called once, by the last of these.
    """

    def __init__(self, app: NativeApp, *, limit: int, enough: Callable[[], object]) -> None:
        self._app = app
        self._left = limit
        self._enough = enough

    def begin(self, conn: Connection) -> Response | NativeHandler:
        """Count, and answer as the application does."""
        self._left -= 1
        if self._left == 0:
            self._enough()
        return self._app.begin(conn)

    @property
    def find_limits(self) -> FindLimits | None:
        """What the application says of a request's limits."""
        return find_limits(self._app)

    async def __call__(self, conn: Connection, receive: Receive, send: Send) -> None:
        """Answer as the application does."""
        await self._app(conn, receive, send)

    async def startup(self) -> None:
        """Start the application."""
        await self._app.startup()

    async def stopping(self) -> None:
        """Tell the application."""
        await self._app.stopping()

    async def shutdown(self) -> None:
        """End the application."""
        await self._app.shutdown()
