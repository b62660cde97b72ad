"""The committed corpus, replayed; a file's name says what the machine makes of it.

``<how it ends>-<what it is>``: the close code of the violation, ``close``, or ``open``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.websocket import check

CORPUS = sorted((Path(__file__).parent / "corpus" / "websocket").iterdir())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_websocket_corpus_ends_as_its_name_says(path: Path) -> None:
    seen = check(path.read_bytes())
    last = seen[-1] if seen else ""
    end = "open"
    if isinstance(last, tuple) and last[0] in {"close", "violation"}:
        end = "close" if last[0] == "close" else str(last[1])
    assert end == path.name.partition("-")[0]


def test_websocket_corpus_is_there() -> None:
    assert len(CORPUS) >= 40
