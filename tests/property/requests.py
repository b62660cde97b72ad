"""Strategies: requests that are valid, and bytes that nearly are."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0189!#$%&'*+-.^_`|~", min_size=1, max_size=12)
VALUE = st.text("".join(map(chr, range(0x21, 0x7F))) + " \t", max_size=20).map(
    lambda text: text.strip(" \t")
)
TARGET = st.text("abcxyz019-._~/%20?&=", max_size=20).map(
    lambda text: "/" + text.replace("%", "%41")
)
OURS = {
    "host", "content-length", "transfer-encoding", "connection", "expect", "upgrade",
    "content-type",
}  # fmt: skip
FIELDS = st.lists(
    st.tuples(TOKEN, VALUE).filter(lambda pair: pair[0].lower().replace("_", "-") not in OURS),
    max_size=5,
)


@dataclass
class Sample:
    """A request, as a client would say it."""

    method: str
    target: str
    fields: list[tuple[str, str]]
    content: list[bytes]
    chunked: bool
    trailers: list[tuple[str, str]]

    def wire(self) -> bytes:
        lines = [f"{self.method} {self.target} HTTP/1.1", "Host: example.com"]
        lines += [f"{name}: {value}" for name, value in self.fields]
        content = b"".join(self.content)
        if self.chunked:
            lines.append("Transfer-Encoding: chunked")
            chunks = [b"%X\r\n%b\r\n" % (len(part), part) for part in self.content if part]
            trailers = "".join(f"{name}: {value}\r\n" for name, value in self.trailers)
            content = b"".join(chunks) + b"0\r\n" + trailers.encode() + b"\r\n"
        elif content:
            lines.append(f"Content-Length: {len(content)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    chunked = draw(st.booleans())
    return Sample(
        method=draw(
            st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "M-SEARCH", "HEAD"])
        ),
        target=draw(TARGET),
        fields=draw(FIELDS),
        content=draw(st.lists(st.binary(max_size=40), max_size=4)),
        chunked=chunked,
        trailers=draw(
            st.lists(st.tuples(st.sampled_from(["X-Sum", "x-b", "Etag"]), VALUE), max_size=2)
        )
        if chunked
        else [],
    )


FRAGMENTS = st.sampled_from(
    [
        b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" ", b"\t", b":", b",", b";", b"\x00", b"\xff", b"0",
        b"0\r\n\r\n", b"5\r\nhello\r\n", b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.1\r\n",
        b"GET / HTTP/1.0\r\n", b"OPTIONS * HTTP/1.1\r\n", b"GET http://b/ HTTP/1.1\r\n",
        b"Host: a\r\n", b"Content-Length: 5\r\n", b"Content-Length: 3",
        b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n",
        b"Expect: 100-continue\r\n", b"X: y\r\n", b" folded\r\n",
        b"Content_Length: 5\r\n", b"hello", b"A" * 40, b"ffffffffffffffff\r\n", b"1;x=y\r\n",
    ]
)  # fmt: skip


def nearly_requests() -> st.SearchStrategy[bytes]:
    """Return bytes that look like requests, most of them broken somewhere."""
    valid = samples().map(Sample.wire)
    mutated = st.builds(
        lambda wire, at, cut, piece: (
            wire[: at % (len(wire) + 1)] + piece + wire[(at % (len(wire) + 1)) + cut :]
        ),
        valid,
        st.integers(0, 400),
        st.integers(0, 3),
        FRAGMENTS,
    )
    return st.one_of(
        mutated,
        st.lists(FRAGMENTS, max_size=14).map(b"".join),
        st.lists(st.one_of(mutated, valid), max_size=3).map(b"".join),
        st.binary(max_size=60),
    )
