"""The files of the deployment page do what it says, with the servers that they are for."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.architecture.source import ROOT
from tests.certificates import Authority
from tests.environment import clean_environment
from tests.program import START_LINE, TIMEOUT, Program

PAGE = (ROOT / "docs/deploy.md").read_text()
BLOCK = re.compile(r"^```\w+\n# ([\w.-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES: dict[str, str] = dict(BLOCK.findall(PAGE))
STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"
SOCKET = "/run/gateway/http.sock"
NGINX = """daemon off; user root; worker_processes 1; pid nginx.pid; error_log stderr warn;
{module}
events {{ worker_connections 64; }}
{kind} {{ {temporary} {server} }}
"""
TEMPORARY = " ".join(
    f"{name}_temp_path {name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)


WHO = """
from blackbull.event import Event
@app.on("connection_accepted")
async def accepted(event: Event) -> None:
    if event.detail["protocol"] == "mqtt":
        print("MQTT from", *event.detail["peername"], file=__import__("sys").stderr, flush=True)
"""
"""What the test adds to the page's program, to see whom it believes to serve."""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def until_listening(port: int) -> None:
    until = time.monotonic() + TIMEOUT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
            return
        except OSError:
            assert time.monotonic() < until, f"nobody listens on port {port}"
            time.sleep(0.01)


@contextmanager
def running(*command: str, cwd: Path) -> Iterator[None]:
    """Run a server that is not ours."""
    with (cwd / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**clean_environment(), "HOME": str(cwd), "XDG_DATA_HOME": str(cwd)},
        )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        process.wait(TIMEOUT)


@dataclass
class Gateway:
    """The page's program behind a proxy.

    Attributes:
        path: The socket on which it speaks HTTP.
        mqtt: The port that expects the PROXY protocol before MQTT.
    """

    program: Program
    path: Path
    mqtt: int


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    own = FILES["gateway.py"].replace("port=1883", "port=0")
    (tmp_path / "gateway.py").write_text(own + WHO)
    path, port = tmp_path / "http.sock", free_port()
    settings = FILES["behind-nginx.toml"].replace(SOCKET, str(path)).replace("1884", str(port))
    (tmp_path / "blackbull.toml").write_text(settings + "workers = 2\n")
    with Program(["-m", "blackbull", "gateway:app"], cwd=tmp_path) as program:
        program.serving()
        yield Gateway(program, path, port)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def use_everything(url: str, *, authority: Authority | None) -> None:
    """Ask, upload, follow events and talk through a proxy."""
    context = None
    if authority is not None:
        context = ssl.create_default_context(cafile=authority.path)
    with httpx.Client(verify=context or True, base_url=url, trust_env=False) as client:
        scheme = url.partition(":")[0]
        told = {"x-forwarded-for": "192.0.2.1"}
        for _ in range(3):
            answer = client.get("/", headers=told)
            assert answer.json() == {"client": "127.0.0.1", "scheme": scheme}
        with client.stream("GET", "/ticks") as events:
            seen = [line for line in events.iter_lines() if line.startswith("data:")]
        assert seen == ["data: 0", "data: 1", "data: 2"]
    address = url.replace("http", "ws", 1) + "/echo"
    with connect(address, ssl=context, proxy=None) as web_socket:
        for message in ("text", b"bytes" * 1000):
            web_socket.send(message)
            assert web_socket.recv(timeout=TIMEOUT) == message


@contextmanager
def nginx(gateway: Gateway, authority: Authority, *, kind: str, file: str) -> Iterator[int]:
    """Run nginx with a file of the page; returns the port that it listens on."""
    port, here = free_port(), gateway.path.parent
    server = FILES[file].replace(SOCKET, str(gateway.path)).replace("1884", str(gateway.mqtt))
    server = re.sub(r"listen \d+", f"listen 127.0.0.1:{port}", server)
    server = server.replace("/etc/ssl/gateway.pem", authority.issue())
    module, temporary = (f"load_module {STREAM};", "") if kind == "stream" else ("", TEMPORARY)
    conf = here / "nginx.conf"
    conf.write_text(NGINX.format(kind=kind, server=server, temporary=temporary, module=module))
    with running("nginx", "-p", str(here), "-c", str(conf), cwd=here):
        until_listening(port)
        yield port


def test_deploy_page_behind_nginx_everything_passes(gateway: Gateway, authority: Authority) -> None:
    with nginx(gateway, authority, kind="http", file="gateway.nginx") as port:
        use_everything(f"https://localhost:{port}", authority=authority)


def test_deploy_page_rolling_restart_behind_nginx_fails_no_request(
    gateway: Gateway, authority: Authority
) -> None:
    context = ssl.create_default_context(cafile=authority.path)
    with (
        nginx(gateway, authority, kind="http", file="gateway.nginx") as port,
        httpx.Client(verify=context, trust_env=False) as client,
    ):
        url = f"https://localhost:{port}/"
        gateway.program.signal(signal.SIGHUP)
        while len([line for line in gateway.program.lines if START_LINE.search(line)]) < 2:
            assert client.get(url).status_code == 200
        for _ in range(50):
            assert client.get(url).status_code == 200


def test_deploy_page_mqtt_behind_nginx_comes_from_its_client(
    gateway: Gateway, authority: Authority
) -> None:
    with nginx(gateway, authority, kind="stream", file="gateway.stream.nginx") as port:
        done = subprocess.run(
            ["mosquitto_pub", "-h", "localhost", "-p", str(port), "--cafile", authority.path,
             "-q", "1", "-t", "a", "-m", "b", "-A", "127.0.0.2"],
            capture_output=True, text=True, timeout=TIMEOUT, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        gateway.program.said(r"MQTT from 127\.0\.0\.2 ")


def test_deploy_page_behind_caddy_everything_passes(gateway: Gateway, tmp_path: Path) -> None:
    port = free_port()
    text = FILES["Caddyfile"].replace(SOCKET, str(gateway.path))
    text = text.replace("gateway.example", f"http://127.0.0.1:{port}")
    (tmp_path / "Caddyfile").write_text(f"{{\n    admin off\n}}\n{text}")
    with running("caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile", cwd=tmp_path):
        until_listening(port)
        use_everything(f"http://127.0.0.1:{port}", authority=None)


def test_deploy_page_units_are_what_systemd_understands(tmp_path: Path) -> None:
    """systemd reads the units; the paths in them are replaced by ones that are there."""
    unit = FILES["gateway.service"].replace("/srv/gateway/.venv/bin/blackbull", sys.executable)
    (tmp_path / "gateway.service").write_text(unit.replace("/srv/gateway", str(tmp_path)))
    (tmp_path / "gateway.socket").write_text(FILES["gateway.socket"])
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
         str(tmp_path / "gateway.service"), str(tmp_path / "gateway.socket")],
        capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["production.toml", "behind-nginx.toml", "bare.toml"])
def test_deploy_page_settings_are_in_effect(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(FILES[name])
    done = subprocess.run(
        [sys.executable, "-m", "blackbull", "config", "--json", "--config", str(path)],
        capture_output=True, text=True, timeout=TIMEOUT, check=False, env=clean_environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = {each["setting"] for each in json.loads(done.stdout) if str(path) in each["from"]}
    assert found == set(re.findall(r"^(\w+) =", FILES[name], re.MULTILINE))


def test_tools_that_the_page_needs_are_here() -> None:
    assert all(map(shutil.which, ("nginx", "caddy", "systemd-analyze")))
