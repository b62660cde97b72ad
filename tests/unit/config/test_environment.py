"""Variables become settings, or one line that says what to write."""

from __future__ import annotations

import difflib
import enum
from dataclasses import dataclass
from typing import ClassVar

import pytest

from blackbull.config import (
    ClientCert,
    Environment,
    Kind,
    Settings,
    check,
    colors_wanted,
    describe,
    describe_settings,
    load,
    load_settings,
    read_environment,
    setting,
)
from blackbull.config import environment as environment_module
from blackbull.errors import ConfigurationError
from blackbull.mqtt.settings import MQTTSettings


def test_load_settings_nothing_set_returns_the_defaults() -> None:
    assert load_settings({}) == Settings()


def test_load_settings_without_argument_reads_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BB_MAX_BODY_SIZE", "77")
    assert load_settings().max_body_size == 77


@pytest.mark.parametrize(
    ("env", "text", "name", "value"),
    [
        ("BLACKBULL_ENV", "production", "environment", Environment.PRODUCTION),
        ("BLACKBULL_ENV", "TEST", "environment", Environment.TEST),
        ("BLACKBULL_HOST", "::", "host", "::"),
        ("BLACKBULL_PORT", "0", "port", 0),
        ("BLACKBULL_UNIX_PATH", "/run/b.sock", "unix_path", "/run/b.sock"),
        ("BLACKBULL_CERT", "c.pem", "certfile", "c.pem"),
        ("BB_UVLOOP", "1", "uvloop", True),
        ("BB_UVLOOP", "off", "uvloop", False),
        ("BB_UVLOOP", "Auto", "uvloop", None),
        ("BB_MAX_CONNECTIONS", "auto", "max_connections", 0),
        ("BB_MAX_CONNECTIONS", "500", "max_connections", 500),
        ("BB_HEADER_TIMEOUT", "0.5", "header_timeout", 0.5),
        ("BB_MIN_BODY_RATE", " 100 ", "min_body_rate", 100.0),
        ("BB_HEADER_MAX_TOTAL", "9000", "header_max_total", 9000),
        ("BB_WORKER_DRAIN_TIMEOUT", "", "drain_timeout", 8.0),
        ("BB_WORKER_DRAIN_TIMEOUT", "   ", "drain_timeout", 8.0),
    ],
)
def test_load_settings_valid_text_becomes_the_value(
    env: str, text: str, name: str, value: object
) -> None:
    loaded = getattr(load_settings({env: text}), name)
    assert (loaded, type(loaded)) == (value, type(value))


@pytest.mark.parametrize(
    ("env", "text", "message"),
    [
        ("BB_HEADER_TIMEOUT", "ten", "BB_HEADER_TIMEOUT must be a number of seconds"),
        ("BB_HEADER_TIMEOUT", "-1", "BB_HEADER_TIMEOUT must be 0 or more s, not -1"),
        ("BB_HEADER_TIMEOUT", "nan", "BB_HEADER_TIMEOUT must be 0 or more"),
        ("BB_HEADER_TIMEOUT", "inf", "BB_HEADER_TIMEOUT must be at most 1000000000 s"),
        ("BB_MAX_BODY_SIZE", "1.5", "BB_MAX_BODY_SIZE must be a whole number, not '1.5'"),
        ("BB_MAX_BODY_SIZE", "auto", "BB_MAX_BODY_SIZE must be a whole number"),
        ("BB_MAX_BODY_SIZE", "9" * 5000, "BB_MAX_BODY_SIZE must be a whole number"),
        ("BB_MAX_CONNECTIONS", "many", "BB_MAX_CONNECTIONS must be a whole number or auto"),
        ("BB_HEADER_MAX_LINE", "63", "BB_HEADER_MAX_LINE must be 64 or more bytes"),
        ("BB_SOCKET_BACKLOG", "0", "BB_SOCKET_BACKLOG must be 1 to 2147483647, not 0"),
        ("BB_SOCKET_BACKLOG", "2147483648", "BB_SOCKET_BACKLOG must be 1 to 2147483647, not 2147"),
        ("BB_WORKERS", "1025", "BB_WORKERS must be 0 to 1024, not 1025"),
        ("BB_BODY_TIMEOUT", "1000000001", "BB_BODY_TIMEOUT must be at most 1000000000 s, not 1"),
        ("BB_BODY_TIMEOUT", "1e400", "BB_BODY_TIMEOUT must be at most 1000000000 s, not inf"),
        ("BB_UVLOOP", "maybe", "BB_UVLOOP must be 1, 0 or auto, not 'maybe'"),
        ("BLACKBULL_ENV", "prod", "BLACKBULL_ENV must be development, production or test"),
        ("BLACKBULL_PORT", "http\nx", "BLACKBULL_PORT must be a whole number"),
    ],
)
def test_load_settings_bad_value_is_refused_in_one_line_with_the_cure(
    env: str, text: str, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({env: text})
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("env", "meant"),
    [
        ("BB_HEADER_TIMOUT", "BB_HEADER_TIMEOUT"),
        ("BB_MAX_BODYSIZE", "BB_MAX_BODY_SIZE"),
        ("BB_KEEPALIVE_TIMEOUT", "BB_KEEP_ALIVE_TIMEOUT"),
        ("BLACKBULL_PROT", "BLACKBULL_PORT"),
        ("BLACKBULL_WORKERS", "BB_WORKERS"),
        ("BLACKBULL_ENVIRONMENT", "BLACKBULL_ENV"),
        ("BLACKBULL_CERTFILE", "BLACKBULL_CERT"),
        ("BLACKBULL_CERT_FILE", "BLACKBULL_CERT"),
        ("BLACKBULL_LOGFILE", "BB_LOG_FILE"),
        ("BLACKBULL_CONFG", "BLACKBULL_CONFIG"),
    ],
)
def test_load_settings_misspelt_name_is_refused_with_the_name_that_was_meant(
    env: str, meant: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{env} is no setting: did you mean {meant}"):
        load_settings({env: "1"})


@pytest.mark.parametrize(
    "env",
    [
        "BB_GRPC_MAX_MESSAGE_SIZE",
        "BB_COMPRESSION_MIN_SIZE",
        "BB_CLIENT_HEADER_TIMEOUT",
        "BB_CLIENT_MIN_BODY_RATE",
        "BLACKBULL_SESSION",
        "BLACKBULL_CONFIG",
        "BLACKBULL_SERVICE_HOST",
        "BLACKBULL_SERVICE_PORT",
        "BLACKBULL_PORT_8000_TCP_ADDR",
        "BB_HOST",
        "BB_MQTT_MAX_PACKET_SIZE",
        "bb_header_timout",
        "HOME",
    ],
)
def test_load_settings_name_that_belongs_to_others_is_left_alone(env: str) -> None:
    assert load_settings({env: "whatever"}) == Settings()


def test_load_settings_no_setting_name_looks_like_a_slip_of_another() -> None:
    for info in describe_settings():
        others = [other.env for other in describe_settings() if other is not info]
        assert difflib.get_close_matches(info.env, others, cutoff=environment_module.ALIKE) == []


def test_load_settings_certificates_by_name_are_parsed() -> None:
    settings = load_settings({
        "BLACKBULL_CERT": "c.pem",
        "BLACKBULL_SNI": "a.example=a.pem,a.key; *.b.example=b.pem;",
    })  # fmt: skip
    assert settings.sni == {"a.example": ("a.pem", "a.key"), "*.b.example": ("b.pem", None)}


@pytest.mark.parametrize("text", ["a.example", "a.example=", "=a.pem", "a=b,c,d", "a=b=c;d"])
def test_load_settings_certificates_by_name_written_otherwise_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="BLACKBULL_SNI must be NAME=CERT,KEY"):
        load_settings({"BLACKBULL_CERT": "c.pem", "BLACKBULL_SNI": text})


def test_load_settings_client_certificate_is_a_choice() -> None:
    assert load_settings({"BLACKBULL_MTLS": "optional"}).client_cert is ClientCert.OPTIONAL
    with pytest.raises(ConfigurationError, match="BLACKBULL_MTLS must be required or optional"):
        load_settings({"BLACKBULL_MTLS": "perhaps"})


class Colour(enum.StrEnum):
    RED = "red"
    GREEN = "green"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintSettings:
    """The settings of an extension."""

    env_prefix: ClassVar[str] = "BB_PAINT_"

    coats: int = setting(
        2, "BB_PAINT_COATS", kind=Kind.COUNT, minimum=1, maximum=9, sentence="How many coats."
    )
    colour: Colour = setting(  # noqa: RUF009 - it makes a field, not a value
        Colour.RED, "BB_PAINT_COLOUR", kind=Kind.CHOICE, sentence="Which colour."
    )
    glossy: bool | None = setting(
        None, "BB_PAINT_GLOSSY", kind=Kind.AUTO_SWITCH, sentence="Whether it shines."
    )

    def __post_init__(self) -> None:
        check(self)


def test_load_reads_the_settings_of_an_extension() -> None:
    environ = {"BB_PAINT_COATS": "3", "BB_PAINT_COLOUR": "Blue", "BB_PAINT_GLOSSY": "no"}
    assert load(PaintSettings, environ) == PaintSettings(coats=3, colour=Colour.BLUE, glossy=False)
    assert load(PaintSettings, {}) == PaintSettings()


def test_read_environment_returns_what_is_set_and_nothing_else() -> None:
    environ = {"BB_PAINT_COATS": "3", "BB_PAINT_COLOUR": "", "BB_MAX_BODY_SIZE": "7"}
    assert read_environment(PaintSettings, environ) == {"coats": 3}


@pytest.mark.parametrize(
    ("env", "text", "message"),
    [
        ("BB_PAINT_COATS", "10", "BB_PAINT_COATS must be 1 to 9, not 10"),
        ("BB_PAINT_COATS", "two", "BB_PAINT_COATS must be a whole number, not 'two'"),
        ("BB_PAINT_COLOUR", "pink", "BB_PAINT_COLOUR must be red, green or blue, not 'pink'"),
        ("BB_PAINT_COLOR", "red", "BB_PAINT_COLOR is no setting: did you mean BB_PAINT_COLOUR?"),
        ("BB_PAIMT_COATS", "2", "BB_PAIMT_COATS is no setting: did you mean BB_PAINT_COATS?"),
        ("BB_PAINT_LAYERS", "2", "BB_PAINT_LAYERS is no setting: did you mean BB_PAINT_"),
    ],
)
def test_load_refuses_what_an_extension_cannot_mean(env: str, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(PaintSettings, {env: text})
    assert str(caught.value).startswith(message)


def test_load_leaves_the_names_of_others_alone() -> None:
    environ = {"BB_MAX_BODY_SIZE": "7", "BB_HEADER_TIMOUT": "1", "BB_PAINTER": "x"}
    assert load(PaintSettings, environ) == PaintSettings()


@pytest.mark.parametrize(
    "given", [{"coats": "2"}, {"coats": 2.5}, {"coats": True}, {"glossy": 1}, {"colour": "pink"}]
)
def test_check_refuses_a_value_of_another_kind(given: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=r"^BB_PAINT_\w+ must be "):
        PaintSettings(**given)  # type: ignore[arg-type]


def test_check_takes_a_choice_as_its_word() -> None:
    assert PaintSettings(colour="green").colour is Colour.GREEN  # type: ignore[arg-type]


def test_describe_tells_all_about_a_setting() -> None:
    info = describe(PaintSettings)[1]
    assert (info.name, info.env, info.written) == (
        "colour",
        "BB_PAINT_COLOUR",
        "red, green or blue",
    )
    assert (info.choices, info.default) == (Colour, Colour.RED)


@pytest.mark.parametrize(
    ("environ", "terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, False, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colors_are_wanted_as_the_environment_says(
    environ: dict[str, str], terminal: bool, wanted: bool
) -> None:
    assert colors_wanted(terminal=terminal, environ=environ) is wanted


def test_variable_of_an_extension_with_the_other_prefix_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"did you mean BB_MQTT_MAX_SESSIONS\?$"):
        read_environment(MQTTSettings, {"BLACKBULL_MQTT_MAX_SESSIONS": "1"})
    assert read_environment(MQTTSettings, {"BLACKBULL_PORT": "1", "BB_WORKERS": "1"}) == {}
