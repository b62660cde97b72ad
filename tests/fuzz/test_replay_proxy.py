"""The committed corpus, replayed; a file's name says what the machine makes of it.

``<how it ends>-<what it is>``: ``v1``, ``v2``, ``open``, ``refused`` or ``limit``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.proxy import check

CORPUS = sorted((Path(__file__).parent / "corpus" / "proxy").iterdir())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_proxy_corpus_ends_as_its_name_says(path: Path) -> None:
    assert check(path.read_bytes()) == path.name.partition("-")[0]


def test_proxy_corpus_is_there() -> None:
    assert len(CORPUS) >= 40
