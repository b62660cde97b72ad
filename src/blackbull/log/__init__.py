"""What the framework writes to the ``logging`` tree, and how peers' text is made safe for it.

Loggers: ``blackbull`` and its children; ``blackbull.caps`` has one record per limit that fired,
``blackbull.event`` the failures of observers.
"""

from __future__ import annotations

import logging

from .caps import LimitLog
from .escape import escape

__all__ = ["LimitLog", "escape"]

# A library says nothing until the application configures logging.
logging.getLogger("blackbull").addHandler(logging.NullHandler())
