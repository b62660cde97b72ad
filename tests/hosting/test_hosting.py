"""The same application, whoever wrote its framework and whoever serves it, answers the same."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import httpx
import pytest

from tests.hosting.cases import CASES, Case
from tests.hosting.servers import Servers

OURS = ["ours@blackbull", "ours@uvicorn", "ours@hypercorn", "ours@granian"]
THEIRS = [
    f"{app}@{server}"
    for app in ("starlette_app", "fastapi_app", "litestar_app")
    for server in ("blackbull", "uvicorn")
]
DIRECTIONS = [*OURS, *THEIRS]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with Servers(tmp_path_factory.mktemp("servers")) as running:
        for direction in DIRECTIONS:
            running.start(direction)
        yield running


@pytest.fixture(scope="module")
def clients(servers: Servers) -> Iterator[dict[str, httpx.Client]]:
    made = {
        each: httpx.Client(base_url=f"http://127.0.0.1:{servers.port(each)}", timeout=20)
        for each in DIRECTIONS
    }
    yield made
    for client in made.values():
        client.close()


@pytest.fixture
def client(clients: dict[str, httpx.Client], direction: str) -> httpx.Client:
    return clients[direction]


@pytest.mark.parametrize(
    ("direction", "case"),
    [
        pytest.param(direction, case, id=f"{direction}-{case.name}")
        for direction in DIRECTIONS
        for case in CASES
        if direction.partition("@")[0] not in case.not_for
    ],
)
def test_answer_in_every_direction_is_the_same(client: httpx.Client, case: Case) -> None:
    answer = case.send(client)
    assert answer.status_code == case.status
    if case.body is not None:
        assert answer.content == case.body
    for name, value in case.headers.items():
        assert answer.headers.get(name) == value


# What a server adds of its own, and what its connections do.
SERVERS_FIELDS = {"date", "server", "connection"}


def comparable(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    fields = [(k, v) for k, v in answer.headers.multi_items() if k not in SERVERS_FIELDS]
    return answer.status_code, sorted(fields), answer.content


@pytest.mark.parametrize(
    ("direction", "reference", "case"),
    [
        pytest.param(each, reference, case, id=f"{each}-{case.name}")
        for reference, others in (
            ("ours@blackbull", OURS[1:]),
            *((each.replace("blackbull", "uvicorn"), [each]) for each in THEIRS[::2]),
        )
        for each in others
        for case in CASES
    ],
)
def test_answer_on_another_server_has_the_same_fields(
    client: httpx.Client, clients: dict[str, httpx.Client], reference: str, case: Case
) -> None:
    assert comparable(case.send(client)) == comparable(case.send(clients[reference]))


@pytest.mark.parametrize("direction", OURS)
@pytest.mark.parametrize(("size", "status"), [(10, 200), (11, 413)])
@pytest.mark.parametrize("chunked", [False, True])
def test_content_on_every_server_is_bounded_by_its_route(
    client: httpx.Client, size: int, status: int, chunked: bool
) -> None:
    answer = Case("small", "/small", "POST", content=b"x" * size, chunked=chunked).send(client)
    assert answer.status_code == status


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_method_not_allowed_in_every_direction_names_the_allowed(client: httpx.Client) -> None:
    allowed = client.get("/echo").headers["allow"].split(", ")
    assert "POST" in allowed
    assert "GET" not in allowed


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_cookies_in_every_direction_stay_separate_fields(client: httpx.Client) -> None:
    values = client.get("/cookies").headers.get_list("set-cookie")
    assert [value.partition(";")[0] for value in values] == ["a=1", "b=2"]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_connection_in_every_direction_is_kept(client: httpx.Client, direction: str) -> None:
    """An answer that was read to its end leaves the connection usable."""
    local = []
    for target in ("/", "/parts", "/empty", "/missing"):
        with client.stream("GET", target) as answer:
            answer.read()
            stream = answer.extensions["network_stream"]
            local.append(stream.get_extra_info("socket").getsockname())
    assert len(set(local)) == 1


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_client_that_leaves_a_stream_ends_its_handler(
    client: httpx.Client, servers: Servers, direction: str
) -> None:
    with socket.create_connection(("127.0.0.1", servers.port(direction)), timeout=20) as sock:
        sock.sendall(b"GET /endless HTTP/1.1\r\nhost: a\r\n\r\n")
        received = b""
        while b"\n\r\n" not in received.partition(b"\r\n\r\n")[2]:
            received += sock.recv(65536)
        # Reset, not just ended: a client that only ends its own side may still read.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert client.get("/left").text == "left"


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_client_that_leaves_amid_its_content_harms_nobody(
    client: httpx.Client, servers: Servers, direction: str
) -> None:
    with socket.create_connection(("127.0.0.1", servers.port(direction)), timeout=20) as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf")
    assert client.get("/").text == "hello"
