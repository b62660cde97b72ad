"""The opening handshake of a server (RFC 6455 §4.2, RFC 8441 §5)."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha1
from typing import Final

from blackbull.errors import LocalProtocolError, RemoteProtocolError
from blackbull.protocol.grammar import comma_list, is_token
from blackbull.protocol.head import Fields, RequestHead

from .deflate import Agreement, Parameters

GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
VERSION: Final = b"13"
VERSION_FIELD: Final = (b"sec-websocket-version", VERSION)

KEY: Final = re.compile(rb"[A-Za-z0-9+/]{22}==")
"""RFC 6455 §4.1: sixteen octets in base64."""

MAX_EXTENSIONS: Final = 32
"""Extensions that one handshake may offer."""

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER: Final = re.compile(
    rb"[ \t]*;[ \t]*(" + _TOKEN + rb")(?:[ \t]*=[ \t]*(?:(" + _TOKEN + rb')|"((?:[^"\\]|\\.)*)"))?'
)
_NAME: Final = re.compile(rb"[ \t]*(" + _TOKEN + rb")")
_SEPARATOR: Final = re.compile(rb"[ \t]*(?:,[ \t]*|$)")
_OURS: Final = frozenset({
    b"connection", b"content-length", b"sec-websocket-accept", b"sec-websocket-extensions",
    b"sec-websocket-protocol", b"transfer-encoding", b"upgrade",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a client asks for.

    Attributes:
        key: What proves that we speak WebSocket; ``b""`` over HTTP/2, which has none.
        subprotocols: Offered, by preference.
        extensions: Offered, by preference, with their parameters.
    """

    key: bytes
    subprotocols: tuple[str, ...]
    extensions: tuple[tuple[bytes, Parameters], ...]

    def answer(
        self, *, subprotocol: str | None = None, agreement: Agreement | None, fields: Fields = ()
    ) -> Fields:
        """Return the fields of the response that opens the WebSocket.

        Args:
            subprotocol: One of the offered; None for none.
            agreement: On permessage-deflate; None for none.
            fields: The application's.

        Raises:
            LocalProtocolError: *subprotocol* was not offered, or one of *fields* is ours to say.

        Spec:
            RFC 6455 §4.2.2; RFC 8441 §5
        """
        made: list[tuple[bytes, bytes]] = []
        if self.key:
            made.append((b"upgrade", b"websocket"))
            made.append((b"connection", b"Upgrade"))
            made.append((b"sec-websocket-accept", accept_key(self.key)))
        if subprotocol is not None:
            if subprotocol not in self.subprotocols:
                raise LocalProtocolError(
                    f"the client did not offer the subprotocol {subprotocol!r}",
                    spec="RFC 6455 §4.2.2",
                )
            made.append((b"sec-websocket-protocol", subprotocol.encode("ascii")))
        if agreement is not None:
            made.append((b"sec-websocket-extensions", agreement.answer))
        for name, _ in fields:
            if name in _OURS:
                raise LocalProtocolError(
                    f"{name.decode()} belongs to the handshake", spec="RFC 6455 §4.2.2"
                )
        return (*made, *fields)


def parse_handshake(head: RequestHead, *, has_content: bool = False) -> Handshake:
    """Return what an HTTP/1.1 request to open a WebSocket asks for.

    Args:
        head: A request whose Connection and Upgrade fields ask for a WebSocket.
        has_content: The request announces content.

    Raises:
        RemoteProtocolError: 426, it is for another version; 400, it is malformed.

    Spec:
        RFC 6455 §4.2.1, §4.2.2, §4.4
    """
    if head.method != "GET":
        raise refuse("the opening handshake is a GET request", "RFC 6455 §4.2.1")
    if has_content:
        raise refuse("an opening handshake with content", "RFC 6455 §4.2.1")
    values = collect(head.fields)
    check_version(values)
    keys = values.get(b"sec-websocket-key", [])
    if len(keys) != 1 or not KEY.fullmatch(keys[0]):
        raise refuse("Sec-WebSocket-Key is not sixteen octets in base64", "RFC 6455 §4.2.1")
    return parse_offers(values, key=keys[0])


def parse_connect(head: RequestHead) -> Handshake:
    """Return what an extended CONNECT for a WebSocket asks for, over HTTP/2.

    Raises:
        RemoteProtocolError: 426, it is for another version; 400, it is malformed.

    Spec:
        RFC 8441 §5
    """
    values = collect(head.fields)
    check_version(values)
    return parse_offers(values, key=b"")


def collect(fields: Fields) -> dict[bytes, list[bytes]]:
    """Return the values of every field whose name begins with ``sec-websocket-``."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        if name.startswith(b"sec-websocket-"):
            values.setdefault(name, []).append(value)
    return values


def check_version(values: dict[bytes, list[bytes]]) -> None:
    """Check that the client speaks version 13.

    Raises:
        RemoteProtocolError: 426, another version; 400, none or several.

    Spec:
        RFC 6455 §4.2.1, §4.2.2, §4.4
    """
    versions = values.get(b"sec-websocket-version", [])
    if len(versions) != 1:
        raise refuse("there is not one Sec-WebSocket-Version", "RFC 6455 §4.2.1")
    if versions[0] != VERSION:
        raise RemoteProtocolError("the only version is 13", code=426, spec="RFC 6455 §4.2.2")


def parse_offers(values: dict[bytes, list[bytes]], *, key: bytes) -> Handshake:
    """Return what the client offers.

    Raises:
        RemoteProtocolError: 400, a list is malformed.

    Spec:
        RFC 6455 §4.2.1, §9.1, §11.3.4
    """
    names = comma_list(b",".join(values.get(b"sec-websocket-protocol", [])))
    if not all(is_token(name) for name in names):
        raise refuse("a subprotocol is no token", "RFC 6455 §4.1")
    extensions = parse_extensions(b",".join(values.get(b"sec-websocket-extensions", [])))
    return Handshake(key, tuple(name.decode("ascii") for name in names), tuple(extensions))


def parse_extensions(value: bytes) -> list[tuple[bytes, Parameters]]:
    """Return the extensions that a Sec-WebSocket-Extensions field lists, with their parameters.

    Raises:
        RemoteProtocolError: 400; it is malformed, or lists more than 32.

    Spec:
        RFC 6455 §9.1
    """
    found: list[tuple[bytes, Parameters]] = []
    at = 0
    while at < len(value):
        if separator := _SEPARATOR.match(value, at):
            # RFC 9110 §5.6.1.2: empty elements of a list are ignored
            at = separator.end()
            continue
        name = _NAME.match(value, at)
        if name is None or len(found) == MAX_EXTENSIONS:
            raise refuse("Sec-WebSocket-Extensions is malformed", "RFC 6455 §9.1")
        at = name.end()
        parameters: Parameters = []
        while parameter := _PARAMETER.match(value, at):
            parameters.append((parameter[1], _parameter_value(parameter)))
            at = parameter.end()
        found.append((name[1], parameters))
        if not (separator := _SEPARATOR.match(value, at)):
            raise refuse("Sec-WebSocket-Extensions is malformed", "RFC 6455 §9.1")
        at = separator.end()
    return found


def _parameter_value(parameter: re.Match[bytes]) -> bytes | None:
    if parameter[3] is None:
        return parameter[2]
    value = re.sub(rb"\\(.)", rb"\1", parameter[3], flags=re.DOTALL)
    if not is_token(value):
        # RFC 6455 §9.1: unquoted, the value must be a token
        raise refuse("an extension's parameter is no token", "RFC 6455 §9.1")
    return value


def accept_key(key: bytes) -> bytes:
    """Return what proves to the client that we read its *key*.

    Spec:
        RFC 6455 §4.2.2
    """
    return b64encode(sha1(key + GUID, usedforsecurity=False).digest())


def refusal_fields(error: RemoteProtocolError) -> Fields:
    """Return the fields that belong to the refusal of a handshake.

    Spec:
        RFC 6455 §4.4; RFC 9110 §7.8, §15.5.22
    """
    if error.code == 426:
        return (VERSION_FIELD, (b"upgrade", b"websocket"))
    return (VERSION_FIELD,)


def refuse(message: str, spec: str) -> RemoteProtocolError:
    """Return the error for a handshake that breaks a rule: 400."""
    return RemoteProtocolError(message, code=400, spec=spec)


def select_subprotocol(offered: Iterable[str], known: Iterable[str]) -> str | None:
    """Return the first subprotocol that the client offers and we know.

    Spec:
        RFC 6455 §4.2.2, §11.3.4
    """
    available = frozenset(known)
    return next((name for name in offered if name in available), None)
