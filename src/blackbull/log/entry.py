"""What the access log knows of one exchange, before it is written in any form.

An entry is a plain tuple: making it is all that a request pays for the log in its own time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol, TypeAlias

from ..protocol.head import RequestHead
from ..protocol.trace_context import find_traceparent
from .context import REQUEST_ID, SANE

Address: TypeAlias = tuple[str, int | None]


class Peer(Protocol):
    """Whose connection it was."""

    @property
    def peername(self) -> Address | None:
        """The peer's address."""


class Noted(Protocol):
    """What handlers and middleware left on a request."""

    client: Address | None
    request_id: str
    state: dict[str, object]


Value: TypeAlias = str | int | float | bool | None
Details: TypeAlias = Mapping[str, object]
"""What only some exchanges have; ``protocol`` says what was spoken if it was not plain HTTP."""

Entry: TypeAlias = tuple[
    RequestHead | None, Peer, Noted | None, int, int, int, float, float, Details | None
]
"""Head, peer, notes, status (0: none), bytes sent and received, begin and end in seconds of the
monotonic clock, details."""

NO_CONTENT: Final = frozenset({204, 205, 304})

FIELDS: Final = (
    "client_ip", "client_port", "protocol", "http_version", "method", "path", "query", "status",
    "response_bytes", "request_bytes", "duration_ms", "request_id", "user_agent", "referer",
    "trace_id", "span_id", "disconnected", "error", "close_code", "close_reason",
    "messages_received", "messages_sent",
)  # fmt: skip
"""What the fields of requests and WebSockets are called."""

RECORD_FIELDS: Final = frozenset(FIELDS) | {
    "time", "level", "logger", "message", "name", "msg", "args", "levelname", "levelno", "pathname",
    "filename", "module", "exc_info", "exc_text", "stack_info", "lineno", "funcName", "created",
    "msecs", "relativeCreated", "thread", "threadName", "processName", "process", "asctime",
    "taskName",
}  # fmt: skip
"""Names that handlers cannot give to fields: ours, and those of every record of ``logging``."""

ACCESS_LOG: Final = "access_log"
"""The key of a connection's ``state`` under which handlers leave fields."""

MAX_VALUE: Final = 1024
"""Characters of a field's value that are written."""


def sent_content(head: RequestHead, status: int, size: int) -> int:
    """Return how much of *size* bytes of content was sent: some answers have none."""
    return 0 if head.method == "HEAD" or status in NO_CONTENT else size


def own_fields(noted: Noted | None) -> dict[str, object]:
    """Return what handlers have added to the record."""
    record = None if noted is None else noted.state.get(ACCESS_LOG)
    return dict(vars(record)) if record is not None and hasattr(record, "__dict__") else {}


def client_of(peer: Peer, noted: Noted | None) -> Address:
    """Return the client's address, as a trusted proxy told it if one did."""
    address = noted.client if noted is not None and noted.client is not None else peer.peername
    return address or ("-", None)


def describe_entry(entry: Entry, *, query: bool = False) -> dict[str, object]:
    """Return every field of *entry* that has a value, by name, in the order they are written.

    Args:
        entry: What is to be told.
        query: Tell the query, too.
    """
    head, peer, noted, status, sent, received, began, ended, details = entry
    host, port = client_of(peer, noted)
    told: dict[str, object] = {"client_ip": host or "unix"}
    if port is not None:
        told["client_port"] = port
    told["protocol"] = "http"
    if head is not None:
        told["http_version"] = head.http_version
        told["method"] = head.method
        told["path"] = head.path
        if query and head.query_string:
            told["query"] = head.query_string.decode("latin-1")
        sent = sent_content(head, status, sent)
    if head is not None or status:
        told["status"] = status or None
    told["response_bytes"] = sent
    told["request_bytes"] = received
    told["duration_ms"] = round((ended - began) * 1000.0, 3)
    if noted is not None and noted.request_id:
        told["request_id"] = noted.request_id
    if head is not None:
        _describe_fields(head, told)
    if details is not None:
        told.update(details)
    own = own_fields(noted)
    return {**own, **told} if own else told


_TOLD: Final = {b"user-agent": "user_agent", b"referer": "referer"}


def _describe_fields(head: RequestHead, told: dict[str, object]) -> None:
    traced = False
    for name, value in head.fields:
        key = _TOLD.get(name)
        if key is not None:
            told.setdefault(key, value[:MAX_VALUE].decode("latin-1"))
        elif name == b"traceparent":
            traced = True
        elif name == REQUEST_ID and SANE.fullmatch(value):
            told.setdefault("request_id", value.decode())
    trace = find_traceparent(head.fields) if traced else None
    if trace is not None:
        told["trace_id"] = trace.trace_id
        told["span_id"] = trace.span_id
