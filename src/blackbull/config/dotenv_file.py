"""The ``.env`` file of the working directory: variables for those who do not set them elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..errors import ConfigurationError, MissingExtra

DOTENV: Final = ".env"
OURS: Final = re.compile(rb"^\s*(?:export\s+)?['\"]?(?:BB_|BLACKBULL_)\w*['\"]?\s*=", re.MULTILINE)
"""A line of the file that sets a variable of ours."""


def read_dotenv() -> Mapping[str, str]:
    """Return the variables of the file; none if it has no line that is meant for us.

    A file that is somebody else's needs no package, and is none of our business.

    Raises:
        MissingExtra: it sets variables of ours, and python-dotenv is not installed.
        ConfigurationError: it cannot be read.
    """
    path = Path(DOTENV)
    try:
        if not path.is_file() or not OURS.search(path.read_bytes()):
            return {}
    except OSError as error:
        raise ConfigurationError(f"{DOTENV} cannot be read: {error.strerror}") from error
    try:
        from dotenv import dotenv_values  # noqa: PLC0415 -- an optional package
    except ImportError as error:
        raise MissingExtra(
            f"{DOTENV} sets BB_ or BLACKBULL_ variables, which needs the 'python-dotenv' package: "
            "pip install 'blackbull[standard]'"
        ) from error
    try:
        return {name: text for name, text in dotenv_values(path).items() if text is not None}
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{DOTENV} is no UTF-8: {error}") from error
