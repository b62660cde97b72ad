"""``blackbull mqtt`` in a process of its own, and Mosquitto's tools as its clients."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from scramp import ScramClient
from websockets.sync.client import connect

from blackbull.mqtt.auth import make_credential
from blackbull.mqtt.auth.password_file import write_user
from blackbull.mqtt.auth.passwords import hash_password
from blackbull.mqtt.messages import (
    MQTTAuth,
    MQTTConnack,
    MQTTConnect,
    MQTTDisconnect,
    MQTTMessage,
    MQTTPublish,
    PacketFramer,
    encode_packet,
)
from tests.certificates import HOST, Authority
from tests.program import TIMEOUT, Program, run_to_end
from tests.spec import spec

LEVELS = ["mqttv5", "mqttv311"]
WAIT = 10
"""Seconds after which one of Mosquitto's tools gives up by itself."""


def broker(*arguments: str, **environ: str) -> Program:
    port = [] if {"--tls-port", "--config", "--bind"} & set(arguments) else ["--port", "0"]
    return Program(["-m", "blackbull", "mqtt", *port, *arguments], environ=environ)


def tool(name: str, port: int, *arguments: str) -> tuple[int, str, str]:
    """Run one of Mosquitto's tools; return its exit status, stdout and stderr."""
    done = subprocess.run(
        [name, "-p", str(port), *arguments],
        capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def publish(port: int, topic: str, payload: str, *arguments: str) -> bool:
    """Publish a retained message; return True if the broker took it."""
    given = ["-V", "mqttv5", "-q", "1", "-r", "-t", topic, "-m", payload, *arguments]
    status, _, err = tool("mosquitto_pub", port, *given)
    return status == 0 and "Warning" not in err


def received(port: int, topic: str, *arguments: str) -> str:
    """Return the first message of *topic*; ``""`` if the broker refuses."""
    given = ["-C", "1", "-W", str(WAIT), "-t", topic, *arguments]
    return tool("mosquitto_sub", port, *given)[1].strip()


@contextmanager
def subscribed(port: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run mosquitto_sub until it has what it waits for; it is subscribed when this begins."""
    process = subprocess.Popen(
        ["stdbuf", "-oL", "mosquitto_sub", "-d", "-p", str(port), "-W", str(WAIT), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        seen = ""
        while "received SUBACK" not in seen:
            seen = process.stdout.readline()
            assert seen, "the subscription came to nothing"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("level", LEVELS)
def test_broker_serves_mosquittos_clients_and_no_http(level: str) -> None:
    with broker() as program:
        ports = program.serving()
        assert set(ports) == {"mqtt"}
        port = ports["mqtt"]
        given = ["-V", level, "-q", "2", "-t", "sensors/#", "-C", "1", "-F", "%t is %p"]
        with subscribed(port, *given) as subscriber:
            sent = tool("mosquitto_pub", port, "-V", level, "-q", "2",
                        "-t", "sensors/room1/temperature", "-m", "21.5")  # fmt: skip
            assert sent == (0, "", "")
            assert subscriber.stdout is not None
            out = subscriber.stdout.read()
        assert "sensors/room1/temperature is 21.5" in out.splitlines()
        program.signal(signal.SIGTERM)
        assert program.wait() == 0


def test_broker_tells_where_it_is_by_sys_topics() -> None:
    with broker("--sys-interval", "0.2") as program:
        port = program.serving()["mqtt"]
        assert received(port, "$SYS/broker/version").startswith("blackbull")


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """Alice with scrypt, Bob with SCRAM."""
    path = tmp_path / "users"
    write_user(path, "alice", hash_password(b"w0nderland").render())
    write_user(path, "bob", make_credential("builder").render())
    return path


def set_password(path: Path, name: str, password: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "blackbull", "mqtt", "passwd", str(path), name],
        input=f"{password}\n", text=True, check=True, timeout=TIMEOUT,
    )  # fmt: skip


@pytest.mark.parametrize("level", LEVELS)
def test_password_file_lets_in_whom_it_names(users: Path, level: str) -> None:
    with broker("--passwd-file", str(users)) as program:
        port = program.serving()["mqtt"]

        def comes_in(*who: str) -> bool:
            return tool("mosquitto_pub", port, "-V", level, "-t", "a", "-m", "x", *who)[0] == 0

        assert comes_in("-u", "alice", "-P", "w0nderland")
        assert comes_in("-u", "bob", "-P", "builder")
        assert not comes_in("-u", "alice", "-P", "builder")
        assert not comes_in("-u", "carol", "-P", "builder")
        assert not comes_in("-u", "alice")
        assert not comes_in()
        set_password(users, "alice", "changed")
        assert not comes_in("-u", "alice", "-P", "w0nderland")
        assert comes_in("-u", "alice", "-P", "changed")


@pytest.mark.parametrize("level", LEVELS)
def test_refusal_does_not_say_which_half_was_wrong(users: Path, level: str) -> None:
    with broker("--passwd-file", str(users)) as program:
        port = program.serving()["mqtt"]
        given = ["-V", level, "-t", "a", "-m", "x"]
        wrong = tool("mosquitto_pub", port, *given, "-u", "alice", "-P", "x")
        unknown = tool("mosquitto_pub", port, *given, "-u", "nobody", "-P", "x")
        assert wrong == unknown
        assert wrong[0] != 0


class RawClient:
    """A client that speaks packet by packet."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self._framer = PacketFramer(strict=True)

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def exchange(self, packet: MQTTMessage) -> MQTTMessage:
        """Send *packet*, return the broker's next one."""
        self._socket.sendall(encode_packet(packet))
        while True:
            for answer in self._framer:
                return answer
            data = self._socket.recv(4096)
            assert data, "the broker hung up"
            self._framer.feed(data)


def scram_properties(data: str) -> dict[str, object]:
    return {"authentication_method": "SCRAM-SHA-256", "authentication_data": data.encode()}


def scram_data(packet: MQTTMessage) -> str:
    """Return what the broker says in *packet* to a SCRAM client."""
    assert isinstance(packet, MQTTAuth | MQTTConnack)
    assert packet.properties["authentication_method"] == "SCRAM-SHA-256"
    data = packet.properties["authentication_data"]
    assert isinstance(data, bytes)
    return data.decode()


def log_in(client: RawClient, name: str, password: str, *, again: bool = False) -> MQTTMessage:
    """Go through SCRAM, with CONNECT or later; return the broker's last word."""
    scram = ScramClient(["SCRAM-SHA-256"], name, password)
    first = scram_properties(scram.get_client_first())
    hello = MQTTAuth(0x19, first) if again else MQTTConnect("c", True, 60, properties=first)
    scram.set_server_first(scram_data(client.exchange(hello)))
    last = client.exchange(MQTTAuth(0x18, scram_properties(scram.get_client_final())))
    if isinstance(last, MQTTAuth | MQTTConnack) and last.reason_code == 0:
        scram.set_server_final(scram_data(last))
    return last


@spec("MQTT 5.0 §4.12.1", "MQTT-4.12.1-1")
def test_scram_is_spoken_before_connack_and_again_later(users: Path) -> None:
    scram_broker = broker("--passwd-file", str(users))
    with scram_broker as program, RawClient(program.serving()["mqtt"]) as client:
        connack = log_in(client, "bob", "builder")
        assert isinstance(connack, MQTTConnack)
        assert connack.reason_code == 0
        for _ in range(2):
            done = log_in(client, "bob", "builder", again=True)
            assert isinstance(done, MQTTAuth)
            assert done.reason_code == 0


@spec("MQTT 5.0 §4.12.1", "MQTT-4.12.1-2")
@pytest.mark.parametrize(("name", "password"), [("bob", "x"), ("eve", "evil")])
def test_scram_client_that_becomes_somebody_else_is_disconnected(
    users: Path, name: str, password: str
) -> None:
    write_user(users, "eve", make_credential("evil").render())
    scram_broker = broker("--passwd-file", str(users))
    with scram_broker as program, RawClient(program.serving()["mqtt"]) as client:
        log_in(client, "bob", "builder")
        last = log_in(client, name, password, again=True)
        assert isinstance(last, MQTTDisconnect)
        assert last.reason_code == 0x87


@spec("MQTT 5.0 §4.12", "MQTT-4.12.0-4")
@pytest.mark.parametrize("name", ["bob", "alice", "nobody"])
def test_scram_refusal_does_not_say_what_was_wrong(users: Path, name: str) -> None:
    """Bob's password is another, Alice has none for SCRAM, and nobody is nobody."""
    scram_broker = broker("--passwd-file", str(users))
    with scram_broker as program, RawClient(program.serving()["mqtt"]) as client:
        assert log_in(client, name, "w0nderland") == MQTTConnack(False, 0x87)


def test_anonymous_clients_can_be_let_in_beside_the_password_file(users: Path) -> None:
    with broker("--passwd-file", str(users), "--allow-anonymous") as program:
        port = program.serving()["mqtt"]
        assert publish(port, "a", "x")
        assert publish(port, "a", "x", "-u", "alice", "-P", "w0nderland")
        assert not publish(port, "a", "x", "-u", "alice", "-P", "x")


ACL = """
topic read public/#

user alice
topic readwrite home/#
topic deny home/safe

pattern readwrite devices/%c/#
pattern read public/#
"""


def test_acl_file_says_who_may_do_what(users: Path, tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text(ACL)
    alice, bob = ["-u", "alice", "-P", "w0nderland"], ["-u", "bob", "-P", "builder"]
    with broker("--passwd-file", str(users), "--acl-file", str(acl)) as program:
        port = program.serving()["mqtt"]
        assert publish(port, "home/kitchen", "warm", *alice)
        assert received(port, "home/kitchen", *alice) == "warm"
        assert not publish(port, "home/safe", "open", *alice)
        assert not publish(port, "public/news", "x", *alice)
        assert not publish(port, "home/kitchen", "cold", *bob)
        assert received(port, "home/kitchen", *alice) == "warm"
        assert received(port, "home/kitchen", *bob) == ""
        assert received(port, "#", *alice) == ""
        assert publish(port, "devices/d1/state", "on", *bob, "-i", "d1")
        assert received(port, "devices/d1/#", *bob, "-i", "d1") == "on"
        assert received(port, "devices/d1/#", *bob, "-i", "d2") == ""
        assert received(port, "devices/d1/#", *bob, "-i", "+") == ""


def test_tls_port_is_alone_unless_the_other_is_asked_for(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with broker("--tls-port", "0", "--cert", authority.issue(HOST)) as program:
        ports = program.serving()
        assert set(ports) == {"mqtts"}
        secure = ["-h", HOST, "--cafile", authority.path]
        assert publish(ports["mqtts"], "a", "secret", *secure)
        assert received(ports["mqtts"], "a", *secure) == "secret"
        assert not publish(ports["mqtts"], "a", "x", "-h", HOST)


def test_certificates_say_who_clients_are(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    acl = tmp_path / "acl"
    acl.write_text("pattern readwrite of/%u\n")
    arguments = ["--tls-port", "0", "--cert", authority.issue(HOST),
                 "--client-ca", authority.path, "--certificate-names", "on",
                 "--acl-file", str(acl)]  # fmt: skip
    own = authority.issue("client.example", file="client", common_name="sensor-7")
    secure = ["-h", HOST, "--cafile", authority.path]
    with broker(*arguments) as program:
        port = program.serving()["mqtts"]
        mine = [*secure, "--cert", own, "--key", own]
        assert publish(port, "of/sensor-7", "x", *mine, "-u", "root")
        assert received(port, "of/sensor-7", *mine) == "x"
        assert not publish(port, "of/root", "x", *mine, "-u", "root")
        assert not publish(port, "of/sensor-7", "x", *secure)


def test_certificates_say_who_clients_are_over_websockets_too(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    acl = tmp_path / "acl"
    acl.write_text("pattern readwrite of/%u\n")
    arguments = ["--websocket-port", "0", "--cert", authority.issue(HOST),
                 "--client-ca", authority.path, "--certificate-names", "on",
                 "--acl-file", str(acl)]  # fmt: skip
    own = authority.issue("client.example", file="client", common_name="sensor-7")
    with Program(["-m", "blackbull", "mqtt", *arguments]) as program:
        ports = program.serving()
        assert set(ports) == {"http"}, "no port without TLS is opened unasked"
        url = f"wss://{HOST}:{ports['http']}/mqtt"
        context = authority.client_context(own)
        with connect(url, subprotocols=["mqtt"], ssl=context) as client:  # type: ignore[list-item]
            client.send(encode_packet(MQTTConnect("c", True, 60)))
            connack = client.recv(timeout=TIMEOUT)
            assert isinstance(connack, bytes)
            assert (connack[0], connack[2:4]) == (0x20, b"\0\0")
            client.send(encode_packet(MQTTPublish("of/sensor-7", b"x", 1, 1)))
            assert client.recv(timeout=TIMEOUT) == b"\x40\x03\x00\x01\x10"


def test_websocket_port_serves_browsers() -> None:
    with broker("--websocket-port", "0", "--websocket-path", "/broker") as program:
        ports = program.serving()
        assert set(ports) == {"mqtt", "http"}
        url = f"ws://127.0.0.1:{ports['http']}/broker"
        with connect(url, subprotocols=["mqtt"]) as client:  # type: ignore[list-item]
            client.send(b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00")
            connack = client.recv(timeout=TIMEOUT)
            assert isinstance(connack, bytes)
            assert (connack[0], connack[2:4]) == (0x20, b"\0\0")
            publish(ports["mqtt"], "a", "x")
            client.send(b"\x82\x07\x00\x01\x00\x00\x01a\x00")
            granted = client.recv(timeout=TIMEOUT)
            assert isinstance(granted, bytes)
            assert granted.startswith(b"\x90\x04\x00\x01\x00\x00")
            assert b"\x00\x01a\x00x" in (granted[6:] or client.recv(timeout=TIMEOUT))  # type: ignore[operator]


def test_config_file_is_one_file_for_everything(users: Path, tmp_path: Path) -> None:
    config = tmp_path / "broker.toml"
    config.write_text(
        f"[mqtt]\nhost = '127.0.0.2'\nport = 0\npasswd_file = '{users}'\nversions = [5]\n"
        "max_qos = 1\n"
    )
    with broker("--config", str(config)) as program:
        port = program.serving()["mqtt"]
        who = ["-h", "127.0.0.2", "-u", "alice", "-P", "w0nderland"]
        assert publish(port, "a", "x", *who)
        assert received(port, "a", "-V", "mqttv5", *who) == "x"
        assert received(port, "a", "-V", "mqttv311", *who) == ""
        assert not publish(port, "a", "x", "-h", "127.0.0.2")


def test_broker_that_is_open_to_all_says_so() -> None:
    with broker("--bind", "0.0.0.0:0") as program:
        program.serving()
        assert "anybody who reaches 0.0.0.0 may publish and subscribe" in program.lines[0]


def one_line(arguments: Sequence[str], *, cwd: Path, **environ: str) -> str:
    status, out, err = run_to_end(["-m", "blackbull", "mqtt", *arguments], cwd=cwd, environ=environ)
    assert (status, out) == (1, "")
    assert err.count("\n") == 1, err
    assert err.startswith("blackbull: ")
    return err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--prot", "1"], "--prot"),
        (["--port", "x"], "--port must be a whole number, not 'x'"),
        (["--passwd-file", "absent"], "password file 'absent' cannot be read: No such file"),
        (["--passwd-file", "notes"], "password file 'notes', line 1: it must be NAME:HASHED"),
        (["--acl-file", "notes", "--allow-anonymous"], "ACL file 'notes', line 1: 'milk,'"),
        (["--config", "notes"], "config file 'notes' is no TOML"),
        (["--tls-port", "0", "--cert", "absent"], "there is no certificate file 'absent'"),
        (["--tls-port", "0", "--cert", "notes"], "notes"),
        (["--host", "no such host"], "no such host"),
        (["passwd"], "which file and user?"),
        (["passwd", "--delete", "absent", "alice"], "there is no user 'alice' in 'absent'"),
    ],
)
def test_mistake_is_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "notes").write_text("milk, eggs\n")
    assert said in one_line(arguments, cwd=tmp_path)


def test_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = one_line(["--port", str(port)], cwd=tmp_path)
    assert f"127.0.0.1:{port}" in line
    assert "in use" in line


def test_misspelt_variable_is_one_line(tmp_path: Path) -> None:
    line = one_line([], cwd=tmp_path, BB_MQTT_MAX_SESION="5")
    assert "BB_MQTT_MAX_SESION is no setting: did you mean BB_MQTT_MAX_SESSIONS?" in line


def test_help_names_both_verbs(tmp_path: Path) -> None:
    status, out, err = run_to_end(["-m", "blackbull", "mqtt", "--help"], cwd=tmp_path)
    assert (status, err) == (0, "")
    flags = ["passwd", "--port", "--tls-port", "--cert", "--client-ca", "--websocket-port",
             "--passwd-file", "--acl-file", "--no-anonymous", "--config", "--versions"]  # fmt: skip
    assert [flag for flag in flags if flag not in out] == []
