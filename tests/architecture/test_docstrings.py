"""help() has something to say about everything public."""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType

import pytest

from tests.architecture.source import PACKAGE, modules

NAMES = [
    name
    for name in modules()
    if not any(part.startswith("_") for part in name.split(".")) and name != f"{PACKAGE}.__main__"
]


def undocumented(module: ModuleType) -> list[str]:
    """Return the public names of *module* without a docstring, their own or an inherited one."""
    missing = [] if module.__doc__ else [module.__name__]
    for name, value in vars(module).items():
        defined_here = getattr(value, "__module__", None) == module.__name__
        if name.startswith("_") or not defined_here:
            continue
        if inspect.isfunction(value) and not inspect.getdoc(value):
            missing.append(f"{module.__name__}.{name}")
        if inspect.isclass(value):
            missing += [f"{module.__name__}.{name}"] * (not vars(value).get("__doc__"))
            missing += undocumented_members(value)
    return missing


def undocumented_members(cls: type) -> list[str]:
    """Return the public methods and properties of *cls* that help() has nothing to say about."""
    return [
        f"{cls.__module__}.{cls.__qualname__}.{name}"
        for name, value in vars(cls).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, property | classmethod | staticmethod))
        and not inspect.getdoc(getattr(cls, name) if not isinstance(value, property) else value)
        and not any(inspect.getdoc(vars(base).get(name)) for base in cls.__mro__[1:])
    ]


@pytest.mark.parametrize("name", NAMES)
def test_public_names_are_documented(name: str) -> None:
    assert undocumented(importlib.import_module(name)) == []
