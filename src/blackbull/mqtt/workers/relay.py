"""Clients that are connected to a worker without a broker: their bytes go on to the owner."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from blackbull.abc import ConnectionView, Reader, Writer
from blackbull.errors import ConnectionLost, IncompleteRead, TransportError

from ..auth.requests import Transport
from ..binding import peer_certificate
from .distant import LAST_WORDS, PAUSES, Stream
from .opening import Opening, encode_opening

logger = logging.getLogger("blackbull.mqtt")

CHUNK: Final = 65536


class Relay:
    """Carries clients' bytes to the owner and back, one stream for each client.

    Args:
        open_stream: Opens a stream to the owner.
        worker: Names this process.
        timeout: Seconds that the owner may take to be there; 0: any time.
    """

    def __init__(
        self, open_stream: Callable[[], Awaitable[Stream]], *, worker: str, timeout: float
    ) -> None:
        self._open_stream = open_stream
        self._worker = worker
        self._timeout = timeout
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> Stream:
        """Open a stream to the owner; wait for its successor if it has died.

        Raises:
            ConnectionLost: there was none in time.
        """
        failures = 0
        try:
            async with asyncio.timeout(self._timeout or None):
                while True:
                    try:
                        return await self._open_stream()
                    except OSError:  # there is no owner, or no descriptor
                        await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
                        failures += 1
        except (TimeoutError, LookupError) as error:
            raise ConnectionLost("the worker that has the MQTT broker is not there") from error

    def take(self, view: ConnectionView) -> None:
        """Carry a connection of the server's, in a task."""
        self._keep(asyncio.ensure_future(self._carry_view(view)))

    async def carry(
        self, reader: Reader, writer: Writer, stream: Stream, *, opening: Opening
    ) -> None:
        """Carry a client's bytes until either side ends, and close both; cancelling is safe.

        Args:
            reader: Where the client's bytes come from.
            writer: Where the broker's go.
            stream: A stream to the owner.
            opening: What is known of the client.
        """
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        from_owner, to_owner = stream
        try:
            await to_owner.write(encode_opening(opening))
            there = asyncio.ensure_future(_pump(reader, to_owner))
            back = asyncio.ensure_future(_pump(from_owner, writer))
            try:
                await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                there.cancel()
                back.cancel()
                await asyncio.wait({there, back})
            for pump in (there, back):
                if not pump.cancelled():
                    pump.result()
        except (TransportError, IncompleteRead):
            pass
        finally:
            if task is not None:
                self._tasks.discard(task)
            with suppress(TransportError):
                await to_owner.close()
            with suppress(TransportError):
                await writer.close()

    def opening(
        self, peername: tuple[str, int | None] | None, *, ssl: object | None, transport: Transport
    ) -> Opening:
        """Return what the owner is told of a client."""
        return Opening(
            worker=self._worker, client=True, peername=peername, transport=transport,
            certificate=peer_certificate(ssl),
        )  # fmt: skip

    async def settle(self) -> None:
        """Wait until the clients have gone, if not for long."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=LAST_WORDS)

    async def stop(self) -> None:
        """End what is left."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def _carry_view(self, view: ConnectionView) -> None:
        reader = view.reader  # which learns of the connection's end meanwhile
        opening = self.opening(
            view.peername, ssl=view.ssl, transport="tcp" if view.ssl is None else "tls"
        )
        try:
            stream = await self.open()
            await self.carry(reader, view.writer, stream, opening=opening)
        except ConnectionLost as error:
            logger.info("a client is turned away: %s", error)
        except Exception:
            logger.exception("a client could not be carried to the MQTT broker")
        finally:
            view.close()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _pump(reader: Reader, writer: Writer) -> None:
    while True:
        data = await reader.read(CHUNK)
        if data:
            await writer.write(data)
        elif reader.at_eof():
            return
