"""The broker as plain state: no event loop, no clock, no I/O."""

from __future__ import annotations
