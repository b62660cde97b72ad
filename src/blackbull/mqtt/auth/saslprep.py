"""SASLprep: user names and passwords that look the same are the same.

Spec:
    RFC 4013
"""

from __future__ import annotations

import stringprep
import unicodedata
from typing import Final

_PROHIBITED: Final = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str, *, stored: bool = False) -> str:
    """Return *text* prepared for comparison.

    Args:
        text: A user name or a password.
        stored: It is going to be stored, so characters that Unicode 3.2 did not know are refused.

    Raises:
        ValueError: *text* has characters that are prohibited, or mixes directions.

    Spec:
        RFC 4013 §2
    """
    if text.isascii() and text.isprintable():
        return text
    mapped = "".join(
        " " if stringprep.in_table_c12(c) else c
        for c in text
        if not stringprep.in_table_b1(c)
    )  # fmt: skip
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    for character in prepared:
        if any(prohibits(character) for prohibits in _PROHIBITED):
            raise ValueError(f"{character!r} cannot be in a user name or password")
        if stored and stringprep.in_table_a1(character):
            raise ValueError(f"{character!r} cannot be in a stored user name or password")
    _check_direction(prepared)
    return prepared


def _check_direction(text: str) -> None:
    # RFC 3454 §6
    if not any(map(stringprep.in_table_d1, text)):
        return
    ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    if not ends or any(map(stringprep.in_table_d2, text)):
        raise ValueError("text from right to left and from left to right cannot be mixed")
