"""Plain functions that do not return: nobody can cancel them, and the program ends without them."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from tests.program import Program

SCRIPT = """
import sys, threading
from blackbull import BlackBull

app = BlackBull()
never = threading.Event()

@app.route(path="/stuck")
def stuck():
    print("handler: stuck", file=sys.stderr, flush=True)
    never.wait()

@app.on_shutdown
async def hook():
    print("hook: over", file=sys.stderr, flush=True)
    FAIL

if __name__ == "__main__":
    app.run(port=0, drain_timeout=0.2)
    print("after run()", file=sys.stderr, flush=True)
"""


@pytest.mark.parametrize(
    ("workers", "start", "fail", "status"),
    [
        (1, "auto", "", 0),
        (1, "auto", "raise OSError('no disk')", 1),
        (2, "fork", "", 0),
        (2, "spawn", "", 0),
    ],
)
def test_program_ends_without_a_function_that_never_returns(
    tmp_path: Path, workers: int, start: str, fail: str, status: int
) -> None:
    script = tmp_path / "main.py"
    script.write_text(SCRIPT.replace("FAIL", fail))
    environ = {"BB_WORKERS": str(workers), "BB_WORKER_START": start}
    with Program([str(script)], environ=environ) as program:
        port = program.serving()["http"]
        with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
            sock.sendall(b"GET /stuck HTTP/1.1\r\nhost: a\r\n\r\n")
            program.said("handler: stuck")
            program.signal(signal.SIGTERM)
            assert program.wait() == status
            assert sock.recv(1) == b""
    hooks = [line for line in program.lines if line == "hook: over"]
    assert len(hooks) == workers
    warnings = [line for line in program.lines if "still runs in a thread" in line]
    assert len(warnings) == 1
    assert f"stuck ({script}:11)" in warnings[0]
    assert [line for line in program.lines if "killed" in line] == []


def test_functions_that_return_in_time_are_waited_for(tmp_path: Path) -> None:
    """What was handed to a thread is not cut short, and what follows run() is done."""
    script = tmp_path / "main.py"
    script.write_text(SCRIPT.replace("FAIL", "").replace("never.wait()", "never.wait(1)"))
    with Program([str(script)]) as program:
        port = program.serving()["http"]
        with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
            sock.sendall(b"GET /stuck HTTP/1.1\r\nhost: a\r\n\r\n")
            program.said("handler: stuck")
            program.signal(signal.SIGTERM)
            assert program.wait() == 0
    assert program.lines[-1] == "after run()"
    assert [line for line in program.lines if "still runs in a thread" in line] == []
