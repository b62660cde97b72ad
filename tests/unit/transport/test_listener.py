"""How places and listeners are written."""

from __future__ import annotations

import pytest

from blackbull.errors import ConfigurationError
from blackbull.transport.listener import Listener, parse_listener
from blackbull.transport.tls import TLSFiles
from blackbull.transport.where import InheritedFd, Tcp, Unix, Where, parse_where


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (Tcp(80), "127.0.0.1:80"),
        (Tcp(80, host="::1"), "[::1]:80"),
        (Tcp(80, host="[::1]"), "[::1]:80"),
        (Tcp(80, host=""), "*:80"),
        (Unix("/run/x"), "unix:/run/x"),
        (InheritedFd(3), "fd://3"),
    ],
)
def test_place_as_text_is_what_people_write(where: Where, text: str) -> None:
    assert str(where) == text


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("127.0.0.1:8080", Tcp(8080)),
        ("8080", Tcp(8080)),
        (":8080", Tcp(8080, "*")),
        ("*:8080", Tcp(8080, "*")),
        ("[::]:8080", Tcp(8080, "::")),
        ("[::1]:0", Tcp(0, "::1")),
        ("localhost:1", Tcp(1, "localhost")),
        ("unix:/run/a b.sock", Unix("/run/a b.sock")),
        ("unix:app.sock", Unix("app.sock")),
        ("fd://3", InheritedFd(3)),
        ("fd:3", InheritedFd(3)),
        ("fd://web", InheritedFd("web")),
    ],
)
def test_place_is_read_as_people_write_it(text: str, where: Where) -> None:
    assert parse_where(text) == where


@pytest.mark.parametrize(
    "where",
    [
        Tcp(1), Tcp(2, "::1"), Tcp(3, "*"), Tcp(4, "0.0.0.0"), Unix("/x"), InheritedFd(4),
        Unix("/x", mode=0o600), Unix("/x", mode=0o666, group="www"), InheritedFd("web"),
    ],
)  # fmt: skip
def test_text_of_a_place_is_stable(where: Where) -> None:
    assert parse_listener(str(where)) == Listener(where)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no place to listen: write host:port"),
        ("localhost", "is no place to listen: write host:port"),
        ("localhost:http", "is no place to listen"),
        ("::1:80", "write [::1]:80 for IPv6"),
        ("a:65536", "65536 is no port, give one from 0 to 65535"),
        ("http://a:80", "is no place to listen: write host:port"),
        ("[::1", "is no place to listen: write host:port"),
        ("fe80::1%lo:80", "write [fe80::1%lo]:80 for IPv6"),
        ("a b:80", "is no place to listen"),
        ("unix:", "has no path"),
        ("fd://", "names no socket"),
        ("fd://-1", "names no socket"),
        ("fd://99999999999999999999", "names no socket"),
        ("fd://3?tls=maybe", "tls is on or off, not 'maybe'"),
        (":1?tsl=on", "'tsl' is no option of a listener; these are: speaks, tls, cert"),
        (":1?speaks", "give speaks a value"),
        (":1?mode=0600", "only a Unix socket has a mode or a group"),
        ("unix:x?mode=9", "mode is octal, such as 0660, not '9'"),
        ("unix:x?mode=7777", "mode is octal"),
        (":1?key=a", "has no certificate: say cert=PATH, too"),
        (":1?cert=a&tls=off", "has a certificate and tls=off"),
        (":1?cert=a&cert=b", "says cert more than once"),
    ],
)
def test_listener_that_cannot_be_is_refused_with_the_cure(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_listener(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "listener"),
    [
        (":1?speaks=mqtt", Listener(Tcp(1, "*"), speaks="mqtt")),
        (":1?speaks=mqtt&speaks=http1", Listener(Tcp(1, "*"), speaks=("mqtt", "http1"))),
        ("a:1?tls=off", Listener(Tcp(1, "a"), tls=False)),
        ("a:1?tls=on", Listener(Tcp(1, "a"), tls=True)),
        ("a:1?cert=a%26b&key=k&client-ca=c",
         Listener(Tcp(1, "a"), tls=TLSFiles(certfile="a&b", keyfile="k", client_ca="c"))),
        ("a:1?proxy_protocol=on", Listener(Tcp(1, "a"), proxy_protocol=True)),
        ("a:1?proxy_protocol=off", Listener(Tcp(1, "a"), proxy_protocol=False)),
        ("a:1?proxy-protocol=10.0.0.0/8&proxy-protocol=::1",
         Listener(Tcp(1, "a"), proxy_protocol=("10.0.0.0/8", "::1"))),
        ("unix:/x?mode=0666&group=www&tls=off", Listener(Unix("/x", 0o666, "www"), tls=False)),
    ],
)  # fmt: skip
def test_options_say_what_is_spoken(text: str, listener: Listener) -> None:
    assert parse_listener(text) == listener
