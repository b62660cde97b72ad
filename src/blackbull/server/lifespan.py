"""Starting and stopping a server, with the application's failures told in one line."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

from blackbull.errors import BlackBullError, ConfigurationError

from .server import Server


class LifespanFailed(BlackBullError):
    """The application's startup or shutdown raised. The text says which, and what."""


def describe(error: BaseException) -> str:
    """Return *error* in one line, with the place that raised it."""
    text = " ".join(str(error).split())
    line = f"{type(error).__name__}: {text}" if text else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    return f"{line} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else line


async def start(start: Callable[[], Awaitable[None]]) -> None:
    """Start a server, and tell its own failures from the application's.

    Args:
        start: ``server.start`` or ``server.prepare``.

    Raises:
        ConfigurationError: a listener cannot be opened.
        LifespanFailed: the application's startup raised.
    """
    try:
        await start()
    except ConfigurationError:
        raise
    except Exception as error:
        raise LifespanFailed(f"the application did not start: {describe(error)}") from error


async def stop(server: Server, drain_timeout: float, *, restarting: bool = False) -> None:
    """Stop *server*; requests get *drain_timeout* seconds to end.

    Args:
        server: It has started.
        drain_timeout: As above.
        restarting: Others serve in its place.

    Raises:
        LifespanFailed: the application's shutdown raised.
    """
    try:
        await server.stop(drain_timeout, restarting=restarting)
    except Exception as error:
        raise LifespanFailed(f"the application's shutdown failed: {describe(error)}") from error
