"""A trie of path segments: the cost of a look-up depends on the path, not on how many routes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Generic, TypeVar

from .pattern import Converter, PathPattern, Segment

T = TypeVar("T")
R = TypeVar("R")
Decode = Callable[[str], object]


class _Mixed(Generic[T]):
    """A segment of text and placeholders, such as ``{name}.json``."""

    __slots__ = ("decode", "fullmatch", "node", "regex", "weight")

    def __init__(self, segment: Segment) -> None:
        self.regex = segment.regex
        self.fullmatch = re.compile(segment.regex, re.DOTALL | re.ASCII).fullmatch
        self.decode: tuple[Decode, ...] = tuple(
            item.converter.decode for item in segment.placeholders
        )
        self.weight = sum(len(part) for part in segment.parts if isinstance(part, str))
        self.node: Node[T] = Node()


class _Typed(Generic[T]):
    """A segment that is one placeholder with a converter that not every text satisfies."""

    __slots__ = ("converter", "node")

    def __init__(self, converter: Converter) -> None:
        self.converter = converter
        self.node: Node[T] = Node()


class Node(Generic[T]):
    """A place in the trie.

    Attributes:
        value: What is registered for the path that ends here.
        variable: True if a child matches more than one text.
    """

    __slots__ = ("mixed", "rest", "static", "text", "typed", "value", "variable")

    def __init__(self) -> None:
        self.value: T | None = None
        self.variable = False
        self.static: dict[str, Node[T]] = {}
        self.mixed: list[_Mixed[T]] = []
        self.typed: list[_Typed[T]] = []
        self.text: Node[T] | None = None
        self.rest: list[_Mixed[T]] = []


class Trie(Generic[T]):
    """Values by path pattern.

    More exact comes first at every segment: literal text, text with placeholders in it, ``int``,
    ``float``, ``uuid``, any text, and the rest of the path at last.
    """

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: Node[T] = Node()

    def place(self, pattern: PathPattern) -> Node[T]:
        """Return the node of *pattern*, made when it is not there yet.

        Patterns that match the same paths, whatever they call their placeholders, share a node.
        """
        node = self._root
        for segment in pattern.segments:
            node = _descend(node, segment)
        return node

    def find(
        self, path: str, choose: Callable[[T], R | None]
    ) -> tuple[R, tuple[object, ...]] | None:
        """Return the most exact match that *choose* takes, with its placeholders' values.

        Args:
            path: Begins with a slash.
            choose: Called with the value of each pattern that matches, the most exact first,
                until it returns something.
        """
        return _search(self._root, path[1:].split("/"), 0, (), choose)


def _descend(node: Node[T], segment: Segment) -> Node[T]:
    literal = segment.literal
    if literal is not None:
        return node.static.setdefault(literal, Node())
    placeholders = segment.placeholders
    if placeholders[-1].converter.name == "path":
        return _mixed(node.rest, segment)
    node.variable = True
    whole = segment.placeholder
    if whole is None:
        return _mixed(node.mixed, segment)
    if whole.converter.name == "str":
        if node.text is None:
            node.text = Node()
        return node.text
    for typed in node.typed:
        if typed.converter is whole.converter:
            return typed.node
    added: _Typed[T] = _Typed(whole.converter)
    node.typed.append(added)
    node.typed.sort(key=lambda item: item.converter.rank)
    return added.node


def _mixed(items: list[_Mixed[T]], segment: Segment) -> Node[T]:
    for item in items:
        if item.regex == segment.regex:
            return item.node
    added: _Mixed[T] = _Mixed(segment)
    items.append(added)
    # The one with more literal text is the more exact one.
    items.sort(key=lambda item: -item.weight)
    return added.node


def _search(
    node: Node[T],
    segments: list[str],
    index: int,
    values: tuple[object, ...],
    choose: Callable[[T], R | None],
) -> tuple[R, tuple[object, ...]] | None:
    if index == len(segments):
        chosen = None if node.value is None else choose(node.value)
        return None if chosen is None else (chosen, values)
    segment = segments[index]
    child = node.static.get(segment)
    if child is not None:
        found = _search(child, segments, index + 1, values, choose)
        if found is not None:
            return found
    if segment and node.variable:
        found = _search_variable(node, segments, index, values, choose)
        if found is not None:
            return found
    if node.rest:
        return _search_rest(node.rest, "/".join(segments[index:]), values, choose)
    return None


def _search_variable(
    node: Node[T],
    segments: list[str],
    index: int,
    values: tuple[object, ...],
    choose: Callable[[T], R | None],
) -> tuple[R, tuple[object, ...]] | None:
    segment = segments[index]
    for mixed in node.mixed:
        matched = _match(mixed, segment)
        if matched is not None:
            found = _search(mixed.node, segments, index + 1, values + matched, choose)
            if found is not None:
                return found
    for typed in node.typed:
        if typed.converter.matches(segment):
            value = _decode(typed.converter.decode, segment)
            if value is not None:
                found = _search(typed.node, segments, index + 1, (*values, value), choose)
                if found is not None:
                    return found
    if node.text is not None:
        return _search(node.text, segments, index + 1, (*values, segment), choose)
    return None


def _search_rest(
    rest: list[_Mixed[T]],
    remainder: str,
    values: tuple[object, ...],
    choose: Callable[[T], R | None],
) -> tuple[R, tuple[object, ...]] | None:
    for mixed in rest:
        matched = _match(mixed, remainder)
        if matched is not None and mixed.node.value is not None:
            chosen = choose(mixed.node.value)
            if chosen is not None:
                return chosen, values + matched
    return None


def _match(mixed: _Mixed[T], text: str) -> tuple[object, ...] | None:
    matched = mixed.fullmatch(text)
    if matched is None:
        return None
    values = tuple(
        _decode(decode, group) for decode, group in zip(mixed.decode, matched.groups(), strict=True)
    )
    return None if None in values else values


def _decode(decode: Decode, text: str) -> object:
    """Return the value, or None for a text that only looks like one (a number too long)."""
    try:
        return decode(text)
    except ValueError:
        return None
