"""Channels: one message for many, and nobody waits for anybody."""

from __future__ import annotations

import asyncio

import pytest

from blackbull import WebSocket
from blackbull.broadcast import Channel, Overflow, prepare
from blackbull.errors import LocalProtocolError
from blackbull.messages import PreparedMessage
from tests.websocket_peer import Peer


async def member(peer: Peer) -> WebSocket:
    ws = WebSocket(peer.conn, peer.receive, peer.send)
    await ws.accept()
    return ws


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_message_reaches_every_member_at_once_in_one_object() -> None:
    channel = Channel()
    peers = [Peer() for _ in range(3)]
    for peer in peers:
        channel.join(await member(peer))
    assert channel.send("hello") == 3
    assert channel.send(b"\0") == 3
    assert channel.send_json({"a": 1}) == 3
    assert [peer.heard for peer in peers] == [["hello", b"\0", '{"a":1}']] * 3
    assert peers[0].sent[1] is peers[1].sent[1] is peers[2].sent[1]


async def test_prepared_message_is_sent_as_it_is() -> None:
    channel = Channel()
    peer = Peer()
    channel.join(await member(peer))
    prepared = prepare("hello")
    channel.send(prepared)
    channel.send(prepared)
    assert peer.sent[1] is peer.sent[2] is prepared
    assert prepare(bytearray(b"x")) == PreparedMessage(None, b"x")


async def test_membership_ends_with_its_block() -> None:
    channel = Channel()
    peer = Peer()
    ws = await member(peer)
    with channel.join(ws) as membership:
        assert ws in channel
        assert list(channel) == [ws]
        assert channel.join(ws) is membership
        assert len(channel) == 1
    assert ws not in channel
    assert channel.send("nobody") == 0
    membership.leave()
    assert peer.heard == []


async def test_member_that_is_not_accepted_is_refused() -> None:
    peer = Peer()
    with pytest.raises(LocalProtocolError, match="await accept"):
        Channel().join(WebSocket(peer.conn, peer.receive, peer.send))


async def test_slow_member_is_caught_up_when_it_reads_and_delays_nobody() -> None:
    channel = Channel()
    slow, quick = Peer(), Peer()
    membership = channel.join(await member(slow))
    channel.join(await member(quick))
    slow.room.clear()
    for number in range(3):
        assert channel.send(str(number)) == 2
    await turns()
    assert quick.heard == ["0", "1", "2"]
    assert slow.heard == []
    # One is being sent, the others wait.
    assert membership.queued == 2
    slow.room.set()
    await turns()
    assert slow.heard == ["0", "1", "2"]
    channel.send("3")
    assert slow.heard == ["0", "1", "2", "3"]
    assert (membership.dropped, channel.dropped) == (0, 0)


@pytest.mark.parametrize(
    ("policy", "heard"),
    [
        (Overflow.DROP_OLDEST, ["0", "8", "9"]),
        ("drop_oldest", ["0", "8", "9"]),
        (Overflow.DROP_NEWEST, ["0", "1", "2"]),
    ],
)
async def test_full_queue_drops_by_policy_and_counts(
    policy: Overflow, heard: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    channel = Channel(max_queued=2, overflow=policy)
    peer, other = Peer(), Peer()
    membership = channel.join(await member(peer))
    channel.join(await member(other))
    peer.room.clear()
    channel.send("0")
    await turns()
    for number in range(1, 10):
        channel.send(str(number))
    assert membership.queued == 2
    assert (membership.dropped, channel.dropped) == (7, 7)
    assert caplog.text.count("too slow") == 1
    peer.room.set()
    await turns()
    assert peer.heard == heard
    assert len(other.heard) == 10


async def test_full_queue_disconnects_by_policy_and_counts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    channel = Channel(max_queued=1, overflow=Overflow.DISCONNECT)
    peer = Peer()
    ws = await member(peer)
    channel.join(ws)
    peer.room.clear()
    assert channel.send("0") == 1
    await turns()
    assert channel.send("1") == 1
    assert channel.send("2") == 0
    assert (channel.disconnected, len(channel)) == (1, 0)
    peer.room.set()
    await turns()
    assert peer.close == (1013, "too slow")
    assert "disconnected" in caplog.text


async def test_member_that_vanished_leaves_with_the_next_message() -> None:
    channel = Channel()
    peer, other = Peer(), Peer()
    channel.join(await member(peer))
    channel.join(await member(other))
    peer.vanish()
    channel.send("0")
    await turns()
    assert len(channel) == 1
    assert other.heard == ["0"]


async def test_member_that_its_handler_closed_leaves_with_the_next_message() -> None:
    channel = Channel()
    peer = Peer()
    ws = await member(peer)
    channel.join(ws)
    await ws.close()
    channel.send("0")
    await turns()
    assert len(channel) == 0


async def test_member_without_a_synchronous_way_is_sent_by_a_task() -> None:
    channel = Channel()
    peer = Peer(synchronous=False)
    channel.join(await member(peer))
    channel.send("0")
    channel.send("1")
    assert peer.heard == []
    await turns()
    assert peer.heard == ["0", "1"]


async def test_leaving_drops_what_waits() -> None:
    channel = Channel()
    peer = Peer()
    membership = channel.join(await member(peer))
    peer.room.clear()
    channel.send("0")
    channel.send("1")
    await turns()
    membership.leave()
    peer.room.set()
    await turns()
    assert peer.heard == []
    assert membership.queued == 0


async def test_member_may_come_back_while_the_last_message_is_on_its_way() -> None:
    channel = Channel()
    peer = Peer()
    ws = await member(peer)
    peer.room.clear()
    channel.join(ws)
    channel.send("lost")
    await turns()
    channel.join(ws).leave()
    channel.join(ws)
    channel.send("kept")
    peer.room.set()
    await turns()
    assert peer.heard == ["kept"]
    assert len(channel) == 1


@pytest.mark.parametrize("wrong", [1, None, ["x"]])
async def test_message_of_another_type_is_a_type_error(wrong: object) -> None:
    with pytest.raises(TypeError, match="str or bytes"):
        Channel().send(wrong)  # type: ignore[arg-type]


async def test_text_that_has_no_utf_8_is_refused_where_it_is_sent() -> None:
    channel = Channel()
    channel.join(await member(Peer(synchronous=False)))
    with pytest.raises(UnicodeEncodeError):
        channel.send("\ud800")
    assert channel.send("€") == 1


def test_impossible_channel_is_refused() -> None:
    with pytest.raises(ValueError, match="number of messages"):
        Channel(max_queued=0)
    with pytest.raises(ValueError, match="'drop_all'"):
        Channel(overflow="drop_all")
