from __future__ import annotations

from blackbull.mqtt.state.subscriptions import SubscriptionTree
from tests.spec import spec


def tree(*filters: str) -> SubscriptionTree[str, str]:
    made: SubscriptionTree[str, str] = SubscriptionTree()
    for topic_filter in filters:
        made.add(topic_filter, "key", topic_filter)
    return made


def matches(made: SubscriptionTree[str, str], topic: str) -> list[str]:
    return sorted(value for _, value in made.match(topic))


def test_match_overlapping_filters_returns_each() -> None:
    made = tree("a/b", "a/+", "a/#", "#", "+/b", "b/#", "a/b/c", "+")
    assert matches(made, "a/b") == ["#", "+/b", "a/#", "a/+", "a/b"]


@spec("MQTT 5.0 §4.7.1.2", "MQTT-4.7.1-1")
def test_match_multi_level_wildcard_includes_its_parent() -> None:
    made = tree("sport/tennis/player1/#")
    assert matches(made, "sport/tennis/player1") == ["sport/tennis/player1/#"]
    assert matches(made, "sport/tennis/player1/score/wimbledon") == ["sport/tennis/player1/#"]
    assert matches(made, "sport/tennis") == []


@spec("MQTT 5.0 §4.7.1.3", "MQTT-4.7.1-2")
def test_match_single_level_wildcard_takes_exactly_one_level() -> None:
    assert matches(tree("sport/+"), "sport/") == ["sport/+"]
    assert matches(tree("sport/+"), "sport") == []
    assert matches(tree("sport/+"), "sport/a/b") == []
    assert matches(tree("+/+", "/+", "+"), "/finance") == ["+/+", "/+"]


@spec("MQTT 5.0 §4.7.2", "MQTT-4.7.2-1")
def test_match_dollar_topic_is_hidden_from_leading_wildcards() -> None:
    """S41: `#` and `+/...` do not match `$SYS/...`."""
    made = tree("#", "+/monitor/Clients", "$SYS/#", "$SYS/monitor/+", "+/#")
    assert matches(made, "$SYS/monitor/Clients") == ["$SYS/#", "$SYS/monitor/+"]
    assert matches(made, "$SYS") == ["$SYS/#"]
    assert matches(made, "x/$SYS") == ["#", "+/#"]


@spec("MQTT 5.0 §4.7.3", "MQTT-4.7.3-4")
def test_match_is_literal_about_case_and_slashes() -> None:
    made = tree("ACCOUNTS", "/a", "a/")
    assert matches(made, "Accounts") == []
    assert matches(made, "a") == []
    assert matches(made, "/a") == ["/a"]


def test_add_same_filter_and_key_replaces() -> None:
    made: SubscriptionTree[str, int] = SubscriptionTree()
    for topic_filter in ("a", "a/+", "a/#"):
        assert made.add(topic_filter, "k", 1) is None
        assert made.add(topic_filter, "k", 2) == 1
        assert made.add(topic_filter, "other", 3) is None
    assert len(made) == 6
    assert made.match("a") == [("k", 2), ("other", 3), ("k", 2), ("other", 3)]


def test_remove_what_is_not_there_returns_none() -> None:
    made = tree("a/+", "a/b", "a/#")
    for topic_filter in ("a/+/c", "a/c", "b/#", "+", "#", "a/b/#", "+/b"):
        assert made.remove(topic_filter, "key") is None
    assert made.remove("a/+", "other") is None
    assert len(made) == 3


def test_remove_every_filter_leaves_no_node() -> None:
    filters = ["a", "a/+", "a/#", "#", "+", "+/b/+/#", "a/+/c/d"]
    made = tree(*filters)
    assert matches(made, "a") == ["#", "+", "a", "a/#"]
    for topic_filter in filters:
        assert made.remove(topic_filter, "key") == topic_filter
        assert topic_filter not in matches(made, "a")
    assert len(made) == 0
    root = made._root
    assert (root.children, root.single, root.multi, root.entries) == ({}, None, None, None)
    assert made._exact == {}


def test_match_deep_filter_needs_no_recursion() -> None:
    deep = "/".join(["+"] * 30_000)
    made = tree(deep)
    assert matches(made, "/" * 29_999) == [deep]
    assert made.remove(deep, "key") == deep
    assert made._root.single is None


def test_match_remembered_topics_are_forgotten_with_a_change() -> None:
    made = tree("a/#")
    assert matches(made, "a/b") == ["a/#"]
    made.add("+/b", "key", "+/b")
    assert matches(made, "a/b") == ["+/b", "a/#"]
    made.remove("a/#", "key")
    assert matches(made, "a/b") == ["+/b"]


def test_match_many_topics_remembers_a_bounded_number() -> None:
    made = tree("+")
    for number in range(100_000):
        made.match(str(number))
    assert len(made._known) <= 16_384
    made.match("x" * 10_000)
    assert "x" * 10_000 not in made._known
