"""The process that keeps workers alive, and keeps what must outlive them.

It is small and synchronous, so that it can fork and hardly fail: it waits for signals and for
messages of workers. It knows nothing of protocols or the application. Workers are started in
*generations*: a generation serves once all of its workers have started, and only then are those
of the one before told to stop. A worker that dies within a generation is replaced alone.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, TypeAlias

from .channel import Channel
from .desk import Desk
from .generation import Generation, Slot, Terms
from .held import HeldSockets, Key
from .notices import Notices
from .orphans import Orphans
from .process import Process, State, fork, spawn
from .wakeups import Wakeups
from .watch import Watcher

Serve: TypeAlias = Callable[[socket.socket, int], int]
"""Given a worker's end of its channel and its index: serves, and returns the exit status."""

GRACE: Final = 5.0
"""Seconds beyond the drain timeout after which a worker that was told to stop is killed."""

RELOAD_DRAIN: Final = 2.0
"""Seconds that requests are given at most when a source file has changed."""

LONGEST_WAIT: Final = 3600.0
"""Seconds that are waited for at a time: a poll cannot wait for more than some weeks."""

LATE: Final = 1.0
"""Being woken so many seconds late, the supervisor judges nobody's silence."""


class Supervisor:
    """Starts, watches, replaces and stops workers.

    Args:
        terms: What is known of the settings.
        notices: Told what happens.
        serve: What a forked worker does; None: workers are always fresh interpreters.
        apart: Whether workers get sockets of their own for a TCP port.
        watcher: Where changes of source files come from; None: they do not matter.
    """

    def __init__(
        self,
        terms: Terms,
        *,
        notices: Notices,
        serve: Serve | None = None,
        apart: bool = True,
        watcher: Watcher | None = None,
    ) -> None:
        self._terms = terms
        self._notices = notices
        self._serve = serve
        self._watcher = watcher
        self._held = HeldSockets(apart=apart)
        self._wanted: set[Key] = set()
        self._selector = selectors.DefaultSelector()
        self._wakeups = Wakeups()
        self._slots: dict[Process, Slot] = {}
        self._current: Generation | None = None
        self._coming: Generation | None = None
        self._again = False
        self._stopping = False
        self._status = 0
        self._terminal = os.isatty(0)
        self._desk = Desk(self._held)
        self._orphans = Orphans()

    def run(self) -> int:
        """Supervise until a signal ends it, or nothing could be started.

        Returns:
            The exit status.

        Raises:
            ConfigurationError: it cannot be done here.
        """
        with self._wakeups:
            self._selector.register(self._wakeups, selectors.EVENT_READ, None)
            if self._watcher is not None:
                self._watcher.start(self._wakeups.wake)
            try:
                self._begin(forked=self._serve is not None)
                while not (self._stopping and not self._slots):
                    self._turn()
            finally:
                self._end()
        return self._status

    # ------------------------------------------------------------------ one turn

    def _turn(self) -> None:
        now = time.monotonic()
        planned = min(self._times(), default=float("inf"))
        timeout = None if planned == float("inf") else min(max(planned - now, 0.0), LONGEST_WAIT)
        for key, mask in self._selector.select(timeout):
            if key.data is None:
                for number in self._wakeups.received():
                    self._signalled(number)
            else:
                if mask & selectors.EVENT_WRITE:
                    key.data.channel.flush()
                self._hear(key.data)
        if self._watcher is not None and not self._stopping:
            self._look_for_changes(self._watcher)
        self._reap()
        self._notices.beat()
        self._keep_time(late=time.monotonic() - planned > LATE)
        if self._current is not None:
            self._desk.settle(self._current, now=time.monotonic())
        for process in self._slots:
            self._watch(process)

    def _times(self) -> Iterator[float]:
        yield self._notices.due
        for process, slot in self._slots.items():
            yield self._deadline(process, slot.generation.terms)
        if self._current is not None:
            yield from (slot.due for slot in self._current.slots if slot.due is not None)

    def _deadline(self, process: Process, terms: Terms) -> float:
        match process.state:
            case State.STOPPING:
                return process.deadline
            case State.STARTED | State.LOADED:
                return process.started + (terms.start_timeout or float("inf"))
            case _:
                return process.heard + (terms.timeout or float("inf"))

    def _keep_time(self, *, late: bool) -> None:
        now = time.monotonic()
        for process, slot in list(self._slots.items()):
            terms = slot.generation.terms
            if late and process.state is not State.STOPPING:
                process.heard = now  # who was asleep is in no position to judge
            elif now >= self._deadline(process, terms) and not process.killed:
                process.kill(_too_late(process, terms))
        if self._current is not None and not self._stopping:
            for slot in self._current.slots:
                if slot.due is not None and now >= slot.due:
                    self._start(slot)

    def _watch(self, process: Process) -> None:
        """Wait for what *process* says, and for its reading while something is unsent."""
        channel = process.channel
        known = self._selector.get_map().get(channel.fileno())
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if channel.stuck else 0)
        if channel.closed:
            if known is not None:
                self._selector.unregister(channel)
        elif known is None:
            self._selector.register(channel, wanted, process)
        elif known.events != wanted:
            self._selector.modify(channel, wanted, process)

    # ------------------------------------------------------------------ starting and stopping

    def _begin(self, *, forked: bool) -> None:
        """Start a generation; its first worker tells how many others it needs."""
        self._coming = Generation(self._terms, forked=forked)
        self._start(self._coming.slots[0])

    def _start(self, slot: Slot) -> None:
        slot.due = None
        try:
            process = self._launch(slot)
        except OSError as error:  # there is no memory, process or descriptor left
            self._cannot_start(slot, f"worker {slot.index} cannot be started ({error})")
            return
        slot.coming = process
        self._slots[process] = slot
        self._watch(process)

    def _succeed(self, slot: Slot) -> None:
        """Start the successor of a process that ends when it is ready, or before."""
        if slot.coming is None:
            self._start(slot)

    def _launch(self, slot: Slot) -> Process:
        """Start a process for *slot*.

        Raises:
            OSError: the system lets none start.
        """
        ours, theirs = socket.socketpair()
        channel = Channel(ours)
        try:
            if slot.generation.forked:
                with self._wakeups.blocked():
                    pid = fork(lambda: self._be_worker(channel, theirs, slot.index))
            else:
                pid = spawn(theirs, slot=slot.index)
        except OSError:
            channel.close()
            raise
        finally:
            theirs.close()
        return Process(pid, slot.index, channel, now=time.monotonic())

    def _be_worker(self, channel: Channel, theirs: socket.socket, index: int) -> int:
        # What is the supervisor's must be closed here: that it has gone is seen by its end of
        # the channel, which nobody else may hold.
        assert self._serve is not None
        channel.close()
        for process in self._slots:
            process.channel.close()
        self._selector.close()
        self._wakeups.__exit__()
        self._wakeups.unblock()
        self._held.let_go()
        self._desk.close()
        return self._serve(theirs, index)

    def _admit(self, slot: Slot) -> None:
        """Let the process that is ready serve, then the one before it stop."""
        before, slot.serving, slot.coming = slot.serving, slot.coming, None
        if slot.serving is not None:
            slot.serving.come(State.SERVING, now=time.monotonic())
            slot.serving.channel.send("go")
        if before is not None:
            self._stop(before)

    def _promote(self, generation: Generation) -> None:
        """Let a whole generation serve, and the one before it stop."""
        before, self._current, self._coming = self._current, generation, None
        self._terms = generation.terms
        for slot in generation.slots:
            self._admit(slot)
        self._wanted = {key for process in generation.processes() for key in process.asked}
        self._held.keep(self._wanted)
        if before is not None:
            self._retire(before)
        first = generation.slots[0].serving
        assert first is not None
        self._notices.serving(first.listening, len(generation.slots))
        if self._again:
            self._restart()

    def _retire(self, generation: Generation, *, drain: float | None = None) -> None:
        for slot in generation.slots:
            slot.due = None
        for process in list(generation.processes()):
            self._stop(process, drain=drain)

    def _stop(self, process: Process, *, drain: float | None = None) -> None:
        process.needless = process.state is not State.SERVING
        if process.state is State.STARTED:
            os.kill(process.pid, signal.SIGTERM)
        seconds = self._terms.drain_timeout if drain is None else drain
        process.come(State.STOPPING, now=time.monotonic())
        process.deadline = process.since + seconds + GRACE
        process.channel.send("stop", {"drain": seconds, "replaced": int(not self._stopping)})

    # ------------------------------------------------------------------ what happens

    def _signalled(self, number: int) -> None:
        if number == signal.SIGHUP and not (self._terminal and not os.isatty(0)):
            if not self._stopping:
                self._restart()
        elif number == signal.SIGCHLD:
            self._orphans.reap({process.pid for process in self._slots})
        else:
            if self._stopping:
                self._die(number)
            self._stop_all()

    def _stop_all(self) -> None:
        self._stopping = True
        if self._current is not None:
            self._notices.stopping()
        for generation in (self._current, self._coming):
            if generation is not None:
                self._retire(generation)
        self._held.leave_to_workers()

    def _die(self, number: int) -> None:
        for process in self._slots:
            process.kill("a second signal came")
        self._end()
        self._wakeups.__exit__()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    def _end(self) -> None:
        """Leave no process and no socket behind."""
        for process in self._slots:
            with suppress(ProcessLookupError):
                process.kill("its supervisor ends")
            process.channel.close()
        self._selector.close()
        if self._watcher is not None:
            self._watcher.stop()
        self._held.close()
        self._desk.close()

    def _restart(self) -> None:
        if self._coming is not None:
            # It may have loaded what has changed since. It is not given up for that: whoever is
            # told so again and again would never get there.
            self._again = True
            return
        self._again = False
        self._notices.restarting("SIGHUP: starting new workers")
        self._begin(forked=False)

    def _look_for_changes(self, watcher: Watcher) -> None:
        if watcher.failure:
            self._notices.say(f"changes are not seen any more: {watcher.failure}; start it anew")
            self._watcher = None
        if watcher.changed():
            self._reload()

    def _reload(self) -> None:
        self._notices.restarting("a source file changed: serving anew")
        drain = min(self._terms.drain_timeout, RELOAD_DRAIN)
        for generation in (self._current, self._coming):
            if generation is not None:
                self._retire(generation, drain=drain)
        self._current = None
        self._again = False
        self._begin(forked=False)

    def _hear(self, process: Process) -> None:
        slot = self._slots.get(process)
        if slot is None:
            return
        for message in process.channel.receive():
            process.heard = now = time.monotonic()
            match message.say:
                case "hello" if process.state is State.STARTED:
                    process.come(State.LOADED, now=now)
                    if not slot.generation.told:
                        for other in slot.generation.adopt(Terms.decode(message)):
                            if slot.generation is self._coming:  # it is not given up
                                self._start(other)
                case "ready" if process.state is State.LOADED:
                    process.come(State.READY, now=now)
                    process.listening = message.text("listening")
                    process.protocols = message.items("protocols")
                    self._became_ready(slot)
                case "retire" if process.state is State.SERVING:
                    self._succeed(slot)
                case "leaving" if process.state is State.SERVING:
                    process.leaving = True
                    self._notices.say(f"{_name(process)} was told to stop: a new one starts")
                    self._succeed(slot)
                case "failed":
                    process.failure = message.text("line")
                case _:
                    self._desk.answer(process, message)

    def _became_ready(self, slot: Slot) -> None:
        if slot.index == 0:
            self._desk.next_owner = slot.coming
        if slot.generation is self._current:
            self._admit(slot)
        elif slot.generation is self._coming and slot.generation.ready:
            self._promote(slot.generation)

    def _reap(self) -> None:
        for process in list(self._slots):
            status = process.ended()
            if status is not None:
                self._hear(process)  # its last words
                self._ended(process, status)

    def _ended(self, process: Process, status: int) -> None:
        slot = self._slots.pop(process)
        if not process.channel.closed or process.channel.fileno() in self._selector.get_map():
            self._selector.unregister(process.channel)
        process.channel.close()
        self._desk.forget(process)
        how = _how(process, status)
        if process.state is State.STOPPING:
            if status and not process.needless:
                self._status = 1 if self._stopping else self._status
                self._notices.say(f"{_name(process)} {how}")
        elif slot.generation is self._current:
            self._replace(slot, process, how)
        else:
            if slot.coming is process:
                slot.coming = None
            point = "came to run()" if process.state is State.STARTED else "served"
            self._give_up(process.failure or f"{_name(process)} {how} before it {point}")

    def _replace(self, slot: Slot, process: Process, how: str) -> None:
        delay = slot.lose(process, now=time.monotonic())
        when = f"a new one starts in {delay:.1f} s" if delay else "a new one starts"
        if slot.due is not None or not process.leaving:
            self._notices.say(f"{_name(process)} {how}: {when}")

    def _cannot_start(self, slot: Slot, why: str) -> None:
        if slot.generation is not self._current:
            self._give_up(why)
            return
        slot.put_off(now=time.monotonic())
        self._notices.say(f"{why}: it is tried again")

    def _give_up(self, why: str) -> None:
        """A generation failed to start: who serves goes on; without anybody this is the end."""
        failed, self._coming = self._coming, None
        if failed is not None:
            self._retire(failed, drain=0.0)
        if self._current is not None:
            self._held.keep(self._wanted)
            self._notices.failed(f"the new workers do not start, the old ones go on: {why}")
            if self._again:
                self._restart()
        elif self._watcher is not None:
            self._notices.failed(f"{why}: waiting for a change")
        else:
            self._notices.say(why)
            self._status = 1
            self._stopping = True


def _name(process: Process) -> str:
    return f"worker {process.slot} (pid {process.pid})"


def _how(process: Process, status: int) -> str:
    if process.killed:
        return process.killed
    if process.failure:
        return f"failed: {process.failure}"
    if status >= 0:
        return f"ended with status {status}"
    with suppress(ValueError):
        return f"died of {signal.Signals(-status).name}"
    return f"died of signal {-status}"


def _too_late(process: Process, terms: Terms) -> str:
    match process.state:
        case State.STOPPING:
            return "did not end in time and was killed"
        case State.STARTED | State.LOADED:
            return f"did not start within {terms.start_timeout:g} s and was killed"
        case _:
            return f"gave no sign of life for {terms.timeout:g} s and was killed"
