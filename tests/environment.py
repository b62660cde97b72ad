"""The environment that child processes get: this one's, without any setting of ours."""

from __future__ import annotations

import os
from collections.abc import Mapping


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment without ``BB_*`` and ``BLACKBULL_*``, but with *extra*."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("BB_", "BLACKBULL_"))}
    return {**kept, "PYTHONWARNINGS": "error", **(extra or {})}
