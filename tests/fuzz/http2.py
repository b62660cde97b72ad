"""Fuzz target: the HTTP/2 machine raises nothing, and no cut changes what it reports and answers.

The input is what a client says after its preface. ``python -m tests.fuzz.http2
tests/fuzz/corpus/http2`` runs it under atheris, where that is installed; the corpus is replayed by
``test_replay_http2.py``.
"""

from __future__ import annotations

import sys

from blackbull.protocol.http2 import PREFACE
from tests.property.test_http2_laws import check_credit, new_machine, run

GREETING = PREFACE + bytes.fromhex("000000040000000000")
PORTION = 150


def check(data: bytes) -> list[object]:
    """Feed *data* whole, byte by byte, and in portions to an application that answers.

    Raises:
        AssertionError: a law is broken.
        Exception: whatever the machine should not have raised.
    """
    wire = GREETING + data
    whole = new_machine()
    expected = run(whole, [wire], answer=False)
    assert run(new_machine(), [wire[at : at + 1] for at in range(len(wire))], answer=False) == (
        expected
    )
    portions = [wire[at : at + PORTION] for at in range(0, len(wire), PORTION)]
    answering = new_machine()
    run(answering, portions, answer=True)
    for machine in (whole, answering):
        if not machine.failed:
            check_credit(machine)
    return expected[0]


def main() -> None:
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, lambda data: check(data) and None)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
