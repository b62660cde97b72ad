"""Programs as a person starts them: in a process of their own, known by what they print."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tests.environment import clean_environment

START_LINE = re.compile(r"blackbull: serving (.*)")
LISTENER = re.compile(r"([\w.-]+) on (?:https?://)?[^ ,]*?:(\d+)")
TIMEOUT = 20.0
"""Seconds after which a program that does not do what it should is given up."""


class Program:
    """A running program that serves.

    Args:
        arguments: What the interpreter is given: a script and its flags, or ``-m module ...``.
        cwd: Where it runs.
        environ: Variables on top of the cleaned environment.

    Attributes:
        ports: By protocol name, from the start-up line.
        lines: What it printed on stderr so far.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.lines: list[str] = []
        self.ports: dict[str, int] = {}
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=cwd,
            env=clean_environment(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.wait()
            raise

    def serving(self, *, times: int = 1) -> dict[str, int]:
        """Wait until it has said for the *times*-th time where it serves; return the ports."""
        self.said(START_LINE, times=times)
        return self.ports

    def said(self, pattern: str | re.Pattern[str], *, times: int = 1) -> str:
        """Wait until it has printed *times* lines that match; return the last of them."""
        wanted = re.compile(pattern)

        def enough() -> list[str]:
            found = [line for line in self.lines if wanted.search(line)]
            return found if len(found) >= times else []

        with self._news:
            ended = f"{wanted.pattern!r} was never said:\n"
            assert self._news.wait_for(enough, TIMEOUT), ended + "\n".join(self.lines)
            return enough()[-1]

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait until it has ended; return its exit status."""
        status = self.process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)
        if self.process.stderr is not None:
            self.process.stderr.close()
        return status

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                if START_LINE.search(line):
                    self.ports = {name: int(port) for name, port in LISTENER.findall(line)}
                self._news.notify_all()


def run_to_end(
    arguments: Sequence[str], *, cwd: Path | None = None, environ: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Run a program that ends by itself; return its exit status, stdout and stderr."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd, env=clean_environment(environ), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr
