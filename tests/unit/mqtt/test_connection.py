"""Time on a reader and a writer that are not the server's own: nothing of it is given away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import pytest

from blackbull.abc import ProtocolContext, Reader, Writer
from blackbull.errors import ConnectionLost
from blackbull.mqtt.binding import MAX_UNWRITTEN
from blackbull.mqtt.broker import BrokerActor
from blackbull.mqtt.connection import MQTTConnectionActor, serve_connection
from blackbull.mqtt.messages import (
    MQTTConnect,
    MQTTDisconnect,
    MQTTPingreq,
    MQTTPublish,
    MQTTSubscribe,
    encode_packet,
)
from blackbull.mqtt.settings import MQTTSettings
from blackbull.mqtt.state.hooks import Hooks
from tests.spec import spec

WAIT = 10.0
CONTEXT = ProtocolContext(("192.0.2.1", 4711), ("192.0.2.2", 1883), None, "c" * 32, "mqtt", None)
PINGREQ = encode_packet(MQTTPingreq())


class Line(Reader):
    """What a client sends.

    Args:
        polled: It returns ``b""`` while it has nothing; else it waits.
    """

    def __init__(self, *, polled: bool = False) -> None:
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._polled = polled
        self._ended = False

    def say(self, *data: bytes) -> None:
        for each in data:
            self._queue.put_nowait(each)

    def end(self) -> None:
        self._ended = True
        self._queue.put_nowait(b"")

    async def read(self, n: int = -1) -> bytes:
        if self._polled and self._queue.empty():
            await asyncio.sleep(0)
            return b""
        return await self._queue.get()

    async def readexactly(self, n: int) -> bytes:
        raise NotImplementedError

    async def readuntil(self, separator: bytes = b"\n", *, limit: int = 65536) -> bytes:
        raise NotImplementedError

    async def peek(self, n: int) -> bytes:
        raise NotImplementedError

    def at_eof(self) -> bool:
        return self._ended and self._queue.empty()


class Page(Writer):
    """What the client is sent."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False
        self.broken = False

    async def write(self, data: bytes) -> None:
        if self.broken:
            raise ConnectionLost("gone")
        self.written += data

    async def writelines(self, parts: Iterable[bytes]) -> None:
        await self.write(b"".join(parts))

    async def close(self) -> None:
        self.closed = True


@asynccontextmanager
async def running(hooks: Hooks | None = None, **settings: object) -> AsyncIterator[BrokerActor]:
    actor = BrokerActor(MQTTSettings(sys_interval=0, **settings), hooks=hooks)  # type: ignore[arg-type]
    task = asyncio.ensure_future(actor.run())
    yield actor
    actor.stop()
    await task
    assert not actor.broker.connected


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT):
        while not condition():
            await asyncio.sleep(0.001)


def wills(actor: BrokerActor) -> list[bytes]:
    """Return the list that the wills of clients will come to."""
    got: list[bytes] = []
    actor.add_local("will", lambda publication: got.append(publication.payload) is None)
    return got


def connect(**fields: object) -> bytes:
    usual = {"client_id": "c", "will_topic": "will", "will_payload": b"gone"}
    return encode_packet(MQTTConnect(**{**usual, **fields}))  # type: ignore[arg-type]


every_reader = pytest.mark.parametrize("polled", [False, True], ids=["waits", "polls"])


@every_reader
@pytest.mark.parametrize("how", ["silent", "dribbles"])
async def test_connect_that_does_not_come_in_time_ends_the_connection(
    how: str, polled: bool, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = Line(polled=polled), Page()
    async with running(connect_timeout=0.1) as actor:
        serving = asyncio.ensure_future(serve_connection(reader, writer, CONTEXT, actor))
        said = iter(connect(client_id="c" * 100))
        while not (await asyncio.wait([serving], timeout=0.01))[0]:
            if how == "dribbles":
                reader.say(bytes([next(said)]))
        await serving
        assert (writer.closed, writer.written) == (True, b"")
    assert [each.__dict__["cap"] for each in caplog.records] == ["mqtt_connect_timeout"]


@every_reader
async def test_hook_that_thinks_for_too_long_costs_the_client_its_connection(polled: bool) -> None:
    cancelled = asyncio.Event()

    async def authenticate(request: object) -> bool:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return True

    reader, writer = Line(polled=polled), Page()
    async with running(Hooks(authenticate=authenticate), connect_timeout=0.1) as actor:
        reader.say(connect())
        await asyncio.wait_for(serve_connection(reader, writer, CONTEXT, actor), WAIT)
        await asyncio.wait_for(cancelled.wait(), WAIT)
        assert not actor.broker.sessions
    assert writer.closed


@spec("MQTT 5.0 §3.1.2.10", "MQTT-3.1.2-22")
@every_reader
@pytest.mark.parametrize("how", ["silent", "dribbles"])
async def test_silence_for_too_long_ends_the_connection(how: str, polled: bool) -> None:
    reader, writer = Line(polled=polled), Page()
    loop = asyncio.get_running_loop()
    async with running() as actor:
        told = wills(actor)
        serving = asyncio.ensure_future(serve_connection(reader, writer, CONTEXT, actor))
        reader.say(connect(keep_alive=1))
        await until(lambda: writer.written)
        began = loop.time()
        if how == "dribbles":
            reader.say(encode_packet(MQTTPublish("t", b"x" * 1000))[:100])
        while not (await asyncio.wait([serving], timeout=0.05))[0]:
            if how == "dribbles":
                reader.say(b"x")
        await serving
        assert 1.4 < loop.time() - began < 3.0
        assert writer.written.endswith(encode_packet(MQTTDisconnect(0x8D)))
        await until(lambda: told)
    assert told == [b"gone"]


@every_reader
async def test_client_that_says_something_now_and_then_stays(polled: bool) -> None:
    reader, writer = Line(polled=polled), Page()
    async with running() as actor:
        serving = asyncio.ensure_future(serve_connection(reader, writer, CONTEXT, actor))
        reader.say(connect(keep_alive=1))
        for _ in range(3):
            done, _ = await asyncio.wait([serving], timeout=0.7)
            assert not done
            reader.say(PINGREQ)
        reader.say(encode_packet(MQTTDisconnect()))
        await asyncio.wait_for(serving, WAIT)
    assert writer.written.endswith(b"\xd0\x00" * 3)


async def test_writer_that_breaks_ends_the_connection_with_its_will() -> None:
    reader, writer = Line(), Page()
    async with running() as actor:
        told = wills(actor)
        serving = asyncio.ensure_future(serve_connection(reader, writer, CONTEXT, actor))
        reader.say(connect())
        await until(lambda: writer.written)
        writer.broken = True
        reader.say(PINGREQ)
        await asyncio.wait_for(serving, WAIT)
        await until(lambda: told)
        assert told == [b"gone"]


@pytest.mark.parametrize("how", ["ends", "cancelled", "goodbye", "breaks a rule"])
async def test_will_is_published_unless_the_client_said_goodbye(how: str) -> None:
    """S50."""
    reader, writer = Line(), Page()
    async with running() as actor:
        told = wills(actor)
        serving = asyncio.ensure_future(serve_connection(reader, writer, CONTEXT, actor))
        reader.say(connect())
        await until(lambda: writer.written)
        if how == "ends":
            reader.end()
        elif how == "cancelled":
            serving.cancel()
        elif how == "goodbye":
            reader.say(encode_packet(MQTTDisconnect()))
        else:
            reader.say(b"\xf0\x00")
        await asyncio.wait([serving], timeout=WAIT)
        assert serving.cancelled() == (how == "cancelled")
        await until(lambda: not actor.broker.sessions)
        assert told == ([] if how == "goodbye" else [b"gone"])


async def test_connections_by_the_dozen_leave_no_task() -> None:
    """S49: each ends as its reader does, and nothing of it runs on."""
    async with running() as actor:
        before = len(asyncio.all_tasks())
        lines = [Line(polled=bool(number % 2)) for number in range(24)]
        pages = [Page() for _ in lines]
        serving = [
            asyncio.ensure_future(serve_connection(reader, writer, CONTEXT, actor))
            for reader, writer in zip(lines, pages, strict=True)
        ]
        for number, reader in enumerate(lines):
            reader.say(connect(client_id=f"c{number}"))
        await until(lambda: all(page.written for page in pages))
        assert actor.broker.connected == 24
        for number, reader in enumerate(lines):
            if number % 3:
                reader.end()
            else:
                serving[number].cancel()
        await asyncio.wait(serving, timeout=WAIT)
        assert len(asyncio.all_tasks()) == before
        assert not actor.broker.sessions


async def test_connection_that_cannot_be_written_to_costs_itself_only(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bug, or one socket in a strange state, is not the end of the broker."""
    async with running() as actor:
        told = wills(actor)
        reader, writer = Line(), Page()
        serving = asyncio.ensure_future(serve_connection(reader, writer, CONTEXT, actor))
        reader.say(connect())
        await until(lambda: writer.written)

        def fails() -> None:
            raise OSError("strange")

        link = actor.broker.sessions["c"].link
        assert link is not None
        monkeypatch.setattr(link.shell, "flush", fails)
        reader.say(PINGREQ)
        await until(lambda: told)
        reader.end()
        await asyncio.wait_for(serving, WAIT)
        again, page = Line(), Page()
        serving = asyncio.ensure_future(serve_connection(again, page, CONTEXT, actor))
        again.say(connect(), encode_packet(MQTTDisconnect()))
        await asyncio.wait_for(serving, WAIT)
        assert page.written[0] == 0x20
    assert [record.name for record in caplog.records] == ["blackbull.mqtt"]


@pytest.mark.parametrize(
    ("limit", "bytes_", "messages", "kept"),
    [({"connection_inbox_max_bytes": 20_000}, 22_000, 1024, 51_000),
     ({"connection_inbox_maxsize": 3}, 1 << 20, 3, 62_000)],
)  # fmt: skip
async def test_client_that_takes_nothing_has_a_bounded_inbox(
    caplog: pytest.LogCaptureFixture,
    limit: dict[str, int],
    bytes_: int,
    messages: int,
    kept: int,
) -> None:
    class Stuck(Page):
        async def write(self, data: bytes) -> None:
            await super().write(data)
            if len(self.written) > 100:
                await asyncio.Event().wait()

    async with running(max_outbound_bytes=50_000, **limit) as actor:
        reader, writer = Line(), Stuck()
        serving = asyncio.ensure_future(serve_connection(reader, writer, CONTEXT, actor))
        reader.say(connect(), encode_packet(MQTTSubscribe(1, [("t", 0)])))
        await until(lambda: len(writer.written) > 5)
        link = actor.broker.sessions["c"].link
        assert link is not None
        for number in range(200):
            actor.publish("t", bytes(1000))
            if not number % 10:
                await asyncio.sleep(0)
        shell = link.shell
        assert isinstance(shell, MQTTConnectionActor)
        assert shell._unwritten <= bytes_
        assert len(shell._inbox) <= messages
        assert sum(map(len, link.out)) <= kept
        serving.cancel()
        await asyncio.wait([serving], timeout=WAIT)
    assert {record.__dict__["cap"] for record in caplog.records} == {"mqtt_max_outbound_bytes"}


async def test_client_that_reads_no_answers_is_not_read_from() -> None:
    class Stuck(Page):
        async def write(self, data: bytes) -> None:
            await super().write(data)
            if len(self.written) > 100:
                await asyncio.Event().wait()

    async with running(connection_inbox_max_bytes=100) as actor:
        reader, writer = Line(), Stuck()
        serving = asyncio.ensure_future(serve_connection(reader, writer, CONTEXT, actor))
        reader.say(connect())
        await until(lambda: writer.written)
        link = actor.broker.sessions["c"].link
        assert link is not None
        shell = link.shell
        assert isinstance(shell, MQTTConnectionActor)
        for _ in range(200):
            reader.say(PINGREQ * 32)
            for _ in range(4):
                await asyncio.sleep(0)
        assert MAX_UNWRITTEN < link.unanswered <= MAX_UNWRITTEN + 64
        assert not shell._unparked.is_set()
        serving.cancel()
        await asyncio.wait([serving], timeout=WAIT)
