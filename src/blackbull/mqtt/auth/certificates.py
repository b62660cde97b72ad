"""Client certificates that say who a client is."""

from __future__ import annotations

from collections.abc import Mapping

from .requests import ConnectRequest, Identity


class CertificateNames:
    """Lets clients in by their certificate; for ``MQTTExtension(authenticate=...)``.

    TLS has verified the certificate by then; its common name is who the client is, whatever
    CONNECT says.
    """

    def __call__(self, request: ConnectRequest) -> Identity | bool:
        """Return who the client is; False if it showed no certificate or that names nobody."""
        name = common_name(request.certificate or {})
        return Identity(username=name) if name else False


def common_name(certificate: Mapping[str, object]) -> str | None:
    """Return the common name in a certificate's subject; None if it has none, or several.

    Args:
        certificate: As ``ssl.SSLSocket.getpeercert()`` has it.
    """
    subject = certificate.get("subject")
    pairs = [pair for part in subject for pair in part] if isinstance(subject, tuple) else []
    names = [str(value) for name, value in pairs if name == "commonName"]
    return names[0] if len(names) == 1 else None
