from __future__ import annotations

from blackbull.transport.linger import Linger
from blackbull.transport.memory import MemoryConnection
from tests.spec import spec


def lingering() -> tuple[Linger, MemoryConnection]:
    view = MemoryConnection()
    linger = Linger(view)
    view.attach(linger)
    view.deadline.set(Linger.seconds)
    return linger, view


async def test_linger_silent_peer_is_dropped_after_one_wait() -> None:
    _, view = lingering()
    view.deadline.expire()
    assert view.aborted


@spec("RFC 9112 §9.6")
async def test_linger_sending_peer_is_waited_for_but_not_for_ever() -> None:
    _, view = lingering()
    for _ in range(Linger.rounds - 1):
        view.feed(b"x")
        view.deadline.expire()
        assert not view.closed
        assert view.deadline.seconds == Linger.seconds
    view.feed(b"x")
    view.deadline.expire()
    assert view.aborted


async def test_linger_peer_that_ends_is_closed() -> None:
    _, view = lingering()
    view.feed_eof()
    assert view.closed
    assert not view.aborted


async def test_linger_takes_so_many_bytes() -> None:
    _, view = lingering()
    part = bytes(1 << 20)
    for _ in range(Linger.max_bytes >> 20):
        view.feed(part)
    assert not view.closed
    view.feed(b"x")
    assert view.aborted
