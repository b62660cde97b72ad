"""A program that tells the service manager how it goes."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blackbull.config import Notifying
from blackbull.transport.service_manager import ServiceManager
from tests.program import Program
from tests.serving import WAIT

APP = """
from blackbull import BlackBull

app = BlackBull()


@app.route(path="/")
async def index():
    return "hello"
"""


class Manager:
    """What systemd is to a service.

    Attributes:
        address: As the service is told it.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(address.replace("@", "\0", 1))
        self._sock.settimeout(WAIT)

    def hear(self) -> list[str]:
        """Return the assignments of the next message."""
        return self._sock.recv(4096).decode().splitlines()

    def hear_next(self) -> list[str]:
        """Return those of the next message that is no sign of life."""
        while (heard := self.hear()) == ["WATCHDOG=1"]:
            continue
        return heard

    def close(self) -> None:
        self._sock.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.close()


@pytest.mark.parametrize("flags", [[], ["--workers", "2"]])
def test_program_tells_how_it_goes(tmp_path: Path, manager: Manager, flags: list[str]) -> None:
    (tmp_path / "main.py").write_text(APP)
    arguments = ["-m", "blackbull", "main:app", "--bind", "127.0.0.1:0", *flags]
    environ = {"NOTIFY_SOCKET": manager.address}
    began = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    with Program(arguments, cwd=tmp_path, environ=environ) as program:
        ready, status = manager.hear()
        assert ready == "READY=1"
        assert status.startswith("STATUS=serving http on http://127.0.0.1:")
        program.signal(signal.SIGHUP)
        reloading, moment = manager.hear()
        assert reloading == "RELOADING=1"
        assert int(moment.removeprefix("MONOTONIC_USEC=")) > began
        assert manager.hear()[0] == "READY=1"
        program.signal(signal.SIGTERM)
        assert manager.hear()[0] == "STOPPING=1"
        assert program.wait() == 0


@pytest.mark.parametrize("flags", [[], ["--workers", "2"]])
def test_program_that_is_watched_gives_signs_of_life(
    tmp_path: Path, manager: Manager, flags: list[str]
) -> None:
    (tmp_path / "main.py").write_text(APP)
    arguments = ["-m", "blackbull", "main:app", "--bind", "127.0.0.1:0", *flags]
    environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "100000"}
    with Program(arguments, cwd=tmp_path, environ=environ) as program:
        assert manager.hear_next()[0] == "READY=1"
        assert [manager.hear() for _ in range(3)] == [["WATCHDOG=1"]] * 3
        program.signal(signal.SIGTERM)
        assert manager.hear_next()[0] == "STOPPING=1"


def test_manager_in_the_abstract_namespace_is_told() -> None:
    manager = Manager(f"@blackbull-{os.getpid()}")
    try:
        ServiceManager(Notifying(manager.address, 0.0)).ready("a line")
        assert manager.hear() == ["READY=1", "STATUS=a line"]
    finally:
        manager.close()


def test_manager_that_is_gone_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    ServiceManager(Notifying("/nonexistent/notify", 0.0)).stopping()
    (record,) = caplog.records
    assert "the service manager cannot be told STOPPING=1" in record.getMessage()


def test_nobody_to_tell_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    manager = ServiceManager(None)
    manager.ready("a line")
    assert not manager
    assert caplog.records == []
