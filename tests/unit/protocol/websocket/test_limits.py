from __future__ import annotations

import pytest

from blackbull.errors import LimitExceeded
from blackbull.protocol.websocket import ControlRate, WebSocketLimits
from blackbull.protocol.websocket.assembler import Assembler
from blackbull.protocol.websocket.codes import BINARY, CONTINUATION
from blackbull.protocol.websocket.frames import FIN


def test_control_rate_counts_within_its_window() -> None:
    rate = ControlRate(WebSocketLimits(max_control_frames=3, control_window=2.0))
    for now in (10.0, 11.0, 11.9, 12.0, 12.1, 13.9):
        rate.count(now)
    with pytest.raises(LimitExceeded) as caught:
        rate.count(13.95)
    assert (caught.value.limit, caught.value.code) == ("frame_rate", 1008)
    assert (caught.value.allowed, caught.value.seen) == (3, 4)


def test_control_rate_of_zero_is_no_limit() -> None:
    rate = ControlRate(WebSocketLimits(max_control_frames=0))
    for _ in range(1000):
        rate.count(0.0)


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (WebSocketLimits(max_frame_payload=100), "ws_max_frame_payload"),
        (WebSocketLimits(max_message_size=100), "ws_max_message_size"),
    ],
)
def test_frame_is_as_large_as_it_may_be_to_the_byte(limits: WebSocketLimits, limit: str) -> None:
    assembler = Assembler(limits, None)
    assembler.check(FIN | BINARY, 100)
    with pytest.raises(LimitExceeded) as caught:
        assembler.check(FIN | BINARY, 101)
    assert (caught.value.limit, caught.value.code) == (limit, 1009)
    assembler.begin(BINARY)
    assembler.add(bytes(60))
    assembler.check(FIN | CONTINUATION, 40)
    if limit == "ws_max_message_size":
        with pytest.raises(LimitExceeded):
            assembler.check(FIN | CONTINUATION, 41)
