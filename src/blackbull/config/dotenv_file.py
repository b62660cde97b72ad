"""The ``.env`` file of the working directory: variables for those who do not set them elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..errors import ConfigurationError, MissingExtra

DOTENV: Final = ".env"
OURS: Final = re.compile(
    rb"^\s*(?:export\s+)?['\"]?((?:BB_|BLACKBULL_)\w+)\b['\"]?[ \t]*[^\s#]", re.MULTILINE
)
"""A line of the file that is to set a variable of ours."""
MARKS: Final = b"\xef\xbb\xbf\xff\xfe"
"""What editors put before the text to tell how it is encoded."""


def read_dotenv() -> Mapping[str, str]:
    """Return the variables of the file; none if it has no line that is meant for us.

    A file that is somebody else's needs no package, and is none of our business.

    Raises:
        MissingExtra: it sets variables of ours, and python-dotenv is not installed.
        ConfigurationError: it cannot be read, or a line that is for us sets nothing.
    """
    path = Path(DOTENV)
    try:
        if not path.is_file():
            return {}
        # So that a line for us is seen in UTF-16, too: that can be refused, not overlooked.
        text = path.read_bytes().lstrip(MARKS).replace(b"\0", b"")
    except OSError as error:
        raise ConfigurationError(f"{DOTENV} cannot be read: {error.strerror}") from error
    lines = [found.decode() for found in OURS.findall(text)]
    if not lines:
        return {}
    try:
        from dotenv import dotenv_values  # noqa: PLC0415 -- an optional package
    except ImportError as error:
        raise MissingExtra(
            f"{DOTENV} sets BB_ or BLACKBULL_ variables, which needs the 'python-dotenv' package: "
            "pip install 'blackbull[standard]'"
        ) from error
    try:
        values = dotenv_values(path)
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{DOTENV} is no UTF-8: {error}") from error
    for name in lines:
        if name not in values:
            raise ConfigurationError(f"{name} in {DOTENV} is no assignment: write {name}=VALUE")
    return {name: value for name, value in values.items() if value is not None}
