"""The file .env: read where it is meant for us, left alone where it is not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from blackbull.config.dotenv_file import read_dotenv
from blackbull.errors import ConfigurationError, MissingExtra


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


OURS = [
    "BB_WORKERS=2",
    "BLACKBULL_PORT = 2",
    "  export BB_WORKERS=2",
    "# a remark\r\nBB_WORKERS='2'\r\n",
    "DATABASE=x\nBB_WORKERS=2\n",
    "\ufeffBB_WORKERS=2\n",
]
NOT_OURS = ["", "DATABASE=x", "# BB_WORKERS=2", "MY_BB_WORKERS=2", "X=BB_WORKERS=2", "\xff=\xfe"]


@pytest.mark.parametrize("text", OURS)
def test_dotenv_with_a_line_for_us_is_read(text: str) -> None:
    Path(".env").write_text(text)
    found = read_dotenv()
    assert "2" in (found.get("BB_WORKERS"), found.get("BLACKBULL_PORT"))


@pytest.mark.parametrize("text", OURS)
def test_dotenv_with_a_line_for_us_needs_the_package(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dotenv", None)
    Path(".env").write_text(text)
    with pytest.raises(MissingExtra, match=r"pip install 'blackbull\[standard\]'$"):
        read_dotenv()


@pytest.mark.parametrize("text", NOT_OURS)
def test_dotenv_of_somebody_else_needs_nothing(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dotenv", None)
    Path(".env").write_text(text, encoding="latin-1")
    assert read_dotenv() == {}


def test_dotenv_absent_is_empty() -> None:
    assert read_dotenv() == {}


def test_dotenv_directory_is_no_file_of_variables() -> None:
    Path(".env").mkdir()
    assert read_dotenv() == {}


def test_dotenv_name_without_a_value_says_nothing() -> None:
    Path(".env").write_text("BB_WORKERS=2\nBB_UVLOOP\n")
    assert read_dotenv() == {"BB_WORKERS": "2"}


def test_dotenv_that_is_no_text_is_refused() -> None:
    Path(".env").write_bytes(b"BLACKBULL_HOST=\xff")
    with pytest.raises(ConfigurationError, match=r"^\.env is no UTF-8"):
        read_dotenv()


def test_dotenv_in_another_encoding_is_refused() -> None:
    Path(".env").write_text("BB_WORKERS=2\n", encoding="utf-16")
    with pytest.raises(ConfigurationError, match=r"^\.env is no UTF-8"):
        read_dotenv()


@pytest.mark.parametrize(
    "text",
    [
        "BB_WORKERS 2\n",
        "A=1\nBB_WORKERS: 2\n",
        'BB_WORKERS="2\nBB_UVLOOP=1\n',
        "BB_UVLOOP=1\nexport BB_WORKERS 2",
    ],
)
def test_dotenv_line_for_us_that_says_nothing_is_refused(text: str) -> None:
    Path(".env").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_dotenv()
    assert str(caught.value) == "BB_WORKERS in .env is no assignment: write BB_WORKERS=VALUE"


def test_dotenv_that_cannot_be_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").touch()

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ConfigurationError, match=r"^\.env cannot be read: Permission denied$"):
        read_dotenv()
