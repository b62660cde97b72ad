"""Start and end of the application, wherever it runs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.environment import clean_environment
from tests.hosting.servers import BIN, ENVIRON, ROOT, TIMEOUT, Servers
from tests.program import run_to_end
from tests.spec import spec

DIRECTIONS = [
    "ours@blackbull",
    "ours@uvicorn",
    "ours@hypercorn",
    "ours@granian",
    "starlette_app@blackbull",
]
REASON = "there is no database: set DATABASE_URL"


@spec("ASGI Lifespan", "Startup", "Shutdown")
def test_lifespan_in_every_direction_spans_the_service(tmp_path: Path) -> None:
    """Each application says when it starts and when it stops: once, and in this order."""
    with Servers(tmp_path) as servers:
        for direction in DIRECTIONS:
            servers.start(direction)
        for direction in DIRECTIONS:
            url = f"http://127.0.0.1:{servers.port(direction)}/state"
            assert httpx.get(url, timeout=TIMEOUT).text == "started"
    for direction in DIRECTIONS:
        said = re.findall(r"the application (started|stopped)", servers.log(direction))
        assert (direction, said) == (direction, ["started", "stopped"])


def test_startup_that_fails_ends_our_server_with_one_line() -> None:
    target = "tests.hosting.apps.failing_starlette:app"
    status, _, stderr = run_to_end(
        ["-m", "blackbull", target, "--port", "0"], cwd=ROOT, environ=ENVIRON
    )
    assert status == 1
    assert stderr.rstrip().splitlines()[-1] == f"blackbull: RuntimeError: {REASON}"


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
def test_startup_that_fails_ends_the_server_that_hosts_us(server: str) -> None:
    arguments = ["--port", "0"] if server == "uvicorn" else ["--bind", "127.0.0.1:0"]
    done = subprocess.run(
        [BIN / server, *arguments, "tests.hosting.apps.failing_ours:app"],
        cwd=ROOT,
        env=clean_environment(ENVIRON),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert REASON in done.stdout + done.stderr
