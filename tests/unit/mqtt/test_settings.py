"""The broker's settings: what they are when nobody sets them, and what they cannot be."""

from __future__ import annotations

import dataclasses

import pytest

from blackbull.config import Kind, SettingInfo, describe, describe_settings, load, load_settings
from blackbull.errors import ConfigurationError
from blackbull.mqtt.settings import MQTTSettings, Overflow, SlowPolicy

MIB = 1024 * 1024


def test_settings_defaults_are_the_documented_ones() -> None:
    settings = MQTTSettings()
    assert {info.env: getattr(settings, info.name) for info in describe(MQTTSettings)} == {
        "BB_MQTT_MAX_PACKET_SIZE": MIB,
        "BB_MQTT_RECEIVE_MAXIMUM": 64,
        "BB_MQTT_MAX_INFLIGHT": 1024,
        "BB_MQTT_MAX_QUEUED_MESSAGES": 1000,
        "BB_MQTT_MAX_QUEUED_BYTES": 16 * MIB,
        "BB_MQTT_OVERFLOW": Overflow.DROP_NEWEST,
        "BB_MQTT_MAX_RETAINED": 10_000,
        "BB_MQTT_MAX_RETAINED_BYTES": 64 * MIB,
        "BB_MQTT_MAX_SUBSCRIPTIONS": 1000,
        "BB_MQTT_MAX_SESSIONS": 10_000,
        "BB_MQTT_MAX_SESSION_EXPIRY": 0xFFFFFFFF,
        "BB_MQTT_MAX_TOPIC_LENGTH": 4096,
        "BB_MQTT_MAX_TOPIC_LEVELS": 128,
        "BB_MQTT_TOPIC_ALIAS_MAXIMUM": 64,
        "BB_MQTT_MAX_USER_PROPERTIES": 64,
        "BB_MQTT_MAX_QOS": 2,
        "BB_MQTT_RETAIN_AVAILABLE": True,
        "BB_MQTT_WILDCARD_AVAILABLE": True,
        "BB_MQTT_SHARED_AVAILABLE": True,
        "BB_MQTT_SUBSCRIPTION_IDENTIFIERS_AVAILABLE": True,
        "BB_MQTT_CONNECT_TIMEOUT": 10,
        "BB_MQTT_PACKET_TIMEOUT": 120,
        "BB_MQTT_MAX_KEEP_ALIVE": 0,
        "BB_MQTT_MAX_OUTBOUND_BYTES": MIB,
        "BB_MQTT_SLOW_POLICY": SlowPolicy.DROP,
        "BB_MQTT_TAP_QUEUE_SIZE": 1024,
        "BB_MQTT_TAP_QUEUE_BYTES": 16 * MIB,
        "BB_MQTT_BROKER_INBOX_MAXSIZE": 1024,
        "BB_MQTT_BROKER_INBOX_MAX_BYTES": 16 * MIB,
        "BB_MQTT_CONNECTION_INBOX_MAXSIZE": 1024,
        "BB_MQTT_CONNECTION_INBOX_MAX_BYTES": 16 * MIB,
        "BB_MQTT_OWNER_TIMEOUT": 5,
        "BB_MQTT_SYS_INTERVAL": 10,
        "BB_MQTT_ALLOW_ANONYMOUS": None,
    }


def test_settings_made_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        MQTTSettings().max_qos = 1  # type: ignore[misc]


@pytest.mark.parametrize("info", describe(MQTTSettings), ids=lambda info: info.name)
def test_setting_describes_itself(info: SettingInfo) -> None:
    assert info.env == f"BB_MQTT_{info.name.upper()}"
    assert info.sentence.endswith(".")
    assert "\n" not in info.sentence
    assert info.unit in {"", "s", "bytes"}


NUMBERS = [i for i in describe(MQTTSettings) if i.kind in {Kind.COUNT, Kind.SECONDS}]


@pytest.mark.parametrize("info", NUMBERS, ids=lambda info: info.name)
def test_settings_number_at_its_bounds_is_taken_and_beyond_refused(info: SettingInfo) -> None:
    lowest = int(info.minimum)
    assert getattr(MQTTSettings(**{info.name: lowest}), info.name) == lowest  # type: ignore[arg-type]
    impossible = [lowest - 1]
    if info.maximum < 1 << 40:
        highest = int(info.maximum)
        assert getattr(MQTTSettings(**{info.name: highest}), info.name) == highest  # type: ignore[arg-type]
        impossible.append(highest + 1)
    for value in impossible:
        with pytest.raises(ConfigurationError, match=f"^{info.env} must be {lowest}"):
            MQTTSettings(**{info.name: value})  # type: ignore[arg-type]


def test_settings_words_become_choices() -> None:
    environ = {"BB_MQTT_OVERFLOW": "drop_oldest", "BB_MQTT_SLOW_POLICY": "disconnect"}
    settings = load(MQTTSettings, environ)
    assert settings.overflow is Overflow.DROP_OLDEST
    assert settings.slow_policy is SlowPolicy.DISCONNECT
    with pytest.raises(ConfigurationError, match="must be drop_newest or drop_oldest, not 'drop'"):
        load(MQTTSettings, {"BB_MQTT_OVERFLOW": "drop"})


@pytest.mark.parametrize(
    ("env", "meant"),
    [
        ("BB_MQTT_MAX_SESSION", "BB_MQTT_MAX_SESSIONS"),
        ("BB_MQTT_MAX_QUEUED", "BB_MQTT_MAX_QUEUED_"),
        ("BB_MQTT_KEEP_ALIVE", "BB_MQTT_MAX_KEEP_ALIVE"),
        ("BB_MQT_RECEIVE_MAXIMUM", "BB_MQTT_RECEIVE_MAXIMUM"),
    ],
)
def test_settings_misspelt_name_is_refused(env: str, meant: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{env} is no setting: did you mean {meant}"):
        load(MQTTSettings, {env: "1"})


def test_settings_of_server_and_broker_leave_each_other_alone() -> None:
    server = {info.env: "nonsense" for info in describe_settings()}
    assert load(MQTTSettings, server) == MQTTSettings()
    broker = {info.env: "nonsense" for info in describe(MQTTSettings)}
    assert load_settings(broker) == load_settings({})
