"""Finding the application that ``module:attribute`` names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blackbull.cli.target import describe, load_app
from blackbull.errors import ConfigurationError


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current directory that modules are imported from, and forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_target_nested_attribute_is_found(modules: Path) -> None:
    (modules / "target_one.py").write_text("class api:\n    app = 'found'\n")
    assert load_app("target_one:api.app") == "found"


def test_target_in_a_package_is_found(modules: Path) -> None:
    (modules / "target_two").mkdir()
    (modules / "target_two" / "main.py").write_text("app = 'found'\n")
    assert load_app("target_two.main:app") == "found"


@pytest.mark.parametrize("target", ["", ":", "main", "main:", ":app", "main.py:app"])
def test_target_malformed_raises(target: str) -> None:
    with pytest.raises(ConfigurationError, match="names no application"):
        load_app(target)


def test_target_missing_submodule_raises(modules: Path) -> None:
    (modules / "target_three").mkdir()
    with pytest.raises(ConfigurationError, match=r"no module 'target_three\.absent'"):
        load_app("target_three.absent:app")


def test_target_that_needs_a_missing_module_names_that_module(modules: Path) -> None:
    (modules / "target_four.py").write_text("import target_absent\n")
    with pytest.raises(ConfigurationError, match=r"cannot import 'target_four'.*'target_absent'"):
        load_app("target_four:app")


def test_description_is_one_line_with_the_place() -> None:
    with pytest.raises(ValueError, match="first") as caught:
        raise ValueError("first\n  second")
    assert describe(caught.value).startswith("ValueError: first second (test_target.py:")


def test_description_without_text_is_the_type() -> None:
    assert describe(KeyboardInterrupt()) == "KeyboardInterrupt"
