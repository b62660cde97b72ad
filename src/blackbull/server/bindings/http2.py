"""HTTP/2 at the dispatcher's door (RFC 9113 §3)."""

from __future__ import annotations

from blackbull.abc import ConnectionView, ProtocolBinding, Refusal
from blackbull.config import Settings
from blackbull.protocol.http2 import (
    PREFACE,
    ErrorCode,
    HeadParser,
    HTTP2Connection,
    HTTP2Limits,
)

from .http2_consumer import HTTP2Consumer
from .service import HTTPService

__all__ = ["HTTP2Binding", "HTTP2Consumer", "limits_of"]


class HTTP2Binding(ProtocolBinding):
    """HTTP/2, by ALPN or by prior knowledge.

    Args:
        service: What its connections share with those of HTTP/1.1.
    """

    name = "http2"
    detection_read = 1
    alpn = ("h2",)
    fed = True
    tells = True

    def __init__(self, service: HTTPService) -> None:
        self.service = service
        self.parser = HeadParser(
            limits_of(service.settings), connect_protocol=service.settings.h2_enable_websocket
        )
        service.add_parser(self.parser)

    def detect(self, prefix: bytes, alpn: str | None) -> bool | None:
        """Claim what begins with the client's preface (RFC 9113 §3.4)."""
        if alpn is not None:
            return alpn in self.alpn
        if len(prefix) >= len(PREFACE):
            return prefix.startswith(PREFACE)
        return None if PREFACE.startswith(prefix) else False

    async def serve(self, conn: ConnectionView) -> None:
        """Attach the driver."""
        consumer = HTTP2Consumer(conn, self.service, parser=self.parser)
        conn.attach(consumer)
        consumer.greet()

    async def refuse(self, conn: ConnectionView, why: Refusal) -> None:
        """Say GOAWAY without having served a request, then close (RFC 9113 §6.8)."""
        machine = HTTP2Connection(self.parser)
        stops = why is Refusal.SHUTDOWN
        code = ErrorCode.NO_ERROR if stops else ErrorCode.ENHANCE_YOUR_CALM
        machine.terminate(code, debug=why.value.encode())
        conn.send(machine.data_to_send())
        conn.linger()


def limits_of(settings: Settings) -> HTTP2Limits:
    """Return the bounds that *settings* set for the machine."""
    return HTTP2Limits(
        max_header_line=settings.header_max_line,
        max_header_total=settings.header_max_total,
        max_header_block=settings.header_max_total,
        max_continuations=settings.h2_max_continuations,
        max_body=settings.max_body_size,
        max_concurrent_streams=settings.h2_max_concurrent_streams,
        max_frame_size=settings.h2_max_frame_size,
        header_table_size=settings.h2_header_table_size,
        initial_window_size=settings.h2_initial_window_size,
        connection_window_size=settings.h2_connection_window_size,
        max_send_buffer=settings.h2_send_buffer,
        frame_rate_window=settings.frame_rate_window,
        max_control_frames=settings.frame_rate_limit,
        max_priority_frames=settings.h2_max_priority_frames,
        max_window_updates=settings.h2_max_window_updates,
        max_resets=settings.h2_max_resets,
        max_refused_streams=settings.h2_max_refused_streams,
    )
