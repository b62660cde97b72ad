"""The thread that writes, so that no event loop waits for a disk or a reader."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from queue import Empty, SimpleQueue
from typing import Final, TypeAlias

from .entry import Entry

MAX_ITEMS: Final = 10_000
"""Batches and lines that wait for the thread."""

RETRY: Final = 0.1
"""Seconds for which a reader that does not read is waited for before the queue is looked at."""


class Lines:
    """Lines that are ready to be written.

    Attributes:
        text: The lines with their ends.
        count: How many they are.
        lost: How many more there should be: these have no text.
        done: They are written, or lost.
    """

    __slots__ = ("count", "done", "lost", "text")

    def __init__(self, text: bytes, count: int, *, lost: int = 0) -> None:
        self.text = text
        self.count = count
        self.lost = lost
        self.done = False


Item: TypeAlias = "list[Entry] | Lines | str | logging.LogRecord"
"""Entries of the access log, lines or a line, or a record for handlers."""


class Output(ABC):
    """What the thread does with what it gets. Nothing here may raise."""

    @abstractmethod
    def take(self, item: Item) -> None:
        """Write *item*, or keep it until it can be."""

    @abstractmethod
    def lose(self, count: int) -> None:
        """*count* records were lost before they came here: say so when something is written."""

    def retry(self, seconds: float) -> bool:
        """Try for *seconds* to write what was kept; return True if something still is."""
        return False

    def close(self) -> None:
        """There will be no more."""


class Desk(ABC):
    """Takes what is to be logged, and never keeps its caller waiting for long."""

    @abstractmethod
    def put(self, item: Item) -> None:
        """Have *item* written."""

    @abstractmethod
    def lose(self, count: int) -> None:
        """Have it said that *count* records were lost."""

    @abstractmethod
    def close(self, timeout: float) -> None:
        """Write what there is, for *timeout* seconds at most; take nothing more."""


class LogThread(Desk):
    """Hands everything to an :class:`Output` in a thread of its own.

    It is started by the first item, so that a process that forks before has no thread to lose.

    Args:
        output: Writes.
        batch_size: Items that are taken before it is written.
        gather: Seconds for which items may gather.
    """

    def __init__(self, output: Output, *, batch_size: int = 128, gather: float = 0.0) -> None:
        self._output = output
        self._batch_size = batch_size
        self._gather = gather
        self._queue: SimpleQueue[Item | None] = SimpleQueue()
        self._losses: deque[int] = deque()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._until = 0.0

    def put(self, item: Item) -> None:
        if self._closed or self._queue.qsize() >= MAX_ITEMS:
            self._losses.append(_finish(item))
            return
        self._queue.put(item)
        if self._thread is None:
            self._start()

    def lose(self, count: int) -> None:
        self._losses.append(count)

    def close(self, timeout: float) -> None:
        self._closed = True
        thread = self._thread
        if thread is None:
            self._output.close()
            return
        self._until = time.monotonic() + timeout
        self._queue.put(None)
        # Stuck in a write for ever, it ends with the process.
        thread.join(timeout + RETRY)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="blackbull-log", daemon=True)
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        output = self._output
        waiting = False
        going_on = True
        while going_on:
            try:
                item = self._queue.get(block=not waiting)
            except Empty:
                # What is kept goes on as soon as its reader does.
                waiting = output.retry(RETRY)
                continue
            if self._gather:
                time.sleep(self._gather)
            going_on = self._take(item)
            waiting = output.retry(0.0)
        while output.retry(RETRY) and time.monotonic() < self._until:
            pass
        output.close()

    def _take(self, item: Item | None) -> bool:
        """Take *item* and what is behind it; return False at the end of all."""
        output = self._output
        taken = 0
        while item is not None:
            while self._losses:
                output.lose(self._losses.popleft())
            output.take(item)
            _finish(item)
            taken += 1
            if taken >= self._batch_size or self._queue.empty():
                return True
            item = self._queue.get()  # nobody else takes: it is there
        return False


class Inline(Desk):
    """Writes at once, in the caller's time: for who wants every record before the next step.

    Args:
        output: Writes.
    """

    def __init__(self, output: Output) -> None:
        self._output = output

    def put(self, item: Item) -> None:
        self._output.take(item)
        _finish(item)
        self._output.retry(0.0)

    def lose(self, count: int) -> None:
        self._output.lose(count)

    def close(self, timeout: float) -> None:
        until = time.monotonic() + timeout
        while self._output.retry(RETRY) and time.monotonic() < until:
            pass
        self._output.close()


def _finish(item: Item) -> int:
    """Tell whoever made *item* that it is dealt with; return how many records it was."""
    if isinstance(item, Lines):
        item.done = True
        return item.count
    if isinstance(item, list):
        count = len(item)
        item.clear()
        return count
    return 1
