"""How many connections are let in, and that nobody is remembered who is gone."""

from __future__ import annotations

from typing import cast

import pytest

from blackbull.abc import Address, Refusal
from blackbull.log import LimitLog
from blackbull.server.admission import OVERTIME, Admission, Excess, origin_of
from blackbull.transport.socket_protocol import SocketProtocol


class View:
    """A connection, as far as it is counted."""

    def __init__(self, peername: Address | None) -> None:
        self.peername = peername


class House:
    """Connections, and who lets them in."""

    def __init__(self, most: int, per_address: int = 0) -> None:
        self.connections: set[object] = set()
        self.admission = Admission(
            self.connections,
            max_connections=most,
            max_per_address=per_address,
            limits=LimitLog(),
        )

    def enter(self, peer: Address | None) -> tuple[SocketProtocol, Excess | None]:
        view = cast(SocketProtocol, View(peer))
        self.connections.add(view)
        return view, self.admission.enter(view)

    def leave(self, view: SocketProtocol) -> None:
        self.connections.discard(view)
        self.admission.leave(view)


@pytest.mark.parametrize(
    ("peer", "origin"),
    [
        (("192.0.2.1", 1), "192.0.2.1"),
        (("2001:db8:1:2:3:4:5:6", 1), bytes.fromhex("20010db800010002")),
        (("2001:db8:1:2::", 1), bytes.fromhex("20010db800010002")),
        (("fe80::1%eth0", 1), bytes.fromhex("fe80000000000000")),
        (("no:address", 1), "no:address"),
        (("/run/peer", None), None),
        (None, None),
    ],
)
def test_origin_is_what_one_client_has(peer: Address | None, origin: object) -> None:
    assert origin_of(peer) == origin


def test_connections_altogether_are_bounded() -> None:
    house = House(2)
    first, excess = house.enter(None)
    assert (excess, house.enter(None)[1]) == (None, None)
    third, excess = house.enter(None)
    assert excess == Excess("max_connections", 3, 2)
    house.leave(third)
    house.leave(first)
    assert house.enter(None)[1] is None


def test_connections_of_one_address_are_bounded() -> None:
    house = House(100, 2)
    views = [house.enter(("192.0.2.1", port))[0] for port in range(2)]
    one_too_many, excess = house.enter(("192.0.2.1", 9))
    assert excess == Excess("max_connections_per_address", 3, 2, Refusal.CROWDED)
    assert house.enter(("192.0.2.2", 1))[1] is None
    for view in (*views, one_too_many):
        house.leave(view)
    assert house.enter(("192.0.2.1", 1))[1] is None
    assert len(house.admission.origins) == 2


def test_networks_of_64_bits_count_as_one_address_and_unix_sockets_as_none() -> None:
    house = House(100, 1)
    assert house.enter(("2001:db8::1", 1))[1] is None
    assert house.enter(("2001:db8::2:3", 1))[1] is not None
    assert house.enter(("2001:db8:0:1::1", 1))[1] is None
    assert [house.enter(None)[1] for _ in range(3)] == [None] * 3
    assert len(house.admission.origins) == 2


def test_addresses_are_forgotten_when_their_connections_end() -> None:
    house = House(10_000, 5)
    views = [house.enter((f"10.0.{n >> 8}.{n & 255}", 1))[0] for n in range(2000)]
    assert len(house.admission.origins) == 2000
    for view in views:
        house.leave(view)
    assert len(house.admission.origins) == 0


def test_addresses_are_not_even_asked_for_where_they_do_not_matter() -> None:
    house = House(10)
    view = cast(SocketProtocol, object())
    house.connections.add(view)
    assert house.admission.enter(view) is None
    house.leave(view)


def test_handshakes_count_and_have_a_little_more_room(caplog: pytest.LogCaptureFixture) -> None:
    house = House(100, 1)
    peer = ("192.0.2.1", 1)
    opened = [house.admission.opens(peer, protocol="tls") for _ in range(OVERTIME + 2)]
    assert opened == [True] * (OVERTIME + 1) + [False]
    assert [r.__dict__["cap"] for r in caplog.records] == ["max_connections_per_address"]
    for _ in opened:
        house.admission.opened(peer)
    assert len(house.admission.origins) == 0
    house = House(1)
    opened = [house.admission.opens(None, protocol="tls") for _ in range(OVERTIME + 2)]
    assert opened == [True] * (OVERTIME + 1) + [False]
