"""``module:attribute``: finding the application that the command line names."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from blackbull.errors import ConfigurationError
from blackbull.server.lifespan import describe

EXAMPLE = "for example 'blackbull main:app' for the app in main.py"


def load_app(target: str) -> object:
    """Import what *target* names; the current directory is searched first.

    Raises:
        ConfigurationError: there is no such module or attribute, or the module fails to import.
    """
    module_name, colon, attribute = target.partition(":")
    if not (module_name and colon and attribute) or module_name.endswith(".py"):
        raise ConfigurationError(
            f"{target!r} names no application: say module:attribute, {EXAMPLE}"
        )
    sys.path.insert(0, str(Path.cwd()))
    try:
        found: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigurationError(
                f"there is no module {error.name!r} in {Path.cwd()} or on the Python path; "
                f"say module:attribute, {EXAMPLE}"
            ) from error
        raise ConfigurationError(f"cannot import {module_name!r}: {describe(error)}") from error
    except Exception as error:
        raise ConfigurationError(f"cannot import {module_name!r}: {describe(error)}") from error
    for name in attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise ConfigurationError(
                f"module {module_name!r} has no attribute {attribute!r}; "
                f"say module:attribute, {EXAMPLE}"
            ) from None
    return found
