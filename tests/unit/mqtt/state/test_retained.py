from __future__ import annotations

from blackbull.mqtt.state.retained import RetainedTree
from tests.spec import spec


def tree(*topics: str) -> RetainedTree[str]:
    made: RetainedTree[str] = RetainedTree()
    for topic in topics:
        made.put(topic, topic.upper())
    return made


def matches(made: RetainedTree[str], topic_filter: str) -> list[str]:
    found = list(made.match(topic_filter))
    assert all(value == topic.upper() for topic, value in found)
    return sorted(topic for topic, _ in found)


def test_match_filters_find_what_they_mean() -> None:
    made = tree("a", "a/b", "a/b/c", "b/b", "/a", "a/")
    assert matches(made, "#") == ["/a", "a", "a/", "a/b", "a/b/c", "b/b"]
    assert matches(made, "a/#") == ["a", "a/", "a/b", "a/b/c"]
    assert matches(made, "+") == ["a"]
    assert matches(made, "+/b") == ["a/b", "b/b"]
    assert matches(made, "a/+") == ["a/", "a/b"]
    assert matches(made, "+/+/#") == ["/a", "a/", "a/b", "a/b/c", "b/b"]
    assert matches(made, "a/b") == ["a/b"]
    assert matches(made, "a/c") == []
    assert matches(made, "c/#") == []


@spec("MQTT 5.0 §4.7.2", "MQTT-4.7.2-1")
def test_match_dollar_topic_is_hidden_from_leading_wildcards() -> None:
    made = tree("$SYS/broker/uptime", "a/$x", "$SYS")
    assert matches(made, "#") == ["a/$x"]
    assert matches(made, "+") == []
    assert matches(made, "+/#") == ["a/$x"]
    assert matches(made, "+/broker/uptime") == []
    assert matches(made, "$SYS/#") == ["$SYS", "$SYS/broker/uptime"]


def test_put_again_replaces_the_value() -> None:
    made: RetainedTree[int] = RetainedTree()
    assert made.put("a/b", 1) is None
    assert made.put("a/b", 2) == 1
    assert len(made) == 1
    assert made.get("a/b") == 2
    assert "a/b" in made
    assert list(made) == ["a/b"]


def test_remove_every_topic_leaves_no_node() -> None:
    topics = ["a", "a/b", "a/b/c", "x/y/z", ""]
    made = tree(*topics)
    assert made.remove("x/y") is None
    assert made.get("x/y") is None
    for topic in topics:
        assert made.remove(topic) == topic.upper()
        assert topic not in made
    assert len(made) == 0
    assert not made._root.children


def test_match_while_topics_are_removed_skips_what_is_gone() -> None:
    made = tree("a/1", "a/2", "a/2/3", "b")
    seen = []
    for topic, _ in made.match("#"):
        seen.append(topic)
        for other in ("a/1", "a/2", "a/2/3", "b"):
            made.remove(other)
    assert len(seen) == 1
    made = tree("a/1", "a/2")
    for _topic, _ in made.match("a/+"):
        made.remove("a/1")
        made.remove("a/2")
    assert len(made) == 0


def test_match_deep_topic_needs_no_recursion() -> None:
    made = tree("/" * 60_000)
    assert matches(made, "#") == ["/" * 60_000]
    assert made.remove("/" * 60_000) is not None
