"""Limits that fired where no connection of the server's can record them."""

from __future__ import annotations

import logging

from blackbull.abc import Address
from blackbull.errors import LimitExceeded

limits = logging.getLogger("blackbull.caps")


def log_limit(limit: LimitExceeded, *, peer: Address | None) -> None:
    """Log a limit that fired, as the server does for its own connections."""
    shown = "-" if peer is None else f"{peer[0]}:{peer[1]}"
    limits.warning(
        "%s (peer=%s protocol=mqtt)", limit, shown,
        extra={
            "cap": limit.limit, "requested": limit.seen, "limit": limit.allowed, "peer": shown,
            "scope_path": "", "protocol": "mqtt",
        },
    )  # fmt: skip
