from __future__ import annotations

import pytest

from blackbull.mqtt.topics import (
    compile_filter,
    count_levels,
    parse_shared,
    topic_matches_filter,
    validate_topic_filter,
    validate_topic_name,
)
from tests.spec import spec

MATCHES = [
    ("a/b", "a/b", True),
    ("a/b", "a/+", True),
    ("a/b", "+/+", True),
    ("a/b", "#", True),
    ("a", "a/#", True),
    ("a/b/c", "a/#", True),
    ("a/b/c", "a/+/#", True),
    ("a", "a/+/#", False),
    ("a", "a/+", False),
    ("a/", "a/+", True),
    ("/a", "+/+", True),
    ("/a", "+", False),
    ("a/b/c", "a/+", False),
    ("a/b", "a/b/+", False),
    ("a", "A", False),
    ("$SYS/x", "#", False),
    ("$SYS/x", "+/x", False),
    ("$SYS/x", "$SYS/#", True),
    ("$SYS/x", "$SYS/+", True),
    ("a/$x", "a/#", True),
    ("a/b", "$share/group/a/+", True),
    ("c/b", "$share/group/a/+", False),
    ("$SYS/x", "$share/group/#", False),
]


@spec("MQTT 5.0 §4.7.1", "MQTT-4.7.1-1", "MQTT-4.7.1-2", "MQTT-4.7.2-1")
@pytest.mark.parametrize(("topic", "topic_filter", "expected"), MATCHES)
def test_topic_matches_filter_as_the_standard_says(
    topic: str, topic_filter: str, expected: bool
) -> None:
    """S42: topic_matches_filter."""
    assert topic_matches_filter(topic, topic_filter) is expected


@spec("MQTT 5.0 §4.7.3", "MQTT-4.7.3-1", "MQTT-4.7.3-2", "MQTT-4.7.3-3", "MQTT-3.3.2-2")
def test_topic_name_invalid_is_refused() -> None:
    for bad in ("", "a/+", "#", "a#", "x" * 65_536, "é" * 32_768, "\ud800"):
        with pytest.raises(ValueError, match="topic name"):
            validate_topic_name(bad)
    assert validate_topic_name("a\0b") is False
    for good in ("a", "/", "a b", "$SYS/x", "x" * 65_535, "é" * 32_767):
        assert validate_topic_name(good) is True


@spec("MQTT 5.0 §4.7.1", "MQTT-4.7.1-1", "MQTT-4.7.1-2", "MQTT-4.7.3-1", "MQTT-4.7.3-3")
def test_topic_filter_invalid_is_refused() -> None:
    for bad in ("", "#/a", "a#", "a/#/b", "a+", "+a/b", "a/b+", "##", "++", "x" * 65_536, "\udfff"):
        with pytest.raises(ValueError, match="topic filter"):
            validate_topic_filter(bad)
    assert validate_topic_filter("a/\0") is False
    for good in (
        "#",
        "+",
        "a/#",
        "+/+/#",
        "/",
        "a//b",
        "$SYS/#",
        "$share",
        "$shared/a",
        "x" * 65_535,
    ):
        assert validate_topic_filter(good) is True


@spec("MQTT 5.0 §4.8.2", "MQTT-4.8.2-1", "MQTT-4.8.2-2")
def test_shared_filter_has_a_name_and_a_filter() -> None:
    assert parse_shared("$share/group/a/#") == ("group", "a/#")
    assert parse_shared("$share/g//x") == ("g", "/x")
    assert parse_shared("a/b") is None
    assert parse_shared("$shared/g/a") is None
    assert validate_topic_filter("$share/g/#") is True
    for bad in ("$share/", "$share/g", "$share/g/", "$share//a", "$share/g+/a", "$share/#/a"):
        with pytest.raises(ValueError, match="share"):
            parse_shared(bad)
        with pytest.raises(ValueError, match="share"):
            validate_topic_filter(bad)
    with pytest.raises(ValueError, match="'#'"):
        validate_topic_filter("$share/g/#/a")


def test_compile_filter_captures_become_wildcards() -> None:
    """S33: a `{name}` level matches one level and names it."""
    match_filter, captures = compile_filter("sensors/{room}/+/{kind}/#")
    assert match_filter == "sensors/+/+/+/#"
    assert captures.names == ("room", "kind")
    assert captures.bind("sensors/kitchen/1/t/x/y") == {"room": "kitchen", "kind": "t"}


def test_compile_filter_without_captures_binds_nothing() -> None:
    match_filter, captures = compile_filter("a{b}/#")
    assert match_filter == "a{b}/#"
    assert captures.names == ()
    assert captures.bind("a{b}/c") == {}


@pytest.mark.parametrize(
    "text", ["{}", "{1}", "{class}", "{a b}", "{a}/{a}", "{a}/#/b", "{a}\0", ""]
)
def test_compile_filter_invalid_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"capture|own name|'#'|null|at least one"):
        compile_filter(text)


def test_count_levels_counts_empty_ones() -> None:
    assert [count_levels(topic) for topic in ("a", "/", "a/b/", "$SYS/x")] == [1, 2, 3, 2]
