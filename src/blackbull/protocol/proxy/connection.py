"""The machine: bytes of a new connection in, one header out, and what follows it.

Theory of operation. A header is judged as its bytes come: what cannot become one is refused at the
first byte that shows it, however the bytes were cut. Until it is complete no more is held than a
header may be long; the bytes behind it are the connection's own and are handed on as they came.
"""

from __future__ import annotations

from blackbull.errors import LimitExceeded

from .header import MAX_HEADER, SPEC_V1, SPEC_V2, ProxyHeader, malformed
from .version1 import MAX_LINE, decode_v1
from .version1 import SIGNATURE as SIGNATURE_V1
from .version2 import PREAMBLE, check_preamble, decode_v2
from .version2 import SIGNATURE as SIGNATURE_V2


class ProxyConnection:
    """The receiving side of one connection.

    Args:
        max_header: Bytes of the longest version 2 header; version 1 has a limit of its own.

    Attributes:
        rest: The bytes behind the header, once there is one.
    """

    __slots__ = ("_held", "_max_header", "rest")

    def __init__(self, *, max_header: int = MAX_HEADER) -> None:
        self._max_header = max_header
        self._held = b""
        self.rest = b""

    @property
    def held(self) -> int:
        """Bytes that wait for the rest of their header."""
        return len(self._held)

    def receive(self, data: bytes) -> ProxyHeader | None:
        """Take the next bytes of the connection.

        Args:
            data: As they came; nothing may follow once a header was returned.

        Returns:
            The header, or None while it is not complete.

        Raises:
            RemoteProtocolError: this is no header; nothing that follows can make it one.
            LimitExceeded: it is longer than it may be (``limit="proxy_header"``).
        """
        held = self._held + data
        text = held[:1] == SIGNATURE_V1[:1]
        end = self._end_of_v1(held) if text else self._end_of_v2(held)
        if end == 0:
            self._held = held
            return None
        self._held = b""
        self.rest = held[end:]
        return decode_v1(held[: end - 2]) if text else decode_v2(held[:end])

    def _end_of_v1(self, held: bytes) -> int:
        """Return where the line ends, 0 while it does not."""
        if held[: len(SIGNATURE_V1)] != SIGNATURE_V1[: len(held)]:
            raise malformed("there is none", SPEC_V1)
        end = held.find(b"\r\n", 0, MAX_LINE)
        if end >= 0:
            return end + 2
        if len(held) >= MAX_LINE:
            raise LimitExceeded("proxy_header", allowed=MAX_LINE, seen=MAX_LINE + 1, spec=SPEC_V1)
        return 0

    def _end_of_v2(self, held: bytes) -> int:
        """Return where the block ends, 0 while it does not."""
        if held[: len(SIGNATURE_V2)] != SIGNATURE_V2[: len(held)]:
            raise malformed("there is none", SPEC_V2)
        check_preamble(held[:PREAMBLE])
        if len(held) < PREAMBLE:
            return 0
        end = PREAMBLE + int.from_bytes(held[14:16], "big")
        if end > self._max_header:
            raise LimitExceeded("proxy_header", allowed=self._max_header, seen=end, spec=SPEC_V2)
        return end if len(held) >= end else 0
