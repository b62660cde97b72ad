"""A worker's end of the channel; the test is the supervisor."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from blackbull.errors import ConfigurationError, ConnectionLost
from blackbull.server.admission import OwnOrigins
from blackbull.server.workers.channel import Channel, Message
from blackbull.server.workers.origins import OriginTable, SharedOrigins
from blackbull.server.workers.places import decode_where
from blackbull.server.workers.worker import ChannelSockets, ChannelWorker, open_origins
from blackbull.transport.where import InheritedFd, Tcp, Unix, Where
from blackbull.worker import Figures


class Desk:
    """The supervisor's end, and the worker."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.channel = Channel(ours)
        self.worker = ChannelWorker(Channel(theirs), index=1, count=2)
        self._heard: list[Message] = []

    async def hear(self, say: str) -> Message:
        """Wait for the next message of the worker, which must be *say*."""
        while not self._heard:
            self._heard.extend(self.channel.receive())
            await asyncio.sleep(0)
        message = self._heard.pop(0)
        assert message.say == say
        return message


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    yield desk
    await desk.worker.aclose()
    desk.worker._channel.close()
    desk.channel.close()


async def test_collect_asks_and_waits_for_the_answer(desk: Desk) -> None:
    desk.worker.post(Figures({"a": 1.0}, index=1))
    assert (await desk.hear("post")).content["counters"] == {"a": 1.0}
    asked = asyncio.ensure_future(desk.worker.collect())
    number = (await desk.hear("collect")).content["id"]
    desk.channel.send("collected", {"id": 99, "figures": []})
    other = {"counters": {"a": 2.0}, "gauges": {}, "index": 0}
    desk.channel.send("collected", {"id": number, "figures": [other]})
    assert await asked == [Figures({"a": 2.0}, index=0)]


async def test_who_asks_a_supervisor_that_goes_is_told(desk: Desk) -> None:
    asked = asyncio.ensure_future(desk.worker.collect())
    await desk.hear("collect")
    desk.channel.close()
    with pytest.raises(ConnectionLost):
        await asked
    assert desk.worker.stop.is_set()
    with pytest.raises(ConnectionLost):
        await desk.worker.collect()


async def test_stream_to_the_owner_is_a_reader_and_a_writer(desk: Desk) -> None:
    opened = asyncio.ensure_future(desk.worker.open_owner("echo", peername=("10.0.0.1", 5)))
    asked = await desk.hear("owner")
    assert (asked.text("protocol"), asked.items("peername")) == ("echo", ["10.0.0.1", 5])
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours:
        with theirs:
            desk.channel.send("joined", {"id": asked.content["id"]}, files=[theirs])
        reader, writer = await opened
        await writer.write(b"ping")
        loop = asyncio.get_running_loop()
        assert await loop.sock_recv(ours, 10) == b"ping"
        await loop.sock_sendall(ours, b"pong")
        assert await reader.read() == b"pong"
        await writer.close()
        assert await loop.sock_recv(ours, 10) == b""


@pytest.mark.parametrize(
    ("answer", "error"), [("no owner", ConnectionLost), ("no protocol", LookupError)]
)
async def test_stream_that_cannot_be_had_is_an_error(
    desk: Desk, answer: str, error: type[Exception]
) -> None:
    opened = asyncio.ensure_future(desk.worker.open_owner("echo"))
    desk.channel.send(answer, {"id": (await desk.hear("owner")).content["id"]})
    with pytest.raises(error):
        await opened


async def test_ownership_is_had_by_message_and_released_when_nobody_uses_it(desk: Desk) -> None:
    entered: list[int] = []

    async def own(number: int) -> None:
        async with desk.worker.owning():
            entered.append(number)
            await asyncio.Event().wait()

    owning = [asyncio.ensure_future(own(number)) for number in (1, 2)]
    await asyncio.sleep(0)
    assert entered == []
    desk.channel.send("own")
    while len(entered) < 2:
        await asyncio.sleep(0)
    desk.channel.send("stop", {"drain": 1.5})
    await desk.worker.stop.wait()
    assert desk.worker.drain_timeout == 1.5
    late = asyncio.ensure_future(own(3))
    owning[0].cancel()
    await asyncio.sleep(0)
    assert list(desk.channel.receive()) == []
    owning[1].cancel()
    await desk.hear("released")
    assert entered == [1, 2]
    late.cancel()
    await asyncio.wait({*owning, late})


@pytest.mark.parametrize(
    "where", [Tcp(80, "::1"), Unix("/run/a.sock", mode=0o600, group="www"), InheritedFd(3)]
)
async def test_sockets_are_asked_for_and_messages_meanwhile_are_not_lost(
    desk: Desk, where: Where
) -> None:
    asked: list[Message] = []

    def answer() -> None:
        assert desk.channel.wait(10.0)
        asked.extend(desk.channel.receive())
        desk.channel.send("go")
        with socket.create_server(("127.0.0.1", 0)) as sock:
            desk.channel.send("opened", files=[sock])

    answering = asyncio.get_running_loop().run_in_executor(None, answer)
    (sock,) = ChannelSockets(desk.worker).open(where, backlog=7, name="http")
    sock.close()
    await answering
    assert [each.say for each in asked] == ["open"]
    assert decode_where(asked[0].content["where"]) == where
    assert (asked[0].number("backlog"), asked[0].text("name")) == (7, "http")
    await desk.worker.go.wait()


async def test_sockets_that_cannot_be_opened_are_a_configuration_error(desk: Desk) -> None:
    desk.channel.send("refused", {"line": "the port is in use"})
    with pytest.raises(ConfigurationError, match="the port is in use"):
        ChannelSockets(desk.worker).open(Tcp(80), backlog=7, name="http")


async def test_sockets_without_a_supervisor_are_lost(desk: Desk) -> None:
    desk.channel.close()
    with pytest.raises(ConnectionLost):
        ChannelSockets(desk.worker).open(Tcp(80), backlog=7, name="http")
    assert desk.worker.stop.is_set()


async def test_connections_are_counted_together_with_others(desk: Desk) -> None:
    with closing(OriginTable()) as table:
        content: dict[str, object] = {"row": table.give(1), "key": table.key.hex()}
        desk.channel.send("opened", content, files=[table])
        other = SharedOrigins(table.fileno(), table.give(2) or 0, key=table.key)
        assert other.add("192.0.2.1") == 1
        assert open_origins(desk.worker).add("192.0.2.1") == 2
    await desk.hear("count")


async def test_connections_are_counted_alone_without_memory_to_share(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.channel.send("refused", {"line": "there are too many workers"})
    assert open_origins(desk.worker) == OwnOrigins()
    assert caplog.messages == [
        "connections of one address are counted by each worker for itself: "
        "there are too many workers"
    ]


async def test_signs_of_life_are_given_only_while_they_are_heard(desk: Desk) -> None:
    desk.worker.beat(0.0)
    desk.worker.beat(0.01)
    await desk.hear("alive")
    await desk.hear("alive")


async def test_figures_that_do_not_fit_at_once_are_sent_on(desk: Desk) -> None:
    figures = Figures({f"counter {number} {'x' * 100}": 1.0 for number in range(20_000)})
    desk.worker.post(figures)
    assert desk.worker._channel.stuck
    assert (await desk.hear("post")).content["counters"] == figures.counters
