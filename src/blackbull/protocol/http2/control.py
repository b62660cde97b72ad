"""Frames about the connection itself: settings, liveness, leaving, priorities (RFC 9113 §6)."""

from __future__ import annotations

from typing import Final, final

from blackbull.errors import RemoteProtocolError
from blackbull.protocol.hpack import Decoder, Encoder

from .abuse import OTHERS, PINGS, PRIORITIES, SETTINGS_FRAMES, FrameBudget
from .codes import (
    ACK,
    DEFAULT_WINDOW,
    FRAME_SIZE_ERROR,
    MAX_STREAM_ID,
    NO_ERROR,
    PROTOCOL_ERROR,
)
from .content import Outflow
from .events import Event, GoAwayReceived, PingAcknowledged, PriorityUpdated
from .flow import Buffer
from .frames import (
    PING_ACK_HEADER,
    PING_HEADER,
    SETTINGS_ACK,
    check_dependency,
    render_goaway,
    render_settings,
)
from .limits import HTTP2Limits
from .priority import Priority, parse_priority
from .settings import PeerSettings, own_settings, parse_settings
from .streams import IDLE, Streams

LEAVING: Final = b"leaving\0"
"""The PING that tells when the peer has seen that we leave."""

# How far we have left
STAYING: Final = 0
ANNOUNCED: Final = 1
LEFT: Final = 2


@final
class Control:
    """What both sides have agreed on, and how it changes.

    Args:
        limits: What we announce.
        out: Takes the frames.
        events: Takes what is to be reported.
        streams: The connection's streams.
        outflow: Sends their content.
        peer: What the peer has announced.
        decoder: Is held to what we announce, once the peer has acknowledged it.
        encoder: Is held to what the peer announces.
        budget: Counts what a peer may do only so often.
        connect_protocol: Announce extended CONNECT.

    Attributes:
        leaving: How far we have left.
        settled: The peer has acknowledged our settings.
    """

    __slots__ = (
        "_budget", "_decoder", "_early", "_encoder", "_events", "_limits", "_out", "_outflow",
        "_peer", "_streams", "_unanswered", "leaving", "settled",
    )  # fmt: skip

    def __init__(
        self,
        limits: HTTP2Limits,
        *,
        out: list[Buffer],
        events: list[Event],
        streams: Streams,
        outflow: Outflow,
        peer: PeerSettings,
        decoder: Decoder,
        encoder: Encoder,
        budget: FrameBudget,
        connect_protocol: bool,
    ) -> None:
        self._limits = limits
        self._out = out
        self._events = events
        self._streams = streams
        self._outflow = outflow
        self._peer = peer
        self._decoder = decoder
        self._encoder = encoder
        self._budget = budget
        self._early: dict[int, Priority] = {}
        self._unanswered: list[bytes] = []
        self.leaving: int = STAYING
        self.settled = False
        out.append(render_settings(own_settings(limits, connect_protocol=connect_protocol)))

    # Settings

    @property
    def new_stream_window(self) -> int:
        """Bytes of content that the peer believes it may send on a new stream."""
        size = self._limits.initial_window_size
        return size if self.settled else max(size, DEFAULT_WINDOW)

    def receive_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        """Apply a SETTINGS frame and acknowledge it, or take the peer's acknowledgement.

        Raises:
            LimitExceeded: there are too many.
            RemoteProtocolError: the frame or a value is malformed.

        Spec:
            RFC 9113 §6.5, §6.5.3
        """
        self._budget.spend(SETTINGS_FRAMES)
        _require_connection(stream_id, "RFC 9113 §6.5")
        if flags & ACK:
            if payload:
                raise _frame_size("a SETTINGS acknowledgement that says something", "§6.5")
            if not self.settled:
                self._settle()
            return
        before = self._peer.initial_window_size
        for setting, value in parse_settings(payload):
            self._peer.apply(setting, value)
        # once for all values: a frame has room for thousands
        change = self._peer.initial_window_size - before
        if change:
            for stream in self._streams.open.values():
                self._outflow.credit_stream(stream, change)
        self._peer.end_first()
        self._encoder.limit_table(self._peer.header_table_size)
        self._out.append(SETTINGS_ACK)

    def _settle(self) -> None:
        self.settled = True
        self._decoder.limit_table(self._limits.header_table_size)
        # RFC 9113 §6.9.2: streams that began before change their windows, too
        change = self._limits.initial_window_size - DEFAULT_WINDOW
        if change < 0:
            for stream in self._streams.open.values():
                if stream.inbound is not None:
                    stream.inbound.window.available += change
                    stream.inbound.window.size += change

    # Liveness

    def send_ping(self, data: bytes) -> None:
        """Ask the peer for a sign of life."""
        if len(self._unanswered) < self._limits.max_control_frames:
            self._unanswered.append(data)
        self._out += (PING_HEADER, data)

    def receive_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        """Answer a PING frame, or take the answer to ours.

        Raises:
            LimitExceeded: there are too many.
            RemoteProtocolError: the frame is malformed.

        Spec:
            RFC 9113 §6.7
        """
        _require_connection(stream_id, "RFC 9113 §6.7")
        if len(payload) != 8:
            raise _frame_size("a PING frame that is not of 8 bytes", "§6.7")
        if not flags & ACK:
            self._budget.spend(PINGS)
            self._out += (PING_ACK_HEADER, payload)
        elif payload not in self._unanswered:
            self._budget.spend(OTHERS)
        else:
            self._unanswered.remove(payload)
            if payload == LEAVING:
                self.leave()
            else:
                self._events.append(PingAcknowledged(payload))

    # Leaving

    def announce_leaving(self) -> None:
        """Say that we leave, and learn with a PING when the peer knows (RFC 9113 §6.8)."""
        if self.leaving == STAYING:
            self.leaving = ANNOUNCED
            self._out.append(render_goaway(MAX_STREAM_ID, NO_ERROR))
            self.send_ping(LEAVING)

    def leave(self) -> None:
        """Say which requests are the last that are served (RFC 9113 §6.8)."""
        if self.leaving != LEFT:
            self.leaving = LEFT
            self._out.append(render_goaway(max(self._streams.last_id, 0), NO_ERROR))

    def receive_goaway(self, stream_id: int, payload: bytes) -> None:
        """Report that the peer leaves.

        Raises:
            LimitExceeded: it says so too often.
            RemoteProtocolError: the frame is malformed.

        Spec:
            RFC 9113 §6.8
        """
        self._budget.spend(OTHERS)
        _require_connection(stream_id, "RFC 9113 §6.8")
        if len(payload) < 8:
            raise _frame_size("a GOAWAY frame that is too short", "§6.8")
        last_stream_id = int.from_bytes(payload[:4], "big") & MAX_STREAM_ID
        code = int.from_bytes(payload[4:8], "big")
        self._events.append(GoAwayReceived(last_stream_id, code, payload[8:]))

    # Priorities

    def receive_priority(self, stream_id: int, payload: bytes) -> RemoteProtocolError | None:
        """Check a PRIORITY frame, which has no effect; return what is wrong for its stream.

        Raises:
            LimitExceeded: there are too many.
            RemoteProtocolError: the frame names no stream.

        Spec:
            RFC 9113 §5.3.2, §6.3
        """
        self._budget.spend(PRIORITIES)
        if not stream_id:
            raise _violation("a PRIORITY frame for no stream", "RFC 9113 §6.3")
        if len(payload) != 5:
            return _frame_size("a PRIORITY frame that is not of 5 bytes", "§6.3")
        return check_dependency(payload, stream_id=stream_id)

    def receive_priority_update(self, stream_id: int, payload: bytes) -> None:
        """Change a request's priority, or note it for one that has yet to come.

        Raises:
            LimitExceeded: there are too many.
            RemoteProtocolError: the frame is malformed.

        Spec:
            RFC 9218 §7.1
        """
        self._budget.spend(PRIORITIES)
        _require_connection(stream_id, "RFC 9218 §7.1")
        if len(payload) < 4:
            raise _frame_size("a PRIORITY_UPDATE frame that is too short", "§4.2")
        target = int.from_bytes(payload[:4], "big") & MAX_STREAM_ID
        if not target:
            raise _violation("a PRIORITY_UPDATE frame for no stream", "RFC 9218 §7.1")
        stream = self._streams.open.get(target)
        if stream is not None:
            priority = parse_priority(payload[4:])
            self._outflow.prioritise(stream, priority)
            self._events.append(PriorityUpdated(target, priority))
        elif self._streams.fate(target) == IDLE:
            if not target & 1:
                raise _violation("a PRIORITY_UPDATE frame for no push", "RFC 9218 §7.1")
            self._note_early(target, parse_priority(payload[4:]))

    def _note_early(self, stream_id: int, priority: Priority) -> None:
        # RFC 9218 §7.1: no more than the streams that may be open are worth the memory
        early = self._early
        if stream_id in early or len(early) < self._limits.max_concurrent_streams:
            early[stream_id] = priority

    def priority_of(self, stream_id: int, said: Priority) -> Priority:
        """Return the priority of a request that begins, where its head *said* one.

        Spec:
            RFC 9218 §7.1
        """
        if not self._early:
            return said
        priority = self._early.pop(stream_id, said)
        # lower numbers can never be used any more
        for number in [number for number in self._early if number < stream_id]:
            del self._early[number]
        return priority


def _require_connection(stream_id: int, spec: str) -> None:
    if stream_id:
        raise _violation("a frame for the connection that names a stream", spec)


def _frame_size(message: str, section: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, code=FRAME_SIZE_ERROR, spec=f"RFC 9113 {section}")


def _violation(message: str, spec: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, code=PROTOCOL_ERROR, spec=spec)
