"""Two workers in one process: one has the broker, the other reaches it over memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from blackbull import BlackBull
from blackbull.abc import Address, Reader, Writer
from blackbull.errors import ConnectionLost
from blackbull.mqtt import MQTTExtension
from blackbull.transport.memory import MemoryConnection, memory_pair
from blackbull.worker import Figures, Worker

WAIT = 10.0


class OtherWorker(Worker):
    """A worker that is not the owner.

    Attributes:
        owner_app: The application of the owner; None while there is no owner.
        ends: The owner's ends of the streams that were opened, oldest first.
        failures: How often a stream was asked for in vain.
    """

    index = 1
    count = 2

    def __init__(self, owner_app: BlackBull | None = None) -> None:
        self.owner_app = owner_app
        self.ends: list[MemoryConnection] = []
        self.failures = 0
        self.asked: list[str] = []

    def post(self, figures: Figures) -> None:
        """Nobody looks."""

    async def collect(self) -> list[Figures]:
        return []

    async def open_owner(
        self, protocol: str, *, peername: Address | None = None, sockname: Address | None = None
    ) -> tuple[Reader, Writer]:
        self.asked.append(protocol)
        if self.owner_app is None:
            self.failures += 1
            raise ConnectionLost("nobody is there")
        binding = self.owner_app.protocols.get(protocol)
        if binding is None:
            raise LookupError(protocol)
        near, far = memory_pair()
        self.ends.append(far)
        reader = near.reader
        serving = binding.serve(far)
        with suppress(StopIteration):
            serving.send(None)
        return reader, near.writer

    def die(self) -> None:
        """The owner is killed."""
        self.owner_app = None
        for end in self.ends:
            end.abort()
        self.ends.clear()


class Two:
    """The applications of two workers, which have started.

    Attributes:
        owner: The extension of the one that has the broker.
        other: The extension of the other one.
        worker: The other one, as its application sees it.
    """

    def __init__(self, owner: MQTTExtension, other: MQTTExtension, worker: OtherWorker) -> None:
        self.owner = owner
        self.other = other
        self.worker = worker
        self.apps: list[BlackBull] = []

    async def start_owner(self, mqtt: MQTTExtension) -> None:
        """Let a worker with *mqtt* be the owner from now on."""
        app = BlackBull()
        app.add_extension(mqtt)
        await app.startup()
        self.apps.append(app)
        self.owner, self.worker.owner_app = mqtt, app

    async def start_other(self) -> None:
        app = BlackBull()
        app.worker = self.worker
        app.add_extension(self.other)
        await app.startup()
        self.apps.append(app)

    async def stop(self) -> None:
        for app in reversed(self.apps):
            await app.stopping()
            await app.shutdown()


@asynccontextmanager
async def two(
    owner: MQTTExtension | None = None, other: MQTTExtension | None = None
) -> AsyncIterator[Two]:
    """Start both; on the way out, stop them, the other one first."""
    workers = Two(owner or MQTTExtension(), other or MQTTExtension(), OtherWorker())
    await workers.start_owner(workers.owner)
    await workers.start_other()
    try:
        yield workers
    finally:
        await workers.stop()
