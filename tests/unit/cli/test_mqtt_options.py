"""What ``blackbull mqtt`` makes of flags, variables and a TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from blackbull.cli.mqtt_options import flag_name, load_broker_settings, make_parser
from blackbull.cli.mqtt_settings import BrokerSettings
from blackbull.config import describe, describe_settings
from blackbull.errors import ConfigurationError
from blackbull.mqtt.settings import MQTTSettings, Overflow


def load(*arguments: str, **environ: str) -> BrokerSettings:
    return load_broker_settings(make_parser().parse_args(list(arguments)), environ)


def refusal(*arguments: str, **environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(*arguments, **environ)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    path = tmp_path / "broker.toml"
    path.write_text(
        "title = 'what other sections say is their business'\n"
        "[mqtt]\nport = 11\nhost = 'a'\nmax_sessions = 12\nretain_available = false\n"
        "sys_interval = 1.5\nconnect_timeout = 3\noverflow = 'drop_oldest'\n"
        "allow_anonymous = true\nversions = [5]\nwebsocket_port = 80\nwebsocket_path = '/x'\n"
        "[server]\nworkers = 3\n"
    )
    return path


def test_nothing_said_is_a_broker_on_loopback_port_1883() -> None:
    settings = load()
    assert (settings.host, settings.plain_port, settings.tls_port) == ("127.0.0.1", 1883, None)
    assert settings.levels == (4, 5)
    assert settings.websocket_port is None
    assert {i.name: getattr(settings, i.name) for i in describe(MQTTSettings)} == {
        i.name: i.default for i in describe(MQTTSettings)
    }


def test_toml_file_is_read(toml: Path) -> None:
    settings = load("--config", str(toml))
    assert (settings.host, settings.port, settings.max_sessions) == ("a", 11, 12)
    assert settings.retain_available is False
    assert (settings.sys_interval, settings.connect_timeout) == (1.5, 3.0)
    assert settings.overflow is Overflow.DROP_OLDEST
    assert settings.allow_anonymous is True
    assert settings.levels == (5,)
    assert (settings.websocket_port, settings.websocket_path) == (80, "/x")


def test_variable_wins_over_the_toml_file_and_a_flag_over_both(toml: Path) -> None:
    config = ["--config", str(toml)]
    environ = {"BB_MQTT_PORT": "22", "BB_MQTT_MAX_SESSIONS": "23", "BB_MQTT_HOST": ""}
    settings = load(*config, "--max-sessions", "33", **environ)
    assert (settings.port, settings.max_sessions, settings.host) == (22, 33, "a")


def test_bind_is_host_and_port_and_a_flag_of_its_own_wins(toml: Path) -> None:
    settings = load("--config", str(toml), "--bind", "[::1]:5", BB_MQTT_PORT="22")
    assert (settings.host, settings.port) == ("::1", 5)
    settings = load("--config", str(toml), "--bind", ":5", "--port", "6")
    assert (settings.host, settings.port) == ("*", 6)


@pytest.mark.parametrize("name", [i.name for i in describe(BrokerSettings)])
def test_every_setting_has_a_flag(name: str) -> None:
    info = next(i for i in describe(BrokerSettings) if i.name == name)
    assert f"{flag_name(info)} " in make_parser().format_help() + " "


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--retain-available", "off"], "retain_available", False),
        (["--shared-available=on"], "shared_available", True),
        (["--allow-anonymous"], "allow_anonymous", True),
        (["--no-anonymous", "--passwd-file", "p"], "allow_anonymous", False),
        (["--overflow", "drop_oldest"], "overflow", Overflow.DROP_OLDEST),
        (["--sys-interval", "0"], "sys_interval", 0.0),
        (["--port", "0"], "plain_port", 0),
        (["--max-connections", "10"], "max_connections", 10),
        (["--max-connections", "auto"], "max_connections", 0),
        (["--tls-port", "8883", "--cert", "c"], "plain_port", None),
        (["--tls-port", "8883", "--cert", "c", "--port", "1883"], "plain_port", 1883),
        (["--websocket-port", "80"], "plain_port", 1883),
        (["--websocket-port", "80", "--cert", "c"], "plain_port", None),
        (["--versions", "5, 4"], "levels", (4, 5)),
        (["--versions", "4"], "levels", (4,)),
        (["--passwd-file", "p", "--acl-file", "a"], "acl_file", "a"),
    ],
)
def test_flag_says_what_it_says(arguments: list[str], name: str, value: object) -> None:
    assert getattr(load(*arguments), name) == value


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "65536"], "--port must be 0 to 65535, not 65536"),
        (["--port", "mqtt"], "--port must be a whole number, not 'mqtt'"),
        (["--max-qos", "3"], "--max-qos must be 0 to 2, not 3"),
        (["--overflow", "drop"], "--overflow must be drop_newest or drop_oldest, not 'drop'"),
        (["--retain-available", "maybe"], "--retain-available must be 1 or 0"),
        (["--tls-port", "8883"], "--tls-port without a certificate: say --cert PATH"),
        (["--cert", "c"], "--cert without a port that uses it"),
        (["--websocket-path", "/x"], "--websocket-path without --websocket-port"),
        (["--websocket-port", "1", "--websocket-path", "x"], "must begin with a slash"),
        (["--no-anonymous"], "--no-anonymous without --passwd-file: nobody could connect"),
        (["--acl-file", "a"], "--acl-file without --passwd-file: clients could say any name"),
        (["--certificate-names", "on"], "--certificate-names without --client-ca"),
        (["--versions", "3"], "--versions '3': write 4 (MQTT 3.1.1), 5 (MQTT 5.0) or 4,5"),
        (["--versions", ""], "--versions '': write 4"),
        (["--bind", "::1:5"], "--bind '::1:5' is no place to listen: write [::1]:5"),
        (["--bind", "unix:/x"], "--bind 'unix:/x': the broker listens on TCP: write host:port"),
        (["--max-sesions", "5"], "--max-sesions"),
        (["--max-sess", "5"], "--max-sess"),
        (["broker.toml"], "broker.toml"),
        (["--config", "absent.toml"], "config file 'absent.toml' cannot be read: No such file"),
    ],
)
def test_impossible_flag_is_refused(arguments: list[str], said: str) -> None:
    assert said in refusal(*arguments)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"BB_MQTT_PORT": "x"}, "BB_MQTT_PORT must be a whole number"),
        ({"BB_MQTT_PROT": "1"}, "BB_MQTT_PROT is no setting: did you mean BB_MQTT_PORT?"),
        ({"BB_MQTT_MAX_QUEUED": "1"}, "BB_MQTT_MAX_QUEUED is no setting"),
    ],
)
def test_impossible_variable_is_refused(environ: Mapping[str, str], said: str) -> None:
    assert said in refusal(**environ)


def test_variables_of_the_server_are_left_to_it() -> None:
    names = {info.env for info in describe(BrokerSettings)}
    assert load(**{i.env: "x" for i in describe_settings() if i.env not in names}) == load()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[mqtt]\nmax_sesions = 5", "'max_sesions' in {}: did you mean max_sessions?"),
        ("[mqtt]\nmax-sessions = 5", "'max-sessions' in {}: did you mean max_sessions?"),
        ("[mqtt]\nxyz = 5", "'xyz' in {}; 'blackbull mqtt --help' lists them"),
        ("[mqtt]\nmax_sessions = '5'", "max_sessions in {} must be a whole number, not '5'"),
        ("[mqtt]\nmax_sessions = true", "max_sessions in {} must be a whole number, not true"),
        ("[mqtt]\nmax_sessions = 1.5", "max_sessions in {} must be a whole number, not 1.5"),
        ("[mqtt]\nmax_sessions = 0", "max_sessions in {} must be 1 or more, not 0"),
        ("[mqtt]\nretain_available = 1", "retain_available in {} must be true or false, not 1"),
        ("[mqtt]\nsys_interval = nan", "sys_interval in {} must be 0 or more s, not nan"),
        ("[mqtt]\noverflow = 'x'", "overflow in {} must be drop_newest or drop_oldest, not 'x'"),
        ("[mqtt]\npasswd_file = 5", "passwd_file in {} must be text, not 5"),
        ("[mqtt]\nport = [1883]", "port in {} must be a whole number, not [1883]"),
        ("[mqtt]\nversions = [3]", "--versions '3'"),
        ("[mqtt]\nversions = 5", "versions in {} must be text, not 5"),
        ("[mqtt]\ntls_port = 8883", "--tls-port without a certificate"),
        ("port = 5", "config file {} has no section [mqtt]"),
        ("mqtt = 5", "config file {} has no section [mqtt]"),
        ("[mqtt]\nport = ", "config file {} is no TOML"),
    ],
)
def test_impossible_toml_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "broker.toml"
    path.write_text(text)
    message = refusal("--config", str(path))
    assert said.split("{}", maxsplit=1)[0] in message
    assert said.rsplit("{}", maxsplit=1)[-1] in message
    assert "--versions" in said or "--tls-port" in said or repr(str(path)) in message


def test_toml_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broker.toml"
    path.write_bytes(b"[mqtt]\nhost = '\xff'")
    assert "is no TOML" in refusal("--config", str(path))
