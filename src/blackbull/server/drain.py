"""The end of a server: whom it tells that it leaves, and how long it waits for them.

::

    told to stop ── every protocol says so; nobody new is let in
      grace       whoever is idle may still ask for something, handshakes are completed
      the rest    what is under way ends by itself; handlers without a peer get the grace again
    timeout ───── handlers are cancelled, then connections are cut
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from types import FrameType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .server import Server

logger = logging.getLogger("blackbull.server")

GRACE: Final = 1.0
"""Seconds that peers which are idle get at most, see :class:`~blackbull.abc.Leaving`."""

GRACE_SHARE: Final = 4
"""The share of the drain timeout that they get if that is little: a quarter."""

TURNS: Final = 4
"""Turns of the loop after which a connection that it has accepted is ours."""

LOOK_SECONDS: Final = 0.02
"""How often those are looked for who do not tell that they have come."""

CANCEL_SECONDS: Final = 1.0
"""How long handlers that are cancelled may take to end, and connections to close."""

OURS: Final = f"{__name__.partition('.')[0]}."


class Drain:
    """Lets everything that a server serves come to its end.

    Args:
        server: The server.
        seconds: What the peers get, all in all.
    """

    def __init__(self, server: Server, *, seconds: float) -> None:
        self._server = server
        self._seconds = max(seconds, 0.0)
        self._deadline = asyncio.get_running_loop().time() + self._seconds

    async def run(self, *, restarting: bool) -> None:
        """Tell everybody, wait, and end what is left then. Cancelling it cuts the connections."""
        server = self._server
        leaving = server.leaving
        leaving.grace = min(GRACE, self._seconds / GRACE_SHARE)
        leaving.restarting = restarting
        try:
            await self._tell()
            server.watch_kept()
            await self._until_gone(leaving.grace)
            server.sockets.drop_introductions()
            await server.tls.aclose()
            await self._until_gone(self._left())
            await self._let_handlers_end(min(leaving.grace, self._left()))
            await end_tasks(server.tasks, within=CANCEL_SECONDS)
        finally:
            for view in list(server.connections):
                view.abort()
        await self._until_gone(CANCEL_SECONDS)

    async def _tell(self) -> None:
        """Tell the application and the peers; take in who is connected already."""
        server = self._server
        try:
            async with asyncio.timeout(max(self._seconds, CANCEL_SECONDS)):
                await server.app.stopping()
        except Exception:
            logger.exception("the application failed to end its work; it stops all the same")
        server.leaving.begun = True
        for view in list(server.connections):
            try:
                view.shutdown()
            except Exception:
                logger.exception("%s: its protocol failed to end; it is cut", view.protocol)
                view.abort()
        await server.sockets.stop_accepting(succeeded=server.leaving.restarting)
        for _ in range(TURNS):
            await asyncio.sleep(0)

    def _left(self) -> float:
        return self._deadline - asyncio.get_running_loop().time()

    async def _let_handlers_end(self, seconds: float) -> None:
        """Wait for handlers whose peers are gone: for what they do last, not for ever."""
        tasks = self._server.tasks
        if tasks and seconds > 0:
            await asyncio.wait(tasks, timeout=seconds)

    async def _until_gone(self, seconds: float) -> None:
        """Wait until no peer is left, *seconds* at most."""
        server = self._server
        if seconds <= 0:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    if server.connections:
                        await server.emptied()
                    elif server.tls.handshakes:
                        await server.tls.settled()
                    elif server.sockets.introducing:
                        await asyncio.sleep(LOOK_SECONDS)
                    else:
                        return


async def end_tasks(tasks: Iterable[asyncio.Task[None]], *, within: float) -> None:
    """Cancel *tasks* and wait for them; name those that do not end, and leave them behind.

    Args:
        tasks: None of them is the current one.
        within: Seconds.
    """
    tasks = set(tasks)
    if not tasks:
        return
    for task in tasks:
        task.cancel()
    _, stuck = await asyncio.wait(tasks, timeout=within)
    for task in stuck:
        logger.warning(
            "%s ignores its cancellation; it is left behind: let CancelledError pass", place(task)
        )
        leave_behind(task)


def leave_behind(task: asyncio.Task[None]) -> None:
    """Let the loop be closed without *task*, for whose end it would wait for ever."""
    asyncio.tasks._unregister_task(task)
    # asyncio would complain of it once more when the loop is gone.
    setattr(task, "_log_destroy_pending", False)  # noqa: B010 -- it has no type


def place(task: asyncio.Task[None]) -> str:
    """Return where *task* waits, in the code of the application as far as that can be told."""
    frames: list[FrameType] = []
    awaited: object = task.get_coro()
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "ag_frame", None)
        if isinstance(frame, FrameType):
            frames.append(frame)
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "ag_await", None)
    theirs = [frame for frame in frames if _is_theirs(frame)] or frames
    if not theirs:
        return task.get_name()
    code = theirs[-1].f_code
    return f"{code.co_qualname} ({code.co_filename}:{theirs[-1].f_lineno})"


def _is_theirs(frame: FrameType) -> bool:
    name = str(frame.f_globals.get("__name__", ""))
    return not name.startswith((OURS, "asyncio.", "contextlib"))
