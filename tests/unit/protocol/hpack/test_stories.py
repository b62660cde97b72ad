"""Header blocks that real clients sent, connection by connection; record.py made them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blackbull.protocol.hpack import Decoder
from tests.spec import spec

STORIES = sorted(Path(__file__).parent.joinpath("stories").glob("*.json"))


@spec("RFC 7541 §2.2")
@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story_means_what_it_meant_to_the_package(path: Path) -> None:
    blocks = json.loads(path.read_text())["blocks"]
    decoder = Decoder()
    assert blocks
    for block in blocks:
        fields = [
            [name.decode("latin-1"), value.decode("latin-1")]
            for name, value in decoder.decode(bytes.fromhex(block["wire"]))
        ]
        assert fields == block["fields"]
