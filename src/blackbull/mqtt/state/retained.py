"""The retained trie: which topics a filter reaches, without a look at the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar, final

V = TypeVar("V")


@final
class _Node(Generic[V]):
    """One level of the topics."""

    __slots__ = ("children", "entry", "level", "parent")

    def __init__(self, parent: _Node[V] | None, level: str) -> None:
        self.parent = parent
        self.level = level
        self.children: dict[str, _Node[V]] | None = None
        self.entry: tuple[str, V] | None = None  # topic and value, where one is retained


@final
class RetainedTree(Generic[V]):
    """One value per topic.

    Spec:
        MQTT 5.0 §3.3.1.3, §4.7
    """

    __slots__ = ("_nodes", "_root")

    def __init__(self) -> None:
        self._root: _Node[V] = _Node(None, "")
        self._nodes: dict[str, _Node[V]] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, topic: object) -> bool:
        return topic in self._nodes

    def __iter__(self) -> Iterator[str]:
        """Iterate over the topics; none may be added or removed meanwhile."""
        return iter(self._nodes)

    def get(self, topic: str) -> V | None:
        """Return the value of *topic*, or None."""
        node = self._nodes.get(topic)
        return node.entry[1] if node is not None and node.entry is not None else None

    def put(self, topic: str, value: V) -> V | None:
        """Make *value* the value of *topic*; return the one that it had, or None."""
        node = self._nodes.get(topic)
        if node is not None and node.entry is not None:
            kept, before = node.entry
            node.entry = (kept, value)  # the same string, not an equal one
            return before
        node = self._root
        for level in topic.split("/"):
            if node.children is None:
                node.children = {}
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = _Node(node, level)
            node = child
        node.entry = (topic, value)
        self._nodes[topic] = node
        return None

    def remove(self, topic: str) -> V | None:
        """Take away the value of *topic*; return it, or None."""
        node = self._nodes.pop(topic, None)
        if node is None or node.entry is None:
            return None
        value = node.entry[1]
        node.entry = None
        self._prune(node)
        return value

    def _prune(self, node: _Node[V]) -> None:
        """Take away *node* and every node that led to it only."""
        while node.entry is None and not node.children:
            parent = node.parent
            if parent is None or parent.children is None:
                return
            del parent.children[node.level]
            if not parent.children:
                parent.children = None
            node.parent = None
            node = parent

    def match(self, topic_filter: str) -> Iterator[tuple[str, V]]:
        """Iterate over the topics that *topic_filter* matches, each with its value.

        The tree may change meanwhile: what is added may be missed, what is removed is not seen.

        Args:
            topic_filter: A valid one; of a shared subscription, what follows the share name.

        Spec:
            MQTT 5.0 §4.7.1, §4.7.2
        """
        if "+" not in topic_filter and "#" not in topic_filter:
            node = self._nodes.get(topic_filter)
            if node is not None and node.entry is not None:
                yield node.entry
            return
        levels = topic_filter.split("/")
        multi = levels[-1] == "#"
        if multi:
            levels.pop()
        nodes = self._walk(levels)
        if not multi:
            for node in nodes:
                if node.entry is not None:
                    yield node.entry
            return
        at_root = not levels
        while nodes:
            node = nodes.pop()
            if node.entry is not None:
                yield node.entry
            if node.children:
                nodes += _visible(node) if at_root else node.children.values()
            at_root = False

    def _walk(self, levels: list[str]) -> list[_Node[V]]:
        """Return the nodes that *levels* lead to."""
        nodes = [self._root]
        for number, level in enumerate(levels):
            below: list[_Node[V]] = []
            for node in nodes:
                if not node.children:
                    continue
                if level == "+":
                    below += _visible(node) if number == 0 else node.children.values()
                else:
                    child = node.children.get(level)
                    if child is not None:
                        below.append(child)
            nodes = below
        return nodes


def _visible(root: _Node[V]) -> list[_Node[V]]:
    """Return what a wildcard at the beginning of a filter stands for: MQTT-4.7.2-1."""
    children = root.children or {}
    return [node for level, node in children.items() if not level.startswith("$")]
