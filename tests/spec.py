"""The mark of a test that proves a clause of a standard."""

from __future__ import annotations

import pytest


def spec(clause: str, *details: str) -> pytest.MarkDecorator:
    """Mark a test with the *clause* that it proves, for example ``"RFC 9112 §6.3", "rule 3"``."""
    return pytest.mark.spec(clause, *details)
