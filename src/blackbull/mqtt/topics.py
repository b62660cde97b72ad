"""Topic Names, Topic Filters, shared subscriptions and captures (MQTT 5.0 §4.7, §4.8.2)."""

from __future__ import annotations

from keyword import iskeyword
from typing import Final, final

MAX_TOPIC: Final = 65_535
"""Bytes of a topic as UTF-8."""

SHARED: Final = "$share/"


def validate_topic_name(topic: str) -> bool:
    """Check a topic that is published to.

    Returns:
        False if it contains a null character, else True.

    Raises:
        ValueError: it is empty, too long, no UTF-8 or contains a wildcard.

    Spec:
        MQTT 5.0 §4.7.1.1, §4.7.3
    """
    _check_size(topic, "topic name")
    if "+" in topic or "#" in topic:
        raise ValueError(f"the topic name {topic!r} contains a wildcard: publish to one topic")
    return "\0" not in topic


def validate_topic_filter(topic_filter: str) -> bool:
    """Check a filter that is subscribed to, shared or not.

    Returns:
        False if it contains a null character, else True.

    Raises:
        ValueError: it is empty, too long, no UTF-8, or has a wildcard where none may stand.

    Spec:
        MQTT 5.0 §4.7.1, §4.7.3, §4.8.2
    """
    _check_size(topic_filter, "topic filter")
    if topic_filter.startswith(SHARED):
        shared = parse_shared(topic_filter)
        topic_filter = shared[1] if shared else topic_filter
    at = topic_filter.find("#")
    if at >= 0:
        if at != len(topic_filter) - 1:
            raise ValueError(f"'#' is not the last character of the topic filter {topic_filter!r}")
        if at and topic_filter[at - 1] != "/":
            raise ValueError(f"'#' is not a whole level of the topic filter {topic_filter!r}")
    if "+" in topic_filter and any(
        "+" in level and level != "+" for level in topic_filter.split("/")
    ):
        raise ValueError(f"'+' is not a whole level of the topic filter {topic_filter!r}")
    return "\0" not in topic_filter


def _check_size(text: str, what: str) -> None:
    if not text:
        raise ValueError(f"a {what} has at least one character")
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise ValueError(f"the {what} {text!r} is no UTF-8") from None
    if size > MAX_TOPIC:
        raise ValueError(f"a {what} has at most 65,535 bytes, not {size}")


def count_levels(topic: str) -> int:
    """Return how many levels a topic name or a topic filter has."""
    return topic.count("/") + 1


def topic_matches_filter(topic: str, topic_filter: str) -> bool:
    """Return True if a subscription to *topic_filter* gets what is published to *topic*.

    Of a shared subscription, the part after the share name counts.

    Spec:
        MQTT 5.0 §4.7.1, §4.7.2, §4.8.2
    """
    if topic_filter.startswith(SHARED):
        topic_filter = topic_filter[len(SHARED) :].partition("/")[2]
    if topic_filter == topic:
        return True
    # MQTT-4.7.2-1
    if topic.startswith("$") and topic_filter[:1] in {"+", "#"}:
        return False
    levels = topic.split("/")
    pattern = topic_filter.split("/")
    if pattern[-1] == "#":
        # The parent of what '#' stands for matches too.
        pattern.pop()
        if len(levels) < len(pattern):
            return False
    elif len(levels) != len(pattern):
        return False
    return all(wanted in {level, "+"} for level, wanted in zip(levels, pattern, strict=False))


def parse_shared(topic_filter: str) -> tuple[str, str] | None:
    """Return the share name and the filter of a shared subscription; None if it is no such.

    Raises:
        ValueError: it begins like one, but a part is missing or the name has a wildcard.

    Spec:
        MQTT 5.0 §4.8.2
    """
    if not topic_filter.startswith(SHARED):
        return None
    name, slash, rest = topic_filter[len(SHARED) :].partition("/")
    if not name or "+" in name or "#" in name:
        raise ValueError(f"the share name of {topic_filter!r} is empty or has a wildcard")
    if not slash or not rest:
        raise ValueError(f"{topic_filter!r} has no topic filter after its share name")
    return name, rest


@final
class Captures:
    """The named levels of a filter, and how to read them from a topic.

    Attributes:
        names: In the order in which they stand in the filter.
    """

    __slots__ = ("_positions", "names")

    def __init__(self, names: tuple[str, ...], positions: tuple[int, ...]) -> None:
        self.names = names
        self._positions = positions

    def bind(self, topic: str) -> dict[str, str]:
        """Return the value of each name in *topic*, which matches the filter."""
        if not self.names:
            return {}
        levels = topic.split("/")
        return {name: levels[at] for name, at in zip(self.names, self._positions, strict=True)}

    def __repr__(self) -> str:
        return f"Captures({', '.join(self.names)})"


def compile_filter(text: str) -> tuple[str, Captures]:
    """Return the topic filter that *text* means, and its captures.

    Args:
        text: A topic filter, in which a level ``{name}`` matches one level and names it.

    Raises:
        ValueError: a name is no identifier or stands there twice, or the filter is not valid.
    """
    levels = text.split("/")
    names: list[str] = []
    positions: list[int] = []
    for at, level in enumerate(levels):
        if not (level.startswith("{") and level.endswith("}")):
            continue
        name = level[1:-1]
        if not name.isidentifier() or iskeyword(name):
            raise ValueError(
                f"{level} in {text!r} is no capture: take a Python name, as in {{room}}"
            )
        if name in names:
            raise ValueError(f"{level} stands twice in {text!r}: give each level its own name")
        names.append(name)
        positions.append(at)
        levels[at] = "+"
    match_filter = "/".join(levels)
    if not validate_topic_filter(match_filter):
        raise ValueError(f"{text!r} contains a null character")
    return match_filter, Captures(tuple(names), tuple(positions))
