"""A worker's side of its channel: the other workers, and its sockets."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Final, cast

from blackbull.abc import Address, Aggregator, Leaving, Reader, Writer
from blackbull.errors import ConfigurationError, ConnectionLost, LimitExceeded
from blackbull.server.admission import Origins, OwnOrigins
from blackbull.server.server import Server
from blackbull.transport.deadline import Wheel
from blackbull.transport.socket_protocol import SocketProtocol
from blackbull.transport.where import Where
from blackbull.worker import Figures, Worker

from .channel import Channel, Message
from .ledger import decode_figures, encode_figures
from .origins import SharedOrigins
from .places import decode_where, encode_where

_log = logging.getLogger("blackbull.server")

MAX_PULSE: Final = 1.0
"""Seconds between two signs of life, at most."""


class Lost(ConnectionLost):
    """There is no supervisor any more."""


class ChannelSockets:
    """Gets listening sockets from the supervisor.

    Args:
        worker: Whose channel it is.
    """

    def __init__(self, worker: ChannelWorker) -> None:
        self._worker = worker

    def open(self, where: Where, *, backlog: int, name: str) -> list[socket.socket]:
        """Ask for the sockets of *where*, and wait for them: this is done at the start only.

        Raises:
            ConfigurationError: they cannot be opened.
            Lost: there is nobody to ask.
        """
        content = {"where": encode_where(where), "backlog": backlog, "name": name}
        answer = self._worker.ask("open", content)
        if answer.say == "refused":
            raise ConfigurationError(answer.text("line"))
        if answer.torn:
            answer.drop()
            raise ConfigurationError(
                f"cannot listen on {where}: too many files are open; raise the limit (ulimit -n)"
            )
        return [socket.socket(fileno=fd) for fd in answer.files]

    def release(self, where: Where) -> None:
        """Nothing: the supervisor knows by itself what is needed."""


def open_origins(worker: ChannelWorker) -> Origins:
    """Return what counts connections by address together with the other workers.

    Raises:
        Lost: there is nobody to ask.
    """
    answer = worker.ask("count", {})
    if answer.say == "refused":
        _log.warning(
            "connections of one address are counted by each worker for itself: %s",
            answer.text("line"),
        )
        return OwnOrigins()
    (fd,) = answer.files
    try:
        return SharedOrigins(fd, int(answer.number("row")), key=bytes.fromhex(answer.text("key")))
    finally:
        os.close(fd)


class ChannelWorker(Worker):
    """One of several workers.

    Args:
        channel: To the supervisor.
        index: Which one it is.
        count: How many there are.

    Attributes:
        go: Set when connections may be accepted.
        stop: Set when the worker is to end, or the supervisor has.
        drain_timeout: Seconds that requests get then; None: as the settings say.
        replaced: Other workers serve then.
        server: What serves here, once there is something.
    """

    def __init__(self, channel: Channel, *, index: int, count: int) -> None:
        self.index = index
        self.count = count
        self.go = asyncio.Event()
        self.stop = asyncio.Event()
        self.drain_timeout: float | None = None
        self.replaced = False
        self.server: Server | None = None
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._owning = asyncio.Event()
        self._holders = 0
        self._early: list[Message] = []
        self._asked: dict[int, asyncio.Future[Message]] = {}
        self._questions = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._pulse: asyncio.TimerHandle | None = None
        self._acceptor: _Dialled | None = None
        self._writing = False
        self._loop.add_reader(channel.fileno(), self._arrived)

    # ------------------------------------------------------------------ what applications use

    @asynccontextmanager
    async def owning(self) -> AsyncIterator[None]:
        """Do what must be done once, as soon as no other process does it."""
        await self._owning.wait()
        if self.stop.is_set():
            await asyncio.Event().wait()
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            if self.stop.is_set() and not self._holders:
                self._owning.clear()
                self.tell("released")

    def post(self, figures: Figures) -> None:
        """Let the other workers see *figures* instead of what was posted before; never waits."""
        self.tell("post", encode_figures(figures))

    async def collect(self) -> list[Figures]:
        """Return what the other workers posted last, and the counters of those that ended."""
        answer = await self._question("collect", {})
        return [decode_figures(each) for each in answer.items("figures")]

    async def open_owner(
        self, protocol: str, *, peername: Address | None = None, sockname: Address | None = None
    ) -> tuple[Reader, Writer]:
        """Open a stream to a protocol of the owner, which serves it as one more connection.

        Raises:
            ConnectionLost: the owner is not to be reached now; try again.
            LookupError: the owner has no such protocol, or this worker is the owner.
        """
        if self._owning.is_set():
            raise LookupError(f"{protocol!r} is served by this very process: it is the owner")
        content: dict[str, object] = {
            "protocol": protocol, "peername": peername, "sockname": sockname,
        }  # fmt: skip
        answer = await self._question("owner", content)
        if answer.say == "no protocol":
            raise LookupError(f"the owner has no protocol {protocol!r}")
        if answer.say != "joined" or answer.torn:
            raise ConnectionLost("there is no owner now; try again")
        if self._acceptor is None:
            self._acceptor = _Dialled(Wheel(self._loop))
        view = SocketProtocol(self._acceptor)
        await self._loop.connect_accepted_socket(
            lambda: view, socket.socket(fileno=answer.files[0])
        )
        return view.reader, view.writer

    # ------------------------------------------------------------------ what the runner uses

    def tell(self, say: str, content: dict[str, object] | None = None) -> None:
        """Send a message to the supervisor."""
        self._channel.send(say, content)
        self._send_on()

    def ask(self, say: str, content: dict[str, object]) -> Message:
        """Send a message and block until its answer, *opened* or *refused*, has come.

        Raises:
            Lost: there is nobody to ask.
        """
        self._channel.send(say, content)
        while not self._channel.closed:
            self._channel.flush()
            self._channel.wait()
            for message in self._channel.receive():
                if message.say in {"opened", "refused"}:
                    self._loop.call_soon(self._arrived)
                    return message
                self._early.append(message)
        self.stop.set()
        raise Lost("the supervisor has gone")

    def beat(self, timeout: float) -> None:
        """Give signs of life, so many that none is missing for *timeout* seconds; 0: none."""
        if timeout and not self._channel.closed:
            if not self._channel.stuck:
                self.tell("alive")
            pulse = min(timeout / 4.0, MAX_PULSE)
            self._pulse = self._loop.call_later(pulse, self.beat, timeout)

    def leave(self) -> None:
        """Let the supervisor know that this worker ends, unless it has said so."""
        if self.drain_timeout is None:
            self.tell("leaving")

    async def aclose(self) -> None:
        """Leave the supervisor; what was asked and not answered fails."""
        if self._pulse is not None:
            self._pulse.cancel()
        if self._acceptor is not None:
            self._acceptor.wheel.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._leave()

    # ------------------------------------------------------------------ what arrives

    def _arrived(self) -> None:
        early, self._early = self._early, []
        for message in early:
            self._take(message)
        for message in self._channel.receive():
            self._take(message)
        if self._channel.closed:
            self._leave()
            self.stop.set()

    def _take(self, message: Message) -> None:
        match message.say:
            case "go":
                self.go.set()
            case "own":
                self._owning.set()
            case "stop":
                self.drain_timeout = message.number("drain")
                self.replaced = bool(message.number("replaced"))
                self.stop.set()
            case "lend" | "serve" if self.server is not None and not message.torn:
                self._run(self._lend if message.say == "lend" else self._serve, message)
            case "give back" if self.server is not None:
                self.server.give_back(message.text("key"))
            case "collected" | "joined" | "no owner" | "no protocol":
                asked = self._asked.pop(int(message.number("id")), None)
                if asked is None or asked.done():
                    message.drop()
                else:
                    asked.set_result(message)
            case _:
                message.drop()

    def _run(
        self, work: Callable[[Message, Server], Coroutine[object, object, None]], message: Message
    ) -> None:
        assert self.server is not None
        task = self._loop.create_task(work(message, self.server))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _lend(self, message: Message, server: Server) -> None:
        where, name = decode_where(message.content["where"]), message.text("name")
        for fd in message.files:
            sock = socket.socket(fileno=fd)
            await server.borrow(message.text("key"), where, name=name, sock=sock)

    async def _serve(self, message: Message, server: Server) -> None:
        await server.serve_stream(
            message.text("protocol"),
            socket.socket(fileno=message.files[0]),
            peername=_address(message.content.get("peername")),
            sockname=_address(message.content.get("sockname")),
        )

    async def _question(self, say: str, content: dict[str, object]) -> Message:
        if self._channel.closed:
            raise Lost("the supervisor has gone")
        self._questions += 1
        number = self._questions
        answer: asyncio.Future[Message] = self._loop.create_future()
        self._asked[number] = answer
        self.tell(say, {**content, "id": number})
        try:
            return await answer
        finally:
            self._asked.pop(number, None)

    def _send_on(self) -> None:
        """Send the rest when the supervisor has read."""
        if self._channel.stuck and not self._writing:
            self._writing = True
            self._loop.add_writer(self._channel.fileno(), self._writable)

    def _writable(self) -> None:
        self._channel.flush()
        if not self._channel.stuck:
            self._writing = False
            self._loop.remove_writer(self._channel.fileno())

    def _leave(self) -> None:
        if self._channel.fileno() >= 0:
            self._loop.remove_reader(self._channel.fileno())
            self._loop.remove_writer(self._channel.fileno())
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(Lost("the supervisor has gone"))


class _Dialled:
    """Stands where a listener would for connections that this worker has opened."""

    write_timeout = 0.0
    aggregator: Aggregator | None = None

    def __init__(self, wheel: Wheel) -> None:
        self.leaving = Leaving()
        self.wheel = wheel

    def accepted(self, view: SocketProtocol) -> None:
        """Whoever opened the connection reads it."""

    def closed(self, view: SocketProtocol, error: Exception | None) -> None:
        """Its reader knows."""

    def record_limit(self, view: SocketProtocol, limit: LimitExceeded) -> None:
        """The owner is no peer with limits."""


def _address(encoded: object) -> Address | None:
    return cast("Address", tuple(encoded)) if isinstance(encoded, list) else None
