"""The dispatcher: look at a connection's opening bytes, choose its protocol, let it serve.

Theory of operation. Every arrival makes the *prefix* longer; nothing of it is consumed. Each
candidate is first asked with exactly the bytes that it wanted (:attr:`detection_read`), and, if
it answers None, again for every further byte. The first to say True wins. The prefix is walked as
if it had come one byte at a time, so the choice does not depend on how the peer's bytes were cut
into arrivals. The listener's fallback is never asked: it serves what nobody claims, once every
candidate has declined, the peer has finished or the prefix is too long. Without a fallback the
connection is closed.

Nothing in this file knows any protocol.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Final, TypeAlias

from blackbull.abc import ConnectionView, Consumer, ProtocolBinding, Refusal
from blackbull.errors import Disconnect, IncompleteRead, RemoteProtocolError, TransportError

MAX_PREFIX: Final = 4096
"""Detection gives up when nobody has decided after that many bytes."""

ErrorHook: TypeAlias = Callable[[ConnectionView, Exception], Awaitable[None]]
ChosenHook: TypeAlias = Callable[[ConnectionView], None]

_log = logging.getLogger("blackbull.server")


class BindingRunner:
    """Lets bindings serve connections, each isolated from every other.

    A fed binding is driven in the current callback; a pulling one in a task, which is kept here
    until it ends, so that it can neither be collected nor outlive the server.

    Args:
        on_error: Awaited with the connection and what its protocol raised.
    """

    __slots__ = ("_on_error", "tasks")

    def __init__(self, *, on_error: ErrorHook | None = None) -> None:
        self._on_error = on_error
        self.tasks: set[asyncio.Task[None]] = set()

    def serve(self, binding: ProtocolBinding, view: ConnectionView) -> None:
        """Let *binding* serve *view*; a pulling binding's connection is closed when it ends."""
        if binding.fed:
            self._feed(binding, view)
        else:
            self._start(self._pull(binding, view))

    def refuse(self, binding: ProtocolBinding, view: ConnectionView, why: Refusal) -> None:
        """Let *binding* turn *view* away in its own words; it closes the connection itself."""
        self._start(self._refuse(binding, view, why))

    def _feed(self, binding: ProtocolBinding, view: ConnectionView) -> None:
        coroutine = binding.serve(view)
        try:
            coroutine.send(None)
        except StopIteration:
            return
        except Exception as error:
            view.close()
            self._start(self._report(view, error))
            return
        coroutine.close()
        view.abort()
        self._start(
            self._report(
                view,
                RuntimeError(f"{type(binding).__name__} is fed, so its serve() must not wait"),
            )
        )

    async def _pull(self, binding: ProtocolBinding, view: ConnectionView) -> None:
        try:
            await binding.serve(view)
        except Exception as error:
            view.close()
            await self._report(view, error)
        finally:
            view.close()

    async def _refuse(self, binding: ProtocolBinding, view: ConnectionView, why: Refusal) -> None:
        try:
            await binding.refuse(view, why)
        except Exception as error:
            view.abort()
            await self._report(view, error)

    async def _report(self, view: ConnectionView, error: Exception) -> None:
        where = f"{view.protocol or 'undetected'} connection {view.connection_id}"
        if isinstance(error, RemoteProtocolError | TransportError | IncompleteRead | Disconnect):
            _log.info("%s: %s: %s", where, type(error).__name__, error)
        else:
            _log.error("%s: its protocol raised", where, exc_info=error)
        if self._on_error is not None:
            try:
                await self._on_error(view, error)
            except Exception:
                _log.exception("%s: the error could not be reported", where)

    def _start(self, coroutine: Coroutine[object, object, None]) -> None:
        if sys.version_info >= (3, 12):
            task = asyncio.Task(coroutine, loop=asyncio.get_running_loop(), eager_start=True)
            if task.done():
                return
        else:
            task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def begin_connection(
    view: ConnectionView,
    candidates: Sequence[ProtocolBinding],
    *,
    fallback: ProtocolBinding | None,
    runner: BindingRunner,
    timeout: float,
    on_chosen: ChosenHook | None = None,
) -> None:
    """Serve a connection that was just accepted; the arguments are those of `ConnectionActor`.

    A listener that speaks one protocol looks at no byte and makes no :class:`ConnectionActor`.
    """
    if candidates:
        ConnectionActor(
            view, candidates, fallback=fallback, runner=runner, timeout=timeout,
            on_chosen=on_chosen,
        ).start()  # fmt: skip
        return
    if fallback is not None:
        view.protocol = fallback.name
    if on_chosen is not None:
        on_chosen(view)
    if fallback is None:
        view.close()
    else:
        runner.serve(fallback, view)


class ConnectionActor(Consumer):
    """Finds out which protocol the peer of one connection speaks.

    Args:
        view: The connection.
        candidates: The bindings that may claim it. Who wants fewer bytes is asked earlier; of two
            that would claim the same bytes the first one here wins. One that wants many keeps the
            fallback waiting for them, so it had better want few and answer None.
        fallback: Serves what nobody claims and turns away who is too slow; None: both are closed.
        runner: Drives the binding that was chosen.
        timeout: Seconds until the prefix must have decided.
        on_chosen: Called exactly once per connection, when ``view.protocol`` is final. It is
            the fallback's name when the peer was turned away, and empty without a fallback.
    """

    __slots__ = (
        "_alpn", "_asked", "_done", "_fallback", "_leaving", "_on_chosen", "_prefix", "_runner",
        "_seen", "_timeout", "_undecided", "_view",
    )  # fmt: skip

    def __init__(
        self,
        view: ConnectionView,
        candidates: Sequence[ProtocolBinding],
        *,
        fallback: ProtocolBinding | None,
        runner: BindingRunner,
        timeout: float,
        on_chosen: ChosenHook | None = None,
    ) -> None:
        self._view = view
        self._fallback = fallback
        self._runner = runner
        self._timeout = timeout
        self._on_chosen = on_chosen
        self._alpn = view.alpn
        self._undecided = [b for b in candidates if b is not fallback]
        self._asked: list[ProtocolBinding] = []
        self._prefix = b""
        self._seen = 0
        self._done = False
        self._leaving = False

    def start(self) -> None:
        """Take the connection; decides at once if TLS has named the protocol."""
        named = self._named_by_alpn()
        if named is not None:
            self._choose(named)
            return
        self._view.deadline.set(self._timeout)
        if not self._ask_at(0):
            self._view.attach(self)

    def data_received(self, data: bytes) -> None:
        """Look at a longer prefix."""
        if self._done:
            return
        self._prefix += data
        visible = min(len(self._prefix), MAX_PREFIX)
        end = self._next_question(visible)
        while end is not None:
            self._seen = end
            if self._ask_at(end):
                return
            end = self._next_question(visible)
        if visible == MAX_PREFIX:
            self._fall_back()

    def eof_received(self) -> None:
        """The prefix is all there will be: whoever wanted more is out."""
        if not self._done:
            self._fall_back()

    def deadline_expired(self) -> None:
        """The peer was too slow; if the server stops, one that has said nothing needs no answer."""
        if not self._leaving:
            self._turn_away(Refusal.TIMEOUT)
        elif self._prefix or self._view.leaving.grace <= 0:
            self._turn_away(Refusal.SHUTDOWN)
        elif not self._done:
            self._finish("" if self._fallback is None else self._fallback.name)
            self._view.close()

    def shutdown(self) -> None:
        """The server stops before the peer has said what it wants: it may be on its way."""
        if self._done or self._leaving:
            return
        self._leaving = True
        seconds = self._view.leaving.grace
        if seconds > 0:
            self._view.deadline.set(seconds)
        else:
            self._turn_away(Refusal.SHUTDOWN)

    def connection_lost(self, error: Exception | None) -> None:
        """Nobody will ever know."""
        if not self._done:
            self._finish("")

    def writing_paused(self) -> None:
        """Nothing is written here."""

    def writing_resumed(self) -> None:
        """Nothing is written here."""

    def _named_by_alpn(self) -> ProtocolBinding | None:
        if self._alpn is None:
            return None
        known = [*self._undecided, *([self._fallback] if self._fallback is not None else [])]
        return next((b for b in known if self._alpn in b.alpn), None)

    def _next_question(self, visible: int) -> int | None:
        """Return the next length of the prefix at which somebody wants to be asked."""
        seen = self._seen
        if self._asked:
            return seen + 1 if seen < visible else None
        ends = [b.detection_read for b in self._undecided if seen < b.detection_read <= visible]
        if any(b.detection_read < 0 for b in self._undecided):
            line = self._prefix.find(b"\r\n", max(seen - 1, 0), visible)
            if line >= 0 and line + 2 > seen:
                ends.append(line + 2)
        return min(ends, default=None)

    def _ask_at(self, end: int) -> bool:
        """Ask whoever wants to see that much; return True when that has decided."""
        prefix = self._prefix[:end]
        asked: list[ProtocolBinding] = []
        undecided: list[ProtocolBinding] = []
        for binding in self._undecided:
            if _wants(binding, prefix) or any(binding is other for other in self._asked):
                answer = self._ask(binding, prefix)
                if answer:
                    self._choose(binding)
                    return True
                if answer is not None:
                    continue
                asked.append(binding)
            undecided.append(binding)
        self._asked = asked
        self._undecided = undecided
        if undecided:
            return False
        self._fall_back()
        return True

    def _ask(self, binding: ProtocolBinding, prefix: bytes) -> bool | None:
        try:
            return binding.detect(prefix, self._alpn)
        except Exception:
            _log.exception("protocol %s: detect() raised; taken as 'not mine'", binding.name)
            return False

    def _fall_back(self) -> None:
        if self._fallback is None:
            self._finish("")
            self._view.close()
        else:
            self._choose(self._fallback)

    def _choose(self, binding: ProtocolBinding) -> None:
        self._finish(binding.name)
        self._view.unread(self._prefix)
        self._runner.serve(binding, self._view)

    def _turn_away(self, why: Refusal) -> None:
        if self._done:
            return
        if self._fallback is None:
            self._finish("")
            self._view.close()
        else:
            self._finish(self._fallback.name)
            self._runner.refuse(self._fallback, self._view, why)

    def _finish(self, name: str) -> None:
        self._done = True
        self._view.deadline.clear()
        self._view.protocol = name
        if self._on_chosen is not None:
            self._on_chosen(self._view)


def _wants(binding: ProtocolBinding, prefix: bytes) -> bool:
    want = binding.detection_read
    return len(prefix) == want if want >= 0 else prefix.endswith(b"\r\n")
