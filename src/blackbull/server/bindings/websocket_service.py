"""What all WebSockets of one HTTP listener share."""

from __future__ import annotations

from blackbull.protocol.websocket import (
    Agreement,
    Compressor,
    Handshake,
    WebSocketLimits,
    negotiate,
)

from .service import HTTPService
from .websocket_outbox import Turn


class WebSocketService:
    """The limits, the compressor and the memory behind the WebSockets of a listener.

    Args:
        http: The application, the settings, the loop.

    Attributes:
        http: As above.
        limits: What every WebSocket is held to.
        compressor: Compresses for all that keep no window.
        depth: Messages that may wait for a handler.
        max_held: Their size, about.
        read_ahead: Whether anything is read while no handler waits for it.
        turn: Writes what has gathered when a turn of the loop ends.
    """

    __slots__ = (
        "_context_memory", "compressor", "depth", "http", "limits", "max_held", "read_ahead",
        "turn",
    )  # fmt: skip

    def __init__(self, http: HTTPService) -> None:
        settings = http.settings
        self.http = http
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
        self.turn = Turn(http.loop)
        self._context_memory = settings.ws_context_memory

    def negotiate(self, handshake: Handshake) -> Agreement | None:
        """Return what is agreed on compression; windows are kept while there is memory for them.

        Whoever gets an agreement calls :meth:`release` with it in the end.
        """
        settings = self.http.settings
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
