"""The committed corpus, replayed; a file's name says what the machine makes of it.

``<how it ends>-<what it is>``: the status of the refusal, ``open``, or ``close``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.http1 import check

CORPUS = sorted((Path(__file__).parent / "corpus" / "http1").iterdir())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_http1_corpus_ends_as_its_name_says(path: Path) -> None:
    kind, value = check(path.read_bytes())[-1]
    end = {True: "open", False: "close"}[value] if kind == "end" else str(value)
    assert end == path.name.partition("-")[0]


def test_http1_corpus_is_there() -> None:
    assert len(CORPUS) >= 60
