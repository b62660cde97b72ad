"""What applications register: callbacks for messages, and for what clients do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from .hooks import HOOKS, hook_table
from .signature import check_positional
from .tap import Subscription, Tap, TapCallback, compile_tap

CallbackT = TypeVar("CallbackT", bound=TapCallback)

FIREHOSE: Final = "#"


class Registration:
    """The callbacks of one extension; they may be registered before it serves and while it does.

    Attributes:
        taps: Those that observe, in order; only ever appended to.
        hooks: Those for what clients do.
    """

    def __init__(self) -> None:
        self.taps: list[Tap] = []
        self.hooks = hook_table()
        self._all: list[Tap] = []
        self._added: Callable[[Tap], None] | None = None

    def on_message(
        self, topic: str = FIREHOSE, *, schema: object = None, reliable: bool = False
    ) -> Callable[[CallbackT], CallbackT]:
        """Call the decorated function for every message whose topic matches *topic*.

        Args:
            topic: A Topic Filter: ``+`` stands for one level, ``#`` for all that follow, and
                ``{name}`` for one that the function takes by that name.
            schema: What payloads are: a dataclass or another type, or a JSON Schema. A message
                with another payload is counted, logged, and not handed over. The function may
                take the decoded value: annotate a parameter with the type.
            reliable: False: the function observes, and misses messages when it is too slow. True:
                a message is done with only when the function returns; when it raises, it gets
                the message again.

        Raises:
            ValueError: *topic* is no Topic Filter, or *schema* is malformed.
            TypeError: the function asks for something that it cannot get, or does not take a
                capture, or JSON has no form of *schema*.
        """
        if not isinstance(topic, str):
            raise TypeError("the topic is text: write @mqtt.on_message('sensors/#')")

        def register(callback: CallbackT) -> CallbackT:
            tap = compile_tap(topic, callback, schema=schema, reliable=reliable)
            self._all.append(tap)
            if not reliable:
                self.taps.append(tap)
            if self._added is not None:
                self._added(tap)
            return callback

        return register

    def on_hook(self, kind: str, callback: CallbackT) -> CallbackT:
        """Call *callback* whenever *kind* happens.

        Raises:
            TypeError: it takes other arguments.
        """
        check_positional(callback, HOOKS[kind])
        self.hooks[kind].append(callback)
        return callback

    def iter_taps(self) -> Iterator[Tap]:
        """Iterate over all taps, the reliable ones too, in order of registration."""
        return iter(tuple(self._all))

    def iter_subscriptions(self) -> Iterator[Subscription]:
        """Iterate over filters, as they were written, and callbacks, in order of registration."""
        return (Subscription(tap.display_filter, tap.callback) for tap in tuple(self._all))

    def watch(self, added: Callable[[Tap], None] | None) -> None:
        """Call *added* with every tap that is registered from now on; None: nobody."""
        self._added = added
