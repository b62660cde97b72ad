"""One broker for several workers: it runs in their owner, and the others reach it there."""

from __future__ import annotations
