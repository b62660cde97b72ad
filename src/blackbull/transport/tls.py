"""What TLS needs: contexts made from certificate files, and made anew when the files change."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from blackbull.errors import ConfigurationError

logger = logging.getLogger("blackbull.tls")

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and authenticated encryption only (RFC 9113 §9.2.2)."""

HTTP1: Final = ("http/1.1",)

_CERTIFICATE: Final = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----")
_KEY: Final = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----")
_ENCRYPTED: Final = re.compile(rb"-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED")
_REVOKED: Final = re.compile(rb"-----BEGIN X509 CRL-----")

Pair: TypeAlias = tuple[str, str | None]
"""Paths of a certificate chain and of its key; no key: the chain's file holds it, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TLSFiles:
    """The files that TLS is made from; all of them PEM.

    Attributes:
        certfile: The certificate chain, for clients that ask for no name in *sni*.
        keyfile: Its private key; None if *certfile* holds it.
        password: What the keys are encrypted with.
        client_ca: The authorities whose client certificates are accepted, and perhaps their
            revocation lists, which are then obeyed; None: clients are asked for no certificate.
        client_cert_optional: A client may have no certificate. One that it does have is checked.
        sni: Chain and key by server name; ``*.example.org`` stands for one more label.
    """

    certfile: str
    keyfile: str | None = None
    password: str | None = field(default=None, repr=False)
    client_ca: str | None = None
    client_cert_optional: bool = False
    sni: Mapping[str, Pair] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def paths(self) -> tuple[str, ...]:
        """Every file, once."""
        pairs = [(self.certfile, self.keyfile), *self.sni.values()]
        paths = [*(path for pair in pairs for path in pair), self.client_ca]
        return tuple(dict.fromkeys(path for path in paths if path is not None))


TLSOption: TypeAlias = bool | TLSFiles | ssl.SSLContext
"""What a listener may be told about TLS: none, the server's, or its own."""


def server_context(
    certfile: str,
    keyfile: str | None = None,
    *,
    password: str | None = None,
    client_ca: str | None = None,
    client_cert_optional: bool = False,
    alpn: Sequence[str] = HTTP1,
) -> ssl.SSLContext:
    """Return a context for a listener: TLS 1.2 or newer.

    Args:
        certfile: As for :class:`TLSFiles`, like the others.
        keyfile: The private key.
        password: What the key is encrypted with.
        client_ca: The authorities of the clients.
        client_cert_optional: A client may have no certificate.
        alpn: What the listener speaks, the preferred first (RFC 7301); empty: nothing is chosen.

    Raises:
        ConfigurationError: a file is missing, unreadable or holds something else, the key is
            encrypted otherwise than *password* says, or key and certificate do not match.

    Spec:
        RFC 9325 §3.1.1, §4.2; RFC 9113 §9.2
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(CIPHERS)
    _load_pair(context, certfile, keyfile, password=password)
    if client_ca is not None:
        _load_authorities(context, client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL if client_cert_optional else ssl.CERT_REQUIRED
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def _load_pair(
    context: ssl.SSLContext, certfile: str, keyfile: str | None, *, password: str | None
) -> None:
    chain = _read("certificate", certfile)
    keyfile = keyfile or certfile
    key = chain if keyfile == certfile else _read("key", keyfile)
    if not _CERTIFICATE.search(chain):
        raise ConfigurationError(
            f"{certfile!r} holds no certificate: give a PEM file that begins with one"
        )
    if not _KEY.search(key):
        raise ConfigurationError(
            f"{keyfile!r} holds no private key: give the PEM file of the certificate's key"
        )
    encrypted = _ENCRYPTED.search(key) is not None
    if encrypted and password is None:
        raise ConfigurationError(
            f"the key {keyfile!r} is encrypted: "
            "give password=, or set BLACKBULL_KEY_PASSWORD, or decrypt the file"
        )
    try:
        # With a password, be it empty, OpenSSL never asks the terminal for one.
        context.load_cert_chain(certfile, keyfile, password=password or "")
    except (ssl.SSLError, OSError, ValueError) as error:
        raise ConfigurationError(_pair_trouble(certfile, keyfile, encrypted, error)) from error


def _pair_trouble(certfile: str, keyfile: str, encrypted: bool, error: Exception) -> str:
    reason = getattr(error, "reason", None) or str(error) or "it is damaged"
    if "MISMATCH" in reason:
        return (
            f"the key {keyfile!r} does not belong to the certificate {certfile!r}: "
            "give a pair, the server's own certificate first in its file"
        )
    if encrypted:
        return f"the key {keyfile!r} cannot be decrypted: check the password"
    return (
        f"certificate {certfile!r} and key {keyfile!r} cannot be used ({reason}): "
        "give a PEM certificate chain and its key"
    )


def _load_authorities(context: ssl.SSLContext, client_ca: str) -> None:
    content = _read("client CA", client_ca)
    if not _CERTIFICATE.search(content):
        raise ConfigurationError(
            f"{client_ca!r} holds no certificate: "
            "give the PEM file of the authorities whose clients may come in"
        )
    try:
        context.load_verify_locations(client_ca)
    except (ssl.SSLError, OSError) as error:
        raise ConfigurationError(
            f"the client CA file {client_ca!r} cannot be used "
            f"({getattr(error, 'reason', None) or error}): give PEM certificates"
        ) from error
    if _REVOKED.search(content):
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF


def _read(what: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise ConfigurationError(
            f"there is no {what} file {path!r}: give the path of a PEM file"
        ) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"the {what} file {path!r} cannot be read ({why}): let this user read it"
        ) from error


class ContextSource:
    """The context of one listener's next handshake.

    Attributes:
        context: The newest.
    """

    __slots__ = ("context",)

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context


class Certificates:
    """The contexts that are made from one set of files, always from their newest content.

    Connections that are there keep what they have; a handshake that begins after a change gets
    the new chain. Files that cannot be used change nothing.

    Args:
        files: The files.

    Raises:
        ConfigurationError: as :func:`server_context`, or a name in ``sni`` cannot be one.
    """

    def __init__(self, files: TLSFiles) -> None:
        self.files = files
        self._names = {_host_name(name): pair for name, pair in files.sni.items()}
        self._sources: dict[tuple[str, ...], ContextSource] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._seen = self._look()
        self._make(HTTP1)

    def source(self, alpn: Sequence[str]) -> ContextSource:
        """Return the contexts for a listener that speaks *alpn*, the preferred first.

        Raises:
            ConfigurationError: as :func:`server_context`.
        """
        key = tuple(alpn)
        if key not in self._sources:
            self._sources[key] = ContextSource(self._make(key))
        return self._sources[key]

    def reload(self) -> bool:
        """Read the files now; return True if the next handshake uses what they hold."""
        self._seen = self._look()
        try:
            made = {alpn: self._make(alpn) for alpn in self._sources}
        except ConfigurationError as error:
            logger.error("the certificates in use stay: %s", error)
            return False
        for alpn, context in made.items():
            self._sources[alpn].context = context
        logger.info("certificates read anew from %s", ", ".join(self.files.paths))
        return True

    def watch(self, loop: asyncio.AbstractEventLoop, *, interval: float) -> None:
        """Look every *interval* seconds whether a file has changed; 0: never."""
        if interval > 0:
            self._timer = loop.call_later(interval, self._check, loop, interval)

    def close(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self, loop: asyncio.AbstractEventLoop, interval: float) -> None:
        if self._look() != self._seen:
            self.reload()
        self.watch(loop, interval=interval)

    def _look(self) -> list[tuple[int, ...]]:
        return [_fingerprint(path) for path in self.files.paths]

    def _make(self, alpn: tuple[str, ...]) -> ssl.SSLContext:
        context = self._context((self.files.certfile, self.files.keyfile), alpn)
        if self._names:
            named = {name: self._context(pair, alpn) for name, pair in self._names.items()}
            context.sni_callback = _chooser(named)
        return context

    def _context(self, pair: Pair, alpn: tuple[str, ...]) -> ssl.SSLContext:
        files = self.files
        return server_context(
            *pair,
            password=files.password,
            client_ca=files.client_ca,
            client_cert_optional=files.client_cert_optional,
            alpn=alpn,
        )


def _fingerprint(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return ()
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)


def _chooser(
    named: dict[str, ssl.SSLContext],
) -> Callable[[ssl.SSLObject, str | None, ssl.SSLContext], None]:
    """Return what OpenSSL asks for the context of a server name (RFC 6066 §3)."""

    def choose(tls: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name is None:
            return
        name = name.lower().rstrip(".")
        context = named.get(name) or named.get(f"*.{name.partition('.')[2]}")
        if context is not None:
            tls.context = context

    return choose


def _host_name(name: str) -> str:
    """Return *name* as clients send it: lower case, ASCII.

    Raises:
        ConfigurationError: no client can send it.
    """
    wildcard, _, rest = name.rpartition("*.") if name.startswith("*.") else ("", "", name)
    try:
        ascii_name = rest.rstrip(".").encode("idna").decode().lower()
    except UnicodeError:
        ascii_name = ""
    if not ascii_name or not re.fullmatch(r"[a-z0-9_.-]+", ascii_name) or wildcard:
        raise ConfigurationError(
            f"{name!r} is no server name: write api.example.org or *.example.org"
        )
    return f"*.{ascii_name}" if name.startswith("*.") else ascii_name
