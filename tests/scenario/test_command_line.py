"""What a person sees who starts, stops or mis-starts a program."""

from __future__ import annotations

import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import ROOT
from tests.program import Program, run_to_end

APP = """
from blackbull import BlackBull

app = BlackBull()


@app.route(path="/")
async def index():
    return "hello"
"""


def fetch(port: int, path: str = "/") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.read().decode()


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "main.py"
    path.write_text(APP + '\nif __name__ == "__main__":\n    app.run(port=0)\n')
    return path


def test_script_with_raw_handler_serves_both_ports(tmp_path: Path) -> None:
    """S01: the example, with any free ports instead of its own."""
    text = (ROOT / "examples/echo_tcp.py").read_text()
    script = tmp_path / "echo_tcp.py"
    script.write_text(text.replace("port=9000", "port=0").replace("port=8000", "port=0"))
    with Program([str(script)]) as program:
        ports = program.serving()
        assert set(ports) == {"http", "echo"}
        assert fetch(ports["http"]) == "HTTP here; raw TCP echo on :9000."
        with socket.create_connection(("127.0.0.1", ports["echo"]), timeout=10) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
            peer.shutdown(socket.SHUT_WR)
            assert peer.makefile("rb").read() == b"GET / HTTP/1.1\r\n\r\n"
    assert program.wait() == 0


def test_script_without_raw_handler_binds_only_http(script: Path) -> None:
    """S09"""
    with Program([str(script)]) as program:
        assert set(program.serving()) == {"http"}


FILES = """
import resource

from blackbull import BlackBull

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
app = BlackBull()


@app.route(path="/")
async def index():
    return str(resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard))


app.run(port=0)
"""


def test_script_may_open_as_many_files_as_the_system_lets_it(tmp_path: Path) -> None:
    script = tmp_path / "files.py"
    script.write_text(FILES)
    with Program([str(script)]) as program:
        assert fetch(program.serving()["http"]) == "True"


RAW = """
from blackbull import BlackBull

app = BlackBull()


@app.raw_handler("greeter", port={port})
async def greeter(reader, writer, ctx):
    await writer.write(b"hello")


app.run(http=False)
"""


def test_script_without_http_binds_only_the_raw_protocols_port(tmp_path: Path) -> None:
    script = tmp_path / "raw.py"
    script.write_text(RAW.format(port=0))
    with Program([str(script)]) as program:
        ports = program.serving()
        assert set(ports) == {"greeter"}
        with socket.create_connection(("127.0.0.1", ports["greeter"]), timeout=10) as peer:
            assert peer.makefile("rb").read() == b"hello"
        program.signal(signal.SIGTERM)
        assert program.wait() == 0


def test_script_with_nothing_to_serve_is_one_line(tmp_path: Path) -> None:
    script = tmp_path / "raw.py"
    script.write_text(RAW.format(port=None))
    assert "without HTTP there is nothing to serve" in one_line([str(script)], cwd=tmp_path)


@pytest.fixture
def heeded() -> Iterator[None]:
    """Let programs heed SIGHUP, also where the tests run by nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_the_program_with_status_0(script: Path, number: signal.Signals) -> None:
    with Program([str(script)]) as program:
        program.serving()
        program.signal(number)
        assert program.wait() == 0
        assert not any("Traceback" in line for line in program.lines)


SLOW = """
import asyncio, sys
from blackbull import BlackBull

app = BlackBull()


@app.route(path="/")
async def index():
    print("handler: started", file=sys.stderr, flush=True)
    await asyncio.sleep(float(sys.argv[1]))
    return "finished"


app.run(port=0)
"""


def start_slow(tmp_path: Path, seconds: str, **environ: str) -> Program:
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    return Program([str(script), seconds], environ=environ)


def ask(port: int) -> socket.socket:
    peer = socket.create_connection(("127.0.0.1", port), timeout=15)
    peer.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    return peer


def test_signal_lets_a_running_request_finish(tmp_path: Path) -> None:
    with start_slow(tmp_path, "0.5") as program, ask(program.serving()["http"]) as peer:
        program.said("handler: started")
        program.signal(signal.SIGTERM)
        assert peer.makefile("rb").read().endswith(b"finished")
        assert program.wait() == 0


def test_signal_ends_a_request_that_outlasts_the_drain(tmp_path: Path) -> None:
    slow = start_slow(tmp_path, "3600", BB_WORKER_DRAIN_TIMEOUT="0.2")
    with slow as program, ask(program.serving()["http"]):
        program.said("handler: started")
        program.signal(signal.SIGTERM)
        assert program.wait() == 0


def test_second_signal_ends_the_program_at_once(tmp_path: Path) -> None:
    slow = start_slow(tmp_path, "3600", BB_WORKER_DRAIN_TIMEOUT="3600")
    with slow as program, ask(program.serving()["http"]):
        program.said("handler: started")
        program.signal(signal.SIGINT)
        program.said("blackbull: stopping")
        program.signal(signal.SIGINT)
        assert program.wait() == -signal.SIGINT


def test_signal_during_startup_ends_the_program(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(
        "import asyncio, sys\n"
        + APP
        + "\n@app.on_startup\nasync def wait():\n"
        + "    print('startup: waiting', file=sys.stderr, flush=True)\n"
        + "    await asyncio.sleep(3600)\n\napp.run(port=0)\n"
    )
    with Program([str(script)]) as program:
        program.said("startup: waiting")
        program.signal(signal.SIGTERM)
        assert program.wait() == 0
        assert program.lines == ["startup: waiting"]


def one_line(arguments: list[str], *, cwd: Path, **environ: str) -> str:
    """Run what cannot work: it says one line on stderr, nothing else, and ends with status 1."""
    status, out, err = run_to_end(arguments, cwd=cwd, environ=environ)
    assert (status, out) == (1, "")
    assert err.count("\n") == 1, err
    assert err.startswith("blackbull: ")
    return err


def test_port_in_use_is_one_line(script: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = one_line([str(script), "--port", str(port)], cwd=tmp_path)
    assert f"127.0.0.1:{port}" in line
    assert "in use" in line


def test_raising_startup_hook_is_one_line(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(
        APP
        + "\n@app.on_startup\nasync def fail():\n    raise RuntimeError('no database')\n"
        + "\napp.run(port=0)\n"
    )
    line = one_line([str(script)], cwd=tmp_path)
    assert "did not start: RuntimeError: no database (main.py:" in line


def test_raising_shutdown_hook_is_one_line(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(
        APP
        + "\n@app.on_shutdown\nasync def fail():\n    raise RuntimeError('no disk')\n"
        + "\napp.run(port=0)\n"
    )
    with Program([str(script)]) as program:
        program.serving()
        program.signal(signal.SIGTERM)
        assert program.wait() == 1
        assert "shutdown failed: RuntimeError: no disk (main.py:" in program.lines[-1]
        assert not any("Traceback" in line for line in program.lines)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--cert", "absent.pem", "--key", "absent.key"], "no certificate file 'absent.pem'"),
        (["--cert", "main.py", "--key", "absent.key"], "no key file 'absent.key'"),
        (["--cert", "main.py", "--key", "main.py"], "main.py"),
        (["--key", "main.py"], "--cert"),
        (["--workers", "-1"], "'-1' is no number of workers"),
        (["--port", "70000"], "'70000' is no port"),
        (["--port"], "--port"),
        (["--host", "no such host"], "no such host"),
    ],
)
def test_impossible_flag_is_one_line(
    script: Path, tmp_path: Path, flags: list[str], said: str
) -> None:
    assert said in one_line([str(script), *flags], cwd=tmp_path)


def test_impossible_setting_is_one_line(script: Path, tmp_path: Path) -> None:
    assert "BLACKBULL_PORT" in one_line([str(script)], cwd=tmp_path, BLACKBULL_PORT="http")


def test_unknown_flags_are_the_scripts_own(script: Path) -> None:
    with Program([str(script), "--verbose", "--port", "0", "name", "-x"]) as program:
        assert fetch(program.serving()["http"]) == "hello"


def test_host_flag_is_bound(script: Path) -> None:
    with Program([str(script), "--host", "127.0.0.2"]) as program:
        port = program.serving()["http"]
        assert f"http://127.0.0.2:{port}" in program.lines[0]
        with urllib.request.urlopen(f"http://127.0.0.2:{port}/", timeout=10) as answer:
            assert answer.read() == b"hello"
        with pytest.raises(urllib.error.URLError):
            fetch(port)


def command(*arguments: str) -> list[str]:
    return ["-m", "blackbull", *arguments]


def test_command_serves_our_application(script: Path, tmp_path: Path) -> None:
    with Program(command("main:app", "--bind", "127.0.0.1:0"), cwd=tmp_path) as program:
        assert fetch(program.serving()["http"]) == "hello"


def test_command_serves_an_asgi_application(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "from starlette.applications import Starlette\n"
        "from starlette.responses import PlainTextResponse\n"
        "from starlette.routing import Route\n"
        "async def index(request):\n    return PlainTextResponse('starlette')\n"
        "class api:\n    app = Starlette(routes=[Route('/', index)])\n"
    )
    with Program(command("main:api.app", "--port", "0"), cwd=tmp_path) as program:
        assert fetch(program.serving()["http"]) == "starlette"


def test_console_script_prints_its_version(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("blackbull")
    assert run_to_end([str(script), "--version"], cwd=tmp_path) == (0, "blackbull 0.1.0\n", "")


def test_command_help_names_every_flag(tmp_path: Path) -> None:
    status, out, err = run_to_end(command("--help"), cwd=tmp_path)
    assert (status, err) == (0, "")
    flags = ["--bind", "--host", "--port", "--cert", "--key", "--workers", "--reload", "--version"]
    assert [flag for flag in flags if flag not in out] == []


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("absent:app", "there is no module 'absent'"),
        ("main:absent", "module 'main' has no attribute 'absent'"),
        ("main", "'main' names no application"),
        ("main.py:app", "'main.py:app' names no application"),
        ("broken:app", "cannot import 'broken': SyntaxError"),
        ("raising:app", "cannot import 'raising': ValueError: too bad (raising.py:2)"),
        ("needy:app", "cannot import 'needy': ModuleNotFoundError: No module named 'nothing'"),
        ("main:number", "int"),
    ],
)
def test_command_with_a_bad_target_is_one_line(tmp_path: Path, target: str, said: str) -> None:
    (tmp_path / "main.py").write_text(APP + "\nnumber = 7\n")
    (tmp_path / "broken.py").write_text("def\n")
    (tmp_path / "raising.py").write_text("x = 1\nraise ValueError('too bad')\n")
    (tmp_path / "needy.py").write_text("import nothing\n")
    assert said in one_line(command(target, "--port", "0"), cwd=tmp_path)


def test_command_without_a_target_is_one_line(tmp_path: Path) -> None:
    assert "which application?" in one_line(command(), cwd=tmp_path)


def test_command_with_an_unknown_flag_is_one_line(tmp_path: Path) -> None:
    assert "--wokers" in one_line(command("main:app", "--wokers", "2"), cwd=tmp_path)


def test_reload_serves_the_changed_source(script: Path, tmp_path: Path) -> None:
    with Program([str(script), "--reload"], cwd=tmp_path) as program:
        assert fetch(program.serving()["http"]) == "hello"
        script.write_text(script.read_text().replace('"hello"', '"changed"'))
        assert fetch(program.serving(times=2)["http"]) == "changed"
        program.signal(signal.SIGINT)
        assert program.wait() == 0


def test_reload_waits_for_a_change_when_the_source_is_broken(script: Path, tmp_path: Path) -> None:
    good = script.read_text()
    with Program([str(script), "--reload"], cwd=tmp_path) as program:
        program.serving()
        script.write_text("def\n")
        program.said(r"ended with status 1 before it came to run\(\): waiting for a change")
        script.write_text(good)
        assert fetch(program.serving(times=2)["http"]) == "hello"


def test_reload_without_watchfiles_says_what_to_install(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(
        "import sys\nsys.modules['watchfiles'] = None\n" + APP + "\napp.run(port=0, reload=True)\n"
    )
    assert "pip install 'blackbull[standard]'" in one_line([str(script)], cwd=tmp_path)
