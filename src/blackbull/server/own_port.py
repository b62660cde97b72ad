"""A small application on a port of its own: figures and health, away from what the public sees."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from blackbull.abc import ConnectionView, ProtocolBinding, Refusal
from blackbull.config import Settings
from blackbull.log import LimitLog
from blackbull.log.access import AccessLog, open_access_log
from blackbull.native import NativeApp

from .bindings.http1 import HTTP1Binding
from .bindings.service import HTTPService


class OwnPort(ProtocolBinding):
    """HTTP/1.1 on a port of its own, answered by an application of its own.

    It is neither started nor stopped with the server's application, and observers of that are
    not told of its requests.

    Args:
        name: What the start line and connections are called.
        app: What answers.
        port: The port; 0 takes any free one.
        settings: Returns the limits, when the first connection comes.
        tls: Speak TLS: True with the server's certificates, or others.

    Attributes:
        app: As above.
    """

    fed = True
    tells = True
    shared = False

    def __init__(
        self,
        name: str,
        app: NativeApp,
        *,
        port: int,
        settings: Callable[[], Settings],
        tls: object = False,
    ) -> None:
        self.name = name
        self.app = app
        self.port = port
        self.tls = tls
        self._settings = settings
        self._http: HTTP1Binding | None = None
        self._log: AccessLog | None = None

    async def serve(self, conn: ConnectionView) -> None:
        await self._binding().serve(conn)

    async def refuse(self, conn: ConnectionView, why: Refusal) -> None:
        await self._binding().refuse(conn, why)

    async def aclose(self) -> None:
        """Stop the clock, and have written what the access log has.

        Requests that are under way go on. Calling it again does nothing.
        """
        http, self._http = self._http, None
        if http is not None:
            http.service.close()
        log, self._log = self._log, None
        if log is not None:
            await log.aclose()

    def _binding(self) -> HTTP1Binding:
        if self._http is None:
            loop = asyncio.get_running_loop()
            settings = self._settings()
            self._log = open_access_log(loop, settings)
            service = HTTPService(
                self.app, settings, loop=loop, limits=LimitLog(), access_log=self._log
            )
            self._http = HTTP1Binding(service)
        return self._http
