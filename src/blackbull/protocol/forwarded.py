"""What proxies say about whom they forward for: Forwarded, and the X-Forwarded-* before it.

Each proxy appends, so the last element is from the nearest one. Only what a trusted proxy has
appended means anything; whom to trust is not decided here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..errors import RemoteProtocolError
from .grammar import comma_list

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PAIR: Final = re.compile(rf'({_TOKEN})=(?:({_TOKEN})|"((?:[^"\\]|\\.)*)")')
_GAP: Final = re.compile(r"[ \t]*([;,])[;, \t]*")
_ESCAPED: Final = re.compile(r"\\(.)")
_NODE: Final = re.compile(
    r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:]+))(?::([0-9]{1,5}|_[A-Za-z0-9._\-]+))?"
)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")


@dataclass(frozen=True, slots=True)
class Hop:
    """What one proxy said about the peer that it had.

    Attributes:
        address: The peer's IP address and port, 0 if the port is not said; None: not an address,
            but ``unknown`` or a name that hides it.
        scheme: The scheme that the peer used, in lower case; ``""``: not said.
    """

    address: tuple[str, int] | None
    scheme: str = ""


def parse_forwarded(value: bytes) -> list[Hop]:
    """Return the hops in a ``forwarded`` field, the nearest proxy's last.

    Args:
        value: The field's value; several lines are joined by commas before.

    Raises:
        RemoteProtocolError: it is not written as the standard wants it.

    Spec:
        RFC 7239 §4, §6
    """
    hops: list[Hop] = []
    for element in _elements(value.decode("latin-1")):
        node = element.get("for")
        address = None if node is None else parse_node(node)
        scheme = element.get("proto", "").lower()
        if scheme and _SCHEME.fullmatch(scheme) is None:
            raise RemoteProtocolError(f"forwarded: {scheme!r} is no scheme", spec="RFC 7239 §5.4")
        hops.append(Hop(address, scheme))
    return hops


def parse_x_forwarded(addresses: bytes, schemes: bytes = b"") -> list[Hop]:
    """Return the hops in ``x-forwarded-for`` and ``x-forwarded-proto``, the nearest last.

    Args:
        addresses: The value of ``x-forwarded-for``, lines joined by commas.
        schemes: That of ``x-forwarded-proto``: one for all, or as many as there are addresses.

    Raises:
        RemoteProtocolError: an element is no address, or the two do not fit together.
    """
    nodes = [item.decode("latin-1") for item in comma_list(addresses)]
    said = [item.decode("latin-1").lower() for item in comma_list(schemes)]
    if len(said) not in {0, 1, len(nodes)}:
        raise RemoteProtocolError(
            f"x-forwarded-proto says {len(said)} schemes for {len(nodes)} addresses"
        )
    if any(_SCHEME.fullmatch(scheme) is None for scheme in said):
        raise RemoteProtocolError("x-forwarded-proto holds something that is no scheme")
    if len(said) < len(nodes):
        said = (said or [""]) * len(nodes)
    return [
        Hop(_bare_address(node) or parse_node(node), scheme)
        for node, scheme in zip(nodes, said, strict=True)
    ]


def parse_node(text: str) -> tuple[str, int] | None:
    """Return the address and port of a node; None for ``unknown`` and names that hide it.

    Raises:
        RemoteProtocolError: *text* is no node.

    Spec:
        RFC 7239 §6
    """
    matched = _NODE.fullmatch(text)
    if matched is None:
        raise RemoteProtocolError(f"{text!r} is no node", spec="RFC 7239 §6")
    inside, plain, port = matched.groups()
    if plain is not None and (plain.lower() == "unknown" or plain.startswith("_")):
        return None
    number = int(port) if port and port.isdigit() else 0
    version = 6 if plain is None else 4
    try:
        address = ipaddress.ip_address(inside or plain)
    except ValueError:
        address = None
    if address is None or address.version != version or number > 65535:
        raise RemoteProtocolError(f"{text!r} is no node", spec="RFC 7239 §6")
    return str(address), number


def _bare_address(text: str) -> tuple[str, int] | None:
    # X-Forwarded-For has IPv6 addresses without brackets.
    try:
        return str(ipaddress.ip_address(text)), 0
    except ValueError:
        return None


def _elements(text: str) -> Iterator[dict[str, str]]:
    """Yield the parameters of each element; empty elements are left out."""
    element: dict[str, str] = {}
    text = text.strip(" \t,;")
    at = 0
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            raise RemoteProtocolError("forwarded is malformed", spec="RFC 7239 §4")
        name = pair[1].lower()
        if name in element:
            raise RemoteProtocolError(f"forwarded says {name} twice", spec="RFC 7239 §4")
        element[name] = pair[2] if pair[2] is not None else _ESCAPED.sub(r"\1", pair[3])
        at = pair.end()
        gap = _GAP.match(text, at)
        if gap is None and at < len(text):
            raise RemoteProtocolError("forwarded is malformed", spec="RFC 7239 §4")
        if gap is None or "," in gap[0]:
            yield element
            element = {}
        at = gap.end() if gap is not None else at
