"""WebSockets at the door: the handshake judged, the application asked (RFC 6455 §4.2)."""

from __future__ import annotations

from blackbull.connection import Connection
from blackbull.errors import RemoteProtocolError
from blackbull.headers import Fields
from blackbull.protocol.websocket import (
    Handshake,
    parse_connect,
    parse_handshake,
    refusal_fields,
)
from blackbull.response import Response

from .service import HTTPService
from .upgrade import Carrier, Upgrade
from .websocket_service import WebSocketService
from .websocket_session import WebSocketSession


class WebSocketUpgrade(Upgrade):
    """The WebSockets of one listener: judges who asks for one, and lets the application decide.

    Args:
        service: The application, the settings, the loop.
    """

    token = b"websocket"

    def __init__(self, service: HTTPService) -> None:
        self._service = WebSocketService(service)

    def check(self, conn: Connection, *, has_content: bool) -> None:
        """Refuse content: nobody may take it for frames.

        Spec:
            RFC 6455 §4.2.1
        """
        if has_content:
            parse_handshake(conn.head, has_content=True)

    def begin(self, conn: Connection, carrier: Carrier) -> Response | bool:
        """Judge the handshake of HTTP/1.1 and let the application decide.

        Spec:
            RFC 6455 §4.2
        """
        try:
            handshake = parse_handshake(conn.head)
        except RemoteProtocolError as error:
            if error.code != 426:
                raise
            return _refusal(error)
        return self._open(conn, carrier, handshake)

    def connect(self, conn: Connection, carrier: Carrier) -> Response | bool:
        """Judge an extended CONNECT of HTTP/2; otherwise as :meth:`begin`.

        Spec:
            RFC 8441 §5
        """
        try:
            handshake = parse_connect(conn.head)
        except RemoteProtocolError as error:
            return _refusal(error)
        return self._open(conn, carrier, handshake)

    def _open(self, conn: Connection, carrier: Carrier, handshake: Handshake) -> Response | bool:
        conn.type = "websocket"
        conn._content = b""
        outcome = self._service.http.begin(conn)
        if isinstance(outcome, Response):
            return outcome
        session = WebSocketSession(self._service, conn, carrier=carrier, handshake=handshake)
        carrier.join(session)
        session.run(outcome)
        return True


def _refusal(error: RemoteProtocolError) -> Response:
    fields: Fields = refusal_fields(error)
    return Response(f"{error}\n", error.code, "text/plain; charset=utf-8", list(fields))
