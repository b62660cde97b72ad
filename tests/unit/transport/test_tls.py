"""Contexts from files: what they accept, whose certificate they show, and when it changes."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from blackbull.errors import ConfigurationError
from blackbull.transport.tls import Certificates, TLSFiles, server_context
from tests.certificates import HOST, Authority, shake_hands
from tests.spec import spec


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def names(tls: ssl.SSLObject) -> list[str]:
    """Return the names in the certificate that the client was shown."""
    certificate = tls.getpeercert()
    assert certificate is not None
    return [str(value) for kind, value in certificate["subjectAltName"] if kind == "DNS"]


def serial(tls: ssl.SSLObject) -> object:
    certificate = tls.getpeercert()
    assert certificate is not None
    return certificate["serialNumber"]


# Contexts


@spec("RFC 9325 §3.1.1")
def test_context_speaks_tls_1_2_and_newer_only(authority: Authority) -> None:
    context = server_context(authority.issue())
    client, _ = shake_hands(context, authority.client_context())
    assert client.version() == "TLSv1.3"
    old = authority.client_context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    client, _ = shake_hands(context, old)
    assert client.version() == "TLSv1.2"
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@spec("RFC 9113 §9.2.2")
def test_context_tls_1_2_ciphers_are_authenticated_and_forward_secret(
    authority: Authority,
) -> None:
    ciphers = server_context(authority.issue()).get_ciphers()
    older = [cipher for cipher in ciphers if cipher["protocol"] != "TLSv1.3"]
    assert older
    assert all(cipher["aead"] for cipher in ciphers)
    assert {cipher["kea"] for cipher in older} == {"kx-ecdhe"}


@spec("RFC 9113 §9.2.1")
def test_context_neither_compresses_nor_renegotiates(authority: Authority) -> None:
    options = server_context(authority.issue()).options
    assert options & ssl.OP_NO_COMPRESSION
    assert options & ssl.OP_NO_RENEGOTIATION


@pytest.mark.parametrize(
    ("ours", "theirs", "chosen"),
    [
        (("h2", "http/1.1"), ("http/1.1", "h2"), "h2"),
        (("h2", "http/1.1"), ("http/1.1",), "http/1.1"),
        (("mqtt",), ("http/1.1", "mqtt"), "mqtt"),
        (("h2",), ("spdy/1",), None),
        (("h2",), (), None),
        ((), ("h2",), None),
    ],
)
@spec("RFC 7301 §3.2")
def test_context_alpn_our_preference_decides(
    authority: Authority, ours: tuple[str, ...], theirs: tuple[str, ...], chosen: str | None
) -> None:
    context = server_context(authority.issue(), alpn=ours)
    client, server = shake_hands(context, authority.client_context(alpn=theirs))
    assert client.selected_alpn_protocol() == server.selected_alpn_protocol() == chosen


def test_context_key_in_a_file_of_its_own_is_loaded(authority: Authority) -> None:
    client, _ = shake_hands(server_context(*authority.issue_pair()), authority.client_context())
    assert names(client) == [HOST]


def test_context_encrypted_key_is_loaded_with_its_password(authority: Authority) -> None:
    pair = authority.issue_pair(password=b"open sesame")
    context = server_context(*pair, password="open sesame")
    client, _ = shake_hands(context, authority.client_context())
    assert names(client) == [HOST]


# What cannot be loaded


def absent(authority: Authority, tmp_path: Path) -> TLSFiles:
    return TLSFiles(certfile="absent.pem")


def absent_key(authority: Authority, tmp_path: Path) -> TLSFiles:
    return TLSFiles(certfile=authority.issue(), keyfile="absent.key")


def absent_authority(authority: Authority, tmp_path: Path) -> TLSFiles:
    return TLSFiles(certfile=authority.issue(), client_ca="absent.ca")


def unreadable(authority: Authority, tmp_path: Path) -> TLSFiles:
    return TLSFiles(certfile=str(tmp_path))


def impossible_path(authority: Authority, tmp_path: Path) -> TLSFiles:
    return TLSFiles(certfile="a\0b")


def no_certificate(authority: Authority, tmp_path: Path) -> TLSFiles:
    return TLSFiles(certfile=__file__)


def no_key(authority: Authority, tmp_path: Path) -> TLSFiles:
    return TLSFiles(certfile=authority.path)


def swapped(authority: Authority, tmp_path: Path) -> TLSFiles:
    chain, key = authority.issue_pair()
    return TLSFiles(certfile=key, keyfile=chain)


def mismatched(authority: Authority, tmp_path: Path) -> TLSFiles:
    chain, _ = authority.issue_pair(file="one")
    _, key = authority.issue_pair(file="other")
    return TLSFiles(certfile=chain, keyfile=key)


def encrypted(authority: Authority, tmp_path: Path) -> TLSFiles:
    chain, key = authority.issue_pair(password=b"right")
    return TLSFiles(certfile=chain, keyfile=key)


def wrong_password(authority: Authority, tmp_path: Path) -> TLSFiles:
    chain, key = authority.issue_pair(password=b"right")
    return TLSFiles(certfile=chain, keyfile=key, password="wrong")


def damaged(authority: Authority, tmp_path: Path) -> TLSFiles:
    path = Path(authority.issue())
    path.write_bytes(path.read_bytes().replace(b"M", b"!"))
    return TLSFiles(certfile=str(path))


def no_authority(authority: Authority, tmp_path: Path) -> TLSFiles:
    return TLSFiles(certfile=authority.issue(), client_ca=__file__)


def damaged_authority(authority: Authority, tmp_path: Path) -> TLSFiles:
    path = Path(authority.path)
    path.write_bytes(path.read_bytes().replace(b"M", b"!"))
    return TLSFiles(certfile=authority.issue(), client_ca=str(path))


def broken_name(authority: Authority, tmp_path: Path) -> TLSFiles:
    return TLSFiles(certfile=authority.issue(), sni={"a.example": ("absent.pem", None)})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (absent, r"there is no certificate file 'absent\.pem': give the path"),
        (absent_key, r"there is no key file 'absent\.key': give the path"),
        (absent_authority, r"there is no client CA file 'absent\.ca': give the path"),
        (unreadable, r"the certificate file '.*' cannot be read \(Is a directory\): let this user"),
        (impossible_path, r"the certificate file '.*' cannot be read \(embedded null byte\)"),
        (no_certificate, r"'.*test_tls\.py' holds no certificate: give a PEM file"),
        (no_key, r"'.*ca\.pem' holds no private key: give the PEM file"),
        (swapped, r"'.*server\.key' holds no certificate"),
        (mismatched, r"the key '.*other\.key' does not belong to the certificate '.*one\.crt'"),
        (encrypted, r"the key '.*server\.key' is encrypted: give password=.*BLACKBULL_KEY_PASS"),
        (wrong_password, r"the key '.*server\.key' cannot be decrypted: check the password"),
        (damaged, r"certificate '.*server\.pem' and key '.*server\.pem' cannot be used \(.+\)"),
        (no_authority, r"'.*test_tls\.py' holds no certificate: give the PEM file of the auth"),
        (damaged_authority, r"the client CA file '.*ca\.pem' cannot be used \(.+\): give PEM"),
        (broken_name, r"there is no certificate file 'absent\.pem'"),
    ],
)
def test_certificates_that_cannot_be_used_are_one_line(
    authority: Authority,
    tmp_path: Path,
    make: Callable[[Authority, Path], TLSFiles],
    said: str,
) -> None:
    with pytest.raises(ConfigurationError, match=said) as raised:
        Certificates(make(authority, tmp_path))
    assert "\n" not in str(raised.value)


def test_files_do_not_show_their_password() -> None:
    assert "sesame" not in repr(TLSFiles(certfile="c", password="open sesame"))


# Clients' certificates


def test_client_certificate_required_is_verified(authority: Authority, tmp_path: Path) -> None:
    files = TLSFiles(certfile=authority.issue(), client_ca=authority.path)
    context = Certificates(files).source(()).context
    shown = authority.issue("alice@example.org", file="alice")
    _, server = shake_hands(context, authority.client_context(shown))
    certificate = server.getpeercert()
    assert certificate is not None
    assert certificate["subjectAltName"] == (("email", "alice@example.org"),)


def test_client_certificate_required_and_absent_is_refused(authority: Authority) -> None:
    context = server_context(authority.issue(), client_ca=authority.path)
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        shake_hands(context, authority.client_context())


@pytest.mark.parametrize("optional", [False, True])
def test_client_certificate_of_a_stranger_is_refused(
    authority: Authority, tmp_path: Path, optional: bool
) -> None:
    context = server_context(
        authority.issue(), client_ca=authority.path, client_cert_optional=optional
    )
    stranger = Authority(tmp_path, "stranger").issue("mallory@example.org", file="mallory")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(context, authority.client_context(stranger))


def test_client_certificate_optional_and_absent_is_accepted(authority: Authority) -> None:
    context = server_context(authority.issue(), client_ca=authority.path, client_cert_optional=True)
    _, server = shake_hands(context, authority.client_context())
    assert server.getpeercert() is None


def test_client_certificate_revoked_is_refused(authority: Authority) -> None:
    alice = authority.issue("alice@example.org", file="alice")
    bob = authority.issue("bob@example.org", file="bob")
    context = server_context(authority.issue(), client_ca=authority.revoke(alice))
    _, server = shake_hands(context, authority.client_context(bob))
    assert server.getpeercert()
    with pytest.raises(ssl.SSLCertVerificationError, match="revoked"):
        shake_hands(context, authority.client_context(alice))


# Server names


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("a.example", "a.example"),
        ("A.Example", "a.example"),
        ("x.b.example", "*.b.example"),
        ("exact.b.example", "exact.b.example"),
    ],
)
@spec("RFC 6066 §3")
def test_name_selects_its_certificate(authority: Authority, asked: str, shown: str) -> None:
    named = ("a.example", "*.b.example", "exact.b.example")
    pairs = {name.upper(): (authority.issue(name, file=name), None) for name in named}
    certificates = Certificates(TLSFiles(certfile=authority.issue(), sni=pairs))
    context = certificates.source(("h2",)).context
    client, _ = shake_hands(context, authority.client_context(alpn=["h2"]), asked)
    assert names(client) == [shown]
    assert client.selected_alpn_protocol() == "h2"


@pytest.mark.parametrize("asked", ["localhost", "b.example", "x.y.b.example", "127.0.0.1"])
def test_name_unknown_gets_the_certificate_for_all(authority: Authority, asked: str) -> None:
    pairs = {"*.b.example": (authority.issue("*.b.example", file="wild"), None)}
    files = TLSFiles(certfile=authority.issue(HOST), sni=pairs)
    client = authority.client_context()
    client.check_hostname = False
    tls, _ = shake_hands(Certificates(files).source(()).context, client, asked)
    assert names(tls) == [HOST]


def test_name_in_another_script_is_sent_in_ascii(authority: Authority) -> None:
    pair = (authority.issue("bücher.example", file="books"), None)
    files = TLSFiles(certfile=authority.issue(), sni={"bücher.example": pair})
    context = Certificates(files).source(()).context
    client, _ = shake_hands(context, authority.client_context(), "bücher.example")
    assert names(client) == ["xn--bcher-kva.example"]


def test_name_still_asks_for_the_clients_certificate(authority: Authority) -> None:
    pairs = {"a.example": (authority.issue("a.example", file="a"), None)}
    files = TLSFiles(certfile=authority.issue(), sni=pairs, client_ca=authority.path)
    context = Certificates(files).source(()).context
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        shake_hands(context, authority.client_context(), "a.example")


@pytest.mark.parametrize("name", ["", "*", "*.", "a.*.example", "*a.example", "a b", "a" * 64, "/"])
def test_name_that_no_client_can_send_is_refused(authority: Authority, name: str) -> None:
    files = TLSFiles(certfile=authority.issue(), sni={name: ("c.pem", None)})
    with pytest.raises(ConfigurationError, match="is no server name: write"):
        Certificates(files)


# Changes


def test_reload_shows_the_new_certificate_to_new_handshakes(authority: Authority) -> None:
    certificates = Certificates(TLSFiles(certfile=authority.issue()))
    source = certificates.source(("h2",))
    old, _ = shake_hands(source.context, authority.client_context())
    authority.issue()
    assert certificates.reload() is True
    new, _ = shake_hands(source.context, authority.client_context(alpn=["h2"]))
    assert serial(new) != serial(old)
    assert new.selected_alpn_protocol() == "h2"


def test_reload_of_a_broken_file_keeps_the_old_and_says_so_in_one_line(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    path = authority.issue()
    certificates = Certificates(TLSFiles(certfile=path))
    source = certificates.source(())
    old, _ = shake_hands(source.context, authority.client_context())
    Path(path).write_text("nothing")
    assert certificates.reload() is False
    new, _ = shake_hands(source.context, authority.client_context())
    assert serial(new) == serial(old)
    (record,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert record.getMessage() == (
        f"the certificates in use stay: {path!r} holds no certificate: "
        "give a PEM file that begins with one"
    )


def test_reload_takes_all_files_or_none(authority: Authority) -> None:
    """A half of the change is never served."""
    path = authority.issue("a.example", file="a")
    files = TLSFiles(certfile=authority.issue(), sni={"a.example": (path, None)})
    certificates = Certificates(files)
    source = certificates.source(())
    old, _ = shake_hands(source.context, authority.client_context())
    authority.issue()
    os.unlink(path)
    assert certificates.reload() is False
    new, _ = shake_hands(source.context, authority.client_context())
    assert serial(new) == serial(old)


def test_reload_asks_the_new_authorities(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    bob = other.issue("bob@example.org", file="bob")
    files = TLSFiles(certfile=authority.issue(), client_ca=authority.path)
    certificates = Certificates(files)
    source = certificates.source(())
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(source.context, authority.client_context(bob))
    client = authority.client_context(bob)
    Path(authority.path).write_bytes(Path(other.path).read_bytes())
    assert certificates.reload()
    _, server = shake_hands(source.context, client)
    assert server.getpeercert()


class Timer:
    """What :class:`Clock` gives for a callback."""

    def __init__(self, callback: Callable[..., None], *args: object) -> None:
        self.fire = lambda: callback(*args)
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """The timers of an event loop, fired by the test."""

    def __init__(self) -> None:
        self.timers: list[Timer] = []

    def call_later(self, delay: float, callback: Callable[..., None], *args: object) -> Timer:
        self.timers.append(Timer(callback, *args))
        return self.timers[-1]

    def tick(self) -> None:
        """Fire the one timer that is set."""
        (timer,) = self.timers
        self.timers.clear()
        timer.fire()


def test_watch_notices_a_change_and_nothing_else(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "blackbull.tls")
    clock = Clock()
    path = authority.issue()
    certificates = Certificates(TLSFiles(certfile=path))
    source = certificates.source(())
    first = source.context
    certificates.watch(cast(asyncio.AbstractEventLoop, clock), interval=5.0)
    clock.tick()
    assert source.context is first
    authority.issue()
    clock.tick()
    second = source.context
    assert second is not first
    os.unlink(path)
    for _ in range(3):  # it is tried once, not again and again
        clock.tick()
    assert source.context is second
    authority.issue()
    clock.tick()
    assert source.context is not second
    assert [record.levelname for record in caplog.records] == ["INFO", "ERROR", "INFO"]
    certificates.close()
    assert [timer.cancelled for timer in clock.timers] == [True]


def test_watch_interval_of_0_never_looks(authority: Authority) -> None:
    clock = Clock()
    certificates = Certificates(TLSFiles(certfile=authority.issue()))
    certificates.watch(cast(asyncio.AbstractEventLoop, clock), interval=0)
    assert clock.timers == []
