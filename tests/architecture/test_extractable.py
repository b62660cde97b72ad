"""The MQTT bridge can leave: without it, the rest of the package is whole."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGE, SOURCE, modules
from tests.environment import clean_environment

BRIDGE = f"{PACKAGE}.mqtt"


def needs_bridge(name: str) -> bool:
    """Return True for a tool of the bridge's: it is of no use without."""
    return name.startswith((f"{PACKAGE}.cli.mqtt", f"{PACKAGE}.testing.mqtt"))


def rest() -> list[str]:
    """Return the modules that are not the bridge's."""
    return [
        name
        for name in modules()
        if not (name.startswith(f"{BRIDGE}.") or name == BRIDGE or needs_bridge(name))
    ]


def test_bridge_is_imported_by_its_own_tools_only() -> None:
    offenders = [
        f"{name}:{imported.line}"
        for name in rest()
        for imported in modules()[name].ours
        if imported.module == BRIDGE or imported.module.startswith(f"{BRIDGE}.")
    ]
    assert offenders == []


@pytest.fixture
def without_bridge(tmp_path: Path) -> Path:
    """A copy of the package that has no bridge."""
    shutil.copytree(SOURCE, tmp_path / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(tmp_path / PACKAGE / "mqtt")
    return tmp_path


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = clean_environment({"PYTHONPATH": str(directory)})
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=directory, env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_package_without_the_bridge_imports_as_a_whole(without_bridge: Path) -> None:
    names = [name for name in rest() if name != f"{PACKAGE}.__main__"]
    done = run(
        without_bridge, "-c",
        f"import importlib, {PACKAGE}\n"
        f"assert {PACKAGE}.__file__.startswith({str(without_bridge)!r}), {PACKAGE}.__file__\n"
        f"for name in {names!r}: importlib.import_module(name)\n",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_command_without_the_bridge_says_what_is_missing(without_bridge: Path) -> None:
    done = run(without_bridge, "-m", PACKAGE, "mqtt")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "blackbull: 'blackbull mqtt' needs blackbull.mqtt, which is not installed here\n"
    )
    assert run(without_bridge, "-m", PACKAGE, "--version").returncode == 0
