"""A file that is read again when it changes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeAlias, TypeVar

from blackbull.errors import ConfigurationError

logger = logging.getLogger("blackbull.mqtt.auth")

MAX_FILE: Final = 64 * 1024 * 1024
"""The longest file that is read, in bytes."""

T = TypeVar("T")

Stamp: TypeAlias = tuple[int, int, int]


class BadLine(ValueError):
    """A line that means nothing. The text says what is wrong with it.

    Attributes:
        number: Which line, from 1 on.
    """

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number = number


class WatchedFile(Generic[T]):
    """What a text file says, as of its latest change.

    A change that makes no sense is logged once, and what the file said before stays in force.

    Args:
        path: The file.
        what: What it is called in errors.
        parse: Makes the value of its text; raises :class:`BadLine`.

    Raises:
        ConfigurationError: the file cannot be read, or a line of it means nothing.
    """

    def __init__(self, path: str | Path, what: str, parse: Callable[[str], T]) -> None:
        self.path = Path(path)
        self._what = what
        self._parse = parse
        self._stamp = self._look()
        self._value = self._read()

    @property
    def value(self) -> T:
        """What the file says now."""
        try:
            stamp = self._look()
        except ConfigurationError as error:
            self._complain(error, None)
            return self._value
        if stamp != self._stamp:
            try:
                self._value = self._read()
                self._stamp = stamp
            except ConfigurationError as error:
                self._complain(error, stamp)
        return self._value

    def _look(self) -> Stamp | None:
        try:
            found = self.path.stat()
        except OSError as error:
            raise ConfigurationError(
                f"{self._what} {str(self.path)!r} cannot be read: {error.strerror}"
            ) from error
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> T:
        try:
            with self.path.open(encoding="utf-8", newline="\n") as file:
                text = file.read(MAX_FILE + 1)
        except OSError as error:
            raise ConfigurationError(
                f"{self._what} {str(self.path)!r} cannot be read: {error.strerror}"
            ) from error
        except UnicodeDecodeError as error:
            raise ConfigurationError(
                f"{self._what} {str(self.path)!r} is not UTF-8: {error.reason}"
            ) from error
        if len(text) > MAX_FILE:
            raise ConfigurationError(f"{self._what} {str(self.path)!r} is longer than 64 MiB")
        try:
            return self._parse(text)
        except BadLine as error:
            raise ConfigurationError(
                f"{self._what} {str(self.path)!r}, line {error.number}: {error}"
            ) from error

    def _complain(self, error: ConfigurationError, stamp: Stamp | None) -> None:
        if self._stamp != stamp:
            self._stamp = stamp
            logger.error("%s; what it said before stays in force", error)
