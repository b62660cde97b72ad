"""What a proxy says: the one event of this codec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from blackbull.errors import RemoteProtocolError

ProxyAddress: TypeAlias = tuple[str, int | None]
"""Host and port; the path of a Unix socket and None."""

TLS: Final = 0x20
"""The extension that tells of the client's TLS (PP2_TYPE_SSL)."""

_CLIENT_TLS: Final = 0x01
"""The bit of its first byte that says that there is any (PP2_CLIENT_SSL)."""

MAX_HEADER: Final = 4096
"""Bytes of a version 2 header, its extensions included, unless somebody says otherwise."""

SPEC_V1: Final = "PROXY protocol §2.1"
SPEC_V2: Final = "PROXY protocol §2.2"
SPEC_TLV: Final = "PROXY protocol §2.2.1"


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """One connection as the proxy in front of us sees it.

    Attributes:
        version: 1 or 2.
        source: The client; None: nobody but the proxy itself, or the proxy does not know.
        destination: Where the client connected to; None as *source*.
        local: The proxy speaks for itself, to see whether we are there (LOCAL).
        extensions: What version 2 says besides, in order: type and value.
    """

    version: int
    source: ProxyAddress | None = None
    destination: ProxyAddress | None = None
    local: bool = False
    extensions: tuple[tuple[int, bytes], ...] = ()

    @property
    def secure(self) -> bool:
        """The client has connected to the proxy with TLS.

        Spec:
            PROXY protocol §2.2.6
        """
        return any(
            kind == TLS and value and value[0] & _CLIENT_TLS for kind, value in self.extensions
        )


def malformed(message: str, spec: str) -> RemoteProtocolError:
    """Return the error for a header that is none; *message* says what is wrong with it."""
    return RemoteProtocolError(f"PROXY header: {message}", spec=spec)
