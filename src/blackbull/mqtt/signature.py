"""What a callback asks for, checked when it is registered and not when the first message comes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Final, get_type_hints

from .schema import PayloadSchema

EMPTY: Final = inspect.Parameter.empty
POSITIONAL: Final = frozenset({
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
})  # fmt: skip
NAMED: Final = frozenset({
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
})  # fmt: skip

VARIADIC: Final = frozenset({
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
})  # fmt: skip


def callback_name(callback: Callable[..., object]) -> str:
    """Return what log lines and documents call *callback*."""
    return getattr(callback, "__name__", None) or type(callback).__name__


def check_positional(callback: Callable[..., object], names: Sequence[str]) -> None:
    """Check that *callback* can be called with as many arguments as *names* has.

    Raises:
        TypeError: it cannot.
    """
    _check_callable(callback)
    signature = _signature(callback)
    if signature is None:
        return
    try:
        signature.bind(*names)
    except TypeError:
        wanted = ", ".join(names)
        raise TypeError(
            f"{callback_name(callback)}{signature} is called with ({wanted}): take these"
        ) from None


def value_parameter(
    callback: Callable[..., object],
    topic: str,
    captures: Sequence[str],
    schema: PayloadSchema | None,
) -> str:
    """Check what a callback of ``on_message`` asks for.

    It takes the message first, every capture by its name and, with a schema, the decoded value:
    in the parameter that is annotated with the schema's type, or in the only one that is left.

    Args:
        callback: The callback.
        topic: The filter, as it was written; for error messages.
        captures: The names that it captures.
        schema: What the payload is decoded with.

    Returns:
        The name of the parameter that takes the decoded value; ``""`` if there is none.

    Raises:
        TypeError: it asks for something else, or does not take a capture.
    """
    _check_callable(callback)
    signature = _signature(callback)
    if signature is None:
        return ""
    parameters = list(signature.parameters.values())
    kinds = {parameter.kind for parameter in parameters}
    if parameters and parameters[0].kind in POSITIONAL:
        _check_first(callback, parameters.pop(0).name, topic, captures, schema)
    elif inspect.Parameter.VAR_POSITIONAL not in kinds:
        name = callback_name(callback)
        raise TypeError(f"{name}() takes no message: write {name}(msg, ...)")
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        named = {parameter.name for parameter in parameters if parameter.kind in NAMED}
        for capture in captures:
            if capture not in named:
                raise TypeError(
                    f"{topic!r} captures {capture!r}, which {callback_name(callback)}() does not "
                    f"take: add a parameter {capture!r}, or write '+' instead of '{{{capture}}}'"
                )
    others = [
        parameter
        for parameter in parameters
        if parameter.name not in captures and parameter.kind not in VARIADIC
    ]
    return _value_among(callback, others, topic, schema)


def _check_first(
    callback: Callable[..., object],
    first: str,
    topic: str,
    captures: Sequence[str],
    schema: PayloadSchema | None,
) -> None:
    """Check that the parameter *first*, which takes the message, is not meant for anything else."""
    name = callback_name(callback)
    takes = f"the first parameter of {name}() takes the message"
    if first in captures:
        raise TypeError(f"{takes}, and {topic!r} captures {first!r}: write {name}(msg, {first})")
    annotation = _hints(callback).get(first, object)
    if schema is not None and annotation is not object and schema.gives(annotation):
        raise TypeError(f"{takes}, the payload's value comes after it: write {name}(msg, {first})")


def _value_among(
    callback: Callable[..., object],
    others: Sequence[inspect.Parameter],
    topic: str,
    schema: PayloadSchema | None,
) -> str:
    """Return which of the *others* takes the decoded value; the rest must have defaults."""
    hints = _hints(callback)
    value = ""
    if schema is not None:
        fitting = [
            other.name
            for other in others
            if other.name in hints and schema.gives(hints[other.name]) and other.kind in NAMED
        ]
        bare = [
            other.name
            for other in others
            if other.name not in hints and other.default is EMPTY and other.kind in NAMED
        ]
        value = next(iter(fitting or bare), "")
    for other in others:
        if other.default is EMPTY and other.name != value:
            cure = f"capture it with '{{{other.name}}}' in the filter"
            if schema is None:
                cure += ", or give it the payload's value with schema="
            else:
                cure += ", or annotate it with the type of schema="
            raise TypeError(
                f"{callback_name(callback)}() needs {other.name!r}, which {topic!r} does not "
                f"give: {cure}"
            )
    return value


def _check_callable(callback: object) -> None:
    if not callable(callback):
        raise TypeError(f"a callback is a function, not {callback!r}")
    if inspect.isasyncgenfunction(callback) or inspect.isgeneratorfunction(callback):
        raise TypeError(f"{callback_name(callback)}() yields: write a function without 'yield'")


def _signature(callback: Callable[..., object]) -> inspect.Signature | None:
    try:
        return inspect.signature(callback)
    except (TypeError, ValueError):
        return None


def _hints(callback: Callable[..., object]) -> dict[str, object]:
    """Return the annotations that can be resolved: all of them or none."""
    target = callback if inspect.isroutine(callback) else type(callback).__call__
    try:
        return get_type_hints(inspect.unwrap(target))
    except (AttributeError, NameError, TypeError):
        return {}
