"""Text that a peer chose, made safe to write into a log line."""

from __future__ import annotations

from typing import Final

MAX_LENGTH: Final = 256
"""Characters of a peer's text that a log line shows by default."""


def escape(text: str | bytes, *, max_length: int = MAX_LENGTH) -> str:
    r"""Return *text* on one line, unambiguous, without control characters.

    Whatever is not printable becomes ``\xNN``, ``\uNNNN`` or ``\UNNNNNNNN``; a backslash and a
    double quote are written ``\\`` and ``\"``, so that a quoted text cannot end early.

    Args:
        text: Text, or bytes of which each counts as one character.
        max_length: Characters of *text* that are kept; how many were cut is said behind them.
    """
    cut = len(text) - max_length
    if cut > 0:
        text = text[:max_length]
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    if not (text.isascii() and text.isprintable() and "\\" not in text and '"' not in text):
        text = "".join(map(_escape_character, text))
    return f"{text}...(+{cut})" if cut > 0 else text


def _escape_character(character: str) -> str:
    if character in '\\"':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
