"""The tries find what comparing every topic with every filter finds."""

from __future__ import annotations

from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from blackbull.mqtt.state.retained import RetainedTree
from blackbull.mqtt.state.subscriptions import SubscriptionTree
from blackbull.mqtt.topics import topic_matches_filter, validate_topic_filter, validate_topic_name

law = partial(settings, deadline=None, derandomize=True)

LEVEL = st.sampled_from(["a", "b", "", "$x", "é"])
TOPICS = st.lists(LEVEL, min_size=1, max_size=4).map("/".join).filter(bool)
PARTS = st.lists(LEVEL | st.just("+"), max_size=4)
FILTERS = st.builds(
    lambda parts, multi: "/".join([*parts, "#"] if multi else parts), PARTS, st.booleans()
).filter(bool)
KEYS = st.sampled_from(["k1", "k2", "k3"])
CHANGES = st.lists(st.tuples(st.booleans(), FILTERS, KEYS), max_size=25)


@law(max_examples=300)
@given(CHANGES, st.lists(TOPICS, min_size=1, max_size=5))
def test_subscriptions_match_what_each_filter_matches(
    changes: list[tuple[bool, str, str]], topics: list[str]
) -> None:
    tree: SubscriptionTree[str, int] = SubscriptionTree()
    model: dict[tuple[str, str], int] = {}
    for number, (add, topic_filter, key) in enumerate(changes):
        assert validate_topic_filter(topic_filter)
        before = model.get((topic_filter, key))
        if add:
            assert tree.add(topic_filter, key, number) == before
            model[topic_filter, key] = number
        else:
            assert tree.remove(topic_filter, key) == before
            model.pop((topic_filter, key), None)
        assert len(tree) == len(model)
        # Twice, because the first answer is remembered.
        for topic in topics * 2:
            expected = [
                (key, value)
                for (topic_filter, key), value in model.items()
                if topic_matches_filter(topic, topic_filter)
            ]
            assert sorted(tree.match(topic)) == sorted(expected)
    for topic_filter, key in model:
        tree.remove(topic_filter, key)
    root = tree._root
    assert (root.children, root.single, root.multi, root.entries) == ({}, None, None, None)
    assert tree._exact == {}


@law(max_examples=300)
@given(st.lists(st.tuples(st.booleans(), TOPICS), max_size=25), st.lists(FILTERS, max_size=8))
def test_retained_match_what_the_filter_matches(
    changes: list[tuple[bool, str]], filters: list[str]
) -> None:
    tree: RetainedTree[int] = RetainedTree()
    model: dict[str, int] = {}
    for number, (put, topic) in enumerate(changes):
        assert validate_topic_name(topic)
        if put:
            assert tree.put(topic, number) == model.get(topic)
            model[topic] = number
        else:
            assert tree.remove(topic) == model.pop(topic, None)
    assert (len(tree), sorted(tree)) == (len(model), sorted(model))
    for topic_filter in filters:
        expected = {
            topic: value
            for topic, value in model.items()
            if topic_matches_filter(topic, topic_filter)
        }
        found = list(tree.match(topic_filter))
        assert dict(found) == expected
        assert len(found) == len(expected)
    for topic in model:
        tree.remove(topic)
    assert not tree._root.children
