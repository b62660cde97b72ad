"""Fuzz target: the MQTT codec raises what it documents, and no cut changes what it yields.

The first byte of the input is the protocol level, 4 or 5; the rest is the wire.
``python -m tests.fuzz.mqtt tests/fuzz/corpus/mqtt`` runs it under atheris, where that is
installed; the corpus is replayed by ``test_replay_mqtt.py``.
"""

from __future__ import annotations

import sys

from tests.property.mqtt_packets import observe

MAXIMUM = 4096


def check(data: bytes) -> list[object]:
    """Feed *data* whole and byte by byte, to a strict framer and to one that searches on.

    Raises:
        AssertionError: a law is broken.
        Exception: whatever the codec should not have raised.
    """
    level, wire = 4 if data[:1] == b"4" else 5, data[1:]
    whole: list[object] = []
    for strict in (False, True):
        whole, _ = observe([wire], strict=strict, level=level, maximum=MAXIMUM)
        bytewise, held = observe(
            [bytes([byte]) for byte in wire], strict=strict, level=level, maximum=MAXIMUM
        )
        assert bytewise == whole
        assert held < MAXIMUM
    return whole


def main() -> None:
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, lambda data: check(data) and None)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
