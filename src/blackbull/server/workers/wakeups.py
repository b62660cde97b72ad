"""Signals as something that a selector can wait for."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final, TypeAlias

from blackbull.errors import ConfigurationError

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)

_Handler: TypeAlias = Callable[[int, FrameType | None], object] | int | None


class Wakeups:
    """While entered, the supervisor's signals are read from here instead of doing anything.

    Raises:
        ConfigurationError: this is not the main thread.
    """

    def __init__(self) -> None:
        self._here, self._there = socket.socketpair()
        self._here.setblocking(False)
        self._there.setblocking(False)
        self._before: dict[signal.Signals, _Handler] = {}
        self._fd_before = -1
        self._blocked: set[int | signal.Signals] = set()

    def __enter__(self) -> Wakeups:
        try:
            self._fd_before = signal.set_wakeup_fd(self._there.fileno(), warn_on_full_buffer=False)
        except ValueError as error:
            self._close()
            raise ConfigurationError(
                "several workers, and reload, need the main thread: call run() there"
            ) from error
        for number in SIGNALS:
            self._before[number] = signal.getsignal(number)
            signal.signal(number, _nothing)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signal.set_wakeup_fd(self._fd_before)
        self._close()

    def fileno(self) -> int:
        """Return the descriptor, to wait for."""
        return self._here.fileno()

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Let signals wait, also in a process that is forked meanwhile, until it unblocks them.

        Until that has left here, a signal of its own would be read by the process it is a copy of.
        """
        self._blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            yield
        finally:
            self.unblock()

    def unblock(self) -> None:
        """Let signals come again."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._blocked)

    def wake(self) -> None:
        """Wake whoever waits, from any thread, without a signal."""
        with suppress(BlockingIOError):  # it will be woken by what is unread
            self._there.send(b"\0")

    def received(self) -> list[int]:
        """Return the numbers of the signals that came."""
        try:
            return [number for number in self._here.recv(4096) if number]
        except BlockingIOError:
            return []

    def _close(self) -> None:
        self._here.close()
        self._there.close()


def _nothing(number: int, frame: FrameType | None) -> None:
    """Let the signal be written to the wakeup descriptor, and nothing else."""
