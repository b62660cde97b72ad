"""Which of the sources is believed, and what a person is told about it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from blackbull.config import (
    Found,
    Settings,
    config_file,
    find_settings,
    given_settings,
    load,
    load_settings,
    make_settings,
    read_environment,
)
from blackbull.errors import ConfigurationError
from blackbull.mqtt.settings import MQTTSettings
from tests.environment import clean_environment


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("BLACKBULL_PORT", "BB_WORKERS", "BB_MQTT_MAX_QOS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_sources_nothing_anywhere_finds_nothing() -> None:
    assert find_settings(Settings) == {}
    assert load_settings() == Settings()


def test_sources_each_goes_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("pyproject.toml").write_text("[tool.blackbull]\nport = 1\n")
    assert find_settings(Settings) == {"port": Found(1, "port in pyproject.toml")}
    Path("blackbull.toml").write_text("port = 2\n")
    assert find_settings(Settings) == {"port": Found(2, "port in blackbull.toml")}
    Path(".env").write_text("BLACKBULL_PORT=3\n")
    assert find_settings(Settings) == {"port": Found(3, "BLACKBULL_PORT in .env")}
    monkeypatch.setenv("BLACKBULL_PORT", "4")
    assert find_settings(Settings) == {"port": Found(4, "BLACKBULL_PORT")}


def test_sources_empty_variable_leaves_it_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("blackbull.toml").write_text("port = 2\n")
    Path(".env").write_text("BLACKBULL_PORT=\n")
    monkeypatch.setenv("BLACKBULL_PORT", " ")
    assert find_settings(Settings) == {"port": Found(2, "port in blackbull.toml")}


def test_sources_bind_replaces_host_and_port_of_the_levels_below(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("blackbull.toml").write_text("host = 'a'\nport = 2\nunix_path = '/x'\n")
    Path(".env").write_text("BLACKBULL_PORT=3\n")
    monkeypatch.setenv("BLACKBULL_BIND", "127.0.0.1:1, unix:/y")
    assert find_settings(Settings) == {
        "bind": Found(("127.0.0.1:1", "unix:/y"), "BLACKBULL_BIND"),
    }


def test_sources_port_replaces_the_bind_of_the_levels_below(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("blackbull.toml").write_text("bind = ':1'\n")
    monkeypatch.setenv("BLACKBULL_PORT", "4")
    assert find_settings(Settings) == {"port": Found(4, "BLACKBULL_PORT")}


def test_sources_bind_beside_a_port_on_one_level_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BLACKBULL_PORT", "4")
    monkeypatch.setenv("BLACKBULL_BIND", ":4")
    with pytest.raises(ConfigurationError) as caught:
        find_settings(Settings)
    assert str(caught.value) == (
        "BLACKBULL_BIND and BLACKBULL_PORT both say where to listen: keep one of them"
    )
    with pytest.raises(ConfigurationError, match="both port and bind say where to listen"):
        Settings(bind=(":1",), port=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("BLACKBULL_PORT=x", "BLACKBULL_PORT in .env must be a whole number, not 'x'"),
        ("BLACKBULL_PORT=65536", "BLACKBULL_PORT in .env must be 0 to 65535, not 65536"),
        ("BLACKBULL_PROT=1", "BLACKBULL_PROT in .env is no setting: did you mean BLACKBULL_PORT?"),
    ],
)
def test_sources_mistake_in_dotenv_names_the_file(text: str, said: str) -> None:
    Path(".env").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert str(caught.value) == said


def test_sources_mistake_in_a_file_is_told_even_if_a_variable_goes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("blackbull.toml").write_text("port = 'x'\n")
    monkeypatch.setenv("BLACKBULL_PORT", "4")
    with pytest.raises(ConfigurationError, match=r"port in 'blackbull\.toml'"):
        load_settings()


def test_sources_given_mapping_is_the_only_one() -> None:
    Path("blackbull.toml").write_text("port = 2\n")
    Path(".env").write_text("BLACKBULL_PORT=3\n")
    assert load_settings({}) == Settings()
    assert read_environment(Settings, {"BB_WORKERS": "2"}) == {"workers": 2}


def test_sources_dotenv_counts_as_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("BLACKBULL_PORT=3\nBB_WORKERS=3\n")
    monkeypatch.setenv("BLACKBULL_PORT", "4")
    assert read_environment(Settings) == {"port": 4, "workers": 3}


def test_sources_other_settings_have_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("blackbull.toml").write_text("port = 2\n[mqtt]\nmax_qos = 1\nmax_sessions = 7\n")
    monkeypatch.setenv("BB_MQTT_MAX_QOS", "0")
    loaded = load(MQTTSettings)
    assert (loaded.max_qos, loaded.max_sessions) == (0, 7)
    assert load_settings().port == 2


def test_named_file_holds_within_and_not_after() -> None:
    Path("blackbull.toml").write_text("port = 1\n")
    Path("a.toml").write_text("workers = 2\n")
    with config_file("a.toml"):
        assert find_settings(Settings) == {"workers": Found(2, "workers in a.toml")}
        with config_file(None):
            assert load_settings().port == 1

        async def inside() -> int:
            return load_settings().workers

        assert asyncio.run(inside()) == 2
    assert load_settings() == Settings(port=1)


def test_variable_names_the_file_unless_somebody_does(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("blackbull.toml").write_text("port = 1\n")
    Path("named.toml").write_text("port = 2\n")
    Path("said.toml").write_text("port = 3\n")
    monkeypatch.setenv("BLACKBULL_CONFIG", "named.toml")
    assert find_settings(Settings) == {"port": Found(2, "port in named.toml")}
    with config_file("said.toml"):
        assert find_settings(Settings) == {"port": Found(3, "port in said.toml")}
    monkeypatch.setenv("BLACKBULL_CONFIG", " ")
    assert find_settings(Settings) == {"port": Found(1, "port in blackbull.toml")}


def test_given_settings_are_those_that_differ() -> None:
    assert given_settings(Settings(port=1), "here") == {"port": Found(1, "here")}
    assert make_settings(Settings, given_settings(Settings(port=1))) == Settings(port=1)


def test_programs_without_files_load_neither_reader() -> None:
    code = (
        "import sys\nfrom blackbull import BlackBull\nBlackBull().settings\n"
        "print({'tomllib', 'dotenv'} & sys.modules.keys())"
    )
    Path("pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")
    Path(".env").write_text("DATABASE=x\n")
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean_environment(), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout == "set()\n"
