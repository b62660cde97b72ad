"""What a handler knows about its request: attributes first, a read-only mapping second."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol, TypeAlias, cast
from urllib.parse import quote

from .content import MAX_FORM_FIELDS, AnyReceive, native_receive, parse_json, parse_urlencoded
from .cookies import parse_cookie_fields
from .errors import ClientDisconnected, HTTPException
from .headers import Field, Headers
from .log.context import REQUEST_ID, find_request_id
from .log.entry import ACCESS_LOG, RECORD_FIELDS
from .messages import Inbox, Offer, Receive, RequestDisconnected
from .protocol.head import RequestHead
from .protocol.trace_context import TraceParent, find_traceparent

Address: TypeAlias = tuple[str, int | None]

SCOPE_KEYS: Final = (
    "type", "asgi", "http_version", "method", "scheme", "path", "raw_path", "query_string",
    "root_path", "headers", "client", "server", "state", "extensions", "path_params",
)  # fmt: skip
"""The keys of a Connection as a mapping; a WebSocket has ``subprotocols`` instead of ``method``."""

_WEBSOCKET_KEYS: Final = (*(key for key in SCOPE_KEYS if key != "method"), "subprotocols")
_ASGI: Final = {"version": "3.0", "spec_version": "2.4"}
_NO_PARAMS: Final[Mapping[str, object]] = MappingProxyType({})


class Endpoint(Protocol):
    """What is the same for every request of one transport connection."""

    @property
    def peername(self) -> Address | None:
        """The client's address."""

    @property
    def sockname(self) -> Address | None:
        """Our address."""

    @property
    def ssl(self) -> object | None:
        """The TLS object, or None."""

    @property
    def secure(self) -> bool:
        """The client uses TLS: with us, or with a proxy that says so."""

    @property
    def connection_id(self) -> str:
        """32 hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class KnownEndpoint:
    """An :class:`Endpoint` whose facts somebody else told us: a host's scope, a test."""

    peername: Address | None = None
    sockname: Address | None = None
    ssl: object | None = None
    connection_id: str = ""

    @property
    def secure(self) -> bool:
        """The client uses TLS."""
        return self.ssl is not None


class AccessRecord:
    """Fields that a handler adds to the access log's record of its request: its attributes."""

    __slots__ = ("__dict__",)


class _State(dict[str, object]):
    """The state of a request; the access log's record is made when somebody asks for it."""

    __slots__ = ()

    def __missing__(self, key: str) -> object:
        if key != ACCESS_LOG:
            raise KeyError(key)
        record = self[key] = AccessRecord()
        return record


class _Extras:
    """What only some handlers touch, made when one does."""

    __slots__ = (
        "client", "consumed", "cookies", "extensions", "headers", "inbox", "offer", "parts",
        "query_list", "request_id", "root_path", "scheme", "server", "session", "state",
        "subprotocols",
    )  # fmt: skip

    def __init__(self) -> None:
        self.client: Address | None = None
        self.consumed = False
        self.cookies: dict[str, str] | None = None
        self.extensions: dict[str, dict[str, object]] = {}
        self.headers: Headers | None = None
        self.inbox: Inbox | None = None
        self.offer: Offer | None = None
        self.parts: list[bytes] = []
        self.query_list: dict[str, list[str]] | None = None
        self.request_id = ""
        self.root_path = ""
        self.scheme = ""
        self.server: Address | None = None
        self.session: object | None = None
        self.state: dict[str, object] = _State()
        self.subprotocols: list[str] | None = None


class Connection(Mapping[str, object]):
    """One request, or one WebSocket.

    It reads like an ASGI scope too: ``conn["path"]``, ``conn.get("headers")``, ``"type" in conn``.

    Args:
        head: The parsed head; shared and never changed.
        endpoint: The transport connection that it came on.

    Attributes:
        head: The parsed head.
        path_params: What the route's placeholders matched, converted.
        type: ``"http"`` or ``"websocket"``.
        disconnected: True once the client is known to have left.
        receive: Returns the next part of the content; bound by whoever serves.

    Spec:
        RFC 9110 §3.9, §7
    """

    __slots__ = (
        "_content", "_endpoint", "_extras", "disconnected", "head", "path_params", "receive",
        "type",
    )  # fmt: skip

    def __init__(self, head: RequestHead, endpoint: Endpoint) -> None:
        self.head = head
        self._endpoint = endpoint
        self._extras: _Extras | None = None
        self._content: bytes | None = None
        self.receive: Receive | None = None
        self.path_params = _NO_PARAMS
        self.disconnected = False
        self.type = "http"

    # ------------------------------------------------------------------ the head

    @property
    def method(self) -> str:
        """The method, case-sensitive: ``"GET"``."""
        return self.head.method

    @property
    def path(self) -> str:
        """The path, percent-decoded, without the query."""
        return self.head.path

    @property
    def raw_path(self) -> bytes:
        """The path as it came, without the query."""
        return self.head.raw_path

    @property
    def query_string(self) -> bytes:
        """The query as it came, without the question mark."""
        return self.head.query_string

    @property
    def http_version(self) -> str:
        """``"1.0"``, ``"1.1"`` or ``"2"``."""
        return self.head.http_version

    @property
    def headers(self) -> Headers:
        """The header fields."""
        extras = self._extra()
        if extras.headers is None:
            extras.headers = Headers.from_lowered(self.head.fields)
        return extras.headers

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies, from every ``cookie`` field (RFC 6265 §5.4)."""
        extras = self._extra()
        if extras.cookies is None:
            extras.cookies = parse_cookie_fields(self.head.fields)
        return extras.cookies

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters; one that is repeated has its last value."""
        return {name: values[-1] for name, values in self.query_list.items()}

    @property
    def query_list(self) -> dict[str, list[str]]:
        """The query's parameters with all their values, in order."""
        extras = self._extra()
        if extras.query_list is None:
            extras.query_list = parse_urlencoded(self.head.query_string.decode("latin-1"))
        return extras.query_list

    # ------------------------------------------------------------------ where it comes from

    @property
    def scheme(self) -> str:
        """``"http"`` or ``"https"``, for a WebSocket ``"ws"`` or ``"wss"``; a proxy may say so."""
        extras = self._extras
        if extras is not None and extras.scheme:
            return extras.scheme
        secure = self._endpoint.secure
        if self.type == "websocket":
            return "wss" if secure else "ws"
        return "https" if secure else "http"

    @scheme.setter
    def scheme(self, scheme: str) -> None:
        self._extra().scheme = scheme

    @property
    def client(self) -> Address | None:
        """The client's host and port; what a trusted proxy says, once a middleware set it."""
        extras = self._extras
        if extras is not None and extras.client is not None:
            return extras.client
        return self._endpoint.peername

    @client.setter
    def client(self, client: Address | None) -> None:
        self._extra().client = client

    @property
    def server(self) -> Address | None:
        """Our host and port, as the transport knows them."""
        extras = self._extras
        if extras is not None and extras.server is not None:
            return extras.server
        return self._endpoint.sockname

    @server.setter
    def server(self, server: Address | None) -> None:
        self._extra().server = server

    @property
    def root_path(self) -> str:
        """The prefix under which a proxy or a host mounted the application."""
        extras = self._extras
        return "" if extras is None else extras.root_path

    @root_path.setter
    def root_path(self, root_path: str) -> None:
        self._extra().root_path = root_path

    @property
    def connection_id(self) -> str:
        """32 hexadecimal digits, unique per transport connection."""
        return self._endpoint.connection_id

    @property
    def ssl(self) -> object | None:
        """The ``ssl.SSLObject`` of a TLS connection, None on cleartext."""
        return self._endpoint.ssl

    @property
    def peer_certificate(self) -> Mapping[str, object] | None:
        """The client's certificate, verified, as ``getpeercert()`` of the ssl module gives it.

        None if it has none, or was not asked for one.
        """
        tell = getattr(self._endpoint.ssl, "getpeercert", None)
        return cast("Mapping[str, object] | None", tell()) or None if tell is not None else None

    # ------------------------------------------------------------------ what belongs to it

    @property
    def state(self) -> dict[str, object]:
        """What middleware and handlers leave for one another."""
        return self._extra().state

    @property
    def extensions(self) -> dict[str, dict[str, object]]:
        """What the server can do beyond the core, by name."""
        return self._extra().extensions

    @property
    def request_id(self) -> str:
        """What to call this request in logs: the client's ``x-request-id``, else one of ours.

        A client's id is kept if it has at most 128 characters, all of them letters, digits or
        ``._~:/+=@-``.
        """
        extras = self._extra()
        if not extras.request_id:
            given = next((value for name, value in self.head.fields if name == REQUEST_ID), b"")
            extras.request_id = find_request_id(given)
        return extras.request_id

    @property
    def trace(self) -> TraceParent | None:
        """The trace that the client's ``traceparent`` names; None without a valid one.

        Spec:
            W3C Trace Context §3.2
        """
        return find_traceparent(self.head.fields)

    def log(self, **fields: str | int | float | bool | None) -> None:
        """Add *fields* to the access log's record of this request.

        Raises:
            ValueError: the record has a field of that name already.
        """
        taken = RECORD_FIELDS & fields.keys()
        if taken:
            name = min(taken)
            raise ValueError(f"the access log has a field {name!r} of its own: choose another name")
        state = self.state
        if ACCESS_LOG not in state:
            state[ACCESS_LOG] = AccessRecord()
        vars(state[ACCESS_LOG]).update(fields)

    # ------------------------------------------------------------------ a WebSocket

    @property
    def subprotocols(self) -> list[str]:
        """The WebSocket subprotocols that the client offers, by preference (RFC 6455 §11.3.4)."""
        extras = self._extras
        if extras is not None and extras.subprotocols is not None:
            return extras.subprotocols.copy()
        offered = self.headers.get_combined(b"sec-websocket-protocol") or b""
        names = (name.strip() for name in offered.decode("latin-1").split(","))
        return [name for name in names if name]

    @property
    def offer(self) -> Offer | None:
        """Takes a message for a WebSocket's peer at once or not at all; bound by whoever serves.

        None where only ``send`` can.
        """
        extras = self._extras
        return None if extras is None else extras.offer

    @offer.setter
    def offer(self, offer: Offer | None) -> None:
        self._extra().offer = offer

    @property
    def inbox(self) -> Inbox | None:
        """What has arrived on a WebSocket; bound by whoever serves. None where only events are."""
        extras = self._extras
        return None if extras is None else extras.inbox

    @inbox.setter
    def inbox(self, inbox: Inbox | None) -> None:
        self._extra().inbox = inbox

    # ------------------------------------------------------------------ the content

    async def body(self) -> bytes:
        """Return the whole content; read once, then kept. A cancelled call can be repeated.

        Raises:
            ClientDisconnected: the client left first; ``partial`` is what had arrived.
            RuntimeError: :meth:`stream` has taken the content.
        """
        content = self._content
        if content is None:
            extras = self._extra()
            if extras.consumed:
                raise RuntimeError("stream() has taken the content; use either body() or stream()")
            receive = self._receiver()
            parts = extras.parts
            more = True
            while more:
                message = await receive()
                if isinstance(message, RequestDisconnected):
                    self.disconnected = True
                    raise ClientDisconnected(b"".join(parts))
                if message.data:
                    parts.append(message.data)
                more = message.more
            content = self._content = parts[0] if len(parts) == 1 else b"".join(parts)
            parts.clear()
        return content

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield the content in parts, as they arrive and none of them empty.

        After :meth:`body` this yields its result. Otherwise it can be used once.

        Raises:
            ClientDisconnected: the client left first; ``partial`` is empty, the parts were yielded.
            RuntimeError: the content was streamed before.
        """
        if self._content is not None:
            if self._content:
                yield self._content
            return
        extras = self._extra()
        if extras.consumed:
            raise RuntimeError("the content can be streamed only once; keep it, or use body()")
        extras.consumed = True
        receive = self._receiver()
        for part in extras.parts:
            yield part
        more = True
        while more:
            message = await receive()
            if isinstance(message, RequestDisconnected):
                self.disconnected = True
                raise ClientDisconnected
            if message.data:
                yield message.data
            more = message.more

    async def json(self) -> object:
        """Return the content parsed as JSON; None when it is empty or no JSON.

        Raises:
            ClientDisconnected: the client left first.
            RuntimeError: :meth:`stream` has taken the content.

        Spec:
            RFC 8259
        """
        return parse_json(await self.body())

    async def text(self, encoding: str = "utf-8") -> str:
        """Return the content as text; what *encoding* cannot express becomes U+FFFD.

        Raises:
            ClientDisconnected: the client left first.
            LookupError: there is no such encoding.
            RuntimeError: :meth:`stream` has taken the content.
        """
        return (await self.body()).decode(encoding, "replace")

    async def form(self) -> dict[str, str]:
        """Return the fields of an urlencoded form; one that is repeated has its last value.

        Raises:
            ClientDisconnected: the client left first.
            HTTPException: 415, the content is of another type; 400, it has too many fields.
            RuntimeError: :meth:`stream` has taken the content.

        Spec:
            URL Standard §5.1
        """
        return {name: values[-1] for name, values in (await self.form_list()).items()}

    async def form_list(self) -> dict[str, list[str]]:
        """Return the fields of an urlencoded form with all their values; errors as :meth:`form`."""
        kind = self.headers.get(b"content-type").partition(b";")[0].strip().lower()
        if kind not in {b"", b"application/x-www-form-urlencoded"}:
            raise HTTPException(415, "send the form as application/x-www-form-urlencoded")
        text = (await self.body()).decode("utf-8", "replace")
        try:
            return parse_urlencoded(text, max_fields=MAX_FORM_FIELDS)
        except ValueError as error:
            raise HTTPException(400, "the form has too many fields") from error

    # ------------------------------------------------------------------ the ASGI scope

    def as_scope(self) -> dict[str, object]:
        """Return an ASGI scope: a new dict whose ``state`` and ``extensions`` are this one's."""
        scope = {key: self[key] for key in self}
        scope["headers"] = list(self.headers)
        scope["path_params"] = dict(self.path_params)
        return scope

    @classmethod
    def from_scope(
        cls,
        scope: Mapping[str, object],
        receive: AnyReceive | None = None,
        *,
        connection_id: str = "",
    ) -> Connection:
        """Return the connection that an ASGI scope describes.

        Args:
            scope: Of type ``http`` or ``websocket``. Its ``state`` is shared, not copied.
            receive: Returns native messages, or ASGI ``http.request`` and ``http.disconnect``.
            connection_id: What to call the transport connection, which ASGI does not name.

        Raises:
            ValueError: the scope is of another type.
        """
        kind = scope.get("type")
        if kind not in {"http", "websocket"}:
            raise ValueError(f"a Connection is made of an http or websocket scope, not {kind!r}")
        endpoint = KnownEndpoint(
            _address(scope.get("client")), _address(scope.get("server")), None, connection_id
        )
        conn = cls(_scope_head(scope), endpoint)
        conn.type = str(kind)
        extras = conn._extra()
        extras.scheme = cast(str, scope.get("scheme") or "")
        extras.root_path = cast(str, scope.get("root_path") or "")
        if isinstance(state := scope.get("state"), dict):
            extras.state = state
        if isinstance(extensions := scope.get("extensions"), dict):
            extras.extensions = extensions
        if isinstance(params := scope.get("path_params"), Mapping):
            conn.path_params = params
        if kind == "websocket" and isinstance(offered := scope.get("subprotocols"), Iterable):
            extras.subprotocols = [str(name) for name in offered]
        if receive is not None:
            conn.receive = native_receive(receive)
        return conn

    def __getitem__(self, key: str) -> object:
        if key not in self._keys():
            raise KeyError(key)
        return dict(_ASGI) if key == "asgi" else getattr(self, key)

    def __contains__(self, key: object) -> bool:
        return key in self._keys()

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys())

    def __len__(self) -> int:
        return len(self._keys())

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<Connection {self.type} {self.head.method} {self.head.path!r}>"

    def _keys(self) -> tuple[str, ...]:
        return SCOPE_KEYS if self.type == "http" else _WEBSOCKET_KEYS

    def _extra(self) -> _Extras:
        extras = self._extras
        if extras is None:
            extras = self._extras = _Extras()
        return extras

    def _receiver(self) -> Receive:
        if self.receive is None:
            raise RuntimeError("nobody has bound a receive() to this connection")
        return self.receive


def _address(value: object) -> Address | None:
    # ASGI hosts give a list or a tuple; ``[path, None]`` for a Unix socket.
    if isinstance(value, list | tuple) and len(value) >= 2:
        return cast(Address, tuple(value[:2]))
    return None


def _scope_head(scope: Mapping[str, object]) -> RequestHead:
    pairs = cast("list[Field]", scope.get("headers") or ())
    fields = tuple((bytes(name).lower(), bytes(value)) for name, value in pairs)
    path = cast(str, scope.get("path") or "")
    return RequestHead(
        cast(str, scope.get("method") or "GET"),
        path,
        raw_path=cast("bytes | None", scope.get("raw_path")) or quote(path).encode("ascii"),
        query_string=cast("bytes | None", scope.get("query_string")) or b"",
        http_version=cast(str, scope.get("http_version") or "1.1"),
        authority=next((value for name, value in fields if name == b"host"), b""),
        fields=fields,
    )
