"""TLS contexts for listeners."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

from blackbull.errors import ConfigurationError


def server_context(
    certfile: str, keyfile: str | None = None, *, alpn: Sequence[str] = ("http/1.1",)
) -> ssl.SSLContext:
    """Return a context for a listener: TLS 1.2 or newer, the given ALPN identifiers.

    Args:
        certfile: Path of the certificate chain, PEM; it may hold the key, too.
        keyfile: Path of the private key, PEM.
        alpn: What the listener speaks, the preferred first (RFC 7301).

    Raises:
        ConfigurationError: a file is missing or unreadable, or key and certificate do not match.
    """
    for path in (certfile, keyfile):
        if path is not None and not Path(path).is_file():
            raise ConfigurationError(f"there is no file {path!r}: give the path of a PEM file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certfile, keyfile)
    except (ssl.SSLError, OSError) as error:
        raise ConfigurationError(
            f"{certfile!r} and {keyfile or certfile!r} are no matching certificate and key "
            f"({getattr(error, 'reason', None) or error}): give PEM files that belong together"
        ) from error
    context.set_alpn_protocols(list(alpn))
    return context
