"""The examples do what they tell people to try."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import ROOT
from tests.environment import clean_environment
from tests.program import Program

GATEWAY = (ROOT / "examples" / "gateway.py").read_text()
TRIED = {
    "/\n": "HTTP here; raw TCP echo on :9000.\n",
    "/readings\n": '{"sensor":"attic","celsius":21.5}',
    "/readings/attic\n": '{"sensor":"attic","celsius":21.5}',
    "/upload\n": f'{{"bytes":{(ROOT / "README.md").stat().st_size}}}',
    " 9000\n": "hello\n",
    "/stats\n": '{"readings":1,"echoed":1}',
}
"""What the commands of the guide print, by how they end, in the guide's order."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    script = tmp_path_factory.mktemp("gateway") / "gateway.py"
    script.write_text(re.sub(r"^(\w+_PORT) = \d+$", r"\1 = 0", GATEWAY, flags=re.MULTILINE))
    with Program([str(script)]) as program:
        program.serving()
        yield program


def guide(gateway: Program) -> list[str]:
    """Return the commands that the example prints, for the ports that it has got."""
    text = re.search(r'GUIDE = f"""\n(.*?)"""', GATEWAY, re.DOTALL)
    assert text is not None
    shown = text[1].replace("{{", "{").replace("}}", "}")
    shown = shown.replace("{HTTP_PORT}", "8000").replace("{ECHO_PORT}", "9000")
    return [line.strip() for line in shown.splitlines() if line.startswith("  ")]


def test_gateway_answers_what_its_guide_says(gateway: Program) -> None:
    commands = [line for line in guide(gateway) if "/clock" not in line]
    assert len(commands) == len(TRIED)
    for command, (end, expected) in zip(commands, TRIED.items(), strict=True):
        assert f"{command}\n".endswith(end)
        text = command.replace(":8000", f":{gateway.ports['http']}")
        text = text.replace(" 9000", f" {gateway.ports['echo']}").replace("curl ", "curl -sS ")
        done = subprocess.run(
            ["bash", "-c", text], cwd=ROOT, env=clean_environment(), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
        assert (done.stdout, done.stderr) == (expected, ""), command


def test_gateway_clock_ticks_until_the_client_leaves(gateway: Program) -> None:
    url = f"http://127.0.0.1:{gateway.ports['http']}/clock"
    with subprocess.Popen(
        ["curl", "-sSN", url], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as client:
        assert client.stdout is not None
        assert re.fullmatch(r"data: ?\d\d:\d\d:\d\d\n", client.stdout.readline())
        client.terminate()


def test_gateway_documentation_lists_its_routes(gateway: Program) -> None:
    url = f"http://127.0.0.1:{gateway.ports['http']}"
    done = subprocess.run(
        ["curl", "-sS", f"{url}/openapi.json", f"{url}/docs"],
        capture_output=True, text=True, timeout=20, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert '"/readings/{sensor}"' in done.stdout
    assert "<html" in done.stdout.lower()


def test_demo_runs_this_example() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^demo:.*\n\t.*python examples/gateway\.py$", makefile, re.MULTILINE)
    assert Path(ROOT / "examples" / "gateway.py").is_file()
