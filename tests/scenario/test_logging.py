"""Logs of a program as a person runs it: where they go, how they look, and that nothing waits."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.environment import clean_environment
from tests.program import Program

SCRIPT = """
from blackbull import BlackBull

app = BlackBull()

@app.route(path="/")
async def index():
    return "hello"

@app.route(path="/bug")
async def bug():
    raise ValueError("with a\\nline")

if __name__ == "__main__":
    app.run({arguments})
"""

LINE = re.compile(
    r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z 127\.0\.0\.1 "GET / HTTP/1\.1" 200 5 [\d.]+ms'
)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A program that serves on a port that is free."""
    path = tmp_path / "program.py"
    path.write_text(SCRIPT.format(arguments="port=0"))
    return path


def curl(port: int, *arguments: str, path: str = "/") -> str:
    """Ask with curl; return what it prints."""
    done = subprocess.run(
        ["curl", "-sS", "-g", "--path-as-is", *arguments, f"http://127.0.0.1:{port}{path}"],
        capture_output=True, text=True, timeout=20, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.stdout


def test_requests_are_logged_on_stderr_by_default(script: Path) -> None:
    with Program([str(script)]) as program:
        port = program.serving()["http"]
        assert curl(port) == "hello"
        assert LINE.fullmatch(program.said(r'"GET / HTTP/1\.1" 200'))


def test_access_log_is_switched_off_and_errors_are_still_written(script: Path) -> None:
    with Program([str(script), "--no-access-log"]) as program:
        port = program.serving()["http"]
        curl(port)
        curl(port, path="/bug")
        program.said("ERROR blackbull.app: GET '/bug' failed")
        program.signal(signal.SIGTERM)
        assert program.wait() == 0
    assert not any('"GET' in line for line in program.lines)


def test_json_is_all_there_is_on_stderr(script: Path) -> None:
    with Program([str(script), "--log-format", "json"]) as program:
        program.said('"message": "serving http on ')
        port = int(program.lines[0].rpartition(":")[2].strip('"}'))
        curl(port, "-A", 'quo"te\\', path="/a%0ab%1b%22?x=1")
        curl(port, path="/bug")
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(b"\x1b[31m / HTTP/1.1\r\n\r\n")
            raw.recv(1000)
        program.said("400")
        program.signal(signal.SIGTERM)
        assert program.wait() == 0
    told = [json.loads(line) for line in program.lines]
    # What is gathered, and what is written at once, may come in another order.
    by_logger = {
        name: [each for each in told if each["logger"] == name]
        for name in ("blackbull", "blackbull.access", "blackbull.app")
    }
    assert [len(each) for each in by_logger.values()] == [2, 3, 1]
    asked = by_logger["blackbull.access"][0]
    assert (asked["path"], asked["user_agent"]) == ('/a\nb\x1b"', 'quo"te\\')
    assert by_logger["blackbull.app"][0]["exception"].endswith("ValueError: with a\nline")


FORGERIES: Sequence[tuple[tuple[str, ...], str, str]] = (
    ((), "/a%0d%0a2026-01-01%20forged", r'"GET /a\x0d\x0a2026-01-01 forged HTTP/1.1" 404'),
    ((), "/%1b]0;title%07", r'"GET /\x1b]0;title\x07 HTTP/1.1" 404'),
    ((), "/%22%20200%20%22", r'"GET /\" 200 \" HTTP/1.1" 404'),
    ((), "/%e2%80%ae%c2%9b", r'"GET /\u202e\x9b HTTP/1.1" 404'),
    (("-X", "B\x1bD"), "/", "error=\"the request line is not 'method target HTTP/x.y'\""),
    (("-X", "A" * 100), "/", '"' + "A" * 32 + '...(+68) / HTTP/1.1" 405'),
    (("-H", "host: a\x1b[31mb"), "/", '"-" 400'),
)


def test_client_cannot_forge_lines(script: Path) -> None:
    with Program([str(script)]) as program:
        port = program.serving()["http"]
        for number, (arguments, path, shown) in enumerate(FORGERIES):
            curl(port, *arguments, path=path)
            program.said(" 127.0.0.1 ", times=number + 1)
            assert shown in program.lines[-1]
            assert program.lines[-1].isprintable()
            assert len(program.lines) == number + 2


@pytest.mark.parametrize(("environ", "colors"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_terminal_has_colors(script: Path, environ: Mapping[str, str], colors: bool) -> None:
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(script)], stderr=terminal, stdin=subprocess.DEVNULL,
        env=clean_environment({"TERM": "xterm", **environ}),
    )  # fmt: skip
    os.close(terminal)
    with os.fdopen(master, "rb", buffering=0) as screen:
        seen = read_until(screen.fileno(), b"\n")
        port = int(seen.strip().rpartition(b":")[2])
        curl(port)
        seen = read_until(screen.fileno(), b"ms\r\n")
        process.terminate()
        assert process.wait(20) == 0
    assert (b"\x1b[32m200\x1b[0m" in seen) is colors
    assert (b"\x1b[1mGET\x1b[0m" in seen) is colors


def test_pipe_has_colors_only_if_they_are_forced(script: Path) -> None:
    with Program([str(script)], environ={"FORCE_COLOR": "1"}) as program:
        curl(program.serving()["http"])
        assert "\x1b[32m200\x1b[0m" in program.said("200")


def read_until(fd: int, end: bytes) -> bytes:
    """Read from a terminal until *end* was shown."""
    seen = b""
    while end not in seen:
        seen += os.read(fd, 4096)
    return seen


def load(port: int, count: int, path: str = "/") -> int:
    """Ask *count* times on one connection; return how many answers came."""
    request = f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode()
    answered = 0
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for _ in range(0, count, 50):
            connection.sendall(request * 50)
            got = b""
            while (found := got.count(b"\r\ndate: ")) < 50:
                got += connection.recv(65536)
            answered += found
    return answered


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_with_stderr(script: Path, stderr: int, *flags: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start the program with *stderr*, wait until it answers; return it and its port."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(script), "--port", str(port), *flags], stderr=stderr,
        stdin=subprocess.DEVNULL, env=clean_environment(),
    )  # fmt: skip
    subprocess.run(
        ["curl", "-sS", "--retry", "50", "--retry-connrefused", "--retry-delay", "0",
         "--retry-max-time", "20", f"http://127.0.0.1:{port}/"],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    return process, port


def test_reader_that_stopped_reading_stops_nothing(script: Path) -> None:
    reader, writer = os.pipe()
    process, port = run_with_stderr(script, writer)
    os.close(writer)
    assert load(port, 5000) == 5000  # a pipe holds less than a thousand lines
    process.terminate()
    assert process.wait(20) == 0
    with os.fdopen(reader, "rb") as pipe:
        lines = pipe.read().decode().splitlines()
    assert 100 < len(lines) < 2000
    assert all(LINE.fullmatch(line) for line in lines[1:])


def test_reader_that_goes_on_is_told_how_much_it_missed(script: Path) -> None:
    reader, writer = os.pipe()
    process, port = run_with_stderr(script, writer)
    os.close(writer)
    count = 10_000  # more than the backlog holds
    path = "/" + "x" * 1000
    assert load(port, count, path) == count
    seen = lost = 0
    with os.fdopen(reader, "rb") as pipe:
        for raw in pipe:
            seen += b'"GET /' in raw
            if found := re.search(rb"WARNING blackbull\.log: (\d+) log records lost", raw):
                if not lost:
                    process.terminate()
                lost += int(found[1])
    assert process.wait(20) == 0
    assert lost > 1000
    assert seen > 1000
    assert seen + lost == 1 + count  # the first one has asked whether it answers


def test_reader_that_vanished_stops_nothing(script: Path) -> None:
    reader, writer = os.pipe()
    process, port = run_with_stderr(script, writer)
    os.close(writer)
    os.close(reader)
    assert load(port, 2000) == 2000
    process.terminate()
    assert process.wait(20) == 0


@pytest.mark.parametrize("flags", [[], ["--workers", "2"]])
def test_program_whose_standard_streams_are_closed_serves_and_stops(
    script: Path, flags: Sequence[str]
) -> None:
    path = script.parent / "app.sock"
    closed = 'exec "$@" <&- >&- 2>&-'
    process = subprocess.Popen(
        ["bash", "-c", closed, "-", sys.executable, str(script), "--bind", f"unix:{path}", *flags],
        cwd=script.parent, env=clean_environment(),
    )  # fmt: skip
    try:
        asked = subprocess.run(
            ["curl", "-sS", "--retry", "20", "--retry-all-errors", "--retry-delay", "1",
             "--unix-socket", str(path), "http://a/"],
            capture_output=True, text=True, timeout=50, check=False,
        )  # fmt: skip
    finally:
        process.terminate()
        status = process.wait(20)
    assert (status, asked.stdout) == (0, "hello")


def test_disk_that_is_full_stops_nothing(script: Path) -> None:
    process, port = run_with_stderr(script, subprocess.DEVNULL, "--log-file", "/dev/full")
    assert load(port, 5000) == 5000
    process.terminate()
    assert process.wait(20) == 0


def test_file_has_every_record_through_rotation_and_the_end(script: Path) -> None:
    log = script.parent / "access.log"
    with Program([str(script), "--log-file", str(log)]) as program:
        port = program.serving()["http"]
        load(port, 3000)
        log.rename(log.with_suffix(".1"))
        program.signal(signal.SIGHUP)
        load(port, 3000)
        program.signal(signal.SIGTERM)
        assert program.wait() == 0
    before, after = log.with_suffix(".1").read_text(), log.read_text()
    lines = (before + after).splitlines()
    assert len(lines) == 6000
    assert all(LINE.fullmatch(line) for line in lines)
    assert after
    assert [line for line in program.lines if "HTTP/1.1" in line] == []


def test_file_of_several_processes_has_whole_lines(script: Path) -> None:
    log = script.parent / "access.log"
    flags = ["--log-file", str(log), "--workers", "2"]
    with Program([str(script), *flags]) as one, Program([str(script), *flags]) as other:
        ports = [each.serving()["http"] for each in (one, other)]
        with ThreadPoolExecutor(4) as loads:
            assert list(loads.map(load, ports * 4, [500] * 8)) == [500] * 8
        for each in (one, other):
            each.signal(signal.SIGTERM)
            assert each.wait() == 0
    lines = log.read_text().splitlines()
    assert len(lines) == 4000
    assert all(LINE.fullmatch(line) for line in lines)


def test_workers_write_to_one_stderr_and_wait_for_nobody_who_reads_it(script: Path) -> None:
    reader, writer = os.pipe()
    process, port = run_with_stderr(script, writer, "--workers", "2")
    os.close(writer)
    with ThreadPoolExecutor(4) as loads:
        assert list(loads.map(load, [port] * 8, [500] * 8)) == [500] * 8
    process.terminate()
    assert process.wait(20) == 0
    with os.fdopen(reader, "rb") as pipe:
        lines = pipe.read().decode().splitlines()
    # What a worker has begun to write may be cut at the end.
    of_workers = [line for line in lines if not line.startswith("blackbull: ")][:-2]
    assert len(of_workers) > 500
    assert [line for line in of_workers if not LINE.fullmatch(line)] == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ["--log-file", "/nowhere/log"],
            "blackbull: the log file '/nowhere/log' cannot be opened: ",
        ),
        (["--log-format", "xml"], "blackbull: argument --log-format: invalid choice: 'xml'"),
        (["--log-level", "loud"], "blackbull: argument --log-level: invalid choice: 'loud'"),
    ],
)
def test_mistake_is_one_line(script: Path, flags: Sequence[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, str(script), *flags], capture_output=True, text=True, timeout=20,
        check=False, env=clean_environment(), stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def test_program_that_has_set_up_logging_gets_the_records(script: Path) -> None:
    setup = """
import logging
mine = "mine %(name)s %(levelname)s %(message)s %(threadName)s"
logging.basicConfig(level=logging.INFO, format=mine)
"""
    script.write_text(setup + script.read_text())
    with Program([str(script)]) as program:
        curl(program.serving()["http"])
        line = program.said("mine blackbull.access")
    assert re.match(
        r'mine blackbull\.access INFO 127\.0\.0\.1 "GET / HTTP/1\.1" 200 5 [\d.]+ms blackbull-log',
        line,
    )
    assert [each for each in program.lines if LINE.match(each)] == []


def test_program_whose_logging_wants_warnings_only_gets_no_access_log(script: Path) -> None:
    script.write_text("import logging\nlogging.basicConfig()\n" + script.read_text())
    with Program([str(script)]) as program:
        curl(program.serving()["http"])
        curl(program.ports["http"], path="/bug")
        program.said("ERROR:blackbull.app:GET '/bug' failed")
    assert not any('"GET' in line for line in program.lines)
