from __future__ import annotations

import pytest

from blackbull.asgi.scope import to_connection, to_http_scope
from blackbull.connection import Connection, KnownEndpoint
from blackbull.protocol.head import RequestHead
from tests.spec import spec
from tests.unit.asgi.doubles import NativeServer, http_scope


@spec("ASGI HTTP & WebSocket", "HTTP Connection Scope")
def test_http_scope_plain_request_has_every_key() -> None:
    fields = ((b"host", b"example.test"), (b"accept", b"*/*"), (b"accept", b"text/html"))
    conn = NativeServer("POST", "/a b", fields=fields, query_string=b"q=1").conn
    assert to_http_scope(conn, root_path="", state={"db": 1}) == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/a b",
        "raw_path": b"/a b",
        "query_string": b"q=1",
        "root_path": "",
        "headers": list(fields),
        "client": ("192.0.2.1", 4711),
        "server": ("192.0.2.2", 80),
        "state": {"db": 1},
        "extensions": {"http.response.early_hint": {}, "http.response.trailers": {}},
    }


@spec("ASGI Lifespan", "Lifespan State")
def test_http_scope_state_is_a_copy_of_its_own() -> None:
    state: dict[str, object] = {"shared": []}
    first = to_http_scope(NativeServer().conn, root_path="", state=state)["state"]
    assert first == state
    assert first is not state
    assert isinstance(first, dict)
    assert first["shared"] is state["shared"]


def test_http_scope_mounted_path_begins_with_root_path() -> None:
    scope = to_http_scope(NativeServer(path="/x").conn, root_path="/ä", state={})
    assert (scope["path"], scope["raw_path"], scope["root_path"]) == ("/ä/x", b"/%C3%A4/x", "/ä")


def test_http_scope_http10_offers_no_extension() -> None:
    scope = to_http_scope(NativeServer(http_version="1.0").conn, root_path="", state={})
    assert scope["extensions"] == {}


def test_http_scope_unix_socket_has_no_client() -> None:
    conn = Connection(RequestHead("GET", "/"), KnownEndpoint(("", None), ("/run/app", None)))
    scope = to_http_scope(conn, root_path="", state={})
    assert scope["client"] is None
    assert scope["server"] == ("/run/app", None)


def test_http_scope_tls_is_https() -> None:
    conn = Connection(RequestHead("GET", "/"), KnownEndpoint(ssl=object()))
    assert to_http_scope(conn, root_path="", state={})["scheme"] == "https"


@pytest.mark.parametrize(
    ("path", "raw_path", "root_path", "below", "raw_below"),
    [
        ("/api/x", b"/api/x", "/api", "/x", b"/x"),
        ("/api/x", b"/api/x", "/api/", "/x", b"/x"),
        ("/api", b"/api", "/api", "/", b"/"),
        ("/api/a b", b"/api/a%20b", "/api", "/a b", b"/a%20b"),
        ("/ä/a/b", b"/%C3%A4/a%2Fb", "/ä", "/a/b", b"/a%2Fb"),
        ("/ä/x", b"/%c3%a4/x", "/ä", "/x", b"/x"),
        ("/api/x", None, "/api", "/x", b"/x"),
        ("/apix", b"/apix", "/api", "/apix", b"/apix"),
        ("/x", b"/x", "/api", "/x", b"/x"),
        ("/a b", None, "", "/a b", b"/a%20b"),
        ("/x", b"/x", "/", "/x", b"/x"),
    ],
)
def test_connection_of_mounted_scope_routes_below_the_mount_point(
    path: str, raw_path: bytes | None, root_path: str, below: str, raw_below: bytes
) -> None:
    scope = http_scope(path=path, raw_path=raw_path, root_path=root_path)
    conn = to_connection(scope, connection_id="")
    assert (conn.path, conn.raw_path, conn.root_path) == (below, raw_below, root_path)


@spec("RFC 9112 §6.3", "rule 7")
@pytest.mark.parametrize(
    ("version", "header", "content"),
    [
        ("1.1", None, b""),
        ("1.0", None, b""),
        ("1.1", (b"Content-Length", b"0"), b""),
        ("1.1", (b"content-length", b"3"), None),
        ("1.1", (b"transfer-encoding", b"chunked"), None),
        ("2", None, None),
        ("3", None, None),
    ],
)
def test_connection_without_content_knows_it(
    version: str, header: tuple[bytes, bytes] | None, content: bytes | None
) -> None:
    headers = [(b"host", b"a"), *([header] if header else [])]
    conn = to_connection(http_scope(http_version=version, headers=headers), connection_id="")
    assert conn._content == content


def test_connection_state_and_extensions_are_the_hosts() -> None:
    state: dict[str, object] = {"db": 1}
    extensions: dict[str, object] = {"http.response.trailers": {}}
    conn = to_connection(http_scope(state=state, extensions=extensions), connection_id="c")
    assert conn.state is state
    assert conn.extensions == extensions
    assert (conn.client, conn.connection_id) == (("192.0.2.1", 4711), "c")


def test_connection_port_given_as_text_is_a_number() -> None:
    scope = http_scope(client=("192.0.2.1", "4711"), server=["/run/app", None])
    conn = to_connection(scope, connection_id="")
    assert conn.client == ("192.0.2.1", 4711)
    assert conn.server == ("/run/app", None)


def test_connection_of_another_scope_is_refused() -> None:
    with pytest.raises(ValueError, match="lifespan"):
        to_connection({"type": "lifespan", "path": "/"}, connection_id="")
