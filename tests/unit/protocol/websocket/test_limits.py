from __future__ import annotations

import pytest

from blackbull.errors import LimitExceeded
from blackbull.protocol.websocket import ControlRate, WebSocketLimits


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
