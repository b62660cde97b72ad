"""Where a program was started."""

from __future__ import annotations

from pathlib import Path

import pytest

from blackbull.config import working_directory


def test_directory_is_called_as_the_shell_calls_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = tmp_path / "release"
    release.mkdir()
    current = tmp_path / "current"
    current.symlink_to(release)
    monkeypatch.chdir(current)
    assert working_directory({"PWD": str(current)}) == str(current)
    for other in (str(tmp_path), str(tmp_path / "gone"), "current", ""):
        assert working_directory({"PWD": other}) == str(release)
    release.rmdir()
    assert working_directory({"PWD": str(current)}) is None
