"""The one list of cases: a request, and the answer that every direction has to give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx

TEXT = "text/plain; charset=utf-8"
BINARY = "application/octet-stream"
BLOB = bytes(range(256)) * 512


@dataclass(frozen=True)
class Case:
    """One request and what its answer must look like.

    Attributes:
        name: How the test is called.
        target: The request's target.
        method: The request's method.
        status: The answer's status.
        body: The answer's content; None where every framework has words of its own.
        headers: Fields that the answer must have with this value; None: must not have.
        content: The request's content.
        chunked: Send the content in chunks of unknown number.
        fields: Fields of the request.
        not_for: Applications whose framework decides otherwise, wherever it runs.
    """

    name: str
    target: str
    method: str = "GET"
    status: int = 200
    body: bytes | None = b""
    headers: dict[str, str | None] = field(default_factory=dict)
    content: bytes = b""
    chunked: bool = False
    fields: tuple[tuple[str, str], ...] = ()
    not_for: tuple[str, ...] = ()

    def send(self, client: httpx.Client) -> httpx.Response:
        """Send the request."""
        content = _in_chunks(self.content) if self.chunked else self.content or None
        return client.request(self.method, self.target, content=content, headers=list(self.fields))


def _in_chunks(content: bytes) -> Iterator[bytes]:
    for at in range(0, len(content), 5000):
        yield content[at : at + 5000]


def text(body: str) -> dict[str, str | None]:
    return {"content-type": TEXT, "content-length": str(len(body.encode()))}


CASES = [
    Case("text", "/", body=b"hello", headers={**text("hello"), "x-app": "yes"}),
    Case("query_unknown", "/?a=b", body=b"hello"),
    Case("json", "/json", body='{"hello":"wörld"}'.encode(), headers={"content-length": "18"}),
    Case("path_and_query", "/items/7?q=a%20b", body=b'{"item":7,"q":"a b"}'),
    Case("percent_encoded_path", "/names/a%20b%C3%A9", body="a bé".encode()),
    Case("repeated_field", "/fields", body=b'["1","2"]', fields=(("x-a", "1"), ("X-A", "2"))),
    Case("head", "/", "HEAD", headers={**text("hello"), "x-app": "yes"}, not_for=("litestar_app",)),
    Case("echo_nothing", "/echo", "POST", headers={"content-length": "0", "content-type": BINARY}),
    Case("echo_small", "/echo", "POST", content=b"abc", body=b"abc"),
    Case(
        "echo_large", "/echo", "POST", content=BLOB, body=BLOB,
        headers={"content-length": str(len(BLOB)), "content-type": BINARY},
    ),
    Case("echo_chunked", "/echo", "POST", content=BLOB, chunked=True, body=BLOB),
    Case("count_chunked", "/count", "POST", content=BLOB, chunked=True, body=b"131072"),
    Case("count_counted", "/count", "POST", content=BLOB, body=b"131072"),
    Case("unread_content", "/missing", "POST", content=b"abc", status=404, body=None),
    Case("no_content", "/empty", status=204, headers={"transfer-encoding": None}),
    Case("large", "/large", body=b"x" * 262144, headers={"content-length": "262144"}),
    Case("redirect", "/elsewhere", status=307, body=None, headers={"location": "/"}),
    Case(
        "streamed", "/parts", body=b"0\n1\n2\n",
        headers={"content-type": TEXT, "content-length": None, "transfer-encoding": "chunked"},
    ),
    Case("two_cookies", "/cookies", body=b""),
    Case("lifespan_state", "/state", body=b"started"),
    Case("not_found", "/missing", status=404, body=None),
    Case("wrong_type_in_path", "/items/x", status=404, body=None, not_for=("fastapi_app", )),
    Case("method_not_allowed", "/echo", "GET", status=405, body=None),
    Case("handler_error", "/boom", status=500, body=None),
]  # fmt: skip
