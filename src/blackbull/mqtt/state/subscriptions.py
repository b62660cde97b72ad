"""The subscription trie: which subscriptions a topic reaches, without a look at the others."""

from __future__ import annotations

from typing import Final, Generic, TypeVar, final

K = TypeVar("K")
V = TypeVar("V")

MAX_REMEMBERED: Final = 16_384
"""Matches that are remembered at a time, counting each as one more than its subscriptions."""

MAX_REMEMBERED_TOPIC: Final = 256
"""Characters of a topic whose match is remembered."""


@final
class _Node(Generic[K, V]):
    """One level of the filters that have a wildcard."""

    __slots__ = ("children", "entries", "multi", "single")

    def __init__(self) -> None:
        self.children: dict[str, _Node[K, V]] = {}
        self.single: _Node[K, V] | None = None  # '+'
        self.multi: dict[K, tuple[K, V]] | None = None  # of filters that end here with '#'
        self.entries: dict[K, tuple[K, V]] | None = None  # of filters that end here


@final
class SubscriptionTree(Generic[K, V]):
    """Subscriptions by topic filter; each filter holds one value per key.

    Filters without a wildcard stand in one dictionary, the others in a trie of their levels. What a
    topic reached is remembered until a subscription changes.

    Spec:
        MQTT 5.0 §4.7
    """

    __slots__ = ("_exact", "_known", "_known_size", "_root", "_size", "_wild")

    def __init__(self) -> None:
        self._exact: dict[str, dict[K, tuple[K, V]]] = {}
        self._root: _Node[K, V] = _Node()
        self._size = 0
        self._wild = 0
        self._known: dict[str, list[tuple[K, V]]] = {}
        self._known_size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, topic_filter: str, key: K, value: V) -> V | None:
        """Put *value* under *topic_filter* and *key*; return what stood there.

        Args:
            topic_filter: A valid one; of a shared subscription, what follows the share name.
            key: Who subscribes.
            value: Anything.
        """
        self._forget()
        entries = self._make(topic_filter)
        before = entries.get(key)
        entries[key] = (key, value)
        if before is not None:
            return before[1]
        self._size += 1
        return None

    def _make(self, topic_filter: str) -> dict[K, tuple[K, V]]:
        """Return the entries of *topic_filter*, made if there are none."""
        if "+" not in topic_filter and "#" not in topic_filter:
            return self._exact.setdefault(topic_filter, {})
        node = self._root
        levels = topic_filter.split("/")
        multi = levels[-1] == "#"
        if multi:
            levels.pop()
        for level in levels:
            if level == "+":
                if node.single is None:
                    node.single = _Node()
                node = node.single
            else:
                child = node.children.get(level)
                if child is None:
                    child = node.children[level] = _Node()
                node = child
        entries = node.multi if multi else node.entries
        if entries is None:
            entries = {}
            self._wild += 1
            if multi:
                node.multi = entries
            else:
                node.entries = entries
        return entries

    def remove(self, topic_filter: str, key: K) -> V | None:
        """Take away what stands under *topic_filter* and *key*; return it, or None."""
        if "+" not in topic_filter and "#" not in topic_filter:
            entries = self._exact.get(topic_filter)
            if entries is None or key not in entries:
                return None
            value = entries.pop(key)[1]
            if not entries:
                del self._exact[topic_filter]
        else:
            trail = self._trail(topic_filter)
            if trail is None:
                return None
            node = trail[-1][2]
            multi = topic_filter.endswith("#")
            entries = node.multi if multi else node.entries
            if entries is None or key not in entries:
                return None
            value = entries.pop(key)[1]
            if not entries:
                self._prune(trail, multi=multi)
        self._size -= 1
        self._forget()
        return value

    def _trail(self, topic_filter: str) -> list[tuple[_Node[K, V], str, _Node[K, V]]] | None:
        """Return each step to the node of *topic_filter*: parent, level, child."""
        node = self._root
        trail = [(node, "", node)]
        levels = topic_filter.split("/")
        if levels[-1] == "#":
            levels.pop()
        for level in levels:
            child = node.single if level == "+" else node.children.get(level)
            if child is None:
                return None
            trail.append((node, level, child))
            node = child
        return trail

    def _prune(self, trail: list[tuple[_Node[K, V], str, _Node[K, V]]], *, multi: bool) -> None:
        """Take away the entries at the end of *trail*, and every node that led to them only."""
        node = trail[-1][2]
        if multi:
            node.multi = None
        else:
            node.entries = None
        self._wild -= 1
        for parent, level, child in reversed(trail[1:]):
            if child.children or child.single or child.multi or child.entries:
                return
            if level == "+":
                parent.single = None
            else:
                del parent.children[level]

    def match(self, topic: str) -> list[tuple[K, V]]:
        """Return key and value of every subscription that *topic* reaches.

        A key stands there once for each of its filters that match. The list is shared between
        calls: it is not to be changed.

        Args:
            topic: A valid topic name.

        Spec:
            MQTT 5.0 §4.7.1, §4.7.2
        """
        known = self._known.get(topic)
        if known is not None:
            return known
        entries = self._exact.get(topic)
        found = list(entries.values()) if entries else []
        if self._wild:
            self._match_wild(topic, found)
        if len(topic) > MAX_REMEMBERED_TOPIC:
            return found
        self._known_size += len(found) + 1
        if self._known_size > MAX_REMEMBERED:
            self._forget()
            self._known_size = len(found) + 1
        self._known[topic] = found
        return found

    def _match_wild(self, topic: str, found: list[tuple[K, V]]) -> None:
        levels = topic.split("/")
        nodes = [self._root]
        if topic.startswith("$"):
            # MQTT-4.7.2-1: no filter that begins with a wildcard.
            child = self._root.children.get(levels[0])
            if child is None:
                return
            nodes = [child]
            del levels[0]
        for level in levels:
            below: list[_Node[K, V]] = []
            for node in nodes:
                if node.multi:
                    found += node.multi.values()
                child = node.children.get(level)
                if child is not None:
                    below.append(child)
                if node.single is not None:
                    below.append(node.single)
            if not below:
                return
            nodes = below
        for node in nodes:
            if node.entries:
                found += node.entries.values()
            if node.multi:
                found += node.multi.values()

    def _forget(self) -> None:
        if self._known:
            self._known = {}
            self._known_size = 0
