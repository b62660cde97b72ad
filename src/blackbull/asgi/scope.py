"""The two forms of a request's head: an ASGI scope and our :class:`Connection`.

The paths differ on purpose: an ASGI ``path`` begins with its ``root_path``, ours is what the
application routes on, below the mount point.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast
from urllib.parse import quote

from blackbull.connection import Address, Connection
from blackbull.headers import Fields

from .types import Scope
from .websocket_events import DENIAL

HTTP_SPEC_VERSION: Final = "2.4"
LIFESPAN_SPEC_VERSION: Final = "2.0"
EXTENSIONS: Final = ("http.response.early_hint", "http.response.trailers")
"""What we offer a hosted application, on every version of HTTP that can carry it."""

_PATH_SAFE: Final = "/:@!$&'()*+,;=~"


def to_http_scope(conn: Connection, *, root_path: str, state: dict[str, object]) -> Scope:
    """Return the scope of *conn* for an application that we host.

    Args:
        conn: The request.
        root_path: Where the application is mounted, without a slash at the end.
        state: What the application's lifespan left; the scope gets its own shallow copy.

    Spec:
        ASGI HTTP & WebSocket 2.4, "HTTP Connection Scope"; ASGI Lifespan 2.0, "Lifespan State"
    """
    head = conn.head
    old = head.http_version == "1.0"
    return {
        "type": "http",
        "method": head.method,
        "extensions": {} if old else {name: {} for name in EXTENSIONS} | conn.extensions,
        **_common(conn, root_path, state),
    }


def to_websocket_scope(conn: Connection, *, root_path: str, state: dict[str, object]) -> Scope:
    """Return the scope of the WebSocket *conn*; the arguments are :func:`to_http_scope`'s.

    Spec:
        ASGI HTTP & WebSocket 2.4, "WebSocket Connection Scope"
    """
    return {
        "type": "websocket",
        "subprotocols": conn.subprotocols,
        "extensions": {DENIAL: {}},
        **_common(conn, root_path, state),
    }


def _common(conn: Connection, root_path: str, state: dict[str, object]) -> Scope:
    head = conn.head
    client = conn.client
    return {
        "asgi": {"version": "3.0", "spec_version": HTTP_SPEC_VERSION},
        "http_version": head.http_version,
        "scheme": conn.scheme,
        "path": root_path + head.path if root_path else head.path,
        "raw_path": _raw(root_path) + head.raw_path if root_path else head.raw_path,
        "query_string": head.query_string,
        "root_path": root_path,
        "headers": list(head.fields),
        # A Unix socket's peer has no address that ASGI could express.
        "client": None if client is None or client[1] is None else client,
        "server": conn.server,
        "state": state.copy(),
    }


def to_connection(scope: Mapping[str, object], *, connection_id: str) -> Connection:
    """Return the connection of an ``http`` or ``websocket`` scope that another server made.

    Raises:
        ValueError: the scope is of another type.

    Spec:
        ASGI HTTP & WebSocket 2.4, "HTTP Connection Scope", "WebSocket Connection Scope"
    """
    addresses = {key: _address(scope.get(key)) for key in ("client", "server")}
    conn = Connection.from_scope(
        {**scope, **_paths_below_mount(scope), **addresses}, connection_id=connection_id
    )
    head = conn.head
    if head.http_version in {"1.0", "1.1"} and not _announces_content(head.fields):
        # RFC 9112 §6.3 rule 7
        conn._content = b""
    return conn


def _paths_below_mount(scope: Mapping[str, object]) -> dict[str, object]:
    """Return the paths of *scope* below its ``root_path``; nothing if a proxy has cut that off."""
    root = cast(str, scope.get("root_path") or "").rstrip("/")
    path = cast(str, scope["path"])
    if not root or not (path == root or path.startswith(root + "/")):
        return {}
    below = path[len(root) :] or "/"
    raw_path = cast("bytes | None", scope.get("raw_path")) or b""
    raw_root = _raw(root)
    # A host may encode the mount point otherwise than we do; the path is then encoded anew.
    raw_below = raw_path[len(raw_root) :] if raw_path.startswith(raw_root) else _raw(below)
    return {"path": below, "raw_path": raw_below or b"/"}


def _address(value: object) -> Address | None:
    """Return an ASGI address; some hosts give the port as text."""
    if isinstance(value, list | tuple) and len(value) == 2:
        host, port = value
        return str(host), None if port is None else int(port)
    return None


def _raw(path: str) -> bytes:
    return quote(path, safe=_PATH_SAFE).encode()


def _announces_content(fields: Fields) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in fields
    )
