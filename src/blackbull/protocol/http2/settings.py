"""Settings, the peer's and ours (RFC 9113 §6.5)."""

from __future__ import annotations

from typing import Final, TypeAlias, final

from blackbull.errors import RemoteProtocolError

from .codes import (
    DEFAULT_FRAME_SIZE,
    DEFAULT_WINDOW,
    ENABLE_CONNECT_PROTOCOL,
    ENABLE_PUSH,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
    MAX_WINDOW,
    NO_RFC7540_PRIORITIES,
    PROTOCOL_ERROR,
)
from .limits import HTTP2Limits

Pair: TypeAlias = tuple[int, int]

LONGEST_FRAME: Final = 65536


@final
class PeerSettings:
    """What the peer said last, or what holds until it does.

    Attributes:
        header_table_size: Bytes of dynamic table that our encoder may use.
        enable_push: It takes pushed responses.
        max_concurrent_streams: Streams that we may open.
        initial_window_size: Bytes of content that a new stream may send.
        max_frame_size: Longest payload that it takes, as far as we would go: long frames keep
            more urgent ones waiting.
        max_header_list_size: Advice on how large our header sections may be; -1 for none.
        connect_protocol: It knows extended CONNECT.
        no_rfc7540_priorities: It does not use the first scheme of priorities; -1: not said.
    """

    __slots__ = (
        "connect_protocol", "enable_push", "header_table_size", "initial_window_size",
        "max_concurrent_streams", "max_frame_size", "max_header_list_size",
        "no_rfc7540_priorities",
    )  # fmt: skip

    def __init__(self) -> None:
        self.header_table_size = 4096
        self.enable_push = True
        self.max_concurrent_streams = MAX_WINDOW
        self.initial_window_size = DEFAULT_WINDOW
        self.max_frame_size = DEFAULT_FRAME_SIZE
        self.max_header_list_size = -1
        self.connect_protocol = False
        self.no_rfc7540_priorities = -1

    def apply(self, setting: int, value: int) -> None:
        """Take one setting over; one that is unknown is ignored.

        Raises:
            RemoteProtocolError: the value is none that the setting can have.

        Spec:
            RFC 9113 §6.5.2; RFC 8441 §3; RFC 9218 §2.1
        """
        if setting == INITIAL_WINDOW_SIZE:
            if value > MAX_WINDOW:
                raise RemoteProtocolError(
                    "the initial window is too large",
                    code=FLOW_CONTROL_ERROR,
                    spec="RFC 9113 §6.5.2",
                )
            self.initial_window_size = value
        elif setting == MAX_FRAME_SIZE:
            if not DEFAULT_FRAME_SIZE <= value <= 0xFFFFFF:
                raise _invalid("the frame size is out of range", "RFC 9113 §6.5.2")
            self.max_frame_size = min(value, LONGEST_FRAME)
        elif setting == HEADER_TABLE_SIZE:
            self.header_table_size = value
        elif setting == ENABLE_PUSH:
            self.enable_push = _as_switch(value, "RFC 9113 §6.5.2")
        elif setting == MAX_CONCURRENT_STREAMS:
            self.max_concurrent_streams = value
        elif setting == MAX_HEADER_LIST_SIZE:
            self.max_header_list_size = value
        elif setting == ENABLE_CONNECT_PROTOCOL:
            switch = _as_switch(value, "RFC 8441 §3")
            if self.connect_protocol and not switch:
                raise _invalid("extended CONNECT cannot be taken back", "RFC 8441 §3")
            self.connect_protocol = switch
        elif setting == NO_RFC7540_PRIORITIES:
            _as_switch(value, "RFC 9218 §2.1")
            if self.no_rfc7540_priorities not in {-1, value}:
                raise _invalid("the scheme of priorities cannot change", "RFC 9218 §2.1")
            self.no_rfc7540_priorities = value

    def end_first(self) -> None:
        """The first SETTINGS frame was applied: what it left out is said, too.

        Spec:
            RFC 9218 §2.1
        """
        if self.no_rfc7540_priorities == -1:
            self.no_rfc7540_priorities = 0


def parse_settings(payload: bytes) -> list[Pair]:
    """Return the settings of a SETTINGS frame, in order.

    Raises:
        RemoteProtocolError: the payload's length is no multiple of six.

    Spec:
        RFC 9113 §6.5.1
    """
    if len(payload) % 6:
        raise RemoteProtocolError(
            "a SETTINGS frame of broken length", code=FRAME_SIZE_ERROR, spec="RFC 9113 §6.5"
        )
    return [
        (
            int.from_bytes(payload[at : at + 2], "big"),
            int.from_bytes(payload[at + 2 : at + 6], "big"),
        )
        for at in range(0, len(payload), 6)
    ]


def own_settings(limits: HTTP2Limits, *, connect_protocol: bool) -> list[Pair]:
    """Return what we announce: all that differs from the defaults.

    Spec:
        RFC 9113 §6.5.2; RFC 8441 §3; RFC 9218 §2.1
    """
    pairs = [
        (MAX_CONCURRENT_STREAMS, limits.max_concurrent_streams),
        (MAX_HEADER_LIST_SIZE, limits.max_header_total),
        (NO_RFC7540_PRIORITIES, 1),
    ]
    if limits.initial_window_size != DEFAULT_WINDOW:
        pairs.append((INITIAL_WINDOW_SIZE, limits.initial_window_size))
    if limits.max_frame_size != DEFAULT_FRAME_SIZE:
        pairs.append((MAX_FRAME_SIZE, limits.max_frame_size))
    if limits.header_table_size != 4096:
        pairs.append((HEADER_TABLE_SIZE, limits.header_table_size))
    if connect_protocol:
        pairs.append((ENABLE_CONNECT_PROTOCOL, 1))
    return pairs


def _as_switch(value: int, spec: str) -> bool:
    if value > 1:
        raise _invalid("a switch is neither 0 nor 1", spec)
    return value == 1


def _invalid(message: str, spec: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, code=PROTOCOL_ERROR, spec=spec)
