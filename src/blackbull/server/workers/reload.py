"""Serving anew whenever a source file changes.

The first process only watches. It runs the same command again as a child, which serves; on a
change it ends the child in the ordinary way and starts the next. A child that fails is not
started again until a file changes.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from blackbull.errors import MissingExtra

CHILD_OPTION: Final = "blackbull-serve"
"""The interpreter's ``-X`` option that tells a child that it is one."""

POLL_INTERVAL: Final = 0.2
"""Seconds after which a child's end is noticed."""

Watch = Callable[[threading.Event], Iterable[bool]]
"""Given an event that stops it, yields at least every POLL_INTERVAL: True for a change."""


def is_child() -> bool:
    """Return True in a process that :func:`supervise` started."""
    return CHILD_OPTION in sys._xoptions


def watch_sources(stop: threading.Event) -> Iterable[bool]:
    """Watch the Python files below the current directory until *stop* is set.

    Raises:
        MissingExtra: watchfiles is not installed.
    """
    try:
        from watchfiles import PythonFilter, watch  # noqa: PLC0415 -- an optional package
    except ImportError as error:
        raise MissingExtra(
            "--reload needs the 'watchfiles' package: pip install 'blackbull[standard]'"
        ) from error
    changes = watch(
        Path.cwd(), watch_filter=PythonFilter(), stop_event=stop, debounce=200, step=50,
        rust_timeout=int(POLL_INTERVAL * 1000), yield_on_timeout=True, raise_interrupt=False,
    )  # fmt: skip
    return (bool(found) for found in changes)


def child_command() -> list[str]:
    """Return the command that runs this program again, as a child."""
    return [sys.executable, "-X", CHILD_OPTION, *sys.orig_argv[1:]]


def supervise(
    say: Callable[[str], None],
    *,
    drain_timeout: float,
    command: list[str] | None = None,
    watch: Watch = watch_sources,
) -> int:
    """Keep a child serving the newest source until a signal ends it.

    Args:
        say: Told what happens, one line each time.
        drain_timeout: Seconds that a child gets to end before it is killed.
        command: How to start a child; this program again if None.
        watch: Where changes come from.

    Returns:
        The exit status for this process.

    Raises:
        MissingExtra: watchfiles is not installed.
    """
    stop = threading.Event()
    changes = watch(stop)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    start = child_command() if command is None else command
    child: subprocess.Popen[bytes] | None = _start(start)
    try:
        for changed in changes:
            if stop.is_set():
                break
            if changed:
                say("a source file changed: serving anew")
                _end(child, drain_timeout)
                child = _start(start)
            elif child is not None and child.poll() is not None:
                if child.returncode == 0:
                    return 0
                say(f"ended with status {child.returncode}: waiting for a change")
                child = None
    finally:
        _end(child, drain_timeout)
    return 0


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C reaches this process only, which then ends the child once.
    return subprocess.Popen(command, start_new_session=True)


def _end(child: subprocess.Popen[bytes] | None, drain_timeout: float) -> None:
    if child is None:
        return
    child.terminate()
    try:
        child.wait(drain_timeout + 1.0)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
