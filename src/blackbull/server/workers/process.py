"""Starting the process of a worker, by fork or as a fresh interpreter, and what is known of it."""

from __future__ import annotations

import asyncio
import enum
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from blackbull.config import STARTED_IN

from .channel import Channel
from .held import Key

OPTION: Final = "blackbull-worker"
"""The interpreter's ``-X`` option that tells a fresh process that it is a worker."""


class State(enum.Enum):
    """How far a worker has come."""

    STARTED = "the program is being loaded"
    LOADED = "the application is starting"
    READY = "waiting for the word to serve"
    SERVING = "accepting connections"
    STOPPING = "letting what is under way end"


class Process:
    """One worker's process, as the supervisor sees it.

    Args:
        pid: Its process id.
        slot: The worker's index.
        channel: Our end of its channel.
        now: The time of its start.

    Attributes:
        state: How far it has come.
        started: When it was started.
        since: When it came as far as that.
        heard: When it gave its last sign of life.
        asked: The sockets that it asked for, in order.
        listening: Where it serves, in words.
        protocols: The names of the protocols that it can serve.
        failure: Why it failed, in one line of its own.
        killed: Why it was killed, if it was.
        deadline: When it is killed, while it is stopping.
        needless: It was told to stop before it has served: how it ends is no news.
        leaving: It serves no longer, and somebody else than us has told it so.
    """

    def __init__(self, pid: int, slot: int, channel: Channel, *, now: float) -> None:
        self.pid = pid
        self.slot = slot
        self.channel = channel
        self.state = State.STARTED
        self.started = self.since = self.heard = now
        self.asked: list[Key] = []
        self.listening = ""
        self.protocols: list[object] = []
        self.failure = ""
        self.killed = ""
        self.deadline = float("inf")
        self.needless = False
        self.leaving = False

    def come(self, state: State, *, now: float) -> None:
        """Take note of how far it has come."""
        self.state = state
        self.since = now

    def kill(self, why: str) -> None:
        """End it at once."""
        self.killed = self.killed or why
        # Not yet waited for, so the number is still its own.
        os.kill(self.pid, signal.SIGKILL)

    def ended(self) -> int | None:
        """Return how it ended, as ``waitstatus_to_exitcode`` says it; None: not yet."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None


def can_fork() -> bool:
    """Return True where a copy of this process can serve: it has one thread and no loop."""
    if not hasattr(os, "fork") or sys.platform == "darwin":
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        return False
    tasks = Path("/proc/self/task")
    threads = len(list(tasks.iterdir())) if tasks.is_dir() else threading.active_count()
    return threads == 1


def fork(serve: Callable[[], int]) -> int:
    """Let a copy of this process call *serve* and end with the status that it returns.

    Returns:
        The process id.

    Raises:
        OSError: the system lets no process start.
    """
    gc.collect()
    gc.freeze()  # what exists by now is never garbage, and stays shared
    flush()
    try:
        pid = os.fork()
    except OSError:
        gc.unfreeze()
        raise
    if pid:
        gc.unfreeze()
        return pid
    status = 1
    try:
        os.setsid()
        status = serve()
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        # Not sys.exit: what the program does after run(), or at its exit, is not the copy's.
        try:
            flush()
        finally:
            os._exit(status)
    raise AssertionError("never reached")


def flush() -> None:
    """Write what the program has printed, if it has streams and somebody reads them."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.flush()


def spawn(channel: socket.socket, *, slot: int) -> int:
    """Run this program again, in a fresh interpreter that finds that it is a worker.

    Args:
        channel: The worker's end of its channel.
        slot: Its index.

    Returns:
        The process id.

    Raises:
        OSError: the system lets no process start.
    """
    option = f"{OPTION}={channel.fileno()},{slot}"
    command = [sys.executable, "-X", option, *sys.orig_argv[1:]]
    # A session of its own: Ctrl-C reaches the supervisor only, which then stops the workers once.
    child = subprocess.Popen(
        command, start_new_session=True, pass_fds=(channel.fileno(),), cwd=STARTED_IN
    )
    child.returncode = 0  # it is waited for by Process.ended(), not when the object goes
    return child.pid


def is_worker() -> bool:
    """Return True in a process that :func:`spawn` has started."""
    return OPTION in sys._xoptions


def inherited() -> tuple[socket.socket, int] | None:
    """Return channel and index in a process that :func:`spawn` has started."""
    option = sys._xoptions.get(OPTION)
    if not isinstance(option, str):
        return None
    fd, slot = (int(part) for part in option.split(","))
    sock = socket.socket(fileno=fd)
    sock.set_inheritable(False)
    return sock, slot
