"""The TOML file: every setting by its name, and one line for whatever is none."""

from __future__ import annotations

import enum
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from blackbull.config import (
    Kind,
    SettingInfo,
    Settings,
    SettingValue,
    describe,
    describe_settings,
    find_settings,
    read_document,
    setting,
)
from blackbull.config.toml_file import EXTENSION_TABLES, find_file, read_settings
from blackbull.errors import ConfigurationError
from blackbull.mqtt.settings import MQTTSettings
from tests.architecture.source import ROOT


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(text: str) -> dict[str, SettingValue]:
    path = Path("a.toml")
    path.write_text(text)
    return read_settings(Settings, path)


def refusal(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def as_toml(info: SettingInfo) -> str:
    """Return a value that the setting may have, as TOML."""
    value = info.default
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None:
        value = {Kind.AUTO_SWITCH: True, Kind.KEY_PAIRS: "a=b,c"}.get(info.kind, "text")
    return json.dumps(value)


@pytest.mark.parametrize("info", describe_settings(), ids=lambda info: info.name)
def test_every_setting_has_its_name_as_key(info: SettingInfo) -> None:
    found = read(f"{info.name} = {as_toml(info)}")
    assert found.keys() == {info.name}
    if info.default is not None:
        value = found[info.name]
        assert (value, type(value)) == (info.default, type(info.default))


@pytest.mark.parametrize(("cls", "table"), [(Settings, "server"), (MQTTSettings, "mqtt")])
def test_reference_page_names_the_key_of_every_setting(
    cls: type[Settings] | type[MQTTSettings], table: str
) -> None:
    page = (ROOT / "docs/limits.md").read_text()
    part = page[page.index(f"settings:{table}:begin") : page.index(f"settings:{table}:end")]
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", part, re.MULTILINE)
    assert rows == [(info.env, info.name) for info in describe(cls)]


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("max_connections = 'auto'", "max_connections", 0),
        ("uvloop = 'auto'", "uvloop", None),
        ("uvloop = false", "uvloop", False),
        ("header_timeout = 3", "header_timeout", 3.0),
        ("max_body_size = 10_000", "max_body_size", 10_000),
        ("max_body_size = 0x10", "max_body_size", 16),
        ("sni = 'a=b,c'", "sni", {"a": ("b", "c")}),
        ("[sni]\n'b.example' = ['b', 'k']\nc = 'c'\nd = ['d']", "sni",
         {"b.example": ("b", "k"), "c": ("c", None), "d": ("d", None)}),
        ("bind = [':1', 'unix:/x']", "bind", (":1", "unix:/x")),
        ("bind = ':1, unix:/x'", "bind", (":1", "unix:/x")),
        ("host = '\u00fc'", "host", "\u00fc"),
        ("\ufeffport = 1\r\n", "port", 1),
    ],
)  # fmt: skip
def test_value_is_written_as_toml_has_it(text: str, name: str, value: object) -> None:
    assert read(text)[name] == value
    assert type(read(text)[name]) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "'prot' in 'a.toml' is no setting: did you mean port?"),
        ("max-body-size = 1", "'max-body-size' in 'a.toml' is no setting: did you mean max_body_"),
        ("BB_MAX_BODY_SIZE = 1", "did you mean max_body_size?"),
        ("env = 'test'", "'env' in 'a.toml' is no setting: did you mean environment?"),
        ("cert = 'c'", "did you mean certfile?"),
        ("key = 'k'", "did you mean keyfile?"),
        ("xyzzy = 1", "'xyzzy' in 'a.toml' is no setting; 'blackbull config' lists them"),
        (
            "[server]\nport = 1",
            "'server' in 'a.toml' is no table of ours: write its keys at the top",
        ),
        ("[tool.blackbull]\nport = 1", "'tool' in 'a.toml' is no table of ours: write its keys"),
        ("[mqqt]\nmax_sessions = 1", "'mqqt' in 'a.toml' is no setting: did you mean mqtt?"),
        ("mqtt = 1", "'mqtt' in 'a.toml' must be a table: write [mqtt]"),
        ("port = '8000'", "port in 'a.toml' must be a whole number, not '8000'"),
        ("port = true", "port in 'a.toml' must be a whole number, not true"),
        ("port = 1.0", "port in 'a.toml' must be a whole number, not 1.0"),
        ("port = 65536", "port in 'a.toml' must be 0 to 65535, not 65536"),
        ("port = 'auto'", "port in 'a.toml' must be a whole number, not 'auto'"),
        ("[port]\na = 1", "port in 'a.toml' must be a whole number, not {'a': 1}"),
        ("port = 1979-05-27", "port in 'a.toml' must be a whole number, not datetime.date("),
        (f"port = 0x{'f' * 5000}", "port in 'a.toml' must be a whole number, not one that long"),
        (f"port = {'9' * 5000}", "'a.toml' is no TOML: "),
        ("header_timeout = nan", "header_timeout in 'a.toml' must be 0 or more s, not nan"),
        ("header_timeout = 'ten'", "header_timeout in 'a.toml' must be a number of seconds"),
        ("ws_context_takeover = 1", "ws_context_takeover in 'a.toml' must be true or false, not 1"),
        ("uvloop = 1", "uvloop in 'a.toml' must be true, false or \"auto\", not 1"),
        ("environment = 'prod'", "must be development, production or test, not 'prod'"),
        ("environment = 1", "must be development, production or test, not 1"),
        ("host = ''", "host in 'a.toml' must be text, not ''"),
        ("password = 4711", "password in 'a.toml' must be text, not something else"),
        ("sni = 'a.pem'", "sni in 'a.toml' must be NAME=CERT,KEY"),
        ("[sni]\na = 1", "'a' of sni in 'a.toml' must be [\"CERT\", \"KEY\"], not 1"),
        ("[sni]\na = ['a', 'b', 'c']", "'a' of sni in 'a.toml' must be"),
        ("port = 1\nport = 2", "config file 'a.toml' is no TOML: "),
        ("port", "config file 'a.toml' is no TOML: "),
        ("a = " + "[" * 9999, "config file 'a.toml' is no TOML: "),
    ],
)
def test_mistake_is_one_line_that_names_file_and_key(text: str, said: str) -> None:
    message = refusal(text)
    assert said in message
    assert "4711" not in message


def test_file_that_is_absent_or_no_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"'b\.toml' cannot be read: No such file"):
        read_settings(Settings, Path("b.toml"))
    Path("b.toml").write_bytes(b"host = '\xff'")
    with pytest.raises(ConfigurationError, match=r"'b\.toml' is no TOML"):
        read_settings(Settings, Path("b.toml"))


def test_table_of_an_extension_is_left_to_it() -> None:
    text = "port = 1\n[mqtt]\nmax_sessions = 5\n"
    assert read(text) == {"port": 1}
    assert read_settings(MQTTSettings, Path("a.toml")) == {"max_sessions": 5}
    assert MQTTSettings.toml_table in EXTENSION_TABLES


@dataclass(frozen=True, kw_only=True)
class AcmeSettings:
    """The settings of an extension that comes from elsewhere."""

    toml_table: ClassVar[str] = "extensions.acme"
    colour: str = setting("red", "BB_ACME_COLOUR", kind=Kind.TEXT, sentence="Which colour.")


def test_table_of_an_extension_from_elsewhere_is_left_to_it() -> None:
    text = 'port = 1\n[extensions.acme]\ncolour = "blue"\n[extensions.other]\nx = 1\n'
    assert read(text) == {"port": 1}
    assert read_settings(AcmeSettings, Path("a.toml")) == {"colour": "blue"}
    Path("a.toml").write_text("port = 1\n")
    assert read_settings(AcmeSettings, Path("a.toml")) == {}


@pytest.mark.parametrize("text", ["extensions = 1", "[extensions]\nacme = 1"])
def test_table_of_an_extension_from_elsewhere_must_be_one(text: str) -> None:
    Path("a.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"must be a table: write \[extensions\.acme\]"):
        read_settings(AcmeSettings, Path("a.toml"))


def test_table_of_an_extension_is_as_strict() -> None:
    Path("a.toml").write_text("[mqtt]\nmax_sesions = 5\n")
    with pytest.raises(ConfigurationError, match="did you mean max_sessions"):
        read_settings(MQTTSettings, Path("a.toml"))
    Path("a.toml").write_text("mqtt = 5\n")
    with pytest.raises(ConfigurationError, match=r"must be a table: write \[mqtt\]"):
        read_settings(MQTTSettings, Path("a.toml"))


def test_project_file_has_a_table_for_us() -> None:
    path = Path("pyproject.toml")
    assert find_file() is None
    path.write_text("[project]\ndependencies = ['blackbull']\n")
    assert find_file() is None
    with pytest.raises(ConfigurationError, match=r"no table \[tool.blackbull\]: write one"):
        read_document(path)
    path.write_text("[tool.ruff]\nport = 1\n[tool.blackbull]\nport = 2\n[tool.blackbull.mqtt]\n")
    assert find_file() == path
    assert read_settings(Settings, path) == {"port": 2}
    path.write_text("[tool]\nblackbull = 1\n")
    with pytest.raises(ConfigurationError, match=r"no table \[tool.blackbull\]"):
        read_document(path)


def test_file_of_its_own_goes_before_the_project_file() -> None:
    Path("pyproject.toml").write_text("[tool.blackbull]\nport = 2\n")
    Path("blackbull.toml").write_text("")
    assert find_file() == Path("blackbull.toml")


def test_directory_in_the_place_of_the_file_is_refused() -> None:
    Path("blackbull.toml").mkdir()
    with pytest.raises(ConfigurationError, match=r"'blackbull\.toml' cannot be read: Is a direc"):
        find_settings(Settings)


def test_link_to_a_file_that_is_not_there_is_refused() -> None:
    Path("blackbull.toml").symlink_to("absent.toml")
    with pytest.raises(ConfigurationError, match=r"'blackbull\.toml' cannot be read: No such fi"):
        find_settings(Settings)
