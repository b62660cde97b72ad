"""Where this process was started. A program that is to be started again has to begin there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final


def working_directory(environ: Mapping[str, str] | None = None) -> str | None:
    """Return the current directory; None if it is gone.

    It is called as the shell calls it: where that is a symbolic link, the next release is found
    there when the link points to it.

    Args:
        environ: The variables; the process's own when None.
    """
    environ = os.environ if environ is None else environ
    named = environ.get("PWD", "")
    try:
        here = os.getcwd()
    except OSError:
        return None
    same = os.path.isabs(named) and os.path.exists(named) and os.path.samefile(named, here)
    return named if same else here


STARTED_IN: Final = working_directory()
"""The current directory when this was loaded, which is before most programs change it."""
