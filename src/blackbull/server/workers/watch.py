"""Noticing that a source file has changed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from blackbull.errors import ConfigurationError, MissingExtra

if TYPE_CHECKING:
    from watchfiles import Change


QUIET: Final = 100
"""Milliseconds without a change after which those before it are told: one, however many."""

LONGEST: Final = 800
"""Milliseconds after which they are told all the same: logs and databases change for ever."""


class Watch(Protocol):
    """Yields once for every change, until an event is set."""

    def __call__(self, stop: threading.Event) -> Iterable[object]:
        """Watch until *stop* is set."""


class Watcher:
    """Watches in a thread of its own, which does nothing but wake the supervisor.

    Args:
        watch: Where changes come from.

    Attributes:
        failure: Why changes are not seen any more; empty while they are.
    """

    def __init__(self, watch: Watch) -> None:
        self.failure = ""
        self._watch = watch
        self._stop = threading.Event()
        self._found = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, wake: Callable[[], None]) -> None:
        """Watch from now on.

        Args:
            wake: Called after each change, in another thread.
        """

        def watch() -> None:
            try:
                for _ in self._watch(self._stop):
                    if self._stop.is_set():
                        return
                    self._found.set()
                    wake()
            except Exception as error:  # the system lets nobody watch so much
                self.failure = " ".join(str(error).split()) or type(error).__name__
                wake()

        self._thread = threading.Thread(target=watch, name="blackbull-watch", daemon=True)
        self._thread.start()

    def changed(self) -> bool:
        """Return whether something has changed since the last call."""
        found = self._found.is_set()
        self._found.clear()
        return found

    def stop(self) -> None:
        """Watch no longer; waits for the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()


def watch_sources(paths: Sequence[str] = ()) -> Watch:
    """Return how to watch the Python files below the current directory, and more.

    Args:
        paths: Files and directories that are watched as well, whatever they hold.

    Raises:
        ConfigurationError: one of *paths* is not there.
        MissingExtra: watchfiles is not installed.
    """
    try:
        from watchfiles import DefaultFilter, watch  # noqa: PLC0415 -- an optional package
    except ImportError as error:
        raise MissingExtra(
            "--reload needs the 'watchfiles' package: pip install 'blackbull[standard]'"
        ) from error
    here = Path.cwd()
    named = [here / path for path in paths]
    for path in named:
        if not os.path.exists(path):
            raise ConfigurationError(f"--reload-path: there is no {str(path)!r}")
    ignored = DefaultFilter()

    def matters(change: Change, path: str) -> bool:
        changed = Path(path)
        return ignored(change, path) and (
            changed.suffix in {".py", ".pyw"}
            or any(changed == each or each in changed.parents for each in named)
        )

    def changes(stop: threading.Event) -> Iterable[object]:
        # What was watched may vanish and come back: a checkout does that to directories.
        return watch(
            here, *named, watch_filter=matters, stop_event=stop, debounce=LONGEST, step=QUIET,
            rust_timeout=500, raise_interrupt=False,
        )  # fmt: skip

    return changes
