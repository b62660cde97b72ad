"""WebSockets behave the same, whoever wrote the application's framework and whoever serves it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.hosting.servers import Servers
from tests.spec import spec

OURS = ["ours@blackbull", "ours@uvicorn", "ours@hypercorn", "ours@granian"]
THEIRS = [
    f"{app}@{server}"
    for app in ("starlette_app", "fastapi_app", "litestar_app")
    for server in ("blackbull", "uvicorn")
]
DIRECTIONS = [*OURS, *THEIRS]
# Litestar has no word for the denial response.
DENYING = [each for each in DIRECTIONS if not each.startswith("litestar")]
WITHOUT_FIELDS = {"ours@granian"}
WITHOUT_CODES = {"ours@hypercorn"}
BLOB = bytes(range(256)) * 1024


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with Servers(tmp_path_factory.mktemp("servers")) as running:
        for direction in DIRECTIONS:
            running.start(direction)
        yield running


@pytest.fixture
def base(servers: Servers, direction: str) -> str:
    return f"ws://127.0.0.1:{servers.port(direction)}"


def end_of(socket: ClientConnection) -> Close:
    """Return how the server closed *socket*."""
    with pytest.raises(ConnectionClosed) as caught:
        socket.recv(timeout=20)
    assert caught.value.rcvd is not None
    return caught.value.rcvd


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_messages_in_every_direction_come_back(base: str) -> None:
    with connect(f"{base}/ws/echo") as socket:
        assert socket.response is not None
        assert "sec-websocket-protocol" not in socket.response.headers
        for message in ("hello", "wörld €", "", b"\x00\xff", b"", "x" * 70000, BLOB):
            socket.send(message)
            assert socket.recv(timeout=20) == message


@pytest.mark.parametrize("direction", [each for each in DIRECTIONS if each not in WITHOUT_FIELDS])
def test_fields_of_the_accept_in_every_direction_reach_the_client(base: str) -> None:
    with connect(f"{base}/ws/echo") as socket:
        assert socket.response is not None
        assert socket.response.headers["x-app"] == "yes"


@spec("RFC 6455 §5.4", "fragmentation")
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_fragments_in_every_direction_are_one_message(base: str) -> None:
    with connect(f"{base}/ws/echo") as socket:
        socket.send(["hel", "lo", ""])
        assert socket.recv(timeout=20) == "hello"


@spec("RFC 6455 §7.1.5", "the close code")
@pytest.mark.parametrize("direction", [each for each in DIRECTIONS if each not in WITHOUT_CODES])
def test_close_of_the_client_reaches_the_handler(
    base: str, direction: str, servers: Servers
) -> None:
    with connect(f"{base}/ws/echo") as socket:
        socket.close(4005, "tired")
    answer = httpx.get(f"http://127.0.0.1:{servers.port(direction)}/ws/closed", timeout=20)
    code, _, reason = answer.text.partition(" ")
    assert code == "4005"
    # Not every host passes the reason on.
    assert reason in {"tired", ""} or direction == "ours@granian"


@spec("RFC 6455 §1.9", "subprotocol")
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(("offer", "chosen"), [(["chat", "stomp"], "chat"), (["stomp"], "stomp")])
def test_subprotocol_in_every_direction_is_the_first_that_is_known(
    base: str, offer: list[str], chosen: str
) -> None:
    with connect(f"{base}/ws/echo", subprotocols=[Subprotocol(name) for name in offer]) as socket:
        assert socket.subprotocol == chosen


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_handler_in_every_direction_sees_its_scope_and_closes(base: str) -> None:
    with connect(f"{base}/ws/full/a%20b") as socket:
        assert socket.recv(timeout=20) == "websocket /ws/full/a b a b ws"
        assert end_of(socket) == Close(4001, "enough")


@pytest.mark.parametrize("direction", DENYING)
def test_denial_in_every_direction_is_a_response(base: str) -> None:
    with pytest.raises(InvalidStatus) as caught, connect(f"{base}/ws/deny"):
        pass
    response = caught.value.response
    assert (response.status_code, response.body) == (418, b"short")
    assert response.headers["x-app"] == "no"
    assert response.headers["content-length"] == "5"


@spec("RFC 6455 §4.2.2", "a handshake that is not accepted")
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_close_before_accept_in_every_direction_is_a_403(base: str) -> None:
    with pytest.raises(InvalidStatus) as caught, connect(f"{base}/ws/close"):
        pass
    assert caught.value.response.status_code == 403


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_unknown_path_in_every_direction_is_refused(base: str, direction: str) -> None:
    with pytest.raises(InvalidStatus) as caught, connect(f"{base}/ws/missing"):
        pass
    assert caught.value.response.status_code == (404 if direction in OURS else 403)


# Litestar closes with a code of its own.
@pytest.mark.parametrize("direction", [*OURS, "starlette_app@blackbull", "fastapi_app@blackbull"])
def test_handler_that_raises_is_closed_with_1011(base: str) -> None:
    with connect(f"{base}/ws/boom") as socket:
        assert end_of(socket).code == 1011


@spec("RFC 6455 §7.4.1", "1009")
@pytest.mark.parametrize("direction", OURS)
def test_message_too_big_for_its_route_is_closed_with_1009(base: str) -> None:
    with connect(f"{base}/ws/small") as socket:
        socket.send("x" * 1000)
        assert len(socket.recv(timeout=20)) == 1000
        socket.send("x" * 1001)
        assert end_of(socket).code == 1009
