"""Where an application is to listen, and what people are told about it."""

from __future__ import annotations

import os
from functools import partial

import pytest

from blackbull import BlackBull
from blackbull.cli.places import describe_listeners, find_listeners
from blackbull.config import Settings
from blackbull.errors import ConfigurationError
from blackbull.server.listening import Listening
from blackbull.transport.listener import Listener
from blackbull.transport.where import InheritedFd, Tcp


@pytest.mark.parametrize(
    ("listening", "expected"),
    [
        (Listening("http", ("127.0.0.1", 8000), False), "http on http://127.0.0.1:8000"),
        (Listening("http", ("::1", 8000), True), "http on https://[::1]:8000"),
        (Listening("http", ("/run/app.sock", None), False), "http on unix:/run/app.sock"),
        (Listening("http", ("::", 80), False, True), "http on http://*:80 (IPv4 and IPv6)"),
        (Listening("http", ("0.0.0.0", 80), False), "http on http://0.0.0.0:80 (IPv4 only)"),
        (Listening("http", ("::", 80), False), "http on http://[::]:80 (IPv6 only)"),
        (Listening("echo", ("::", 1), True, True), "echo on *:1 (TLS; IPv4 and IPv6)"),
        (Listening("http1", ("127.0.0.1", 80), True), "http1 on https://127.0.0.1:80"),
        (Listening("echo", ("127.0.0.1", 9000), False), "echo on 127.0.0.1:9000"),
        (Listening("echo", ("::1", 9000), True), "echo on [::1]:9000 (TLS)"),
    ],
)
def test_start_up_line_says_where_each_protocol_is(listening: Listening, expected: str) -> None:
    assert describe_listeners([listening]) == f"serving {expected}"


def test_start_up_line_names_every_listener() -> None:
    both = [
        Listening("http", ("127.0.0.1", 8000), False),
        Listening("echo", ("127.0.0.1", 9000), False),
    ]
    line = "serving http on http://127.0.0.1:8000, echo on 127.0.0.1:9000"
    assert describe_listeners(both) == line


@pytest.fixture
def activated(monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd has passed two sockets."""
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "2")
    monkeypatch.setenv("LISTEN_FDNAMES", "web:chat")


def found(
    settings: Settings | None = None,
    *,
    given: list[Listener] | None = None,
    said: tuple[str, ...] = (),
    flags: tuple[str, ...] = (),
) -> list[Listener] | None:
    app = BlackBull()
    app.register_protocol_handler("chat", chat)
    return find_listeners(app, settings or Settings(), given=given, said=said, flags=flags)


async def chat(*_: object) -> None:
    """Says nothing."""


def test_places_nothing_said_is_left_to_the_settings() -> None:
    assert found() is None


def test_places_given_as_listeners_are_taken() -> None:
    given = [Listener(Tcp(1)), Listener(Tcp(2), speaks="chat")]
    assert found(given=given) == given


@pytest.mark.parametrize("name", ["host", "port", "bind"])
def test_places_given_twice_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"listeners and {name} both say where"):
        found(given=[Listener(Tcp(1))], said=(name,))


def test_places_a_flag_goes_before_listeners() -> None:
    given = [Listener(Tcp(1))]
    assert found(Settings(bind=(":2",)), given=given, flags=("bind",)) == [Listener(Tcp(2, "*"))]
    assert found(given=given, flags=("port",)) is None


PASSED = [Listener(InheritedFd(3)), Listener(InheritedFd(4), speaks="chat")]


@pytest.mark.usefixtures("activated")
def test_sockets_that_systemd_passed_are_used_whatever_the_program_says() -> None:
    assert found() == PASSED
    assert found(Settings(port=1), said=("port",)) == PASSED
    assert found(Settings(bind=(":1",))) == PASSED


@pytest.mark.usefixtures("activated")
def test_sockets_that_systemd_passed_give_way_to_a_flag_and_to_listeners() -> None:
    assert found(Settings(port=1), flags=("port",)) is None
    assert found(given=[Listener(Tcp(1))]) == [Listener(Tcp(1))]


@pytest.mark.usefixtures("activated")
def test_sockets_without_http_speak_the_protocol_with_a_port() -> None:
    app = BlackBull()
    app.register_protocol_handler("mqtt", chat, port=1883)
    places = partial(find_listeners, app, Settings(), given=None, said=(), flags=(), http=False)
    cleartext = partial(Listener, speaks="mqtt", tls=False)
    assert places() == [cleartext(InheritedFd(3)), cleartext(InheritedFd(4))]
    app.register_protocol_handler("mqtts", chat, port=8883, tls=True)
    with pytest.raises(ConfigurationError, match=r"spoken on the socket 'web'.*: mqtt, mqtts"):
        places()
    app.register_protocol_handler("web", chat, port=1)
    app.register_protocol_handler("chat", chat)
    assert places() == [
        Listener(InheritedFd(3), speaks="web", tls=False),
        Listener(InheritedFd(4), speaks="chat"),
    ]


@pytest.mark.usefixtures("activated")
def test_sockets_that_systemd_passed_can_be_named() -> None:
    flag = Settings(bind=("fd://chat?speaks=http", "fd://systemd?tls=off", "fd://7"))
    assert found(flag, flags=("bind",)) == [
        Listener(InheritedFd(4)),
        Listener(InheritedFd(3), tls=False),
        Listener(InheritedFd(4), speaks="chat", tls=False),
        Listener(InheritedFd(7)),
    ]
    with pytest.raises(ConfigurationError, match="has passed are called web, chat; name one"):
        found(Settings(bind=("fd://wbe",)), flags=("bind",))


def test_sockets_that_nobody_passed_cannot_be_named() -> None:
    with pytest.raises(ConfigurationError, match="fd://web: systemd has passed no socket"):
        found(Settings(bind=("fd://web",)))
