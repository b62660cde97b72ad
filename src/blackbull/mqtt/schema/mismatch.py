"""A payload that is not what its schema says."""

from __future__ import annotations


class InvalidPayload(ValueError):
    """A payload does not fit its schema; the text says where and why."""


class Mismatch(Exception):
    """A JSON value does not fit; it learns on its way up where that value was.

    Attributes:
        problem: What is wrong with the value.
        trail: Steps to the value, the innermost first: names, and numbers of items.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.trail: list[str | int] = []

    def at(self, step: str | int) -> Mismatch:
        """Return this mismatch, one *step* further out."""
        self.trail.append(step)
        return self

    def __str__(self) -> str:
        where = "".join(
            f"[{step}]" if isinstance(step, int) else f".{step}" for step in reversed(self.trail)
        ).removeprefix(".")
        return f"{where!r} {self.problem}" if where else f"the payload {self.problem}"


def kind_of(value: object) -> str:
    """Return what JSON calls *value*, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"
