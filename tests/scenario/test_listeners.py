"""Several listeners in one process, reached by clients that nobody here wrote."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from blackbull import BlackBull, Connection, InheritedFd, Listener, Tcp, TLSFiles, Unix
from blackbull.abc import ProtocolContext, Reader, Writer
from blackbull.errors import ConfigurationError
from blackbull.transport.where import host_port
from tests.certificates import Authority
from tests.environment import clean_environment
from tests.program import Program, run_to_end
from tests.serving import WAIT, Serving, until

APP = """
from blackbull import BlackBull

app = BlackBull()


@app.route(path="/")
async def index(conn):
    return f"{conn.scheme} {conn.client}"


@app.raw_handler("chat")
async def chat(reader, writer, ctx):
    await writer.write(b"hello\\n")


if __name__ == "__main__":
    app.run(bind=["127.0.0.1:0", "127.0.0.1:0?speaks=chat"])
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(APP)
    return tmp_path


def curl(*arguments: str) -> str:
    done = subprocess.run(
        ["curl", "-sS", "--max-time", str(WAIT), "--noproxy", "*", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def hear(place: tuple[str, int] | str) -> bytes:
    family = socket.AF_UNIX if isinstance(place, str) else socket.AF_INET
    with socket.socket(family) as peer:
        peer.settimeout(WAIT)
        peer.connect(place)
        return peer.makefile("rb").read()


def application() -> BlackBull:
    app = BlackBull()

    @app.route(path="/")
    async def index(conn: Connection) -> str:
        return f"{conn.scheme} {conn.http_version}"

    app.register_protocol_handler("chat", say_name)
    return app


async def say_name(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
    await writer.write(f"{ctx.protocol} {ctx.ssl is not None}".encode())


def command(*arguments: str) -> list[str]:
    return ["-m", "blackbull", *arguments]


def test_unix_socket_is_for_the_group_and_gone_at_the_end(here: Path) -> None:
    path = here / "app.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with Program(command("main:app", "--bind", f"unix:{path}"), cwd=here) as program:
        assert f"http on unix:{path}" in program.said("serving")
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert curl("--unix-socket", str(path), "http://app/") == "http None"
    assert program.wait() == 0
    assert not path.exists()


def test_unix_path_of_a_file_is_refused_and_kept(here: Path) -> None:
    status, _, err = run_to_end(command("main:app", "--bind", "unix:main.py"), cwd=here)
    assert (status, err.count("\n")) == (1, 1)
    assert "the file there is no socket; remove it yourself or choose another path" in err
    assert (here / "main.py").read_text() == APP


def test_script_listens_at_every_place_it_names(here: Path) -> None:
    with Program(["main.py"], cwd=here) as program:
        ports = program.serving()
        assert set(ports) == {"http", "chat"}
        assert curl(f"http://127.0.0.1:{ports['http']}/").startswith("http ")
        assert hear(("127.0.0.1", ports["chat"])) == b"hello\n"


def test_variable_names_several_places(here: Path) -> None:
    environ = {"BLACKBULL_BIND": f"127.0.0.1:0, unix:{here}/a.sock"}
    with Program(command("main:app"), cwd=here, environ=environ) as program:
        port = program.serving()["http"]
        assert f"http on http://127.0.0.1:{port}, http on unix:{here}/a.sock" in program.lines[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--bind", "a"], "--bind: 'a' is no place to listen: write host:port"),
        (["--bind", ":0", "--port", "1"], "--bind and --port both say where to listen"),
        (["--bind", "127.0.0.1:0?speaks=mqtt"], "'mqtt', which is no protocol here: there are"),
        (["--bind", "fd://web"], "fd://web: systemd has passed no socket"),
        (["--bind", "fd://99"], "fd://99 is no open socket"),
        (["--bind", "127.0.0.1:0?tls=on"], "there is no certificate: give --cert and --key"),
    ],
)
def test_place_that_cannot_be_is_one_line(here: Path, arguments: list[str], said: str) -> None:
    status, out, err = run_to_end(command("main:app", *arguments), cwd=here)
    assert (status, out, err.count("\n")) == (1, "", 1), err
    assert said in err


def port(serving: Serving, index: int) -> int:
    found = serving.server.listening[index].address[1]
    assert found is not None
    return found


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_each_listener_has_its_protocols_and_its_tls(tmp_path: Path, loop: str) -> None:
    authority = Authority(tmp_path)
    certificate = authority.issue()
    path = str(tmp_path / "app.sock")
    listeners = [
        Listener(Tcp(0)),
        Listener(Tcp(0), tls=False),
        Listener(Tcp(0), tls=TLSFiles(certfile=authority.issue("b.example", file="b"))),
        Listener(Unix(path, mode=0o600), tls=False),
        Listener(Tcp(0), speaks="chat", tls=False),
        Listener(Tcp(0), speaks="http1", tls=True),
    ]
    trusted = ("--cacert", authority.path)
    with Serving(application(), loop, listeners=listeners, certfile=certificate) as serving:
        assert curl(*trusted, f"https://localhost:{port(serving, 0)}/") == "https 2"
        plain = f"http://127.0.0.1:{port(serving, 1)}/"
        assert curl(plain) == "http 1.1"
        # In absolute form the scheme is the client's word, and has to be this listener's.
        assert curl("--proxy", plain, "--noproxy", "", "http://example.org/") == "http 1.1"
        other = port(serving, 2)
        resolve = ("--resolve", f"b.example:{other}:127.0.0.1")
        assert curl(*trusted, *resolve, f"https://b.example:{other}/") == "https 2"
        assert curl("--unix-socket", path, "http://app/") == "http 1.1"
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
        assert hear(("127.0.0.1", port(serving, 4))) == b"chat False"
        assert curl(*trusted, f"https://localhost:{port(serving, 5)}/") == "https 1.1"


def test_protocol_whose_port_a_listener_has_gets_no_second_one() -> None:
    app = BlackBull()
    with socket.create_server(("127.0.0.1", 0)) as ours:
        number = ours.getsockname()[1]
        app.register_protocol_handler("chat", say_name, port=number)
        listener = Listener(InheritedFd(ours.detach()), speaks="chat")
        with Serving(app, "asyncio", listeners=[listener]) as serving:
            assert [each.address[1] for each in serving.server.listening] == [number]
            assert hear(("127.0.0.1", number)) == b"chat False"


def test_listener_that_cannot_be_leaves_the_others_closed(tmp_path: Path) -> None:
    listeners = [Listener(Unix(str(tmp_path / "a.sock"))), Listener(Tcp(0), speaks="nothing")]
    with (
        pytest.raises(ConfigurationError, match="is to speak 'nothing'"),
        Serving(application(), "asyncio", listeners=listeners),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("*", ["127.0.0.1", "[::1]"]),
        ("::", ["127.0.0.1", "[::1]"]),
        ("localhost", []),
        ("0.0.0.0", ["127.0.0.1"]),
        ("::1", ["[::1]"]),
    ],
)
def test_host_means_these_addresses(host: str, reached: list[str]) -> None:
    app = application()

    @app.route(path="/who")
    async def who(conn: Connection) -> str:
        assert conn.client is not None
        return conn.client[0]

    with Serving(app, "asyncio", listeners=[Listener(Tcp(0, host))]) as serving:
        (number,) = {each.address[1] for each in serving.server.listening}
        if host == "localhost":  # its addresses are whatever this machine calls so
            found = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)
            reached = [host_port(str(each[4][0]), 0)[:-2] for each in found]
        for address in ("127.0.0.1", "[::1]"):
            url = f"http://{address}:{number}/who"
            if address in reached:
                # An IPv4 client is one, whatever socket it came through.
                assert curl(url) == address.strip("[]")
            else:
                with pytest.raises(AssertionError, match="connect"):
                    curl(url)


@contextmanager
def activated(here: Path, names: str, *arguments: str) -> Iterator[dict[str, str]]:
    """Let systemd's own tool hold the sockets and start the command at the first connection."""
    paths = {name: str(here / f"{name}.sock") for name in names.split(":")}
    listen = [word for path in paths.values() for word in ("-l", path)]
    environ = {"PYTHONPATH": str(here)}
    process = subprocess.Popen(
        ["systemd-socket-activate", *listen, f"--fdname={names}", "-E", "PYTHONPATH",
         sys.executable, *command("main:app", *arguments)],
        cwd=here, env=clean_environment(environ), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        until(lambda: all(Path(path).exists() for path in paths.values()))
        yield paths
    finally:
        process.terminate()
        _, said = process.communicate(timeout=WAIT)
    assert process.returncode == 0, said
    assert "Traceback" not in said


@pytest.mark.parametrize("flags", [(), ("--workers", "2"), ("--reload",)])
def test_sockets_of_systemd_are_served(here: Path, flags: tuple[str, ...]) -> None:
    with activated(here, "web:chat", *flags) as paths:
        assert curl("--unix-socket", paths["web"], "http://app/") == "http None"
        assert hear(paths["chat"]) == b"hello\n"
    # Whoever made the sockets removes them.
    assert Path(paths["web"]).exists()


def test_sockets_of_systemd_are_served_as_flags_say(here: Path) -> None:
    with activated(here, "a:b", "--bind", "fd://b", "--bind", "fd://a?speaks=chat") as paths:
        assert curl("--unix-socket", paths["b"], "http://app/") == "http None"
        assert hear(paths["a"]) == b"hello\n"
