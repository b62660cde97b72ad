"""The committed corpus, replayed; a file's name says what the strict framer makes of it.

``<how it ends>-<what it is>``: the reason code of the refusal in hexadecimal, or ``open``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.mqtt import check

CORPUS = sorted((Path(__file__).parent / "corpus" / "mqtt").iterdir())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_mqtt_corpus_ends_as_its_name_says(path: Path) -> None:
    seen = check(path.read_bytes())
    last = seen[-1] if seen else None
    end = f"{last[0]:02x}" if isinstance(last, tuple) else "open"
    assert end == path.name.partition("-")[0]


def test_mqtt_corpus_is_there() -> None:
    assert len(CORPUS) >= 60
