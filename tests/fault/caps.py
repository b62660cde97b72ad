"""Reading the limit log."""

from __future__ import annotations

import pytest


def caps(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the limits that fired, in order."""
    return [record.cap for record in caplog.records if record.name == "blackbull.caps"]


def cap_record(caplog: pytest.LogCaptureFixture, name: str) -> dict[str, object]:
    """Return the one record of the limit *name*."""
    (record,) = [
        r for r in caplog.records if r.name == "blackbull.caps" and r.__dict__["cap"] == name
    ]
    assert record.levelname == "WARNING"
    assert record.__dict__["peer"].startswith("127.0.0.1:")
    return record.__dict__
