"""The environment that child processes get: this one's, without any setting of ours."""

from __future__ import annotations

import os
from collections.abc import Mapping


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment without ``BB_*``, ``BLACKBULL_*`` and colours, but with *extra*."""
    ours = ("BB_", "BLACKBULL_", "NO_COLOR", "FORCE_COLOR")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return {**kept, "PYTHONWARNINGS": "error", **(extra or {})}
