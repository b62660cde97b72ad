"""What is said on several levels: the command line, an argument, a variable, a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..errors import ConfigurationError
from .setting import Found

PLACES: Final = ("host", "port", "unix_path")
"""What says in parts where to listen; ``bind`` says it as a whole."""


def override(found: Mapping[str, Found], said: Mapping[str, Found]) -> dict[str, Found]:
    """Return the settings that were *found*, and over them what was *said* on the level above.

    Whoever says where to listen says all of it: ``bind`` replaces the host, the port and the path
    of the levels below, and each of these replaces their ``bind``.

    Raises:
        ConfigurationError: *said* has both.
    """
    parts = [name for name in PLACES if name in said]
    if parts and "bind" in said:
        raise ConfigurationError(
            f"{said['bind'].source} and {said[parts[0]].source} both say where to listen: "
            "keep one of them"
        )
    replaced = PLACES if "bind" in said else ("bind",) if parts else ()
    return {name: each for name, each in found.items() if name not in replaced} | dict(said)
