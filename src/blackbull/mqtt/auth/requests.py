"""What the hooks for authentication and authorisation are asked, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from blackbull.abc import Address

Transport: TypeAlias = Literal["tcp", "tls", "websocket"]
"""How a client is connected."""
Action: TypeAlias = Literal["publish", "subscribe"]
"""What a client may be allowed to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectRequest:
    """A client that wants in: what its CONNECT says of it, and what its connection does.

    Attributes:
        client_id: The client identifier; ``""`` if it leaves that to the broker.
        username: The user name, None if it gave none.
        password: The password, None if it gave none.
        certificate: The verified TLS client certificate, as ``ssl.SSLSocket.getpeercert()`` has it.
        transport: ``"tcp"``, ``"tls"`` or ``"websocket"``.
        peername: The peer's address.
        properties: The properties of CONNECT; none before MQTT 5.
    """

    client_id: str
    username: str | None = None
    password: bytes | None = field(default=None, repr=False)
    certificate: Mapping[str, object] | None = field(default=None, repr=False)
    transport: Transport = "tcp"
    peername: Address | None = None
    properties: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """A client that is in: whose publishing or subscribing is to be judged.

    Attributes:
        client_id: The client identifier, a given or an assigned one.
        username: Who it is, as authentication found; None for an anonymous client.
        peername: The peer's address.
        transport: ``"tcp"``, ``"tls"`` or ``"websocket"``.
    """

    client_id: str
    username: str | None = None
    peername: Address | None = None
    transport: Transport = "tcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom authentication found.

    Attributes:
        username: Who the client is; None leaves the user name of its CONNECT.
        client_id: The client identifier that it gets instead of its own; None leaves its own.
        superuser: Nothing is refused to it: authorisation is not asked.
    """

    username: str | None = None
    client_id: str | None = None
    superuser: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthStep:
    """One answer of an exchange.

    Attributes:
        data: Authentication Data for the client; None for none.
        done: The exchange is over; otherwise the client's next AUTH is awaited.
        ok: How it ended: the client is who it says it is.
        username: Who that is.
    """

    data: bytes | None = None
    done: bool = False
    ok: bool = False
    username: str | None = None


class AuthExchange(Protocol):
    """The conversation with one client, from CONNECT or from a re-authentication."""

    def step(self, data: bytes | None) -> AuthStep:
        """Take the Authentication Data of the client's CONNECT or AUTH; None if it had none."""


class EnhancedAuthentication(Protocol):
    """A method of enhanced authentication.

    Spec:
        MQTT 5.0 §4.12
    """

    @property
    def method(self) -> str:
        """Its name, as the property Authentication Method has it."""

    def start(self, request: ConnectRequest) -> AuthExchange:
        """Begin a conversation with the client of *request*."""
