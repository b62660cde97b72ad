"""AsyncAPI: a document of the topics that the application listens to, and a page that shows it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Protocol

from blackbull.extension import Extension, ExtensionHost

from .asyncapi_page import page
from .schema.document import Components
from .tap import Tap

ASYNCAPI_VERSION: Final = "3.0.0"
OPAQUE: Final = "bytesPayload"
DEFAULT_TITLE: Final = "BlackBull MQTT API"
DEFAULT_VERSION: Final = "0.1.0"

ITS_TAPS: Final = (
    "It documents what this application listens to, not the broker's API: a broker accepts any "
    "topic from any client."
)
NO_QOS: Final = (
    "QoS and retain are not captured: the application gets messages of every QoS, so there are "
    "no MQTT bindings."
)
ALL_OPAQUE: Final = (
    "Payloads are opaque bytes (application/octet-stream): none of the callbacks has a schema."
)
SOME_OPAQUE: Final = (
    "Payloads are opaque bytes (application/octet-stream) where a message has no schema; what "
    "does not fit a schema is not handed to the application."
)
NONE_OPAQUE: Final = (
    "Payloads have schemas: what does not fit is not handed to the application, but the broker "
    "delivers it to other clients all the same."
)


class Documented(Protocol):
    """What a document is made of: the MQTT extension."""

    @property
    def port(self) -> int | None:
        """The port of the broker; None if it shares that of HTTP."""

    def iter_taps(self) -> Iterator[Tap]:
        """Iterate over the taps."""


class _Headers(Protocol):
    def get(self, name: str) -> bytes: ...


class _Request(Protocol):
    """A request for the document or the page."""

    @property
    def root_path(self) -> str: ...
    @property
    def scheme(self) -> str: ...
    @property
    def headers(self) -> _Headers: ...


class Host(ExtensionHost, Protocol):
    """The part of an application that serves the document."""

    def route(self, *, path: str) -> Callable[[Callable[..., object]], Callable[..., object]]:
        """Register a handler."""

    def add_extension(self, extension: AsyncAPIExtension) -> AsyncAPIExtension:
        """Install the extension."""


class AsyncAPIExtension(Extension[Host]):
    """Serves the AsyncAPI document of the application's ``on_message`` callbacks, and a page.

    The document is made anew for each request: callbacks that are registered later are in it.

    Args:
        app: Install it there at once; otherwise pass the extension to ``app.add_extension``.
        title: Of the document and the page.
        version: Of the application's interface.
        description: A text about all of it; what the document does not tell is added to it.
        server_host: ``host:port`` of the broker; None: ``localhost`` and the broker's port, or,
            if it shares the port of HTTP, where the document was asked for.
        spec_path: Where the document is.
        docs_path: Where the page is; None for none.
    """

    extension_key = "asyncapi"

    def __init__(
        self,
        app: Host | None = None,
        *,
        title: str = DEFAULT_TITLE,
        version: str = DEFAULT_VERSION,
        description: str | None = None,
        server_host: str | None = None,
        spec_path: str = "/asyncapi.json",
        docs_path: str | None = "/asyncapi",
    ) -> None:
        self.title = title
        self.version = version
        self.description = description
        self.server_host = server_host
        self.spec_path = spec_path
        self.docs_path = docs_path
        if app is not None:
            app.add_extension(self)

    def init_app(self, app: Host) -> None:
        """Register the two routes.

        Raises:
            RuntimeError: *app* serves such a document already.
        """
        self._register(app)

        async def asyncapi_document(conn: _Request) -> dict[str, object]:
            return self.document(app, conn)

        async def asyncapi_page(conn: _Request) -> str:
            return asyncapi_html(conn.root_path + self.spec_path, self.title)

        app.route(path=self.spec_path)(asyncapi_document)
        if self.docs_path:
            app.route(path=self.docs_path)(asyncapi_page)

    def document(self, app: ExtensionHost, conn: _Request | None = None) -> dict[str, object]:
        """Return the document of *app*.

        Args:
            app: The application.
            conn: The request for it; None without one.

        Raises:
            RuntimeError: *app* has no MQTT extension.
        """
        mqtt = app.extensions.get("mqtt")
        if mqtt is None:
            raise RuntimeError(
                "AsyncAPI documents the MQTT extension, which is missing: "
                "app.add_extension(MQTTExtension())"
            )
        broker: Documented = mqtt  # type: ignore[assignment] # the key says what it is
        host = self.server_host
        secure = None
        if broker.port is None and conn is not None:
            secure = conn.scheme == "https"
            if host is None:
                host = conn.headers.get("host").decode("latin-1") or None
        return generate_asyncapi(
            broker,
            title=self.title,
            version=self.version,
            description=self.description,
            server_host=host,
            secure=secure,
        )


def generate_asyncapi(
    mqtt: Documented,
    *,
    title: str = DEFAULT_TITLE,
    version: str = DEFAULT_VERSION,
    description: str | None = None,
    server_host: str | None = None,
    secure: bool | None = None,
) -> dict[str, object]:
    """Return the document that describes what *mqtt* calls back for.

    Args:
        mqtt: The MQTT extension.
        title: Of the document.
        version: Of the application's interface.
        description: A text about all of it.
        server_host: ``host:port`` of the broker; None: ``localhost`` and the broker's port.
        secure: The broker speaks TLS; None: as the extension says.

    Spec:
        AsyncAPI 3.0.0
    """
    if server_host is None:
        server_host = "localhost" if mqtt.port is None else f"localhost:{mqtt.port}"
    if secure is None:
        secure = bool(getattr(mqtt, "tls", False))
    builder = _Builder()
    for tap in mqtt.iter_taps():
        builder.add(tap)
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": title,
            "version": version,
            "description": _description(description, builder.content_types),
        },
        "servers": {
            "broker": {
                "host": server_host,
                "protocol": "secure-mqtt" if secure else "mqtt",
                "protocolVersion": "5.0",
            }
        },
        "channels": builder.channels,
        "operations": builder.operations,
        "components": builder.components(),
    }


def asyncapi_html(spec_url: str, title: str) -> str:
    """Return an HTML page that shows the document at *spec_url*.

    It renders the document by itself, and better once the AsyncAPI project's viewer has come from
    a CDN.

    Args:
        spec_url: As the browser asks for it.
        title: The page's title.
    """
    return page(spec_url, title)


class _Builder:
    """Collects channels, operations and messages, and gives them names."""

    def __init__(self) -> None:
        self.channels: dict[str, dict[str, object]] = {}
        self.operations: dict[str, dict[str, object]] = {}
        self.content_types: set[str] = set()
        self._messages: dict[str, dict[str, object]] = {}
        self._schemas = Components()
        self._channel_ids: dict[str, str] = {}
        self._message_ids: dict[str, str] = {}

    def add(self, tap: Tap) -> None:
        """Document *tap*."""
        operation_id = _free(_identifier(tap.name), self.operations)
        message_id = self._message(tap, operation_id)
        channel_id = self._channel(tap)
        messages = self.channels[channel_id]["messages"]
        assert isinstance(messages, dict)
        messages[message_id] = {"$ref": f"#/components/messages/{message_id}"}
        operation: dict[str, object] = {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{channel_id}"},
        }
        # Of another object that is called, inspect would find the docstring of its class.
        doc = inspect.getdoc(tap.callback) if inspect.isroutine(tap.callback) else None
        summary, _, rest = (doc or "").partition("\n")
        if summary:
            operation["summary"] = summary
        if rest.strip():
            operation["description"] = rest.strip()
        operation["messages"] = [{"$ref": f"#/channels/{channel_id}/messages/{message_id}"}]
        self.operations[operation_id] = operation

    def components(self) -> dict[str, object]:
        """Return the parts that the document refers to."""
        found: dict[str, object] = {"messages": self._messages}
        if self._schemas.schemas:
            found["schemas"] = self._schemas.schemas
        return found

    def _channel(self, tap: Tap) -> str:
        address = tap.display_filter
        known = self._channel_ids.get(address)
        if known is not None:
            return known
        channel_id = _free(_camel_case(address), self.channels)
        self._channel_ids[address] = channel_id
        channel: dict[str, object] = {"address": address, "messages": {}}
        parameters: dict[str, object] = {
            name: {"description": f"The level {{{name}}} of the topic."}
            for name in tap.captures.names
            if name.isascii()
        }
        if parameters:
            channel["parameters"] = parameters
        channel["servers"] = [{"$ref": "#/servers/broker"}]
        self.channels[channel_id] = channel
        return channel_id

    def _message(self, tap: Tap, operation_id: str) -> str:
        if tap.schema is None:
            content_type = "application/octet-stream"
            payload: dict[str, object] = {"type": "string", "format": "binary"}
            name = OPAQUE
        else:
            content_type = tap.schema.content_type
            payload = tap.schema.document(self._schemas, f"{operation_id}Payload")
            reference = str(payload.get("$ref", ""))
            name = reference.rpartition("/")[2] or f"{operation_id}Payload"
        self.content_types.add(content_type)
        key = f"{content_type} {payload}"
        known = self._message_ids.get(key)
        if known is None:
            known = self._message_ids[key] = _free(name, self._messages)
            self._messages[known] = {
                "name": known, "contentType": content_type, "payload": payload,
            }  # fmt: skip
        return known


def _description(text: str | None, content_types: Iterable[str]) -> str:
    kinds = set(content_types)
    if kinds <= {"application/octet-stream"}:
        payloads = ALL_OPAQUE
    else:
        payloads = SOME_OPAQUE if "application/octet-stream" in kinds else NONE_OPAQUE
    caveats = "\n".join(f"- {each}" for each in (ITS_TAPS, NO_QOS, payloads))
    return f"{text}\n\n{caveats}" if text else caveats


def _camel_case(address: str) -> str:
    """Return a channel's name: the words of its literal levels and of its captures."""
    words: list[str] = re.findall(r"[a-zA-Z0-9]+", address)
    if not words:
        return "root"
    first, *others = (word.lower() if word.isupper() else word for word in words)
    return first[0].lower() + first[1:] + "".join(word[0].upper() + word[1:] for word in others)


def _identifier(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII).strip("_") or "operation"


def _free(name: str, taken: Mapping[str, object]) -> str:
    """Return *name*, with a number if it is taken."""
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}{number}"
    return free
