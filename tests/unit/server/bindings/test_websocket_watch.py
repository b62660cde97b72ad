"""What a WebSocket waits for, on a clock of the test's."""

from __future__ import annotations

import pytest

from blackbull.config import Settings
from blackbull.server.bindings.websocket_watch import (
    CUT,
    LATE,
    LEAST_TAKEN,
    LEAVE,
    NOTHING,
    PING,
    SILENCE,
    STUCK,
    Watch,
)
from blackbull.transport.memory import MemoryDeadline

TIMES = {"ws_idle_timeout": 300, "ws_pong_timeout": 30, "ws_close_timeout": 10, "write_timeout": 20}


def watch(ws_message_timeout: float = 0, **times: float) -> tuple[Watch, MemoryDeadline]:
    deadline = MemoryDeadline(lambda: None)
    settings = Settings(**{**TIMES, "ws_message_timeout": ws_message_timeout, **times})
    return Watch(deadline, settings), deadline


def test_watch_asks_a_client_that_was_silent_for_the_whole_time() -> None:
    made, deadline = watch()
    assert deadline.seconds == 300
    assert made.expire(300, heard_at=100, reading=True, queued=0) == NOTHING
    assert deadline.seconds == 100
    assert made.expire(400, heard_at=100, reading=True, queued=0) == PING
    assert deadline.seconds == 30


def test_watch_does_not_blame_a_client_for_what_we_do_not_read() -> None:
    made, deadline = watch()
    assert made.expire(300, heard_at=0, reading=False, queued=0) == NOTHING
    assert deadline.seconds == 300
    assert made.expire(600, heard_at=0, reading=True, queued=0) == PING
    assert made.expire(630, heard_at=0, reading=False, queued=0) == NOTHING
    assert deadline.seconds == 300


@pytest.mark.parametrize(("heard_at", "due"), [(0, SILENCE), (301, NOTHING)])
def test_watch_takes_anything_for_an_answer(heard_at: float, due: int) -> None:
    made, _ = watch()
    assert made.expire(300, heard_at=0, reading=True, queued=0) == PING
    assert made.expire(330, heard_at=heard_at, reading=True, queued=0) == due


def test_watch_gives_a_client_that_reads_slowly_more_time() -> None:
    made, deadline = watch()
    made.wait_for_writing(100_000)
    assert deadline.seconds == 20
    left = 100_000 - LEAST_TAKEN
    assert made.expire(20, heard_at=0, reading=True, queued=left) == NOTHING
    assert made.expire(40, heard_at=0, reading=True, queued=left - LEAST_TAKEN + 1) == STUCK


def test_watch_lets_the_handler_say_farewell_and_the_client_close() -> None:
    made, deadline = watch()
    made.wait_for_farewell(1.5)
    assert deadline.seconds == 1.5
    assert made.expire(1, heard_at=0, reading=True, queued=0) == LEAVE
    made.wait_for_close()
    assert deadline.seconds == 10
    assert made.expire(11, heard_at=0, reading=True, queued=0) == CUT


def test_watch_ends_a_message_that_takes_too_long() -> None:
    made, deadline = watch(ws_message_timeout=40)
    assert deadline.seconds == 10
    now = 100.0
    for _ in range(5):
        assert made.expire(now, heard_at=now, reading=True, queued=0, unfinished=1) == NOTHING
        now += 39  # another message each time
        assert made.expire(now, heard_at=now, reading=True, queued=0, unfinished=2) == NOTHING
        assert deadline.seconds == 10
    assert made.expire(now + 39, heard_at=now, reading=True, queued=0, unfinished=2) == NOTHING
    assert made.expire(now + 40, heard_at=now, reading=True, queued=0, unfinished=2) == LATE


def test_watch_does_not_count_the_time_in_which_we_do_not_read() -> None:
    made, _ = watch(ws_message_timeout=40)
    for now, reading in ((100, True), (130, False), (160, False), (199, True)):
        assert made.expire(now, heard_at=now, reading=reading, queued=0, unfinished=7) == NOTHING
    assert made.expire(200, heard_at=200, reading=True, queued=0, unfinished=7) == LATE


def test_watch_looks_at_messages_where_silence_is_no_matter() -> None:
    made, deadline = watch(ws_message_timeout=40, ws_idle_timeout=0)
    assert deadline.seconds == 10
    assert made.expire(10, heard_at=0, reading=True, queued=0) == NOTHING
    assert deadline.seconds == 10
    _, deadline = watch(ws_idle_timeout=0)
    assert deadline.seconds is None
