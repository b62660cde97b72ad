"""One place to listen, what is spoken there, and how both are written in one line.

``0.0.0.0:8443?cert=cert.pem&key=key.pem``: a place as :mod:`.where` has it, and perhaps options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote

from blackbull.errors import ConfigurationError

from .tls import TLSFiles, TLSOption
from .where import InheritedFd, Tcp, Unix, Where, parse_where

__all__ = ["InheritedFd", "Listener", "Tcp", "Unix", "Where", "parse_listener", "parse_proxies"]


@dataclass(frozen=True, slots=True)
class Listener:
    """One place to listen, and what is spoken there.

    Attributes:
        where: The place.
        speaks: ``"http"``: HTTP and every protocol that can be told from it by its opening bytes.
            The name of another protocol: that one only, and no byte is looked at. Several names:
            these.
        tls: None: TLS if the server has certificates. True: with these; False: cleartext. Or
            certificates of its own.
        proxy_protocol: Each connection begins with the header of the PROXY protocol. True: from
            this machine, a private network or a Unix socket; or the addresses and networks whose
            word is taken. None: as the setting says.
    """

    where: Where
    speaks: str | Sequence[str] = "http"
    tls: TLSOption | None = None
    proxy_protocol: bool | Sequence[str] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What :attr:`speaks` names."""
        return (self.speaks,) if isinstance(self.speaks, str) else tuple(self.speaks)


_SWITCH: Final[Mapping[str, bool]] = {
    "on": True, "1": True, "true": True, "yes": True,
    "off": False, "0": False, "false": False, "no": False,
}  # fmt: skip
_OPTIONS: Final = (
    "speaks", "tls", "cert", "key", "client_ca", "proxy_protocol", "mode", "group",
)  # fmt: skip


def parse_listener(text: str) -> Listener:
    """Return the listener that *text* describes: a place, and perhaps ``?`` and options.

    The options are ``speaks=NAME``, ``tls=on`` or ``off``, ``cert=``, ``key=`` and ``client_ca=``
    with a path, ``proxy_protocol=on``, ``off`` or an address, and for Unix sockets ``mode=0660``
    and ``group=NAME``; ``&`` stands between them. ``speaks`` and ``proxy_protocol`` may be said
    several times.

    Raises:
        ConfigurationError: it is not written like that; one line that says what to write.
    """
    place, _, query = text.strip().partition("?")
    where = parse_where(place)
    options = _parse_options(text, query)
    one = _Single(text, options)
    if isinstance(where, Unix):
        where = replace(where, mode=one.mode(where.mode), group=one("group") or where.group)
    elif {"mode", "group"} & options.keys():
        raise ConfigurationError(f"{text!r}: only a Unix socket has a mode or a group")
    return Listener(
        where,
        speaks=_speaks(options.get("speaks", [])),
        tls=_tls(text, one),
        proxy_protocol=parse_proxies(options.get("proxy_protocol")),
    )


def _parse_options(text: str, query: str) -> dict[str, list[str]]:
    options: dict[str, list[str]] = {}
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        name = name.strip().replace("-", "_")
        value = unquote(value.strip())
        if name not in _OPTIONS:
            raise ConfigurationError(
                f"{text!r}: {name!r} is no option of a listener; these are: {', '.join(_OPTIONS)}"
            )
        if not value:
            raise ConfigurationError(f"{text!r}: give {name} a value, as in {name}=...")
        options.setdefault(name, []).append(value)
    return options


class _Single:
    """Options that can be said once."""

    def __init__(self, text: str, options: Mapping[str, Sequence[str]]) -> None:
        self._text = text
        self._options = options

    def __call__(self, name: str) -> str | None:
        values = self._options.get(name, ())
        if len(values) > 1:
            raise ConfigurationError(f"{self._text!r} says {name} more than once: keep one")
        return values[0] if values else None

    def mode(self, default: int) -> int:
        """Return the permissions of a Unix socket."""
        value = self("mode")
        if value is None:
            return default
        return self._converted("mode", value, lambda text: int(text, 8), "octal, such as 0660")

    def switch(self, name: str) -> bool | None:
        """Return what is said to be on or off."""
        value = self(name)
        if value is None:
            return None
        return bool(self._converted(name, value.lower(), _SWITCH.__getitem__, "on or off"))

    def _converted(self, name: str, value: str, convert: Callable[[str], int], written: str) -> int:
        try:
            converted = convert(value)
        except (KeyError, ValueError):
            converted = -1
        if not 0 <= converted <= 0o777:
            raise ConfigurationError(f"{self._text!r}: {name} is {written}, not {value!r}")
        return converted


def _speaks(names: Sequence[str]) -> str | tuple[str, ...]:
    if not names:
        return "http"
    return names[0] if len(names) == 1 else tuple(names)


def _tls(text: str, one: _Single) -> TLSOption | None:
    tls, cert = one.switch("tls"), one("cert")
    key, client_ca = one("key"), one("client_ca")
    if cert is None:
        if key or client_ca:
            raise ConfigurationError(f"{text!r} has no certificate: say cert=PATH, too")
        return tls
    if tls is False:
        raise ConfigurationError(f"{text!r} has a certificate and tls=off: keep one of them")
    return TLSFiles(certfile=cert, keyfile=key, client_ca=client_ca)


def parse_proxies(values: Sequence[str] | None) -> bool | tuple[str, ...] | None:
    """Return what ``proxy_protocol`` says: on, off, or whose word is taken; None: nothing."""
    if not values:
        return None
    if len(values) == 1 and values[0].lower() in _SWITCH:
        return _SWITCH[values[0].lower()]
    return tuple(values)
