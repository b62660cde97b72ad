"""Fuzz target: the PROXY header is read or refused, and no cut changes which.

``python -m tests.fuzz.proxy tests/fuzz/corpus/proxy`` runs it under atheris, where that is
installed; the corpus is replayed by ``test_replay_proxy.py``.
"""

from __future__ import annotations

import sys

from blackbull.protocol.proxy import ProxyHeader, encode_v1, encode_v2
from tests.property.test_proxy_laws import observe


def check(data: bytes) -> str:
    """Feed *data* whole and byte by byte; write what was read, and read it again.

    Returns:
        How it ends: ``v1``, ``v2``, ``open``, ``refused`` or ``limit``.

    Raises:
        AssertionError: a law is broken.
        Exception: whatever the machine should not have raised.
    """
    kind, found, rest = whole = observe([data])
    assert observe([bytes((octet,)) for octet in data]) == whole
    if isinstance(found, ProxyHeader):
        assert data.endswith(rest)
        encode = encode_v1 if found.version == 1 else encode_v2
        # A checksum is another one afterwards, and a path that is no UTF-8 is written escaped.
        if not any(each == 3 for each, _ in found.extensions) and "\\" not in str(found.source):
            assert "\\" in str(found.destination) or observe([encode(found) + rest]) == whole
    return kind


def main() -> None:
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, lambda data: check(data) and None)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
