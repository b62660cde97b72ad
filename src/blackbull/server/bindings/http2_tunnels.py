"""The streams of an HTTP/2 connection that carry other protocols, and who may have one."""

from __future__ import annotations

from typing import Final

from blackbull.errors import LimitExceeded
from blackbull.protocol.http2 import ErrorCode
from blackbull.response import Response

from .http2_exchange import HTTP2Request
from .http2_tunnel import HTTP2Tunnel
from .service import HTTPService

NO_TUNNEL: Final = Response("this protocol is not spoken here\n", 501, "text/plain")
BAD_TUNNEL: Final = Response("a tunnel needs a stream that is open\n", 400, "text/plain")


class Tunnels:
    """The tunnels of one connection.

    Args:
        service: Which protocols there are, and how many tunnels there may be.

    Attributes:
        open: Those that are open or asked for, by stream.
    """

    __slots__ = ("_service", "open")

    def __init__(self, service: HTTPService) -> None:
        self._service = service
        self.open: dict[int, HTTP2Tunnel] = {}

    def connect(self, conn: HTTP2Request, tunnel: HTTP2Tunnel, *, ended: bool) -> Response | None:
        """Let the protocol that an extended CONNECT asks for have *tunnel*.

        Args:
            conn: The request.
            tunnel: Its stream.
            ended: The client will send nothing on it.

        Returns:
            What to answer instead; None: the protocol has it, and answers.

        Raises:
            LimitExceeded: there are too many.
            RemoteProtocolError: the request is malformed.

        Spec:
            RFC 8441 §4
        """
        upgrade = self._service.upgrades.get(conn.head.protocol)
        if upgrade is None or ended:
            return BAD_TUNNEL if ended else NO_TUNNEL
        allowed = self._service.settings.h2_max_websockets
        if len(self.open) >= allowed:
            raise LimitExceeded(
                "h2_max_websockets", allowed=allowed, seen=allowed + 1,
                code=ErrorCode.REFUSED_STREAM, spec="RFC 9113 §8.7",
            )  # fmt: skip
        self.open[conn.stream_id] = tunnel
        opened: Response | bool = False
        try:
            opened = upgrade.connect(conn, tunnel)
        finally:
            if opened is not True:
                self.forget(conn.stream_id)
        return None if opened is True else opened or NO_TUNNEL

    def take_ends(self) -> None:
        """The client will send no more at all."""
        for tunnel in list(self.open.values()):
            tunnel.take_end()

    def forget(self, stream_id: int) -> None:
        """A tunnel is closed, or was never opened."""
        self.open.pop(stream_id, None)

    def lose(self, stream_id: int) -> None:
        """A stream is gone."""
        tunnel = self.open.pop(stream_id, None)
        if tunnel is not None:
            tunnel.lose()

    def lose_all(self) -> None:
        """No stream is left."""
        tunnels = list(self.open.values())
        self.open.clear()
        for tunnel in tunnels:
            tunnel.lose()

    def shutdown(self) -> None:
        """The server stops."""
        for tunnel in list(self.open.values()):
            tunnel.shutdown()
