"""The object that handlers get: attributes, mapping, content."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping

import pytest

from blackbull.connection import Connection, KnownEndpoint
from blackbull.errors import ClientDisconnected, HTTPException
from blackbull.headers import Fields, Headers
from blackbull.messages import Receive, RequestBody, RequestDisconnected, RequestMessage
from blackbull.protocol.head import RequestHead
from tests.spec import spec

ENDPOINT = KnownEndpoint(("192.0.2.1", 5000), ("192.0.2.9", 80), None, "0" * 32)
FORM = b"application/x-www-form-urlencoded"


def make(query: bytes = b"", fields: Fields = (), endpoint: KnownEndpoint = ENDPOINT) -> Connection:
    head = RequestHead(
        "POST", "/a b", raw_path=b"/a%20b", query_string=query, http_version="1.1", fields=fields
    )
    return Connection(head, endpoint)


def channel(*messages: RequestMessage) -> Receive:
    waiting = iter(messages)

    async def receive() -> RequestMessage:
        return next(waiting)

    return receive


def sending(*messages: RequestMessage, fields: Fields = ()) -> Connection:
    conn = make(fields=fields)
    conn.receive = channel(*messages)
    return conn


async def collect(parts: AsyncIterator[bytes]) -> list[bytes]:
    return [part async for part in parts]


# Attributes


def test_connection_attributes_come_from_head_and_endpoint() -> None:
    conn = make(b"x=1", ((b"host", b"a"),))
    assert (conn.method, conn.path, conn.raw_path) == ("POST", "/a b", b"/a%20b")
    assert (conn.query_string, conn.http_version, conn.scheme) == (b"x=1", "1.1", "http")
    assert conn.client == ("192.0.2.1", 5000)
    assert conn.server == ("192.0.2.9", 80)
    assert conn.connection_id == "0" * 32
    assert conn.headers.get("Host") == b"a"
    assert conn.headers is conn.headers
    assert (conn.root_path, conn.type, conn.disconnected) == ("", "http", False)
    assert conn.path_params == {}


@pytest.mark.parametrize(
    ("kind", "tls", "scheme"),
    [
        ("http", None, "http"), ("http", object(), "https"),
        ("websocket", None, "ws"), ("websocket", object(), "wss"),
    ],
)  # fmt: skip
def test_connection_scheme_follows_type_and_tls(kind: str, tls: object, scheme: str) -> None:
    conn = make(endpoint=KnownEndpoint(ssl=tls))
    conn.type = kind
    assert conn.scheme == scheme


def test_connection_trusted_proxy_can_set_who_and_where() -> None:
    conn = make()
    conn.scheme, conn.client, conn.server = "https", ("203.0.113.5", 1), ("example.org", 443)
    conn.root_path = "/app"
    assert (conn.scheme, conn.client) == ("https", ("203.0.113.5", 1))
    assert (conn.server, conn.root_path) == (("example.org", 443), "/app")


def test_connection_ipv6_peer_is_host_and_port() -> None:
    scope = {"type": "http", "client": ["::1", 5000, 0, 0], "server": ["/run/app.sock", None]}
    conn = Connection.from_scope(scope)
    assert conn.client == ("::1", 5000)
    assert conn.server == ("/run/app.sock", None)


def test_connection_state_and_extensions_are_kept() -> None:
    conn = make()
    conn.state["user"] = 1
    conn.extensions["x"] = {}
    assert conn.state == {"user": 1}
    assert conn.extensions == {"x": {}}


def test_connection_query_repeated_name_last_wins_in_query_all_in_list() -> None:
    conn = make(b"a=1&b=&a=2&c&d=%C3%A9+x&%ff=1")
    assert conn.query == {"a": "2", "b": "", "c": "", "d": "é x", "\ufffd": "1"}
    assert conn.query_list["a"] == ["1", "2"]


def test_connection_cookies_join_split_fields() -> None:
    conn = make(fields=((b"cookie", b"a=1"), (b"cookie", b"b=2")))
    assert conn.cookies == {"a": "1", "b": "2"}


@spec("RFC 6455 §11.3.4")
def test_connection_subprotocols_keep_the_clients_order() -> None:
    fields = ((b"sec-websocket-protocol", b"mqtt, chat"), (b"sec-websocket-protocol", b"x,"))
    assert make(fields=fields).subprotocols == ["mqtt", "chat", "x"]
    assert make().subprotocols == []


def test_connection_without_extras_allocates_none() -> None:
    conn = make()
    assert (conn.path, conn.scheme, conn.root_path) == ("/a b", "http", "")
    assert (conn.client, conn["path"]) == (("192.0.2.1", 5000), "/a b")
    assert conn._extras is None


# Mapping


def test_connection_reads_like_a_scope() -> None:
    """S22: scope['path'], scope.get('headers'), 'type' in scope."""
    conn = make(b"x=1", ((b"host", b"a"),))
    assert isinstance(conn, Mapping)
    assert conn["path"] == "/a b"
    assert conn["type"] == "http"
    assert conn["method"] == "POST"
    assert dict(conn["headers"]) == {b"host": b"a"}  # type: ignore[call-overload]
    assert isinstance(conn.get("headers"), Headers)
    assert conn["client"] == ("192.0.2.1", 5000)
    assert "type" in conn
    assert "subprotocols" not in conn
    assert conn.get("body", "none") == "none"
    assert len(conn) == len(dict(conn)) == len(list(conn))
    with pytest.raises(KeyError):
        conn["head"]


def test_connection_of_a_websocket_has_subprotocols_and_no_method() -> None:
    conn = make(fields=((b"sec-websocket-protocol", b"chat"),))
    conn.type = "websocket"
    assert conn["subprotocols"] == ["chat"]
    assert conn["scheme"] == "ws"
    assert "method" not in conn


def test_connection_is_read_only_as_mapping_and_compares_by_identity() -> None:
    conn, twin = make(), make()
    with pytest.raises(TypeError):
        conn["path"] = "/"  # type: ignore[index]
    assert conn != twin
    assert len({conn, twin}) == 2
    assert repr(conn) == "<Connection http POST '/a b'>"


def test_connection_as_scope_is_plain_and_shares_state() -> None:
    conn = make(b"x=1", ((b"host", b"a"),))
    conn.path_params = {"id": 3}
    scope = conn.as_scope()
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}
    assert scope["headers"] == [(b"host", b"a")]
    assert scope["path_params"] == {"id": 3}
    assert scope["state"] is conn.state
    assert scope["extensions"] is conn.extensions


def test_connection_from_scope_round_trip_keeps_every_key() -> None:
    conn = make(b"x=1", ((b"host", b"a"),))
    conn.scheme, conn.root_path = "https", "/app"
    conn.state["n"] = 1
    again = Connection.from_scope(conn.as_scope(), connection_id="1" * 32)
    assert again.as_scope() == conn.as_scope()
    assert again.state is conn.state
    assert again.connection_id == "1" * 32
    assert again.head.authority == b"a"


def test_connection_from_minimal_scope_fills_the_rest() -> None:
    """The ASGI specification lets a host leave out raw_path, root_path, client and scheme."""
    conn = Connection.from_scope(
        {"type": "http", "method": "GET", "path": "/é", "headers": [[b"Host", b"a"]]}
    )
    assert conn.raw_path == b"/%C3%A9"
    assert (conn.client, conn.server, conn.scheme) == (None, None, "http")
    assert conn.headers["host"] == b"a"
    assert conn.query == {}


def test_connection_from_lifespan_scope_raises() -> None:
    with pytest.raises(ValueError, match="lifespan"):
        Connection.from_scope({"type": "lifespan"})


# Content


async def test_body_parts_are_joined_and_kept() -> None:
    conn = sending(RequestBody(b"a", True), RequestBody(b"", True), RequestBody(b"b", False))
    assert await conn.body() == b"ab"
    assert await conn.body() == b"ab"
    assert await collect(conn.stream()) == [b"ab"]


async def test_body_set_by_the_server_needs_no_receive() -> None:
    conn = make()
    conn._content = b""
    assert await conn.body() == b""
    assert await collect(conn.stream()) == []


async def test_body_client_leaves_raises_with_partial() -> None:
    conn = sending(RequestBody(b"a", True), RequestDisconnected())
    with pytest.raises(ClientDisconnected) as caught:
        await conn.body()
    assert caught.value.partial == b"a"
    assert conn.disconnected


async def test_body_cancelled_call_loses_nothing() -> None:
    arrived: asyncio.Queue[RequestMessage] = asyncio.Queue()
    conn = make()
    conn.receive = arrived.get
    arrived.put_nowait(RequestBody(b"a", True))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await conn.body()
    arrived.put_nowait(RequestBody(b"b", False))
    assert await conn.body() == b"ab"


async def test_stream_after_a_cancelled_body_yields_what_it_had_read() -> None:
    arrived: asyncio.Queue[RequestMessage] = asyncio.Queue()
    conn = make()
    conn.receive = arrived.get
    arrived.put_nowait(RequestBody(b"", True))
    arrived.put_nowait(RequestBody(b"a", True))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await conn.body()
    arrived.put_nowait(RequestBody(b"b", False))
    assert await collect(conn.stream()) == [b"a", b"b"]


async def test_body_without_receive_raises() -> None:
    with pytest.raises(RuntimeError, match="receive"):
        await make().body()


async def test_stream_yields_parts_as_they_come() -> None:
    conn = sending(RequestBody(b"a", True), RequestBody(b"", True), RequestBody(b"b", False))
    assert await collect(conn.stream()) == [b"a", b"b"]
    with pytest.raises(RuntimeError, match="once"):
        await collect(conn.stream())
    with pytest.raises(RuntimeError, match="either"):
        await conn.body()


async def test_stream_client_leaves_raises_after_what_arrived() -> None:
    conn = sending(RequestBody(b"a", True), RequestDisconnected())
    stream = conn.stream()
    assert await anext(stream) == b"a"
    with pytest.raises(ClientDisconnected):
        await anext(stream)
    assert conn.disconnected


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": [1, "\xc3\xa9"]}', {"a": [1, "é"]}), (b"0", 0), (b"", None), (b"{", None),
        (b"\xff", None), (b"NaN", None), (b"[Infinity]", None), (b"[" * 100_000, None),
    ],
)  # fmt: skip
async def test_json_content_is_parsed_or_none(content: bytes, value: object) -> None:
    assert await sending(RequestBody(content, False)).json() == value


async def test_text_undecodable_octets_are_replaced() -> None:
    assert await sending(RequestBody(b"\xc3\xa9\xff", False)).text() == "é\ufffd"
    assert await sending(RequestBody(b"\xe9", False)).text("latin-1") == "é"


async def test_form_fields_last_wins_or_all() -> None:
    conn = sending(
        RequestBody(b"a=1&b=%C3%A9+x&a=2&c=", False),
        fields=((b"content-type", FORM + b"; charset=utf-8"),),
    )
    assert await conn.form() == {"a": "2", "b": "é x", "c": ""}
    assert await conn.form_list() == {"a": ["1", "2"], "b": ["é x"], "c": [""]}


async def test_form_of_another_type_is_415() -> None:
    conn = sending(RequestBody(b"{}", False), fields=((b"content-type", b"application/json"),))
    with pytest.raises(HTTPException) as caught:
        await conn.form()
    assert caught.value.status == 415


async def test_form_with_too_many_fields_is_400() -> None:
    most = await sending(RequestBody(b"a&" * 9_999 + b"b=1", False)).form()
    assert most == {"a": "", "b": "1"}
    with pytest.raises(HTTPException) as caught:
        await sending(RequestBody(b"a&" * 10_000 + b"b=1", False)).form()
    assert caught.value.status == 400


async def test_from_scope_receive_takes_asgi_events() -> None:
    events: Iterator[dict[str, object]] = iter(
        [{"type": "http.request", "body": b"a", "more_body": True},
         {"type": "http.request", "body": b"b"}]
    )  # fmt: skip

    async def receive() -> Mapping[str, object]:
        return next(events)

    assert await Connection.from_scope({"type": "http"}, receive).body() == b"ab"


def test_log_adds_fields_to_the_one_record() -> None:
    conn = Connection(RequestHead("GET", "/"), KnownEndpoint())
    conn.log(a=1)
    conn.state["access_log"].b = 2  # type: ignore[attr-defined]
    conn.log(a=3)
    assert vars(conn.state["access_log"]) == {"a": 3, "b": 2}


@pytest.mark.parametrize("name", ["status", "path", "level", "message", "args"])
def test_log_refuses_names_that_are_taken(name: str) -> None:
    conn = Connection(RequestHead("GET", "/"), KnownEndpoint())
    with pytest.raises(ValueError, match=f"has a field '{name}' of its own: choose another name"):
        conn.log(**{name: 1})


def test_log_of_a_hosted_request_needs_no_state_of_ours() -> None:
    state: dict[str, object] = {}
    conn = Connection.from_scope({"type": "http", "method": "GET", "path": "/", "state": state})
    conn.log(a=1)
    assert vars(state["access_log"]) == {"a": 1}


def test_state_is_empty_until_something_is_left_there() -> None:
    conn = Connection(RequestHead("GET", "/"), KnownEndpoint())
    assert conn.state == {}
    assert conn.state.get("access_log") is None
    with pytest.raises(KeyError):
        conn.state["other"]


def test_request_id_is_made_once_and_is_different_each_time() -> None:
    first, second = (Connection(RequestHead("GET", "/"), KnownEndpoint()) for _ in range(2))
    assert first.request_id == first.request_id
    assert first.request_id != second.request_id
    assert first.request_id.replace("-", "").isalnum()


@pytest.mark.parametrize(
    ("given", "kept"),
    [(b"abc", True), (b"A.b_c~1:2/3+4=5@6-7", True), (b"x" * 128, True), (b"x" * 129, False),
     (b"", False), (b"a b", False), (b'"', False), (b"a\xff", False), (b"a\x1b", False)],
)  # fmt: skip
def test_request_id_of_the_client_is_kept_if_it_is_sane(given: bytes, kept: bool) -> None:
    head = RequestHead("GET", "/", fields=((b"x-request-id", given),))
    assert (Connection(head, KnownEndpoint()).request_id == given.decode("latin-1")) is kept


def test_trace_is_what_a_valid_traceparent_says() -> None:
    value = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    head = RequestHead("GET", "/", fields=((b"traceparent", value),))
    trace = Connection(head, KnownEndpoint()).trace
    assert trace is not None
    assert (trace.trace_id[:4], trace.span_id[:4], trace.sampled) == ("0af7", "b7ad", True)
    assert Connection(RequestHead("GET", "/"), KnownEndpoint()).trace is None
