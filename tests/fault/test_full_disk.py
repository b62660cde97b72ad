"""A disk that fills up under the log, and has room again later."""

from __future__ import annotations

import os
import re
import resource
from pathlib import Path

import pytest

from tests.scenario.test_logging import load, run_with_stderr

ROOM = 65536
REQUESTS = 3000
SCRIPT = f"""
import os, resource
os.environ["BB_LOG_BATCH_TIMEOUT_MS"] = "2"  # so that records are written while they come
resource.setrlimit(resource.RLIMIT_FSIZE, ({ROOM}, resource.RLIM_INFINITY))
from blackbull import BlackBull

app = BlackBull()

@app.route(path="/")
def index():
    return "here"

app.run()
"""
LOST = re.compile(r"WARNING blackbull\.log: (\d+) log records lost$")


@pytest.mark.parametrize("where", ["file", "stderr"])
def test_disk_full_for_a_while_costs_the_records_of_that_while(where: str, tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(SCRIPT)
    log = tmp_path / "log"
    flags = ["--log-file", str(log)] if where == "file" else []
    stderr = os.open(log if where == "stderr" else os.devnull, os.O_CREAT | os.O_APPEND | os.O_RDWR)
    process, port = run_with_stderr(script, stderr, *flags)
    os.close(stderr)
    asked = 1 + load(port, REQUESTS)
    assert asked == 1 + REQUESTS
    full = log.stat().st_size
    free = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, free)
    asked += load(port, 100)
    process.terminate()
    assert process.wait(20) == 0
    lines = log.read_text().splitlines()
    written = sum('"GET / HTTP/1.1" 200 ' in line for line in lines)
    torn = sum("GET" in line and '"GET / HTTP/1.1" 200 ' not in line for line in lines)
    lost = sum(int(found[1]) for line in lines if (found := LOST.search(line)))
    assert full <= ROOM
    assert lost > REQUESTS // 2
    # What was written in part counts as lost, and is at most as much as there was room for.
    assert asked - torn <= written + lost <= asked + ROOM // 64
    # The line that tells of the losses may come last.
    assert any(line.endswith("ms") for line in lines[-2:])
