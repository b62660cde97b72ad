"""The middleware that believes proxies, for an application that another server hosts."""

from __future__ import annotations

from collections.abc import Iterable

from blackbull.connection import Connection
from blackbull.forwarding import LOCAL, TrustedProxies
from blackbull.native import NativeHandler, Receive, Send


class TrustedProxy:
    """Lets handlers see the client instead of the proxy that forwarded its request.

    Our own server does the same without a middleware: ``BB_TRUSTED_PROXIES``, which access logs
    follow, too.

    Args:
        trusted_proxies: As :class:`~blackbull.forwarding.TrustedProxies` takes them.

    Raises:
        ConfigurationError: one of these is no address, network or keyword.
    """

    def __init__(self, trusted_proxies: str | Iterable[str] | None = None) -> None:
        self._proxies = TrustedProxies(LOCAL if trusted_proxies is None else trusted_proxies)

    async def __call__(
        self, conn: Connection, receive: Receive, send: Send, call_next: NativeHandler
    ) -> None:
        self._proxies.apply(conn)
        await call_next(conn, receive, send)
