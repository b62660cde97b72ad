"""Path patterns: the syntax of routes, their converters, and URLs made from them.

A path is literal text with placeholders: ``/users/{id:int}/photos/{name}.jpg``. A placeholder
never matches an empty text and, but for ``path``, never a slash.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from urllib.parse import quote
from uuid import UUID

PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
# What a path may hold without percent-encoding in one segment, RFC 3986 §3.3.
SEGMENT_SAFE: Final = "!$&'()*+,;=:@-._~"
REGEX_ONLY: Final = frozenset("\\^$*+?()[]|")


@dataclass(frozen=True, slots=True)
class Converter:
    """What a placeholder matches and the value that it gives.

    Attributes:
        name: As written after the colon.
        type: The class of the values.
        regex: What the whole text must match.
        decode: From the matched text to the value; a ValueError means no match.
        rank: Converters that accept less are tried first.
    """

    name: str
    type: type
    regex: str
    decode: Callable[[str], object]
    rank: int
    matches: Callable[[str], object]

    def read(self, text: str) -> object:
        """Return the value of *text*.

        Raises:
            ValueError: *text* does not match.
        """
        if not self.matches(text):
            raise ValueError(f"{text!r} is no {self.name}")
        return self.decode(text)


def _converter(
    name: str, kind: type, regex: str, *, rank: int, decode: Callable[[str], object] | None = None
) -> Converter:
    matches = re.compile(regex, re.DOTALL | re.ASCII).fullmatch
    return Converter(name, kind, regex, decode or kind, rank, matches)


CONVERTERS: Final[Mapping[str, Converter]] = {
    converter.name: converter
    for converter in (
        _converter("int", int, "-?[0-9]+", rank=0),
        _converter("float", float, r"-?[0-9]+(?:\.[0-9]+)?", rank=1),
        _converter("uuid", UUID, "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", rank=2),
        _converter("str", str, "[^/]+", rank=3),
        _converter("path", str, ".+", rank=4),
    )
}


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One placeholder of a path.

    Attributes:
        name: The name of the value.
        converter: What it matches.
        explicit: False when the path names no converter.
    """

    name: str
    converter: Converter
    explicit: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """What stands between two slashes.

    Attributes:
        parts: Literal texts and placeholders, in order.
    """

    parts: tuple[str | Placeholder, ...]

    @property
    def literal(self) -> str | None:
        """The text of a segment without placeholders, else None."""
        if not self.parts:
            return ""
        first = self.parts[0]
        return first if len(self.parts) == 1 and isinstance(first, str) else None

    @property
    def placeholder(self) -> Placeholder | None:
        """The placeholder that is the whole segment, else None."""
        first = self.parts[0] if len(self.parts) == 1 else None
        return first if isinstance(first, Placeholder) else None

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        """Every placeholder of the segment, in order."""
        return tuple(part for part in self.parts if isinstance(part, Placeholder))

    @property
    def regex(self) -> str:
        """What the segment matches, with one unnamed group for each placeholder.

        A placeholder ends at the first occurrence of the text that follows it and is never
        reconsidered, so that matching takes a time proportional to the text.
        """
        pieces: list[str] = []
        parts = iter(self.parts)
        for part in parts:
            if isinstance(part, str):
                pieces.append(re.escape(part))
                continue
            following = next(parts, None)
            if not isinstance(following, str):
                pieces.append(f"({part.converter.regex})")
            elif part is self.placeholders[-1]:
                pieces.append(f"({part.converter.regex}){re.escape(following)}")
            else:
                lazy = "?" if part.converter.type is str else ""
                pieces.append(f"(?>({part.converter.regex}{lazy}){re.escape(following)})")
        return "".join(pieces)


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A parsed path.

    Attributes:
        path: As it was written.
        segments: What stands after each slash.
    """

    path: str
    segments: tuple[Segment, ...]

    @property
    def placeholders(self) -> dict[str, Placeholder]:
        """The placeholders by name, in the order of the path."""
        return {item.name: item for segment in self.segments for item in segment.placeholders}

    @property
    def is_static(self) -> bool:
        """True without placeholders: then only ``path`` itself matches."""
        return all(segment.literal is not None for segment in self.segments)

    def build(self, params: Mapping[str, object]) -> str:
        """Return the percent-encoded path with *params* in place of the placeholders.

        Args:
            params: A value for each placeholder, and no others.

        Raises:
            ValueError: a value is missing, unknown, or would not match its placeholder.

        Spec:
            RFC 3986 §3.3
        """
        wanted = self.placeholders
        if missing := [name for name in wanted if name not in params]:
            raise ValueError(f"{self.path} needs a value for {_names(missing)}")
        if unknown := [name for name in params if name not in wanted]:
            raise ValueError(f"{self.path} has no placeholder named {_names(unknown)}")
        return "".join("/" + self._build_segment(segment, params) for segment in self.segments)

    def _build_segment(self, segment: Segment, params: Mapping[str, object]) -> str:
        pieces = []
        for part in segment.parts:
            if isinstance(part, str):
                pieces.append(quote(part, safe=SEGMENT_SAFE))
                continue
            text = str(params[part.name])
            try:
                part.converter.read(text)
            except ValueError:
                raise ValueError(
                    f"{text!r} does not fit {{{part.name}:{part.converter.name}}} in {self.path}"
                ) from None
            pieces.append(quote(text, safe=SEGMENT_SAFE + "/"))
        return "".join(pieces)


def _names(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def parse_path(path: str) -> PathPattern:
    """Return the pattern that *path* describes.

    Args:
        path: Begins with a slash; ``{name}`` or ``{name:converter}`` marks a placeholder.

    Raises:
        ValueError: *path* is not absolute, holds characters that only a regular expression
            needs, an unknown converter, a name that is no identifier or comes twice, or a
            ``path`` placeholder that is not at the end.
    """
    if not path.startswith("/"):
        raise ValueError(f"{path!r} does not begin with '/': write '/{path}'")
    pattern = PathPattern(path, tuple(_parse_segment(path, text) for text in _split(path)))
    names = [item.name for segment in pattern.segments for item in segment.placeholders]
    if len(set(names)) != len(names):
        raise ValueError(f"{path!r} names a placeholder twice: give each its own name")
    for segment in pattern.segments:
        for index, part in enumerate(segment.parts):
            is_path = isinstance(part, Placeholder) and part.converter.name == "path"
            last = segment is pattern.segments[-1] and index == len(segment.parts) - 1
            if is_path and not last:
                raise ValueError(f"{path!r}: a path placeholder takes all the rest; put it last")
    return pattern


def _split(path: str) -> list[str]:
    return path[1:].split("/")


def _parse_segment(path: str, text: str) -> Segment:
    parts: list[str | Placeholder] = []
    # A capturing pattern: every second piece is the inside of a pair of braces.
    for index, piece in enumerate(PLACEHOLDER.split(text)):
        if index % 2:
            parts.append(_parse_placeholder(path, piece))
        elif piece:
            _check_literal(path, piece)
            parts.append(piece)
    for first, second in pairwise(parts):
        if isinstance(first, Placeholder) and isinstance(second, Placeholder):
            raise ValueError(f"{path!r}: put some text between two placeholders")
    return Segment(tuple(parts))


def _check_literal(path: str, text: str) -> None:
    if found := sorted(REGEX_ONLY.intersection(text)):
        raise ValueError(
            f"{path!r} holds {' '.join(found)}: pass re.compile(...) for a regular expression"
        )
    if "{" in text or "}" in text:
        raise ValueError(f"{path!r} has a brace without its partner")
    if "#" in text:
        raise ValueError(f"{path!r} holds '#', which no request path does")


def _parse_placeholder(path: str, inside: str) -> Placeholder:
    name, colon, kind = inside.partition(":")
    if not name.isidentifier():
        raise ValueError(f"{path!r}: {{{inside}}} needs a name that is a Python identifier")
    converter = CONVERTERS.get(kind if colon else "str")
    if converter is None:
        raise ValueError(f"{path!r}: unknown converter {kind!r}; there are {_names(CONVERTERS)}")
    return Placeholder(name, converter, bool(colon))
