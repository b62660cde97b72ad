"""Settings that cannot all be meant."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from .levels import PLACES

if TYPE_CHECKING:
    from .settings import Settings


def refuse_contradictions(settings: Settings) -> None:
    """Refuse values that are possible by themselves, but not together.

    Raises:
        ConfigurationError: two of them contradict each other, or one needs another.
    """
    if settings.bind:
        for field in fields(settings):
            if field.name in PLACES and getattr(settings, field.name) != field.default:
                raise ConfigurationError(
                    f"both {field.name} and bind say where to listen: keep one of them"
                )
    if settings.log_file and settings.syslog_address:
        raise ConfigurationError(
            "records go to one place: leave out either BB_LOG_FILE or BB_SYSLOG_ADDR"
        )
    if settings.keyfile and not settings.certfile:
        raise ConfigurationError(
            "a key without its certificate: set BLACKBULL_CERT, or say --cert PATH, too"
        )
    if (settings.sni or settings.client_ca) and not settings.certfile:
        raise ConfigurationError(
            f"{'BLACKBULL_SNI' if settings.sni else 'BLACKBULL_CLIENT_CA'} without a certificate: "
            "set BLACKBULL_CERT, or say --cert PATH, too"
        )
    if settings.header_max_line > settings.header_max_total:
        raise ConfigurationError(
            f"BB_HEADER_MAX_LINE ({settings.header_max_line}) exceeds BB_HEADER_MAX_TOTAL "
            f"({settings.header_max_total}): raise the total"
        )
