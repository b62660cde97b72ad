"""The whole exception tree on one page.

An error knows its wire answer (``code``: a status, a stream error, a close code or a reason
code) and the clause of the standard that demands it (``spec``). Drivers only write it. Text is
for people; attributes are the API.

::

    BlackBullError
    ├── ConfigurationError          raised before serving
    │   └── MissingExtra            also an ImportError
    ├── ProtocolError               attributes: code, spec
    │   ├── LocalProtocolError      our caller broke the rules: a bug
    │   └── RemoteProtocolError     the peer did: answered, one log line
    │       └── LimitExceeded       one class for every cap
    ├── TransportError              also an OSError
    │   ├── ConnectionLost
    │   └── WriteTimeout
    ├── IncompleteRead              also an EOFError
    ├── ActorStopped
    ├── HTTPException
    └── Disconnect
        ├── ClientDisconnected
        └── WebSocketDisconnect
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus


class BlackBullError(Exception):
    """Every error that this package defines."""


class ConfigurationError(BlackBullError):
    """The application or its settings cannot work. Raised before serving; ends with the cure."""


class MissingExtra(ConfigurationError, ImportError):
    """An optional package is absent. The message ends with the command that installs it."""


class ProtocolError(BlackBullError):
    """A rule of a wire protocol was broken.

    Attributes:
        code: The answer on the wire: for HTTP/1.1 a status code.
        spec: The clause that was broken, for example ``"RFC 9112 §3.2"``.
    """

    def __init__(self, message: str, *, code: int = 0, spec: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.spec = spec


class LocalProtocolError(ProtocolError):
    """Our own caller asked for something that the protocol forbids: a bug, never an answer."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol: it is answered with ``code``; one log line, no traceback."""


class LimitExceeded(RemoteProtocolError):
    """The peer went past a limit.

    Attributes:
        limit: The setting's name, for example ``"max_body_size"``.
        allowed: The limit's value, in the setting's unit.
        seen: What the peer sent or announced, in the same unit.
    """

    def __init__(
        self, limit: str, *, allowed: float, seen: float, code: int = 0, spec: str = ""
    ) -> None:
        super().__init__(f"{limit}: {seen} exceeds {allowed}", code=code, spec=spec)
        self.limit = limit
        self.allowed = allowed
        self.seen = seen


class TransportError(BlackBullError, OSError):
    """The connection below the protocol failed."""


class ConnectionLost(TransportError):
    """The connection is gone; nothing more can be written."""


class WriteTimeout(TransportError, TimeoutError):
    """The peer did not take our bytes in time."""


class IncompleteRead(BlackBullError, EOFError):
    """The stream ended before what was asked for arrived.

    Attributes:
        partial: The bytes that did arrive.
    """

    def __init__(self, message: str, *, partial: bytes = b"") -> None:
        super().__init__(message)
        self.partial = partial


class ActorStopped(BlackBullError):
    """The actor has stopped: the message was not taken."""


class HTTPException(BlackBullError):
    """A handler's way to answer with an error status.

    Args:
        status: 400 to 599.
        detail: A sentence for the client; the status phrase when empty.
        headers: Extra response fields.

    Raises:
        ValueError: *status* is no error status.

    Spec:
        RFC 9110 §15.5, §15.6
    """

    def __init__(
        self, status: int, detail: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"HTTPException takes a status from 400 to 599, not {status}")
        self.status = _status(status)
        self.detail = detail
        self.headers = dict(headers or {})
        super().__init__(f"{int(status)} {detail}".rstrip())


def _status(code: int) -> int:
    try:
        return HTTPStatus(code)
    except ValueError:
        return code


class Disconnect(BlackBullError):
    """The peer left."""


class ClientDisconnected(Disconnect):
    """The HTTP client left before its request or our response was complete.

    Attributes:
        partial: The body bytes that had arrived.
    """

    def __init__(self, partial: bytes = b"") -> None:
        super().__init__("the client disconnected")
        self.partial = partial


class WebSocketDisconnect(Disconnect):
    """The WebSocket was closed.

    Attributes:
        code: The close code, RFC 6455 §7.4.
        reason: The peer's text, or None.
    """

    def __init__(self, code: int = 1005, reason: str | None = None) -> None:
        super().__init__(f"the WebSocket was closed with code {code}")
        self.code = code
        self.reason = reason
