"""The ACL file: who may publish and subscribe to what, in Mosquitto's words.

::

    # before any user: clients without a name
    topic read news/#

    user alice
    topic readwrite home/#
    topic deny home/safe/#

    # of every client: %c is its client identifier, %u its user name
    pattern readwrite devices/%c/#

What no line allows is refused, and ``deny`` wins over whatever allows.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from .requests import Action, ClientInfo
from .watched import BadLine, WatchedFile

Levels: TypeAlias = tuple[str, ...]

MAX_FILTER: Final = 65535
_VARIABLE: Final = re.compile("%[cu]")
_STRUCTURE: Final = re.compile(r"[+#/\0]")


class Access(enum.Flag):
    """What a line is about."""

    READ = enum.auto()
    WRITE = enum.auto()
    DENY = enum.auto()


ACCESS: Final = {
    "read": Access.READ,
    "write": Access.WRITE,
    "readwrite": Access.READ | Access.WRITE,
    "deny": Access.DENY,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One line: a filter's levels and what it is about."""

    access: Access
    levels: Levels


@dataclass(slots=True)
class AccessList:
    """What an ACL file says.

    Attributes:
        anonymous: The rules of clients without a user name.
        users: The rules of each user.
        patterns: The rules of everybody, with ``%c`` and ``%u`` in them.
    """

    anonymous: list[Rule] = field(default_factory=list)
    users: dict[str, list[Rule]] = field(default_factory=dict)
    patterns: list[Rule] = field(default_factory=list)

    def allows(self, client: ClientInfo, action: Action, topic: str) -> bool:
        """Return True if *client* may do it.

        Args:
            client: Who asks.
            action: ``"publish"`` or ``"subscribe"``.
            topic: The topic name, or the whole filter, with or without its ``$share`` prefix.
                A filter is allowed if one line covers all of it and no ``deny`` any of it.
        """
        wanted = Access.WRITE if action == "publish" else Access.READ
        levels = tuple((topic if action == "publish" else _unshared(topic)).split("/"))
        allowed = False
        for rule in self._rules(client):
            if rule.access is Access.DENY:
                if overlaps(rule.levels, levels):
                    return False
            elif not allowed and rule.access & wanted:
                allowed = covers(rule.levels, levels)
        return allowed

    def _rules(self, client: ClientInfo) -> Iterable[Rule]:
        name = client.username
        yield from self.anonymous if name is None else self.users.get(name, ())
        for pattern in self.patterns:
            rule = substitute(pattern, client)
            if rule is not None:
                yield rule


class ACLFile:
    """Judges publishing and subscribing; for ``MQTTExtension(authorize=ACLFile(path))``.

    The file is read again when it changes. A session goes on with what it was told already.

    Args:
        path: The file.

    Raises:
        ConfigurationError: the file cannot be read, or a line of it means nothing.
    """

    def __init__(self, path: str | Path) -> None:
        self._file = WatchedFile(path, "ACL file", parse_acl)

    def __call__(self, client: ClientInfo, action: Action, topic: str) -> bool:
        """Return True if *client* may do it; as :meth:`AccessList.allows`."""
        return self._file.value.allows(client, action, topic)


def parse_acl(text: str) -> AccessList:
    """Return what the *text* of an ACL file says.

    Raises:
        BadLine: a line means nothing.
    """
    found = AccessList()
    rules = found.anonymous
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split(maxsplit=1)
        if not words or words[0].startswith("#"):
            continue
        verb, rest = words[0], words[1].strip() if len(words) > 1 else ""
        if verb == "user":
            if not rest:
                raise BadLine(number, "a user without a name: write 'user NAME'")
            rules = found.users.setdefault(rest, [])
        elif verb == "topic":
            rules.append(_parse_rule(number, rest))
        elif verb == "pattern":
            found.patterns.append(_parse_rule(number, rest))
        else:
            raise BadLine(number, f"{verb!r} is no rule: write user, topic or pattern")
    return found


def _parse_rule(number: int, text: str) -> Rule:
    # The access may be left out, and a filter may have blanks in it.
    words = text.split(maxsplit=1)
    access, topic = ACCESS["readwrite"], text
    if len(words) == 2 and words[0] in ACCESS:
        access, topic = ACCESS[words[0]], words[1]
    if not topic:
        raise BadLine(number, "a rule without a topic: write 'topic read FILTER'")
    levels = tuple(topic.split("/"))
    for position, level in enumerate(levels):
        wild = "#" in level or ("+" in level and level != "+")
        if wild and not (level == "#" and position == len(levels) - 1):
            raise BadLine(
                number, f"{topic!r} is no topic filter: + and # stand alone, and # stands last"
            )
    if len(topic.encode()) > MAX_FILTER or "\0" in topic:
        raise BadLine(number, "no topic filter is so long, or has a zero in it")
    return Rule(access, levels)


def covers(rule: Levels, wanted: Levels) -> bool:
    """Return True if *rule* matches every topic that *wanted* does.

    Args:
        rule: The levels of a filter.
        wanted: The levels of a topic name or of a filter.

    Spec:
        MQTT 5.0 §4.7
    """
    if rule[0] in {"+", "#"} and wanted[0].startswith("$"):
        return False
    for position, level in enumerate(rule):
        if level == "#":
            return True
        if position == len(wanted):
            return False
        mine = wanted[position]
        if mine == "#" or level not in {"+", mine}:
            return False
    return len(rule) == len(wanted)


def overlaps(one: Levels, other: Levels) -> bool:
    """Return True if there is a topic that both match.

    Spec:
        MQTT 5.0 §4.7
    """
    for wild, named in ((one[0], other[0]), (other[0], one[0])):
        if wild in {"+", "#"} and named.startswith("$"):
            return False
    for mine, theirs in zip(one, other, strict=False):
        if "#" in (mine, theirs):
            return True
        if mine != theirs and "+" not in (mine, theirs):
            return False
    longer = max(one, other, key=len)
    # "a/#" also matches "a".
    return len(one) == len(other) or (abs(len(one) - len(other)) == 1 and longer[-1] == "#")


def substitute(pattern: Rule, client: ClientInfo) -> Rule | None:
    """Return *pattern* with ``%c`` and ``%u`` replaced, None if it is not about *client*.

    A name takes the place of a part of one level and never more: what has a wildcard or a slash
    in it, or would begin the topics that are the broker's own, allows nothing. Where a line
    denies, it denies more instead.
    """
    levels: list[str] = []
    for position, level in enumerate(pattern.levels):
        variables = _VARIABLE.findall(level)
        if "%u" in variables and client.username is None:
            return None
        filled = _VARIABLE.sub(lambda found: _value(found[0], client), level)
        reserved = not position and filled.startswith("$") and not level.startswith("$")
        if variables and (reserved or _STRUCTURE.search(filled)):
            if pattern.access is not Access.DENY:
                return None
            first = [filled.split("/")[0]] if reserved else []
            return Rule(Access.DENY, (*levels, *first, "#"))
        levels.append(filled)
    return Rule(pattern.access, tuple(levels))


def _value(variable: str, client: ClientInfo) -> str:
    return client.client_id if variable == "%c" else client.username or ""


def _unshared(topic: str) -> str:
    if topic.startswith("$share/"):
        _, _, rest = topic.removeprefix("$share/").partition("/")
        return rest
    return topic
