"""The committed corpus, replayed; a file's name says what the machine makes of it.

``<how it ends>-<what it is>``: ``connection`` or ``stream`` with the error's code, or ``open``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.http2 import check

CORPUS = sorted((Path(__file__).parent / "corpus" / "http2").iterdir())
ENDS = {"ConnectionFailed": "connection", "StreamFailed": "stream"}


def ending(events: list[object]) -> str:
    """Return how a connection ends whose events were described."""
    for event in reversed(events):
        assert isinstance(event, tuple)
        if event[0] in ENDS:
            (error,) = [part for part in event[1] if isinstance(part, tuple)]
            return f"{ENDS[event[0]]}{error[1]}"
    return "open"


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_http2_corpus_ends_as_its_name_says(path: Path) -> None:
    assert ending(check(path.read_bytes())) == path.name.partition("-")[0]


def test_http2_corpus_is_there() -> None:
    assert len(CORPUS) >= 100
