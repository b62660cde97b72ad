"""WebSockets at the door: the handshake judged, the application asked (RFC 6455 §4.2)."""

from __future__ import annotations

from blackbull.connection import Connection
from blackbull.errors import RemoteProtocolError
from blackbull.headers import Fields
from blackbull.protocol.websocket import (
    Agreement,
    Compressor,
    Handshake,
    WebSocketLimits,
    negotiate,
    parse_connect,
    parse_handshake,
    refusal_fields,
)
from blackbull.response import Response

from .service import HTTPService
from .upgrade import Carrier, Upgrade
from .websocket_outbox import Outbox
from .websocket_session import WebSocketSession


class WebSocketUpgrade(Upgrade):
    """What the WebSockets of one listener share.

    Args:
        service: The application, the settings, the loop.

    Attributes:
        service: As above.
        limits: What every WebSocket is held to.
        compressor: Compresses for all that keep no window.
        depth: Messages that may wait for a handler.
        max_held: Their size, about.
        read_ahead: Whether anything is read while no handler waits for it.
    """

    token = b"websocket"

    def __init__(self, service: HTTPService) -> None:
        settings = service.settings
        self.service = service
        self.limits = WebSocketLimits(
            max_frame_payload=settings.ws_max_frame_payload,
            max_message_size=settings.ws_max_message_size,
            max_control_frames=settings.frame_rate_limit,
            control_window=settings.frame_rate_window,
        )
        self.compressor = Compressor(
            level=settings.ws_compression_level, min_size=settings.ws_compression_min_size
        )
        self.depth = max(settings.ws_queue_depth, 1)
        self.max_held = settings.ws_queue_size
        self.read_ahead = settings.ws_queue_depth > 0
        self._context_memory = settings.ws_context_memory
        self._dirty: list[Outbox] = []

    # The handshake

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
        outcome = self.service.begin(conn)
        if isinstance(outcome, Response):
            return outcome
        session = WebSocketSession(self, conn, carrier=carrier, handshake=handshake)
        carrier.join(session)
        session.run(outcome)
        return True

    # What sessions call

    def negotiate(self, handshake: Handshake) -> Agreement | None:
        """Return what is agreed on compression; windows are kept while there is memory for them.

        Whoever gets an agreement calls :meth:`release` with it in the end.
        """
        settings = self.service.settings
        if not settings.ws_permessage_deflate:
            return None
        if settings.ws_context_takeover:
            agreement = negotiate(handshake.extensions, takeover=True)
            if agreement is not None and agreement.memory <= self._context_memory:
                self._context_memory -= agreement.memory
                return agreement
        return negotiate(handshake.extensions)

    def release(self, agreement: Agreement) -> None:
        """Take note that the windows of *agreement* are gone."""
        self._context_memory += agreement.memory

    def flush_soon(self, outbox: Outbox) -> None:
        """Let *outbox* be written at the end of this turn of the loop."""
        if not self._dirty:
            self.service.loop.call_soon(self._flush)
        self._dirty.append(outbox)

    def _flush(self) -> None:
        dirty = self._dirty
        self._dirty = []
        for outbox in dirty:
            outbox.flush()


def _refusal(error: RemoteProtocolError) -> Response:
    fields: Fields = refusal_fields(error)
    return Response(f"{error}\n", error.code, "text/plain; charset=utf-8", list(fields))
