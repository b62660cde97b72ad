"""What a worker has instead of a broker, when that runs in another one."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress

from blackbull.errors import ConnectionLost
from blackbull.worker import Worker

from .distant import DistantBroker, Stream
from .opening import Opening, encode_opening
from .owner import WORKER_PROTOCOL
from .relay import Relay


class Elsewhere:
    """The application's way to the owner's broker, and the clients' way.

    Args:
        worker: This worker, which is not the owner.
        timeout: Seconds that the owner may take to answer; 0: any time.

    Attributes:
        broker: Publishes and subscribes for the application.
        relay: Carries clients' bytes.
    """

    def __init__(self, worker: Worker, *, timeout: float) -> None:
        self._worker = worker
        self._name = secrets.token_hex(8)
        self.broker = DistantBroker(self._open_application, timeout=timeout)
        self.relay = Relay(self._open, worker=self._name, timeout=timeout)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look for the owner."""
        self._task = asyncio.get_running_loop().create_task(self.broker.run())

    async def let_go(self) -> None:
        """This worker stops: let the clients go, without their wills."""
        await self.broker.let_go()
        await self.relay.settle()

    async def stop(self) -> None:
        """End everything."""
        await self.relay.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def _open(self) -> Stream:
        return await self._worker.open_owner(WORKER_PROTOCOL)

    async def _open_application(self) -> Stream:
        reader, writer = await self._open()
        try:
            await writer.write(encode_opening(Opening(worker=self._name)))
        except ConnectionLost:
            with suppress(ConnectionLost):
                await writer.close()
            raise
        return reader, writer
