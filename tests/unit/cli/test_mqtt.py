"""The stand-alone broker, as far as it can be tested without starting it."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from blackbull.cli import command, mqtt
from blackbull.cli.mqtt import Doors, is_open_to_all, make_broker
from blackbull.cli.mqtt_settings import BrokerSettings
from blackbull.errors import ConfigurationError
from blackbull.mqtt import ConnectRequest, Identity
from blackbull.mqtt.auth import PasswordFile
from blackbull.mqtt.auth.password_file import write_user
from blackbull.mqtt.auth.passwords import hash_password


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    write_user(path, "alice", hash_password(b"w0nderland").render())
    return path


def test_verb_hands_its_arguments_on(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[BrokerSettings] = []
    monkeypatch.setattr(mqtt, "serve", served.append)
    command.main(["mqtt", "--port", "5", "--max-qos", "1"])
    assert served == [BrokerSettings(port=5, max_qos=1)]


def test_verb_runs_without_http_unless_websockets_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[dict[str, object]] = []
    monkeypatch.setattr(mqtt, "run", lambda app, **options: runs.append(options))
    mqtt.serve(BrokerSettings())
    mqtt.serve(BrokerSettings(websocket_port=8080, cert="c", key="k", client_ca="a"))
    assert [run["http"] for run in runs] == [False, True]
    assert [run["port"] for run in runs] == [None, 8080]
    assert [run["workers"] for run in runs] == [1, 1]  # whatever BB_WORKERS says to others
    assert (runs[1]["certfile"], runs[1]["keyfile"], runs[1]["client_ca"]) == ("c", "k", "a")


def test_broker_has_what_the_settings_say() -> None:
    broker = make_broker(BrokerSettings(port=5, versions="5", websocket_port=80))
    assert (broker.port, broker.versions, broker.websocket_path) == (5, (5,), "/mqtt")
    assert make_broker(BrokerSettings()).websocket_path is None


@pytest.mark.parametrize("name", ["passwd_file", "acl_file"])
def test_broker_without_its_file_is_refused(name: str, tmp_path: Path) -> None:
    path = str(tmp_path / "absent")
    settings = BrokerSettings(**{name: path, "allow_anonymous": True})  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"'.*absent' cannot be read"):
        make_broker(settings)


CERTIFICATE = {"subject": ((("organizationName", "x"),), (("commonName", "sensor-7"),))}


@pytest.mark.parametrize(
    ("names", "request_", "expected"),
    [
        (True, {"certificate": CERTIFICATE}, Identity(username="sensor-7")),
        (True, {"certificate": CERTIFICATE, "username": "root"}, Identity(username="sensor-7")),
        (True, {"certificate": {"subject": ()}}, False),
        (True, {"certificate": {"subject": ((("commonName", "a"), ("commonName", "b")),)}}, False),
        (True, {}, False),
        (False, {"certificate": CERTIFICATE}, False),
        (True, {"username": "alice", "password": b"w0nderland"}, Identity(username="alice")),
        (False, {"username": "alice", "password": b"w0nderland"}, Identity(username="alice")),
        (False, {"username": "alice", "password": b"x"}, False),
    ],
)
async def test_doors_open_to_certificates_and_passwords(
    users: Path, names: bool, request_: dict[str, object], expected: object
) -> None:
    answer = Doors(PasswordFile(users), names=names)(
        ConnectRequest(client_id="c", **request_)  # type: ignore[arg-type]
    )
    assert (await answer if inspect.isawaitable(answer) else answer) == expected


def test_doors_without_a_password_file_open_to_certificates_only() -> None:
    doors = Doors(None, names=True)
    request = ConnectRequest(client_id="c", certificate=CERTIFICATE)
    assert doors(request) == Identity(username="sensor-7")
    assert doors(ConnectRequest(client_id="c", username="a", password=b"b")) is False


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, False),
        ({"host": "localhost"}, False),
        ({"host": "::1"}, False),
        ({"host": "0.0.0.0"}, True),
        ({"host": "broker.example"}, True),
        ({"host": "0.0.0.0", "passwd_file": "p"}, False),
        ({"host": "0.0.0.0", "allow_anonymous": True}, False),
        ({"host": "0.0.0.0", "tls_port": 1, "cert": "c", "client_ca": "a"}, False),
        ({"host": "0.0.0.0", "tls_port": 1, "cert": "c", "client_ca": "a", "port": 2}, True),
        ({"host": "0.0.0.0", "tls_port": 1, "cert": "c"}, True),
    ],
)
def test_broker_that_is_open_to_all_is_known(given: dict[str, object], expected: bool) -> None:
    assert is_open_to_all(BrokerSettings(**given)) is expected  # type: ignore[arg-type]
