"""A reason code as people look at it."""

from __future__ import annotations

from typing import Final

from .types import ReasonCode

_NAMES: Final = {code.value: code.name for code in ReasonCode}


class MQTTReasonCode(int):
    """A reason code as it arrived, known or not."""

    __slots__ = ()

    @property
    def value(self) -> int:
        """The number."""
        return int(self)

    @property
    def name(self) -> str:
        """The standard's name, ``"UNKNOWN"`` for a number that has none."""
        return _NAMES.get(int(self), "UNKNOWN")

    @property
    def is_success(self) -> bool:
        """The operation was completed."""
        return self < 0x80

    @property
    def is_error(self) -> bool:
        """The operation failed."""
        return self >= 0x80
