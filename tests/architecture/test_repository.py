"""The repository says one thing in one place, and nothing about the desk it was written on."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import blackbull
from tests.architecture.source import ROOT

TOP_LEVEL = {
    "src", "tests", "bench", "docs", "examples", "scripts", ".ci", ".gitignore", "pyproject.toml",
    "Makefile", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE",
}  # fmt: skip

# Paths of one person's machine, and notes to oneself.
PRIVATE = re.compile(r"/work/[a-z]|/tmp/[a-z]/|/home/\w+|\bissue #?\d|\bFIXME\b|\bTODO\b|\bXXX\b")


def tracked() -> list[Path]:
    """Return the files that belong to the repository: all but those that git ignores."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    paths = (ROOT / name for name in names.split("\0") if name)
    return [path for path in paths if path.is_file()]


def test_top_level_is_a_closed_list() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= TOP_LEVEL


def test_files_name_nothing_private() -> None:
    offenders = []
    for path in tracked():
        if path == Path(__file__):
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        offenders += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
            for number, line in enumerate(text.splitlines(), 1)
            if PRIVATE.search(line)
        ]
    assert offenders == []


def test_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert blackbull.__version__ == project["version"]
    assert f"\n## {project['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_package_ships_its_type_marker() -> None:
    assert (ROOT / "src/blackbull/py.typed").is_file()


def test_tests_neither_skip_nor_sleep_for_long() -> None:
    """A skipped test proves nothing, and a fixed wait proves only patience."""
    offenders = []
    for path in (ROOT / "tests").rglob("test_*.py"):
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            skips = re.search(r"pytest\.skip\(|mark\.skip|importorskip", line)
            sleeps = re.search(r"time\.sleep\((?:[1-9]|0\.[1-9])", line)
            if skips or sleeps:
                offenders.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert offenders == []


def test_settings_pages_list_every_setting() -> None:
    """``python scripts/settings_table.py --write`` brings the pages up to date."""
    from scripts.settings_table import CLASSES, MARKED, PAGES, with_tables

    texts = [path.read_text() for path in PAGES]
    assert texts == [with_tables(text) for text in texts]
    assert {match[2] for text in texts for match in MARKED.finditer(text)} == set(CLASSES)
