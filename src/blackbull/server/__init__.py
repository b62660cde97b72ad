"""Our server: listeners, the dispatcher, and one binding for every protocol.

:class:`Server` and its other name are loaded when they are first used: an application registers
protocols without loading what serves them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .server import ASGIServer, Server

__all__ = ["ASGIServer", "Server"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'blackbull.server' has no attribute {name!r}")
    value: object = getattr(importlib.import_module("blackbull.server.server"), name)
    globals()[name] = value
    return value
