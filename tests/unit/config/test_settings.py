"""Every setting explains itself and refuses what it cannot be."""

from __future__ import annotations

import dataclasses
import math

import pytest

from blackbull.config import (
    ClientCert,
    Environment,
    LogFormat,
    LogLevel,
    SettingInfo,
    Settings,
    WorkerStart,
    describe_settings,
)
from blackbull.errors import ConfigurationError

NUMBERS = [info for info in describe_settings() if isinstance(info.default, int | float)]


def test_settings_defaults_are_the_documented_ones() -> None:
    settings = Settings()
    assert {info.env: getattr(settings, info.name) for info in describe_settings()} == {
        "BLACKBULL_ENV": Environment.DEVELOPMENT,
        "BLACKBULL_HOST": "127.0.0.1",
        "BLACKBULL_PORT": 8000,
        "BLACKBULL_UNIX_PATH": None,
        "BB_TRUSTED_PROXIES": None,
        "BLACKBULL_BIND": (),
        "BB_PROXY_PROTOCOL": (),
        "BLACKBULL_CERT": None,
        "BLACKBULL_KEY": None,
        "BLACKBULL_KEY_PASSWORD": None,
        "BLACKBULL_SNI": None,
        "BLACKBULL_CLIENT_CA": None,
        "BLACKBULL_MTLS": ClientCert.REQUIRED,
        "BB_CERTIFICATE_INTERVAL": 5,
        "BB_UVLOOP": None,
        "BB_WORKERS": 1,
        "BB_WORKER_START": WorkerStart.AUTO,
        "BB_WORKER_START_TIMEOUT": 60,
        "BB_WORKER_TIMEOUT": 30,
        "BB_MAX_REQUESTS": 0,
        "BB_MAX_REQUESTS_JITTER": 0,
        "BB_SOCKET_REUSEPORT": None,
        "BLACKBULL_RELOAD": None,
        "BLACKBULL_RELOAD_PATHS": (),
        "BB_ACCESS_LOG": True,
        "BB_ACCESS_LOG_QUERY": False,
        "BB_REQUEST_IDS": False,
        "BB_LOG_LEVEL": LogLevel.WARNING,
        "BB_LOG_FORMAT": LogFormat.TEXT,
        "BB_LOG_COLOR": None,
        "BB_LOG_FILE": None,
        "BB_SYSLOG_ADDR": None,
        "BB_ASYNC_LOGGING": True,
        "BB_LOG_BATCH_SIZE": 512,
        "BB_LOG_BATCH_TIMEOUT_MS": 100,
        "BB_LOG_QUEUE": 50000,
        "BB_MAX_CONNECTIONS": 0,
        "BB_MAX_CONNECTIONS_PER_ADDRESS": 0,
        "BB_SOCKET_BACKLOG": 1024,
        "BB_SOCKET_SNDBUF": 0,
        "BB_SOCKET_RCVBUF": 0,
        "BB_HEADER_TIMEOUT": 10,
        "BB_BODY_TIMEOUT": 30,
        "BB_BODY_TOTAL_TIMEOUT": 1800,
        "BB_WRITE_TIMEOUT": 30,
        "BB_KEEP_ALIVE_TIMEOUT": 5,
        "BB_TCP_USER_TIMEOUT_MS": 0,
        "BB_REQUEST_TIMEOUT": 0,
        "BB_WORKER_DRAIN_TIMEOUT": 8,
        "BB_HEADER_MAX_LINE": 8192,
        "BB_HEADER_MAX_TOTAL": 65536,
        "BB_MAX_BODY_SIZE": 31457280,
        "BB_MIN_BODY_RATE": 240,
        "BB_MIN_BODY_RATE_GRACE": 5,
        "BB_H2_MAX_CONCURRENT_STREAMS": 100,
        "BB_H2_ACTIVE_STREAMS": 20,
        "BB_H2_INITIAL_WINDOW_SIZE": 65535,
        "BB_H2_CONNECTION_WINDOW_SIZE": 65535,
        "BB_H2_MAX_WINDOW_SIZE": 1048576,
        "BB_H2_SEND_BUFFER": 65536,
        "BB_H2_MAX_FRAME_SIZE": 16384,
        "BB_H2_HEADER_TABLE_SIZE": 4096,
        "BB_H2_MAX_CONTINUATIONS": 32,
        "BB_H2_IDLE_TIMEOUT": 300,
        "BB_H2_PING_TIMEOUT": 30,
        "BB_FRAME_RATE_WINDOW": 1,
        "BB_FRAME_RATE_LIMIT": 20,
        "BB_H2_MAX_PRIORITY_FRAMES": 100,
        "BB_H2_MAX_WINDOW_UPDATES": 1000,
        "BB_H2_MAX_RESETS": 100,
        "BB_H2_MAX_REFUSED_STREAMS": 1000,
        "BB_H2_ENABLE_WEBSOCKET": False,
        "BB_H2_WS_MAX_STREAMS_PER_CONNECTION": 5,
        "BB_WS_PERMESSAGE_DEFLATE": True,
        "BB_WS_DEFLATE_LEVEL": 1,
        "BB_WS_DEFLATE_MIN_SIZE": 64,
        "BB_WS_CONTEXT_TAKEOVER": False,
        "BB_WS_CONTEXT_MEMORY": 67108864,
        "BB_WS_QUEUE_DEPTH": 256,
        "BB_WS_QUEUE_SIZE": 1048576,
        "BB_WS_MAX_FRAME_PAYLOAD": 67108864,
        "BB_WS_MAX_MESSAGE_SIZE": 16777216,
        "BB_WS_IDLE_TIMEOUT": 300.0,
        "BB_WS_PONG_TIMEOUT": 30.0,
        "BB_WS_CLOSE_TIMEOUT": 10.0,
        "BB_WS_MESSAGE_TIMEOUT": 300.0,
    }


def test_settings_made_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize("info", describe_settings(), ids=lambda info: info.name)
def test_setting_describes_itself(info: SettingInfo) -> None:
    assert info.env.startswith(("BB_", "BLACKBULL_"))
    assert info.sentence.endswith(".")
    assert "\n" not in info.sentence
    assert info.minimum <= info.maximum
    assert info.unit in {"", "s", "ms", "bytes", "bytes/s"}


def test_setting_names_are_unique() -> None:
    names = [info.env for info in describe_settings()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("info", NUMBERS, ids=lambda info: info.name)
@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_settings_number_out_of_range_is_refused_by_name(info: SettingInfo, value: float) -> None:
    with pytest.raises(ConfigurationError, match=f"^{info.env} must be "):
        dataclasses.replace(Settings(), **{info.name: value})  # type: ignore[arg-type]


def test_settings_port_above_65535_is_refused_with_the_range() -> None:
    with pytest.raises(ConfigurationError, match="BLACKBULL_PORT must be 0 to 65535, not 65536"):
        Settings(port=65536)


def test_settings_key_without_certificate_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="set BLACKBULL_CERT"):
        Settings(keyfile="key.pem")
    assert Settings(certfile="cert.pem", keyfile="key.pem").keyfile == "key.pem"


def test_settings_line_longer_than_the_head_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="raise the total"):
        Settings(header_max_line=1000, header_max_total=999)


def test_settings_password_is_not_shown() -> None:
    assert "secret" not in repr(Settings(certfile="c", password="secret"))


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"client_ca": "ca.pem"}, "BLACKBULL_CLIENT_CA"),
        ({"sni": {"a": ("c", "k")}}, "BLACKBULL_SNI"),
    ],
)
def test_settings_tls_without_a_certificate_is_refused(given: dict[str, str], name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} without a certificate"):
        Settings(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given",
    [
        {"log_file": "a\0b"},
        {"host": "\0"},
        {"bind": ("a", "unix:\0")},
        {"password": "very\0secret"},
    ],
)
def test_settings_text_with_nul_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=r"must be text without NUL$") as caught:
        Settings(**given)  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)
