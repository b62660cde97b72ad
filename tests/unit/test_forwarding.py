"""Who the client is behind proxies that are trusted, and behind ones that are not."""

from __future__ import annotations

import pytest

from blackbull.connection import Connection
from blackbull.errors import ConfigurationError
from blackbull.forwarding import MAX_REMEMBERED, TrustedProxies
from blackbull.middleware import TrustedProxy
from blackbull.native import Receive, Send

NEAR = ("10.0.0.9", 4000)


def request(
    *fields: tuple[str, str], client: tuple[str, int | None] = NEAR, kind: str = "http"
) -> Connection:
    headers = [(name.encode(), value.encode()) for name, value in fields]
    return Connection.from_scope({
        "type": kind, "path": "/", "client": client, "headers": headers, "scheme": "http",
    })  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "client", "scheme"),
    [
        ([("x-forwarded-for", "192.0.2.1")], ("192.0.2.1", 0), "http"),
        ([("forwarded", "for=192.0.2.1;proto=https")], ("192.0.2.1", 0), "https"),
        (
            [("forwarded", "for=192.0.2.1"), ("x-forwarded-for", "192.0.2.2")],
            ("192.0.2.1", 0),
            "http",
        ),
        # What the client wrote itself stands left of what the nearest proxy saw.
        ([("x-forwarded-for", "127.0.0.1, 192.0.2.7")], ("192.0.2.7", 0), "http"),
        ([("x-forwarded-for", "6.6.6.6, 192.0.2.7, 10.0.0.3")], ("192.0.2.7", 0), "http"),
        # Two lines are one list.
        (
            [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-for", "10.0.0.3")],
            ("192.0.2.7", 0),
            "http",
        ),
        ([("x-forwarded-proto", "https")], NEAR, "https"),
        ([("forwarded", "for=unknown;proto=https")], NEAR, "https"),
        ([("x-forwarded-for", "10.0.0.3")], ("10.0.0.3", 0), "http"),
        ([("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "gopher")],
         ("192.0.2.1", 0), "http"),
        ([], NEAR, "http"),
        # Malformed: nothing of it is believed.
        ([("x-forwarded-for", "192.0.2.1, nonsense!")], NEAR, "http"),
        ([("forwarded", 'for="'), ("x-forwarded-for", "192.0.2.2")], NEAR, "http"),
    ],
)  # fmt: skip
def test_trusted_proxy_tells_the_client(
    fields: list[tuple[str, str]], client: tuple[str, int], scheme: str
) -> None:
    conn = request(*fields)
    TrustedProxies("10.0.0.0/8").apply(conn)
    assert (conn.client, conn.scheme) == (client, scheme)


def test_untrusted_peer_tells_nothing() -> None:
    conn = request(
        ("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "https"),
        ("x-forwarded-prefix", "/app"), client=("192.0.2.66", 1),
    )  # fmt: skip
    TrustedProxies("10.0.0.0/8").apply(conn)
    assert (conn.client, conn.scheme, conn.root_path) == (("192.0.2.66", 1), "http", "")


@pytest.mark.parametrize("client", [("/run/app.sock", None), ("", None)])
def test_peer_on_a_unix_socket_is_trusted_by_its_keyword(client: tuple[str, None]) -> None:
    conn = request(("x-forwarded-for", "192.0.2.1"), client=client)
    TrustedProxies("10.0.0.1").apply(conn)
    assert conn.client == client
    TrustedProxies("10.0.0.1, unix").apply(conn)
    assert conn.client == ("192.0.2.1", 0)


def test_star_trusts_everybody_so_the_first_address_counts() -> None:
    conn = request(("x-forwarded-for", "192.0.2.1, 192.0.2.2"))
    TrustedProxies("*").apply(conn)
    assert conn.client == ("192.0.2.1", 0)


def test_web_socket_has_its_own_schemes() -> None:
    conn = request(("x-forwarded-proto", "https"), kind="websocket")
    TrustedProxies("10.0.0.0/8").apply(conn)
    assert conn.scheme == "wss"


@pytest.mark.parametrize(
    ("prefix", "root_path"),
    [("/app", "/app"), ("/a/b/", "/a/b"), ("app", ""), ("//evil", ""), ("/a?b", ""), ("/", "")],
)
def test_prefix_becomes_the_root_path_if_it_is_a_path(prefix: str, root_path: str) -> None:
    conn = request(("x-forwarded-prefix", prefix))
    TrustedProxies("10.0.0.0/8").apply(conn)
    assert conn.root_path == root_path


def test_mapped_address_is_in_its_network() -> None:
    assert TrustedProxies("10.0.0.0/8").trusts(("::ffff:10.0.0.1", 5))
    assert TrustedProxies("fe80::/10").trusts(("fe80::1%eth0", 5))


def test_addresses_that_were_judged_are_a_bounded_memory() -> None:
    proxies = TrustedProxies("10.0.0.0/8")
    for number in range(3 * MAX_REMEMBERED):
        proxies.trusts((f"192.0.{number >> 8}.{number & 255}", 1))
    assert len(proxies._known) <= MAX_REMEMBERED


@pytest.mark.parametrize("name", ["nginx", "10.0.0.1/8", "10.0.0.0/33"])
def test_impossible_proxy_is_refused_with_what_to_write(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"give an address, a network such as 10\.0\.0\.0"):
        TrustedProxies(name)


async def test_middleware_trusts_this_machine_unless_told_otherwise() -> None:
    seen: list[object] = []

    async def handler(conn: Connection, receive: Receive, send: Send) -> None:
        seen.append(conn.client)

    async def receive() -> object: ...
    async def send(message: object) -> None: ...

    for client in (("127.0.0.1", 5), ("192.0.2.66", 5)):
        conn = request(("x-forwarded-for", "192.0.2.1"), client=client)
        await TrustedProxy()(conn, receive, send, handler)  # type: ignore[arg-type]
    assert seen == [("192.0.2.1", 0), ("192.0.2.66", 5)]
