"""Opening places to listen: what opens, and what is said when it does not."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from blackbull.errors import ConfigurationError
from blackbull.transport.sockets import OwnSockets, describe, open_sockets
from blackbull.transport.where import InheritedFd, Tcp, Unix, Where


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def opened(closing: ExitStack, where: Where) -> list[socket.socket]:
    return [closing.enter_context(sock) for sock in open_sockets(where)]


def connects(closing: ExitStack, sock: socket.socket) -> bool:
    client = closing.enter_context(socket.socket(sock.family, socket.SOCK_STREAM))
    try:
        client.connect(sock.getsockname())
    except OSError:
        return False
    return True


def trouble(where: Where) -> str:
    with pytest.raises(ConfigurationError) as caught:
        open_sockets(where)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("host", "family", "text"),
    [
        ("127.0.0.1", socket.AF_INET, "127.0.0.1"),
        ("::1", socket.AF_INET6, "[::1]"),
        ("[::1]", socket.AF_INET6, "[::1]"),
    ],
)
def test_tcp_address_with_a_free_port_listens(
    closing: ExitStack, host: str, family: int, text: str
) -> None:
    (sock,) = opened(closing, Tcp(0, host=host))
    port = sock.getsockname()[1]
    assert sock.family == family
    assert port > 0
    assert not sock.getblocking()
    assert not sock.get_inheritable()
    assert describe(sock) == f"{text}:{port}"
    assert connects(closing, sock)


@pytest.mark.parametrize("host", ["", "*", "::"])
def test_tcp_every_interface_speaks_both_families(closing: ExitStack, host: str) -> None:
    (sock,) = opened(closing, Tcp(0, host=host))
    port = sock.getsockname()[1]
    assert describe(sock) == f"*:{port}"
    for address in ("127.0.0.1", "::1"):
        closing.enter_context(socket.create_connection((address, port), timeout=5))


def test_tcp_name_listens_on_its_addresses_with_one_port(closing: ExitStack) -> None:
    socks = opened(closing, Tcp(0, host="localhost"))
    assert len({sock.getsockname()[1] for sock in socks}) == 1
    assert all(connects(closing, sock) for sock in socks)


def test_tcp_port_in_use_says_how_to_mend_it(closing: ExitStack) -> None:
    (sock,) = opened(closing, Tcp(0))
    port = sock.getsockname()[1]
    line = trouble(Tcp(port))
    assert line == (
        f"cannot listen on 127.0.0.1:{port}: the port is in use; "
        "stop the program that uses it or choose another port"
    )


def test_tcp_port_just_closed_can_be_listened_to_again(closing: ExitStack) -> None:
    (sock,) = open_sockets(Tcp(0))
    port = sock.getsockname()[1]
    client = closing.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
    served, _ = sock.accept()
    served.close()  # we close first: TIME_WAIT is ours
    sock.close()
    assert client.recv(1) == b""
    opened(closing, Tcp(port))


@pytest.mark.parametrize(
    ("where", "part"),
    [
        (Tcp(65536), "65536 is no port"),
        (Tcp(-1), "-1 is no port"),
        (Tcp(0, host="192.0.2.7"), "has no such address"),
        (Tcp(0, host="no-such-host.invalid"), "is no address of this machine"),
        (Tcp(0, host="a" * 64), "is no address of this machine"),
    ],
)
def test_tcp_impossible_place_says_how_to_mend_it(where: Tcp, part: str) -> None:
    assert part in trouble(where)


def test_unix_path_is_for_owner_and_group_only(closing: ExitStack, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    before = os.umask(0o022)
    os.umask(before)
    (sock,) = opened(closing, Unix(str(path)))
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    after = os.umask(before)
    assert after == before
    assert describe(sock) == f"unix:{path}"
    assert connects(closing, sock)


def test_unix_mode_is_the_one_that_is_asked_for(closing: ExitStack, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    opened(closing, Unix(str(path), mode=0o606, group=str(os.getgid())))
    assert stat.S_IMODE(path.stat().st_mode) == 0o606
    assert path.stat().st_gid == os.getgid()


def test_unix_group_that_is_not_there_leaves_no_file(tmp_path: Path) -> None:
    where = Unix(str(tmp_path / "app.sock"), group="no-such-group")
    assert "there is no group 'no-such-group'" in trouble(where)
    assert list(tmp_path.iterdir()) == []


def test_unix_stale_socket_is_replaced(closing: ExitStack, tmp_path: Path) -> None:
    path = str(tmp_path / "app.sock")
    (dead,) = open_sockets(Unix(path))
    dead.close()
    (sock,) = opened(closing, Unix(path))
    assert connects(closing, sock)


def test_unix_socket_in_use_is_left_alone(closing: ExitStack, tmp_path: Path) -> None:
    path = str(tmp_path / "app.sock")
    (sock,) = opened(closing, Unix(path))
    assert "another program listens there" in trouble(Unix(path))
    assert connects(closing, sock)


def test_unix_path_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("keep me")
    assert "is no socket" in trouble(Unix(str(path)))
    assert path.read_text() == "keep me"


@pytest.mark.parametrize("name", ["missing/app.sock", "x" * 200])
def test_unix_impossible_path_says_how_to_mend_it(tmp_path: Path, name: str) -> None:
    assert "choose another path" in trouble(Unix(str(tmp_path / name)))


def test_unix_file_is_removed_when_listening_ends(tmp_path: Path) -> None:
    where = Unix(str(tmp_path / "app.sock"))
    sockets = OwnSockets()
    (sock,) = sockets.open(where, backlog=1, name="http")
    sock.close()
    sockets.release(where)
    sockets.release(where)
    assert list(tmp_path.iterdir()) == []


def test_unix_file_is_found_from_another_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sockets = OwnSockets()
    (sock,) = sockets.open(Unix("app.sock"), backlog=1, name="http")
    monkeypatch.chdir("/")
    sock.close()
    sockets.release(Unix("app.sock"))
    assert list(tmp_path.iterdir()) == []


def test_unix_file_of_another_program_is_left_alone(closing: ExitStack, tmp_path: Path) -> None:
    where = Unix(str(tmp_path / "app.sock"))
    sockets = OwnSockets()
    (mine,) = sockets.open(where, backlog=1, name="http")
    (tmp_path / "app.sock").unlink()
    (theirs,) = opened(closing, where)
    mine.close()
    sockets.release(where)
    assert connects(closing, theirs)


def test_inherited_fd_that_listens_is_taken(closing: ExitStack) -> None:
    (parent,) = open_sockets(Tcp(0))
    port = parent.getsockname()[1]
    (sock,) = opened(closing, InheritedFd(parent.detach()))
    assert describe(sock) == f"127.0.0.1:{port}"
    assert connects(closing, sock)


def test_inherited_fd_by_a_name_that_nobody_gave_is_refused() -> None:
    assert trouble(InheritedFd("web")).startswith("fd://web: systemd has passed no socket")


def test_inherited_fd_closed_says_so() -> None:
    fd = os.open(os.devnull, os.O_RDONLY)
    os.close(fd)
    assert trouble(InheritedFd(fd)).startswith(f"fd://{fd} is no open socket")


def test_inherited_fd_of_a_datagram_socket_is_refused_and_left_open() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert "no stream socket" in trouble(InheritedFd(sock.fileno()))
        assert sock.getsockname() == ("0.0.0.0", 0)
