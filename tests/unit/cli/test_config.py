"""What ``blackbull config`` prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from blackbull import BlackBull
from blackbull.cli import command, config
from blackbull.cli.config import collect, show
from blackbull.cli.flags import Flags
from blackbull.config import Settings, describe, describe_settings
from blackbull.errors import ConfigurationError
from blackbull.mqtt import MQTTExtension
from blackbull.mqtt.settings import MQTTSettings
from tests.environment import clean_environment

INFOS = {info.name: info for info in describe_settings()}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, tuple[str, str]]:
    """Return value and source of each setting, by the columns that the headings begin."""
    command.main(["config", *arguments])
    lines = capsys.readouterr().out.splitlines()
    second, third = lines[0].index("value"), lines[0].index("from")
    assert all(line[second - 2 : second] == line[third - 2 : third] == "  " for line in lines)
    return {line[:second].strip(): (line[second:third].strip(), line[third:]) for line in lines[1:]}


def test_config_prints_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(printed(capsys)) == list(INFOS)


def test_config_says_where_each_value_comes_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a.toml").write_text("body_timeout = 7\ncertfile = 'c.pem'\npassword = 'secret'\n")
    Path(".env").write_text("BB_UVLOOP=0\n")
    monkeypatch.setenv("BB_MAX_BODY_SIZE", "77")
    lines = printed(capsys, "--config", "a.toml", "--key", "k.pem", "--max-connections=4")
    assert {name: line for name, line in lines.items() if line[1] != "default"} == {
        "body_timeout": ("7 s", "body_timeout in a.toml"),
        "certfile": ("c.pem", "certfile in a.toml"),
        "password": ("***", "password in a.toml"),
        "uvloop": ("false", "BB_UVLOOP in .env"),
        "max_body_size": ("77 bytes", "BB_MAX_BODY_SIZE"),
        "keyfile": ("k.pem", "--key"),
        "max_connections": ("4", "--max-connections"),
    }


def test_config_bind_replaces_what_files_say(capsys: pytest.CaptureFixture[str]) -> None:
    Path("blackbull.toml").write_text("host = 'a'\nport = 1\n")
    lines = printed(capsys, "--bind", "b:2", "--bind", "unix:/run/x")
    assert lines["bind"] == ("b:2,unix:/run/x", "--bind")
    assert (lines["host"][1], lines["port"][1]) == ("default", "default")


def test_config_json_is_an_array_of_objects(capsys: pytest.CaptureFixture[str]) -> None:
    Path("blackbull.toml").write_text(
        "certfile = 'c'\npassword = 'secret'\nuvloop = true\n[sni]\na = ['b', 'k']\n"
    )
    command.main(["config", "--json", "--port", "0"])
    rows = {row["setting"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == list(INFOS)
    assert rows["port"] == {
        "setting": "port", "value": 0, "unit": "", "from": "--port", "variable": "BLACKBULL_PORT",
    }  # fmt: skip
    values = {name: rows[name]["value"] for name in rows}
    assert values["environment"] == "development"
    assert values["password"] == "***"
    assert values["client_ca"] is None
    assert values["uvloop"] is True
    assert values["body_timeout"] == 30.0
    assert values["sni"] == {"a": ["b", "k"]}


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("password", None, "unset"),
        ("password", "secret", "***"),
        ("uvloop", None, "auto"),
        ("max_connections", 0, "auto"),
        ("port", 0, "0"),
        ("ws_context_takeover", True, "true"),
        ("header_timeout", 0.5, "0.5 s"),
        ("max_body_size", 31457280, "31457280 bytes"),
        ("sni", {"a": ("b", "k"), "c": ("c", None)}, "a=b,k;c=c"),
        ("host", "a\nb\x1b[31m", r"'a\nb\x1b[31m'"),
    ],
)
def test_value_is_shown_in_one_line(name: str, value: object, text: str) -> None:
    assert show(INFOS[name], value) == text  # type: ignore[arg-type]


def test_config_of_an_application_has_its_extensions_settings() -> None:
    Path("blackbull.toml").write_text("port = 1\n[mqtt]\nmax_sessions = 7\n")
    app = BlackBull()
    app.add_extension(MQTTExtension())
    rows = {row.name: row.found for row in collect(Flags(), app)}
    assert list(rows) == [*INFOS, *(f"mqtt.{info.name}" for info in describe(MQTTSettings))]
    assert (rows["port"].value, rows["port"].source) == (1, "port in blackbull.toml")
    found = rows["mqtt.max_sessions"]
    assert (found.value, found.source) == (7, "max_sessions in blackbull.toml")


def test_config_of_an_application_with_settings_of_its_own_shows_these() -> None:
    Path("blackbull.toml").write_text("port = 1\nworkers = 9\n[mqtt]\nmax_sessions = 7\n")
    app = BlackBull(settings=Settings(port=2, max_body_size=3))
    app.add_extension(MQTTExtension(settings=MQTTSettings(max_qos=1)))
    rows = {row.name: row.found for row in collect(Flags(port=4), app)}
    shown = {name: (f.value, f.source) for name, f in rows.items() if f.source != "default"}
    assert shown == {
        "port": (4, "--port"),
        "max_body_size": (3, "argument"),
        "mqtt.max_qos": (1, "argument"),
    }


def test_config_of_an_asgi_application_has_the_servers_settings() -> None:
    async def app(scope: object, receive: object, send: object) -> None: ...

    assert [row.name for row in collect(Flags(), app)] == list(INFOS)


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("prot = 1", [], "'prot' in 'blackbull.toml' is no setting: did you mean port?"),
        ("keyfile = 'k'", [], "a key without its certificate"),
        ("", ["--config", "absent.toml"], "'absent.toml' cannot be read"),
        ("", ["--prot", "1"], "--prot"),
        ("", ["--bind", "x"], "--bind: 'x' is no place to listen"),
        ("", ["--bind", ":1", "--port", "1"], "--bind and --port both say where to listen"),
        ("bind = [1]", [], "bind in 'blackbull.toml' must be an array of texts"),
        ("bind = ['nonsense::']", [], "no place to listen"),
        ("trusted_proxies = 'nonsense'", [], "'nonsense' is no proxy to trust"),
        ("proxy_protocol = 'nonsense'", [], "'nonsense' is no proxy to trust"),
        ("", ["absent:app"], "there is no module 'absent'"),
    ],
)
def test_config_that_cannot_be_is_refused(text: str, arguments: list[str], said: str) -> None:
    Path("blackbull.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        config.main(arguments)
    assert said in str(caught.value)


def test_config_help_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["config", "--help"])
    text = capsys.readouterr().out
    assert [flag for flag in ("--json", "--config", "--bind", "--port") if flag not in text] == []


def test_config_is_printed_in_whatever_encoding_the_reader_has() -> None:
    Path("blackbull.toml").write_text("log_file = '\u00e9'\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "blackbull", "config"],
        env=clean_environment({"PYTHONIOENCODING": "ascii"}), capture_output=True, text=True,
        timeout=20, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\xe9" in done.stdout
