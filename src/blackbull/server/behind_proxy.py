"""An application as a server drives it that stands behind proxies."""

from __future__ import annotations

from blackbull.connection import Connection
from blackbull.forwarding import TrustedProxies
from blackbull.native import FindLimits, NativeApp, NativeHandler, Receive, Send, find_limits
from blackbull.response import Response


class BehindProxy:
    """*app*, whose requests come from the clients that *proxies* name.

    Args:
        app: What answers.
        proxies: Whose word is taken.
    """

    def __init__(self, app: NativeApp, proxies: TrustedProxies) -> None:
        self._app = app
        self._proxies = proxies

    def begin(self, conn: Connection) -> Response | NativeHandler:
        """Answer as the application does."""
        self._proxies.apply(conn)
        return self._app.begin(conn)

    @property
    def find_limits(self) -> FindLimits | None:
        """What the application says of a request's limits."""
        return find_limits(self._app)

    async def __call__(self, conn: Connection, receive: Receive, send: Send) -> None:
        """Answer as the application does."""
        self._proxies.apply(conn)
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
