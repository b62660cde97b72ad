"""What one request may take: as the settings say, or as its route says instead."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from .config import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitOverrides:
    """What a route, or a group of routes, says about its requests.

    None leaves a limit as it is; times are seconds, and 0 means: no limit.

    Attributes:
        max_body_size: The most bytes of content; 0: none at all.
        body_timeout: How long the next part of the content may take to arrive.
        body_total_timeout: How long the content may be waited for in all.
        min_body_rate: Bytes per second that must arrive on average; 0: as slowly as it likes.
        request_timeout: How long the request may take as a whole, its handler included.

    Raises:
        TypeError: a limit is no number.
        ValueError: a limit is negative.
    """

    max_body_size: int | None = None
    body_timeout: float | None = None
    body_total_timeout: float | None = None
    min_body_rate: float | None = None
    request_timeout: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            whole = field.name == "max_body_size"
            if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
                unit = "a number of bytes" if whole else "a number"
                raise TypeError(f"{field.name} is {unit}, not {value!r}")
            if not 0 <= value < float("inf"):
                raise ValueError(f"{field.name} is 0 or more, not {value!r}")

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) is not None for field in fields(self))

    def within(self, outer: LimitOverrides) -> LimitOverrides:
        """Return these limits, and those of *outer* where this says nothing."""
        return LimitOverrides(**{**given(outer), **given(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """Everything that bounds one request; see :class:`LimitOverrides` for the attributes."""

    max_body_size: int
    body_timeout: float
    body_total_timeout: float
    min_body_rate: float
    request_timeout: float

    @classmethod
    def from_settings(cls, settings: Settings) -> RequestLimits:
        """Return what *settings* say of every request."""
        return cls(**{field.name: getattr(settings, field.name) for field in fields(cls)})

    def overridden(self, overrides: LimitOverrides) -> RequestLimits:
        """Return these limits, but for what *overrides* say."""
        return RequestLimits(**{**asdict(self), **given(overrides)})


def given(overrides: LimitOverrides) -> dict[str, Any]:
    """Return by name what *overrides* say."""
    return {name: value for name, value in asdict(overrides).items() if value is not None}
