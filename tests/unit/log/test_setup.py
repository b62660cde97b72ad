"""Logging that a program sets up in one call."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from blackbull.errors import ConfigurationError
from blackbull.logger import setup_async_logging, teardown_async_logging

logger = logging.getLogger("blackbull.test")


@pytest.fixture(autouse=True)
def undone() -> Iterator[None]:
    """Leave nothing behind."""
    yield
    teardown_async_logging()
    assert logging.getLogger("blackbull").level == logging.NOTSET


def test_lines_go_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    setup_async_logging(log_file=str(path), log_format="json", batch_size=2, batch_timeout_ms=1)
    for number in range(5):
        logger.info("hello %d", number)
    logger.debug("not wanted")
    teardown_async_logging()
    told = [json.loads(line)["message"] for line in path.read_text().splitlines()]
    assert told == [f"hello {number}" for number in range(5)]


def test_handlers_are_called_in_a_thread_with_what_was_said_then() -> None:
    class Kept(logging.Handler):
        def __init__(self) -> None:
            super().__init__(logging.WARNING)
            self.got: list[tuple[str, str]] = []

        def emit(self, record: logging.LogRecord) -> None:
            self.got.append((record.getMessage(), threading.current_thread().name))

    kept = Kept()
    setup_async_logging([kept])
    changing = [1]
    logger.warning("%s", changing)
    changing.append(2)
    logger.info("less than the handler wants")
    teardown_async_logging()
    assert kept.got == [("[1]", "blackbull-log")]


def test_handler_that_raises_does_not_end_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(logging.Handler):
        tried = 0

        def handle(self, record: logging.LogRecord) -> bool:
            self.tried += 1
            raise RuntimeError

    monkeypatch.setattr(logging, "raiseExceptions", False)
    failing = Failing()
    setup_async_logging([failing])
    logger.warning("one")
    logger.warning("two")
    teardown_async_logging()
    assert failing.tried == 2


def test_set_up_again_replaces_what_was_there(tmp_path: Path) -> None:
    setup_async_logging(log_file=str(tmp_path / "a"))
    setup_async_logging(log_file=str(tmp_path / "b"))
    logger.warning("hello")
    teardown_async_logging()
    assert (tmp_path / "a").read_text() == ""
    assert (tmp_path / "b").read_text().endswith("Z WARNING blackbull.test: hello\n")


def test_file_that_cannot_be_opened_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        setup_async_logging(log_file=str(tmp_path))
