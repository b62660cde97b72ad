"""Changes of files, seen in a thread of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from blackbull.server.workers.watch import Watcher


def seen(watch: Watcher) -> Watcher:
    woken = threading.Event()
    watch.start(woken.set)
    assert woken.wait(10.0)
    watch.stop()
    return watch


def test_change_is_told_once() -> None:
    def change(stop: threading.Event) -> Iterator[object]:
        yield "a change"
        stop.wait()

    watcher = seen(Watcher(change))
    assert (watcher.changed(), watcher.changed(), watcher.failure) == (True, False, "")


def test_watching_that_fails_is_told() -> None:
    def fail(stop: threading.Event) -> Iterator[object]:
        raise OSError("OS file watch limit reached.")
        yield

    watcher = seen(Watcher(fail))
    assert (watcher.changed(), watcher.failure) == (False, "OS file watch limit reached.")
