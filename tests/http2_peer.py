"""A strict HTTP/2 client, without I/O: the h2 package says what is wrong with what we send."""

from __future__ import annotations

from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.settings
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

Field = tuple[bytes, bytes]


@dataclass
class Reply:
    """What came back on a stream.

    Attributes:
        ended: The response is complete.
        interim: The statuses of its 1xx responses.
        reset: The code that the stream was reset with.
    """

    status: int = 0
    fields: list[Field] = field(default_factory=list)
    body: bytes = b""
    trailers: list[Field] = field(default_factory=list)
    interim: list[int] = field(default_factory=list)
    ended: bool = False
    reset: ErrorCodes | None = None

    def __getitem__(self, name: str) -> bytes:
        (value,) = self.values(name)
        return value

    def values(self, name: str) -> list[bytes]:
        return [value for key, value in self.fields if key == name.encode()]

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None


class Client:
    """One connection's client side: say something, take :meth:`wire`, :meth:`receive` the rest.

    Args:
        credit: Give credit for content as soon as it has come.
        settings: What is announced, beyond the defaults.

    Attributes:
        replies: By stream.
        pushed: The promised streams and the fields of their requests.
        left: Codes and last streams of the GOAWAY frames that came.
        pings: What the server asked with; the answers are in :meth:`wire` already.
        acknowledged: What it answered with.
        credits: The streams and sizes of WINDOW_UPDATE frames that came.
        settings: What it announced.
    """

    def __init__(
        self, *, credit: bool = True, settings: dict[SettingCodes, int] | None = None
    ) -> None:
        config = h2.config.H2Configuration(client_side=True, header_encoding=None)
        self.h2 = h2.connection.H2Connection(config)
        self.credit = credit
        self.replies: dict[int, Reply] = {}
        self.pushed: dict[int, list[Field]] = {}
        self.left: list[tuple[int, int]] = []
        self.pings: list[bytes] = []
        self.acknowledged: list[bytes] = []
        self.credits: list[tuple[int, int]] = []
        self.settings: dict[int, int] = {}
        values = {
            SettingCodes.ENABLE_PUSH: 1,
            SettingCodes.MAX_CONCURRENT_STREAMS: 100,
            SettingCodes.MAX_HEADER_LIST_SIZE: 65536,
            **(settings or {}),
        }
        self.h2.local_settings = h2.settings.Settings(client=True, initial_values=values)
        self.h2.initiate_connection()

    def request(
        self,
        path: str = "/",
        *,
        method: str = "GET",
        content: bytes | None = None,
        end: bool = True,
        fields: list[Field] | None = None,
    ) -> int:
        """Send a request and, within the windows, its content; return its stream."""
        stream_id = self.h2.get_next_available_stream_id()
        head = [
            (b":method", method.encode()),
            (b":scheme", b"http"),
            (b":path", path.encode()),
            (b":authority", b"a"),
            *(fields or []),
        ]
        self.h2.send_headers(stream_id, head, end_stream=content is None and end)
        self.replies[stream_id] = Reply()
        if content is not None:
            self.data(stream_id, content, end=end)
        return stream_id

    def data(self, stream_id: int, content: bytes, *, end: bool = False) -> None:
        """Send content, in as many frames as it takes."""
        size = self.h2.max_outbound_frame_size
        parts = [content[at : at + size] for at in range(0, len(content), size)] or [b""]
        for part in parts[:-1]:
            self.h2.send_data(stream_id, part)
        self.h2.send_data(stream_id, parts[-1], end_stream=end)

    def wire(self) -> bytes:
        """Return what is to be sent."""
        return self.h2.data_to_send()

    def receive(self, data: bytes) -> None:
        """Take what the server sent.

        Raises:
            h2.exceptions.ProtocolError: it must not have been sent.
        """
        for event in self.h2.receive_data(data):
            self._take(event)

    def _take(self, event: h2.events.Event) -> None:
        stream_id = getattr(event, "stream_id", None) or 0
        reply = self.replies.get(stream_id, Reply())
        if isinstance(event, h2.events.InformationalResponseReceived):
            reply.interim.append(int(dict(event.headers)[b":status"]))
        elif isinstance(event, h2.events.ResponseReceived):
            reply.status = int(dict(event.headers)[b":status"])
            reply.fields = [(bytes(n), bytes(v)) for n, v in event.headers if n[:1] != b":"]
        elif isinstance(event, h2.events.DataReceived):
            reply.body += event.data
            if self.credit and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            reply.trailers = [(bytes(n), bytes(v)) for n, v in event.headers]
        elif isinstance(event, h2.events.StreamEnded):
            reply.ended = True
        elif isinstance(event, h2.events.StreamReset):
            reply.reset = ErrorCodes(event.error_code)
        elif isinstance(event, h2.events.PushedStreamReceived):
            self.pushed[event.pushed_stream_id] = list(event.headers)
            self.replies[event.pushed_stream_id] = Reply()
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.left.append((int(event.error_code), event.last_stream_id))
        elif isinstance(event, h2.events.PingReceived):
            self.pings.append(event.ping_data)
        elif isinstance(event, h2.events.PingAckReceived):
            self.acknowledged.append(event.ping_data)
        elif isinstance(event, h2.events.WindowUpdated):
            self.credits.append((stream_id, event.delta))
        elif isinstance(event, h2.events.RemoteSettingsChanged):
            self.settings |= {
                int(code): change.new_value for code, change in event.changed_settings.items()
            }
