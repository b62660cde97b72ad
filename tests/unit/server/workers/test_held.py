"""Sockets that are kept for workers that come and go."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from blackbull.errors import ConfigurationError
from blackbull.server.workers.held import HeldSockets, Key
from blackbull.transport.where import Tcp, Unix

HTTP: Key = (Tcp(0), "http", 0)
RAW: Key = (Tcp(0), "raw", 0)


@pytest.fixture(params=[True, False], ids=["apart", "together"])
def held(request: pytest.FixtureRequest) -> Iterator[HeldSockets]:
    sockets = HeldSockets(apart=request.param)
    yield sockets
    sockets.close()


@pytest.fixture
def apart() -> Iterator[HeldSockets]:
    sockets = HeldSockets(apart=True)
    yield sockets
    sockets.close()


def port(sockets: list[socket.socket]) -> int:
    return sockets[0].getsockname()[1]


def test_any_free_port_is_the_same_for_all_workers_and_other_for_other_things(
    held: HeldSockets,
) -> None:
    http = [port(held.open(HTTP, backlog=8, slot=slot)) for slot in (0, 1, 2, 0)]
    assert len(set(http)) == 1
    assert port(held.open(RAW, backlog=8, slot=0)) != http[0]


def test_workers_have_queues_of_their_own(apart: HeldSockets) -> None:
    queues = [apart.open(HTTP, backlog=64, slot=slot)[0] for slot in range(3)]
    peers = [socket.create_connection(queues[0].getsockname()) for _ in range(60)]
    waiting = []
    for queue in queues:
        accepted = 0
        while True:
            try:
                queue.accept()[0].close()
            except BlockingIOError:
                break
            accepted += 1
        waiting.append(accepted)
    for peer in peers:
        peer.close()
    assert sum(waiting) == 60
    assert min(waiting) > 0
    assert {(key, slot) for key, slot, _ in apart.apart()} == {(HTTP, 0), (HTTP, 1), (HTTP, 2)}


def test_workers_share_a_queue_where_they_must(tmp_path: Path) -> None:
    held = HeldSockets(apart=True)
    unix: Key = (Unix(str(tmp_path / "app.sock")), "http", 0)
    assert held.open(unix, backlog=8, slot=0) == held.open(unix, backlog=8, slot=1)
    assert held.apart() == []
    held.close()
    assert not (tmp_path / "app.sock").exists()


def test_ipv6_is_shared_as_it_was_opened(apart: HeldSockets) -> None:
    every: Key = (Tcp(0, "::"), "http", 0)
    first, second = (apart.open(every, backlog=8, slot=slot)[0] for slot in (0, 1))
    assert first.getsockname() == second.getsockname()
    assert first.family == second.family


@pytest.mark.parametrize("shared", [True, False])
def test_port_in_use_is_found_although_ports_are_shared(apart: HeldSockets, shared: bool) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=shared) as taken:
        key: Key = (Tcp(taken.getsockname()[1]), "http", 0)
        with pytest.raises(ConfigurationError, match="in use"):
            apart.open(key, backlog=8, slot=0)


def test_what_is_not_wanted_any_more_is_closed(held: HeldSockets) -> None:
    for slot in (0, 1):
        held.open(HTTP, backlog=8, slot=slot)
    taken = port(held.open(RAW, backlog=8, slot=0))
    http = port(held.open(HTTP, backlog=8, slot=0))
    held.keep([HTTP])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", taken))
    socket.create_connection(("127.0.0.1", http)).close()


def test_closing_leaves_no_descriptor() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for close in (HeldSockets.close, HeldSockets.let_go):
        held = HeldSockets(apart=True)
        for slot in (0, 1):
            held.open(HTTP, backlog=8, slot=slot)
        close(held)
        assert len(os.listdir("/proc/self/fd")) == before


def test_copy_lets_go_and_the_unix_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    held = HeldSockets(apart=True)
    held.open((Unix(str(path)), "http", 0), backlog=8, slot=0)
    held.let_go()
    assert path.exists()
