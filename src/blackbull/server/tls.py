"""The TLS of one server: its certificates, and the handshakes that are under way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Sequence

from blackbull.config import ClientCert, Settings
from blackbull.errors import ConfigurationError
from blackbull.log import LimitLog
from blackbull.log.caps import render_peer
from blackbull.observer import Observer, tell
from blackbull.transport.socket_protocol import Acceptor
from blackbull.transport.tls import Certificates, ContextSource, TLSFiles, TLSOption
from blackbull.transport.tls_transport import TLSTransport

from .admission import Admission

logger = logging.getLogger("blackbull.tls")


def tls_files(settings: Settings) -> TLSFiles | None:
    """Return the files that *settings* name; None if there is no certificate among them."""
    if settings.certfile is None:
        return None
    return TLSFiles(
        certfile=settings.certfile,
        keyfile=settings.keyfile,
        password=settings.password,
        client_ca=settings.client_ca,
        client_cert_optional=settings.client_cert == ClientCert.OPTIONAL,
        sni=settings.sni or {},
    )


class ServerTLS:
    """Lets listeners speak TLS.

    Args:
        settings: The certificates, and how long a handshake may take.
        ssl_context: What listeners use instead of the settings' certificates, as it is.
        admission: Counts the handshakes.
        limits: Where limits that fire are recorded.

    Attributes:
        timeout: Seconds that a handshake may take; 0: as long as it likes.
        handshakes: Those under way.
        observers: Who is told of those that failed.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        ssl_context: ssl.SSLContext | None,
        admission: Admission,
        limits: LimitLog,
    ) -> None:
        self.timeout = settings.header_timeout
        self.handshakes: set[TLSTransport] = set()
        self.observers: Sequence[Observer] = ()
        self._settings = settings
        self._ssl_context = ssl_context
        self._admission = admission
        self._limits = limits
        self._certificates: list[Certificates] = []
        self._emptied: asyncio.Future[None] | None = None

    @property
    def enabled(self) -> bool:
        """The HTTP listener speaks TLS."""
        return self._ssl_context is not None or self._settings.certfile is not None

    def protocol_factory(
        self, acceptor: Acceptor, option: TLSOption, *, name: str, alpn: Sequence[str]
    ) -> Callable[[], TLSTransport]:
        """Return what makes the protocol of each connection that *acceptor* gets.

        Args:
            acceptor: The listener.
            option: True for the server's certificates, or the listener's own.
            name: What it is called.
            alpn: What it speaks, the preferred first.

        Raises:
            ConfigurationError: a file cannot be used, or there is no certificate at all.
        """
        source = self._source(option, name=name, alpn=alpn)
        return lambda: TLSTransport(acceptor, source, handshakes=self)

    def _source(self, option: TLSOption, *, name: str, alpn: Sequence[str]) -> ContextSource:
        if isinstance(option, ssl.SSLContext):
            return ContextSource(option)
        if isinstance(option, TLSFiles):
            return self._made_from(option).source(alpn)
        if self._ssl_context is not None:
            return ContextSource(self._ssl_context)
        files = tls_files(self._settings)
        if files is None:
            raise ConfigurationError(
                f"protocol {name!r} wants TLS, but there is no certificate: give --cert and --key"
            )
        return self._made_from(files).source(alpn)

    def _made_from(self, files: TLSFiles) -> Certificates:
        for certificates in self._certificates:
            if certificates.files == files:
                return certificates
        certificates = Certificates(files)
        self._certificates.append(certificates)
        loop = asyncio.get_running_loop()
        certificates.watch(loop, interval=self._settings.certificate_interval)
        return certificates

    def reload(self) -> bool:
        """Read every certificate file now; return False if one of them cannot be used."""
        outcomes = [certificates.reload() for certificates in self._certificates]
        return all(outcomes)

    def close(self) -> None:
        """Watch the files no longer, and drop the handshakes: nothing was asked yet."""
        for certificates in self._certificates:
            certificates.close()
        self._certificates.clear()
        for tls in list(self.handshakes):
            tls.abort_handshake()

    async def aclose(self) -> None:
        """Do the same, and wait until the handshakes are gone."""
        self.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self.settled()

    async def settled(self) -> None:
        """Wait until no handshake is under way."""
        if self.handshakes:
            self._emptied = asyncio.get_running_loop().create_future()
            await self._emptied

    # What a connection tells about its handshake

    def begun(self, tls: TLSTransport) -> bool:
        """Take note; return False if there are too many connections already."""
        self.handshakes.add(tls)
        return self._admission.opens(tls.peername, protocol="tls")

    def failed(self, tls: TLSTransport, reason: str) -> None:
        """Log why there is no TLS; that somebody only looked whether we are there is no news."""
        self._tell(reason)
        level = logging.INFO if reason else logging.DEBUG
        reason = reason or "the client left without a word"
        logger.log(level, "no TLS with %s: %s", render_peer(tls.peername), reason)

    def timed_out(self, tls: TLSTransport) -> None:
        """Record that a handshake took too long."""
        self._tell("it took too long")
        self._limits.record(
            "header_timeout",
            peer=tls.peername,
            protocol="tls",
            requested=self.timeout,
            allowed=self.timeout,
        )

    def _tell(self, reason: str) -> None:
        tell(self.observers, lambda each: each.handshake_failed(reason))

    def over(self, tls: TLSTransport) -> None:
        """Forget the handshake."""
        self.handshakes.discard(tls)
        self._admission.opened(tls.peername)
        if not self.handshakes and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)
