"""What is remembered of responses: an application may repeat in them what a client says."""

from __future__ import annotations

import pytest

from blackbull.protocol.http1 import render


def test_memories_of_responses_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    prefixes: dict[tuple[int, bytes, bool], bytes] = {}
    lines: dict[tuple[bytes, bytes], bytes] = {}
    monkeypatch.setattr(render, "_prefixes", prefixes)
    monkeypatch.setattr(render, "_lines", lines)
    for number in range(3000):
        value = b"%d" % number
        made = render.prefix(200, value, keep_alive=True)
        assert made.endswith(b"content-type: %b\r\ncontent-length: " % value)
        assert render.render_fields([(b"x", value)]) == b"x: %b\r\n" % value
        assert len(prefixes) <= 1024
        assert len(lines) <= 1024
    for length, kept in ((251, True), (252, False)):
        render.render_fields([(b"y", b"v" * length)])
        assert ((b"y", b"v" * length) in lines) is kept
