"""Figures for Prometheus: requests, connections, the process, and what the program counts."""

from __future__ import annotations

from .extension import MetricsExtension
from .family import Across

__all__ = ["Across", "MetricsExtension"]
