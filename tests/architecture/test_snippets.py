"""Every program in the documentation runs, and every command prints what the page says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from blackbull.cli.command import make_parser
from tests.architecture.source import ROOT
from tests.environment import clean_environment
from tests.program import Program

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```([\w-]*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RAW_PORT = re.compile(
    r"""(?:raw_handler|register_protocol_handler)\(\s*["']([\w-]+)["'].*?port=(\d+)"""
)
MQTT_PORT = re.compile(r"MQTTExtension\([^)]*?\bport=(\d+)")
MQTTS_PORT = re.compile(r"MQTTExtension\([^)]*?\btls_port=(\d+)")
METRICS_PORT = re.compile(r"MetricsExtension\([^)]*?\bport=(\d+)")
LISTENER = re.compile(r"""Listener\(Tcp\((\d+)\)(?:[^\n]*speaks="(\w+)")?""")
PORTS = re.compile(r"""(\b(?:tls_)?port=|\bTcp\(|["']127\.0\.0\.1:)\d+""")
NAMED = re.compile(r"# ([\w.-]+)\n")
"""The first line of a block that is a file: its name."""
HTTP_PORT = 8000
BROKER = "blackbull mqtt "
CONFIG = re.compile(r"^(?:[A-Z_]+=\w+ )?blackbull config\b")
SAY = "python examples/say.py "
CLIENTS = ("curl ", "echo ", "printf ", "mosquitto_pub ", "mosquitto_sub ", SAY)


@dataclass(frozen=True)
class Snippet:
    """One fenced block."""

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Command:
    """One line after a ``$`` prompt and what the page says it prints."""

    text: str
    output: str


def snippets(page: Path) -> Iterator[Snippet]:
    """Return the fenced blocks of *page*, in order."""
    text = page.read_text()
    for match in FENCE.finditer(text):
        yield Snippet(match[1], match[2], text.count("\n", 0, match.start()) + 1)


def commands(snippet: Snippet) -> list[Command]:
    """Return the commands of a console block."""
    found: list[Command] = []
    for line in snippet.text.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:], ""))
        else:
            found[-1] = Command(found[-1].text, f"{found[-1].output}{line}\n")
    return found


def start(snippet: Snippet, script: Path) -> Program:
    """Run a program from the documentation on ports that are free."""
    script.write_text(PORTS.sub(r"\g<1>0", snippet.text))
    return Program([str(script)], cwd=script.parent)


def start_broker(command: Command, cwd: Path) -> Program:
    """Run a broker by itself as the page says, on a port that is free."""
    words = shlex.split(re.sub(r"--port \d+", "--port 0", command.text))
    return Program(["-m", *words], cwd=cwd)


def documented_ports(snippet: Snippet) -> dict[str, int]:
    """Return the ports that the page names, by protocol."""
    ports = {
        "http": HTTP_PORT,
        **{name: int(port) for name, port in RAW_PORT.findall(snippet.text)},
    }
    if listeners := LISTENER.findall(snippet.text):
        ports = {name or "http": int(port) for port, name in listeners}
    for name, pattern in (
        ("mqtt", MQTT_PORT),
        ("mqtts", MQTTS_PORT),
        ("metrics", METRICS_PORT),
    ):
        if found := pattern.search(snippet.text):
            ports[name] = int(found[1])
    return ports


def make_named_file(snippet: Snippet, cwd: Path) -> None:
    """Write the block to a file if its first line names one, with a port that is free."""
    if named := NAMED.match(snippet.text):
        text = re.sub(r"^port = \d+$", "port = 0", snippet.text, flags=re.MULTILINE)
        (cwd / named[1]).write_text(text)


def run_client(
    command: Command, shown: dict[str, int], actual: dict[str, int], *, cwd: Path
) -> str:
    """Run a client's command against the running program; return what it prints."""
    text = command.text
    for name, port in shown.items():
        text = re.sub(rf"(127\.0\.0\.1[: ]|-p ){port}\b", rf"\g<1>{actual[name]}", text)
    if text.startswith(SAY):
        text = f"{sys.executable} {ROOT / SAY.split()[1]} {text.removeprefix(SAY)}"
    text = text.replace("curl ", "curl -sS ", 1) if text.startswith("curl ") else text
    done = subprocess.run(
        ["bash", "-c", text], capture_output=True, text=True, timeout=20, check=False,
        env=clean_environment(), stdin=subprocess.DEVNULL, cwd=cwd,
    )  # fmt: skip
    assert done.stderr == "", text
    return done.stdout


def make_files(command: Command, cwd: Path) -> None:
    """Run a command that only makes files."""
    text = command.text.replace("blackbull ", f"{sys.executable} -m blackbull ")
    done = subprocess.run(
        ["bash", "-c", text], capture_output=True, text=True, timeout=20, check=False,
        stdin=subprocess.DEVNULL, cwd=cwd, env=clean_environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert command.output == ""


def run_config(command: Command, cwd: Path) -> None:
    """Run a command that prints settings, and compare what it prints."""
    text = command.text.replace("blackbull ", f"{sys.executable} -m blackbull ", 1)
    done = subprocess.run(
        ["bash", "-c", text], capture_output=True, text=True, timeout=20, check=False,
        stdin=subprocess.DEVNULL, cwd=cwd, env=clean_environment(),
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (command.output, "")


def check_tool(command: Command) -> None:
    """Check a command that is not run here: what it names is there."""
    words = [word for word in command.text.split() if not re.match(r"[A-Z]+=", word)]
    match words:
        case ["make", verb]:
            assert re.search(rf"^{verb}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        case ["pip", "install", what]:
            extras = re.search(r"\[(.*)\]", what)
            known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
            if extras:
                assert set(extras[1].split(",")) <= known["optional-dependencies"].keys()
        case ["blackbull", "mqtt", *_]:
            pytest.fail(f"no broker runs for this command: {command.text}")
        case ["blackbull", *arguments] | ["python", "-m", "blackbull", *arguments]:
            assert make_parser().parse_args(arguments).target == "main:app"
        case ["python", script]:
            assert (ROOT / script).is_file()
        case _:
            pytest.fail(f"no test runs this command: {command.text}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_programs_run_and_commands_print_what_it_says(page: Path, tmp_path: Path) -> None:
    with ExitStack() as running:
        program: Program | None = None
        shown: dict[str, int] = {}
        for number, snippet in enumerate(snippets(page)):
            if snippet.language == "python":
                running.pop_all().close()
                program = running.enter_context(start(snippet, tmp_path / f"page{number}.py"))
                shown = documented_ports(snippet)
                assert program.serving().keys() == shown.keys()
            elif snippet.language == "console":
                for command in commands(snippet):
                    if command.text.startswith("openssl ") or " mqtt passwd " in command.text:
                        make_files(command, tmp_path)
                        continue
                    if CONFIG.search(command.text):
                        run_config(command, tmp_path)
                        continue
                    if command.text.startswith(BROKER):
                        running.pop_all().close()
                        program = running.enter_context(start_broker(command, tmp_path))
                        shown = {"mqtt": 1883}
                        assert program.serving().keys() == shown.keys()
                        continue
                    if not command.text.startswith(CLIENTS):
                        check_tool(command)
                        continue
                    assert program is not None
                    printed = run_client(command, shown, program.ports, cwd=tmp_path)
                    assert printed.rstrip("\n") == command.output.rstrip("\n"), command.text
            else:
                assert snippet.language == "text", f"{page.name}:{snippet.line}"
                make_named_file(snippet, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", FENCE.sub("", page.read_text()))
    inside = [link for link in links if "://" not in link]
    assert [link for link in inside if not (page.parent / link).exists()] == []
