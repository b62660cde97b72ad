"""Reload, as a person who changes files sees it."""

from __future__ import annotations

import signal
import socket
import threading
from pathlib import Path

import pytest

from tests.program import TIMEOUT, Program
from tests.scenario.test_workers import APP, RUN, ask_kept, everyone, fetch


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "main.py"
    path.write_text(APP + RUN)
    return path


def change(script: Path, old: str, new: str) -> None:
    text = script.read_text()
    assert old in text
    script.write_text(text.replace(old, new))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_s13_reload_keeps_the_port_of_a_port_bound_protocol(
    script: Path, tmp_path: Path, workers: str
) -> None:
    arguments = [str(script), "--reload", "--workers", workers]
    with Program(arguments, cwd=tmp_path) as program:
        ports = program.serving()
        assert ask_kept(ports["kept"]) in everyone(ports["http"], int(workers))
        change(script, "write(str(os.getpid())", "write(str('new')")
        change(script, "return str(os.getpid())", "return 'new ' + str(os.getpid())")
        assert program.serving(times=2) == ports
        assert ask_kept(ports["kept"]) == "new"
        assert all(each.startswith("new ") for each in everyone(ports["http"], int(workers)))


def test_connection_made_while_the_source_is_broken_waits(script: Path, tmp_path: Path) -> None:
    good = script.read_text()
    answers: list[str] = []
    with Program([str(script), "--reload"], cwd=tmp_path) as program:
        ports = program.serving()
        script.write_text("def broken(:\n")
        program.said("waiting for a change")
        assert sum("SyntaxError" in line for line in program.lines) == 1
        asking = threading.Thread(target=lambda: answers.append(fetch(ports["http"], "/slow")))
        asking.start()
        with socket.create_connection(("127.0.0.1", ports["kept"]), timeout=TIMEOUT) as peer:
            script.write_text(good)
            assert program.serving(times=2) == ports
            assert peer.makefile("rb").read()
        asking.join(TIMEOUT)
        assert len(answers) == 1
        program.signal(signal.SIGTERM)
        assert program.wait() == 0


def test_startup_that_fails_waits_for_a_change(script: Path, tmp_path: Path) -> None:
    change(script, RUN, "\n@app.on_startup\nasync def fail(): raise OSError('no disk')\n" + RUN)
    with Program([str(script), "--reload"], cwd=tmp_path) as program:
        program.said("did not start: OSError: no disk .*: waiting for a change")
        change(script, "raise OSError('no disk')", "pass")
        assert fetch(program.serving()["http"])


def test_named_paths_are_watched_whatever_they_hold(script: Path, tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    page = tmp_path / "templates" / "page.html"
    page.write_text("old")
    other = tmp_path / "notes.txt"
    with Program([str(script), "--reload", "--reload-path", "templates"], cwd=tmp_path) as program:
        program.serving()
        other.write_text("not watched")
        page.write_text("new")
        program.serving(times=2)
        assert sum("a source file changed" in line for line in program.lines) == 1


def test_path_that_is_not_there_is_one_line(script: Path, tmp_path: Path) -> None:
    with Program([str(script), "--reload", "--reload-path", "absent"], cwd=tmp_path) as program:
        assert program.wait() == 1
    assert program.lines == [f"blackbull: --reload-path: there is no '{tmp_path / 'absent'}'"]


def test_command_shows_where_the_program_fails_and_waits(script: Path, tmp_path: Path) -> None:
    command = ["-m", "blackbull", "main:app", "--port", "0", "--reload"]
    with Program(command, cwd=tmp_path) as program:
        program.serving()
        change(script, "app = BlackBull()", "app = BlackBull(); 1 / 0")
        program.said(
            r"cannot import 'main': ZeroDivisionError: division by zero \(main.py:5\): waiting"
        )
        trace = program.lines[2:-1]
        assert trace[0].startswith("Traceback")
        assert trace[-1] == "ZeroDivisionError: division by zero"
        assert [line for line in trace if "importlib" in line or "cli/target" in line] == []
        change(script, "; 1 / 0", "")
        program.serving(times=2)
