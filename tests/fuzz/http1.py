"""Fuzz target: the HTTP/1.1 machine raises what it documents, and no cut changes what it reports.

``python -m tests.fuzz.http1 tests/fuzz/corpus/http1`` runs it under atheris, where that is
installed; the corpus is replayed by ``test_replay.py``.
"""

from __future__ import annotations

import sys

from tests.property.driver import LIMITS, observe


def check(data: bytes) -> list[tuple[object, ...]]:
    """Feed *data* whole and byte by byte.

    Raises:
        AssertionError: a law is broken.
        Exception: whatever the machine should not have raised.
    """
    whole, _ = observe([data])
    bytewise, held = observe([bytes([byte]) for byte in data])
    assert held <= LIMITS.max_header_total + 4
    assert bytewise[:-1] == whole[:-1]
    assert bytewise[-1][0] == whole[-1][0]
    return whole


def main() -> None:
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, lambda data: check(data) and None)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
