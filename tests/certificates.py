"""Certificates, made when a test needs them; and a client's side of TLS in memory."""

from __future__ import annotations

import datetime
import os
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "localhost"


class Authority:
    """An authority whose certificates are files below *directory*.

    Attributes:
        path: Its own certificate.
    """

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self._ca = trustme.CA(organization_name=name)
        self._directory = directory
        self.path = self._file(f"{name}.pem", self._ca.cert_pem.bytes())

    def issue(self, *names: str, file: str = "server", common_name: str | None = None) -> str:
        """Make a certificate for *names*; return the file that holds its chain and its key.

        The file takes its place in one step, so nobody ever sees half of it.
        """
        made = self._ca.issue_cert(*(names or (HOST, "127.0.0.1")), common_name=common_name)
        return self._file(f"{file}.pem", made.private_key_and_cert_chain_pem.bytes())

    def issue_pair(
        self, *names: str, file: str = "server", password: bytes | None = None
    ) -> tuple[str, str]:
        """Make a certificate for *names*; return the files of its chain and its key."""
        made = self._ca.issue_cert(*(names or (HOST, "127.0.0.1")))
        key = made.private_key_pem.bytes()
        if password is not None:
            key = serialization.load_pem_private_key(key, None).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(password),
            )
        chain = b"".join(each.bytes() for each in made.cert_chain_pems)
        return self._file(f"{file}.crt", chain), self._file(f"{file}.key", key)

    def revoke(self, path: str) -> str:
        """Return a file that holds the authority and a list with the certificate at *path*."""
        now = datetime.datetime.now(datetime.UTC)
        own = x509.load_pem_x509_certificate(self._ca.cert_pem.bytes())
        key = serialization.load_pem_private_key(self._ca.private_key_pem.bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        serial = x509.load_pem_x509_certificates(Path(path).read_bytes())[0].serial_number
        revoked = (
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
        )
        crl = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(own.subject)
            .last_update(now - datetime.timedelta(days=1))
            .next_update(now + datetime.timedelta(days=1))
            .add_revoked_certificate(revoked)
            .sign(key, hashes.SHA256())
        )
        pem = crl.public_bytes(serialization.Encoding.PEM)
        return self._file("revoked.pem", self._ca.cert_pem.bytes() + pem)

    def client_context(
        self, certificate: str | None = None, *, alpn: Sequence[str] = ()
    ) -> ssl.SSLContext:
        """Return a client's context that trusts this authority and shows *certificate*."""
        context = ssl.create_default_context(cafile=self.path)
        if certificate is not None:
            context.load_cert_chain(certificate)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context

    def _file(self, name: str, content: bytes) -> str:
        path = self._directory / name
        fresh = path.with_suffix(".new")
        fresh.write_bytes(content)
        os.replace(fresh, path)
        return str(path)


class MemoryClient:
    """A client whose bytes go where the test wants them.

    Args:
        context: The client's.
        send: Gets what the client sends.
        host: The name that it asks for.
    """

    def __init__(
        self, context: ssl.SSLContext, send: Callable[[bytes], object], host: str = HOST
    ) -> None:
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=host)
        self._send = send
        self.ready = False

    def hear(self, data: bytes) -> None:
        """Take what the server sent; go on with the handshake while it lasts."""
        self.incoming.write(data)
        if not self.ready:
            self.start()

    def start(self) -> None:
        """Begin the handshake, or go on with it."""
        try:
            self.tls.do_handshake()
            self.ready = True
        except ssl.SSLWantReadError:
            self.ready = False
        self.flush()

    def say(self, data: bytes) -> None:
        """Send *data*."""
        self.tls.write(data)
        self.flush()

    def read(self) -> bytes:
        """Return all that arrived and can be read; ``b""`` if nothing did, or at the end."""
        found = b""
        try:
            while part := self.tls.read(65536):
                found += part
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            return found
        return found

    def finish(self) -> bool:
        """Send close_notify; return True if the server's is here, too."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            return False
        finally:
            self.flush()
        return True

    def flush(self) -> None:
        """Send what waits."""
        if self.outgoing.pending:
            self._send(self.outgoing.read())


def shake_hands(
    server: ssl.SSLContext, client: ssl.SSLContext, host: str = HOST
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Let the two meet; return the client's side and the server's.

    Raises:
        ssl.SSLError: one of them refuses the other.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = server.wrap_bio(incoming, outgoing, server_side=True)
    there = MemoryClient(client, incoming.write, host)
    there.start()
    done = False
    while not (done and there.ready):
        try:
            here.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            done = False
        there.hear(outgoing.read())
    return there.tls, here
