"""HTTP/1.1 at the dispatcher's door."""

from __future__ import annotations

from blackbull.abc import ConnectionView, ProtocolBinding, Refusal
from blackbull.protocol.http1 import render_refusal

from .http1_consumer import HTTP1Consumer
from .service import HTTPService

__all__ = ["HTTP1Binding", "HTTP1Consumer"]


class HTTP1Binding(ProtocolBinding):
    """HTTP/1.1 at the dispatcher's door; the fallback of an HTTP listener.

    Args:
        service: What its connections share.
    """

    name = "http1"
    detection_read = 0
    alpn = ("http/1.1",)
    fed = True
    tells = True

    def __init__(self, service: HTTPService) -> None:
        self.service = service

    def detect(self, prefix: bytes, alpn: str | None) -> bool | None:
        """Claim whatever no other protocol claims."""
        return True

    async def serve(self, conn: ConnectionView) -> None:
        """Attach the driver."""
        conn.attach(HTTP1Consumer(conn, self.service))

    async def refuse(self, conn: ConnectionView, why: Refusal) -> None:
        """Say 408 or 503 (RFC 9110 §15.5.9, §15.6.4), then close."""
        status = 408 if why is Refusal.TIMEOUT else 503
        if why is Refusal.TIMEOUT:
            seconds = self.service.settings.header_timeout
            self.service.limit_log.record(
                "header_timeout",
                peer=conn.peername,
                protocol=self.name,
                requested=seconds,
                allowed=seconds,
            )
        self.service.note_refusal(status, conn, error=why.value)
        fields = [(b"retry-after", b"1")] if status == 503 else []
        conn.send(render_refusal(status, why.value, self.service.date, fields=fields))
        conn.linger()
