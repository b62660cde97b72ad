"""The supervisor as the first process of a container, which waits for what is left to it."""

from __future__ import annotations

from pathlib import Path

from tests.program import Program
from tests.scenario.test_workers import fetch, until

APP = """
import asyncio, ctypes, subprocess, sys
from asyncio.subprocess import PIPE
from blackbull import BlackBull
from blackbull.server.workers import orphans

app = BlackBull()


@app.route(path="/leave")
async def leave():
    shell = await asyncio.create_subprocess_exec("sh", "-c", "sleep 0.1 & echo $!", stdout=PIPE)
    pid = await shell.stdout.readline()
    return pid.strip() + b" %d" % await shell.wait()


if __name__ == "__main__":
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    orphans.is_first = lambda: True
    own = subprocess.Popen(["sh", "-c", "sleep 1; exit 7"])
    app.run(port=0, workers=2)
    print("own child:", own.wait(), file=sys.stderr)
"""


def test_first_process_waits_for_what_is_left_to_it_and_for_nobody_else(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(APP)
    with Program([str(script)]) as program:
        port = program.serving()["http"]
        left = [fetch(port, "/leave").split() for _ in range(5)]
        for pid, status in left:
            assert status == "0"
            until(lambda pid=pid: not Path("/proc", pid).exists())
    assert program.process.returncode == 0
    assert "own child: 7" in program.lines
    assert not any("died" in line or "ended" in line for line in program.lines)
