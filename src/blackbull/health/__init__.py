"""Is it alive, is it ready: what load balancers and orchestrators ask."""

from __future__ import annotations

from .checks import Check
from .extension import HealthExtension

__all__ = ["Check", "HealthExtension"]
