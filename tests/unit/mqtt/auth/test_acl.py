"""What an ACL file allows, and what nobody gets by a clever name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from blackbull.errors import ConfigurationError
from blackbull.mqtt.auth import ACLFile, Action, ClientInfo
from blackbull.mqtt.auth.acl import covers, overlaps
from tests.spec import spec

FILE = """\
# news for everybody without a name
topic read news/#

user alice
topic readwrite home/#
topic deny home/safe/#
topic read a topic/with blanks
topic write\tout/+
topic both

user bob smith
topic read $SYS/#

pattern readwrite devices/%c/#
pattern write in/%u/%c
pattern read public/#
pattern deny public/of-%u/secret
"""

Allowed = Callable[..., bool]


@pytest.fixture
def allowed(tmp_path: Path) -> Allowed:
    """Tell whether somebody may do something, by ``FILE`` or by another text."""

    def judge(
        who: str | None, action: Action, topic: str, *, client_id: str = "c1", text: str = FILE
    ) -> bool:
        path = tmp_path / "acl"
        path.write_text(text)
        return ACLFile(path)(ClientInfo(client_id, who), action, topic)

    return judge


@pytest.mark.parametrize(
    ("who", "action", "topic", "expected"),
    [
        (None, "subscribe", "news/today", True),
        (None, "subscribe", "news/#", True),
        (None, "subscribe", "news", True),
        (None, "publish", "news/today", False),
        (None, "subscribe", "#", False),
        (None, "subscribe", "home/x", False),
        ("alice", "subscribe", "news/today", False),
        ("alice", "subscribe", "home/kitchen/+", True),
        ("alice", "publish", "home/kitchen", True),
        ("alice", "publish", "home/safe", False),
        ("alice", "publish", "home/safe/door", False),
        ("alice", "subscribe", "home/#", False),
        ("alice", "subscribe", "home/+", False),
        ("alice", "subscribe", "home/kitchen/#", True),
        ("alice", "subscribe", "a topic/with blanks", True),
        ("alice", "publish", "a topic/with blanks", False),
        ("alice", "publish", "out/x", True),
        ("alice", "publish", "out/x/y", False),
        ("alice", "subscribe", "out/x", False),
        ("alice", "publish", "both", True),
        ("alice", "subscribe", "both", True),
        ("bob smith", "subscribe", "$SYS/broker/uptime", True),
        ("bob smith", "subscribe", "$share/group/$SYS/#", True),
        ("bob smith", "subscribe", "$share/group/home/#", False),
        ("bob smith", "subscribe", "home/x", False),
        ("carol", "subscribe", "home/x", False),
        (None, "publish", "devices/c1/state", True),
        ("carol", "subscribe", "devices/c1/#", True),
        ("carol", "subscribe", "devices/c2/#", False),
        ("carol", "subscribe", "devices/+/#", False),
        ("carol", "publish", "in/carol/c1", True),
        ("carol", "publish", "in/alice/c1", False),
        (None, "publish", "in//c1", False),
        ("carol", "subscribe", "public/x", True),
        ("carol", "subscribe", "public/of-carol/secret", False),
        ("carol", "subscribe", "public/of-dave/secret", True),
        ("carol", "subscribe", "public/#", False),
        (None, "subscribe", "public/#", True),
    ],
)
def test_acl_judges_as_the_file_says(
    allowed: Allowed, who: str | None, action: Action, topic: str, expected: bool
) -> None:
    assert allowed(who, action, topic) is expected


@pytest.mark.parametrize(
    ("client_id", "topic"),
    [
        ("+", "devices/c2/state"),
        ("+", "devices/+/state"),
        ("#", "devices/c2"),
        ("#", "devices/#"),
        ("c2/sub", "devices/c2/sub/x"),
        ("c+", "devices/c+/x"),
        ("c2\0", "devices/c2\0/x"),
        ("%u", "devices/alice/x"),
    ],
)
@pytest.mark.parametrize("action", ["publish", "subscribe"])
def test_acl_pattern_is_not_widened_by_a_client_identifier(
    allowed: Allowed, client_id: str, topic: str, action: Action
) -> None:
    assert not allowed("alice", action, topic, client_id=client_id)


@pytest.mark.parametrize("name", ["+", "#", "a/#", "x/y"])
def test_acl_pattern_is_not_widened_by_a_user_name(allowed: Allowed, name: str) -> None:
    text = "pattern readwrite users/%u/box"
    assert not allowed(name, "subscribe", f"users/{name}/box", text=text)
    assert not allowed(name, "publish", "users/alice/box", text=text)


@pytest.mark.parametrize("name", ["$SYS", "$share", "$"])
def test_acl_pattern_at_the_first_level_does_not_reach_the_brokers_topics(
    allowed: Allowed, name: str
) -> None:
    assert not allowed("u", "subscribe", f"{name}/x", client_id=name, text="pattern read %c/#")
    assert allowed("u", "subscribe", "x/$SYS", client_id="$SYS", text="pattern read x/%c")
    assert allowed("u", "subscribe", "$SYS/c1", text="pattern read $SYS/%c")


@pytest.mark.parametrize(
    ("client_id", "topic"), [("a/b", "x/a/b"), ("#", "x/y"), ("+", "x/y"), ("$SYS", "x/$SYS")]
)
def test_acl_deny_is_not_escaped_by_a_client_identifier(
    allowed: Allowed, client_id: str, topic: str
) -> None:
    text = "topic readwrite #\npattern deny x/%c"
    assert not allowed(None, "publish", topic, client_id=client_id, text=text)
    assert allowed(None, "publish", "y", client_id=client_id, text=text)


@pytest.mark.parametrize("client_id", ["$SYS", "$SYS/a"])
def test_acl_deny_at_the_first_level_is_not_escaped(allowed: Allowed, client_id: str) -> None:
    text = "topic readwrite $SYS/#\npattern deny %c/b"
    assert not allowed(None, "publish", f"{client_id}/b", client_id=client_id, text=text)


def test_acl_later_line_does_not_take_a_deny_back(allowed: Allowed) -> None:
    text = "user u\ntopic deny a\nuser v\ntopic read b\nuser u\ntopic readwrite a\ntopic read b"
    assert not allowed("u", "publish", "a", text=text)
    assert allowed("u", "subscribe", "b", text=text)
    assert allowed("v", "subscribe", "b", text=text)


def test_acl_empty_file_allows_nothing(allowed: Allowed) -> None:
    assert not allowed(None, "subscribe", "a", text="")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n\nuser\n", "line 3: a user without a name"),
        ("topic\n", "line 1: a rule without a topic"),
        ("pattern  \n", "line 1: a rule without a topic"),
        ("topics read a", "line 1: 'topics' is no rule"),
        ("topic read a\ntopic read a/#/b", "line 2: 'a/#/b' is no topic filter"),
        ("topic read a+", "line 1: 'a+' is no topic filter"),
        ("topic deny #a", "line 1: '#a' is no topic filter"),
        ("pattern read %c#", "line 1: '%c#' is no topic filter"),
        ("topic read " + "x" * 65536, "line 1: no topic filter is so long"),
    ],
)
def test_acl_line_that_means_nothing_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "acl"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        ACLFile(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_acl_change_of_the_file_counts_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "acl"
    path.write_text("topic read a")
    acl = ACLFile(path)
    me = ClientInfo("c")
    assert acl(me, "subscribe", "a")
    path.write_text("topic read bb")
    assert not acl(me, "subscribe", "a")
    assert acl(me, "subscribe", "bb")
    assert not caplog.records
    path.write_text("topics")
    assert acl(me, "subscribe", "bb")
    assert acl(me, "subscribe", "bb")
    path.unlink()
    assert acl(me, "subscribe", "bb")
    assert acl(me, "subscribe", "bb")
    assert len(caplog.records) == 2, "each trouble is told once"
    path.write_text("topic read a")
    assert acl(me, "subscribe", "a")


NAMES = ["a", "b", "$x"]
FILTERS = [
    (*head, *tail)
    for length in range(3)
    for head in itertools.product([*NAMES, "+"], repeat=length)
    for tail in [("#",), ("a",), ("$x",), ("+",)]
]
TOPICS = [
    levels for length in (1, 2, 3, 4) for levels in itertools.product([*NAMES, "c"], repeat=length)
]


def regex(levels: tuple[str, ...]) -> re.Pattern[str]:
    """Return what the standard says of a filter, as a regular expression."""
    text = ""
    for position, level in enumerate(levels):
        slash = "/" if position else ""
        if level == "#":
            text += "(/.*)?" if position else ".*"
        else:
            text += slash + ("[^/]*" if level == "+" else re.escape(level))
    return re.compile(("(?![$])" if levels[0] in {"+", "#"} else "") + text, re.DOTALL)


@spec("MQTT 5.0 §4.7.1", "wildcards")
def test_covering_and_overlapping_are_what_the_topics_say() -> None:
    """Every pair of small filters, against every small topic."""
    matched = {
        levels: frozenset(t for t in TOPICS if regex(levels).fullmatch("/".join(t)))
        for levels in FILTERS
    }
    for one, other in itertools.product(FILTERS, repeat=2):
        if covers(one, other):
            assert matched[other] <= matched[one], (one, other)
        # "+/#" matches all that "#" does, though no level of it says so.
        elif other != ("#",) and one != ("+", "#"):
            assert not matched[other] <= matched[one] or not matched[other], (one, other)
        assert overlaps(one, other) == bool(matched[one] & matched[other]), (one, other)


def test_covering_a_topic_name_is_matching_it() -> None:
    for levels in FILTERS:
        pattern = regex(levels)
        for topic in TOPICS:
            assert covers(levels, topic) == bool(pattern.fullmatch("/".join(topic)))
