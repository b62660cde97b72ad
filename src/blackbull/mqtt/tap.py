"""Taps: callbacks of the application that see the messages which pass through the broker.

A tap observes. It runs in addition to routing and never instead of it, and by default in a
:class:`TapActor` of its own: whoever receives a message hands it over without waiting, and when the
taps fall behind, the newest messages are dropped, counted, and the count is logged.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from blackbull.actor import Actor
from blackbull.actor import Message as ActorMessage

from .application_message import Message, Published
from .schema import InvalidPayload, PayloadSchema, payload_schema
from .signature import callback_name, value_parameter
from .state.subscriptions import SubscriptionTree
from .tally import Tally
from .topics import SHARED, Captures, compile_filter, topic_matches_filter

__all__ = [
    "DEFAULT_QUEUE_BYTES",
    "DEFAULT_QUEUE_SIZE",
    "Handler",
    "Message",
    "Published",
    "Subscription",
    "Tap",
    "TapActor",
    "TapCallback",
    "TapTable",
    "compile_tap",
    "compile_taps",
    "run_taps",
]

logger = logging.getLogger("blackbull.mqtt.tap")
limits = logging.getLogger("blackbull.caps")

DEFAULT_QUEUE_SIZE: Final = 1024
"""Messages that wait for the taps by default."""
DEFAULT_QUEUE_BYTES: Final = 16_777_216
"""Bytes that the messages which wait for the taps hold together by default."""
MAX_REMEMBERED: Final = 4096
"""Topics whose taps a table remembers."""
MAX_REMEMBERED_TOPIC: Final = 256
"""Characters of a topic that is remembered; clients choose how long topics are."""
MESSAGES_PER_TURN: Final = 64
"""Messages that a TapActor hands out before the event loop gets its turn."""

TapCallback: TypeAlias = Callable[..., object]


class Subscription(NamedTuple):
    """One registration of ``on_message``.

    Attributes:
        topic: The filter, as it was written.
        callback: The decorated function.
    """

    topic: str
    callback: TapCallback


@dataclass(frozen=True, slots=True)
class Tap:
    """A callback and the topics that it taps.

    Attributes:
        match_filter: A Topic Filter; what is captured is ``+`` in it.
        captures: The levels that have names.
        callback: Called with the message, and with every capture by its name.
        schema: What the payload is decoded with; None: not at all.
        value_name: The parameter that takes the decoded value; ``""`` if none does.
        reliable: A message is done with only when the callback has returned.
        failures: How often the callback raised.
        invalid: How many messages had a payload that does not fit the schema.
    """

    match_filter: str
    captures: Captures
    callback: TapCallback
    schema: PayloadSchema | None = None
    value_name: str = ""
    reliable: bool = False
    failures: Tally = field(default_factory=Tally, compare=False, repr=False)
    invalid: Tally = field(default_factory=Tally, compare=False, repr=False)

    def bind(self, topic: str) -> dict[str, str]:
        """Return what *topic*, which matches, has at the captured levels, by name."""
        return self.captures.bind(topic)

    @property
    def display_filter(self) -> str:
        """The filter, as it was written."""
        levels = self.match_filter.split("/")
        numbers = "/".join(str(number) for number in range(len(levels)))
        for name, number in self.captures.bind(numbers).items():
            levels[int(number)] = f"{{{name}}}"
        return "/".join(levels)

    @property
    def name(self) -> str:
        """What log lines call the callback."""
        return callback_name(self.callback)

    async def call(self, message: Message, captures: Mapping[str, str]) -> None:
        """Call the callback and wait for it.

        Args:
            message: What it gets first.
            captures: What :meth:`bind` returned.

        Raises:
            InvalidPayload: the payload does not fit the schema; it was not called.
            Exception: whatever it raises.
        """
        if self.schema is None:
            result = self.callback(message, **captures)
        else:
            value = self.schema.decode(message.payload)
            named = {**captures, self.value_name: value} if self.value_name else captures
            result = self.callback(message, **named)
        if result is not None:
            await result  # type: ignore[misc]

    async def call_isolated(self, message: Message, captures: Mapping[str, str]) -> bool:
        """Call the callback; what goes wrong is counted and logged.

        Returns:
            False if it raised. A payload that does not fit the schema is no failure: it would
            never fit.
        """
        try:
            await self.call(message, captures)
        except InvalidPayload as error:
            if self.invalid.add():
                logger.warning(
                    "%s(): a message to %r has an invalid payload: %s (%d so far)",
                    self.name, message.topic, error, self.invalid.count,
                )  # fmt: skip
        except Exception:
            self.log_failure(message)
            return False
        return True

    def log_failure(self, message: Message) -> None:
        """Count and log, now and then, that the callback raised: the exception being handled."""
        if self.failures.add():
            logger.exception(
                "%s() failed on a message to %r (%d times so far)",
                self.name, message.topic, self.failures.count,
            )  # fmt: skip


Handler: TypeAlias = Tap | tuple[str, TapCallback]
"""A tap, or a filter and the callback for it, such as a :class:`Subscription`."""
Found: TypeAlias = tuple[tuple[Tap, Mapping[str, str]], ...]
"""The taps of one topic, each with what it captures there."""


def compile_tap(
    topic: str, callback: TapCallback, *, schema: object = None, reliable: bool = False
) -> Tap:
    """Return the tap of *callback* on *topic*.

    Args:
        topic: A Topic Filter, in which a level may be a ``{name}`` to capture.
        callback: Takes the message, and every capture by its name.
        schema: What payloads are; None: anything.
        reliable: A message is done with only when *callback* has returned.

    Raises:
        ValueError: *topic* is no Topic Filter, or captures a name twice.
        TypeError: *callback* asks for something that it cannot get, or does not take a capture.
    """
    match_filter, captures = compile_filter(topic)
    if match_filter.startswith(SHARED):
        raise ValueError(f"{topic!r} is a shared subscription: a tap sees every message")
    found = None if schema is None else payload_schema(schema)
    value_name = value_parameter(callback, topic, captures.names, found)
    return Tap(match_filter, captures, callback, found, value_name, reliable)


def compile_taps(handlers: Iterable[Handler]) -> list[Tap]:
    """Return *handlers* as taps, in their order; raises what :func:`compile_tap` raises."""
    return [
        handler if isinstance(handler, Tap) else compile_tap(handler[0], handler[1])
        for handler in handlers
    ]


async def run_taps(
    taps: Iterable[Tap], message: Message, *, raise_exceptions: bool = False
) -> None:
    """Call, one after another, those of *taps* that match the topic of *message*.

    Args:
        taps: In the order in which they are called.
        message: What they get.
        raise_exceptions: False: what a callback raises is logged and the next one is called.

    Raises:
        InvalidPayload: with *raise_exceptions*, the payload does not fit a tap's schema.
        Exception: with *raise_exceptions*, whatever a callback raises.
    """
    topic = message.topic
    for tap in taps:
        if topic_matches_filter(topic, tap.match_filter):
            if raise_exceptions:
                await tap.call(message, tap.bind(topic))
            else:
                await tap.call_isolated(message, tap.bind(topic))


class TapTable:
    """Finds the taps of a topic, and remembers what it found.

    Args:
        handlers: Taps, or filters with callbacks. What is appended later is found, too.
    """

    __slots__ = ("_handlers", "_known", "_remembered", "_taps", "_tree")

    def __init__(self, handlers: Sequence[Handler]) -> None:
        self._handlers = handlers
        self._known = 0
        self._taps: list[Tap] = []
        self._tree: SubscriptionTree[int, Tap] = SubscriptionTree()
        self._remembered: dict[str, Found] = {}

    def find(self, topic: str) -> Found:
        """Return the taps that match *topic*, in the order in which they were registered."""
        if len(self._handlers) == self._known:
            found = self._remembered.get(topic)
            if found is not None:
                return found
        else:
            self._grow()
        numbered = sorted(self._tree.match(topic), key=_number)
        found = tuple((tap, tap.bind(topic)) for _, tap in numbered)
        if len(topic) <= MAX_REMEMBERED_TOPIC:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[topic] = found
        return found

    async def run(self, message: Message) -> None:
        """Call the taps of *message*, one after another; what they raise is logged."""
        for tap, captures in self.find(message.topic):
            await tap.call_isolated(message, captures)

    def _grow(self) -> None:
        for tap in compile_taps(self._handlers[self._known :]):
            self._tree.add(tap.match_filter, len(self._taps), tap)
            self._taps.append(tap)
        self._known = len(self._handlers)
        self._remembered.clear()


def _number(numbered: tuple[int, Tap]) -> int:
    return numbered[0]


class TapActor(Actor):
    """Calls the taps, away from the connections.

    Args:
        handlers: Taps, or filters with callbacks. What is appended later is called, too.
        queue_size: Messages that wait; when that many do, the newest is dropped.
        queue_bytes: What those that wait may hold together; one alone may be longer.
        clock: Returns monotonic seconds.

    Raises:
        ValueError: *queue_size* is not positive.
    """

    def __init__(
        self,
        handlers: Sequence[Handler],
        *,
        queue_size: int = DEFAULT_QUEUE_SIZE,
        queue_bytes: int = DEFAULT_QUEUE_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if queue_size < 1:
            raise ValueError(f"queue_size is a number of messages, not {queue_size}")
        # The inbox holds the news that something waits; what waits is in a queue that is cheaper.
        super().__init__(inbox_maxsize=1)
        self._table = TapTable(handlers)
        self._table.find("")
        self._queue_size = queue_size
        self._queue_bytes = queue_bytes
        self._bytes = 0
        self._waiting: deque[tuple[Published, Found, int]] = deque()
        self._drops = Tally(clock=clock)
        self._limits: set[str] = set()

    def offer(self, message: Published) -> bool:  # type: ignore[override] # what taps are for
        """Hand *message* over without waiting.

        Returns:
            False when it was dropped. A message that no tap is for is not even queued.
        """
        found = self._table.find(message.topic)
        if not found:
            return True
        waiting = self._waiting
        size = message.size
        held = self._bytes + size
        if len(waiting) >= self._queue_size:
            self._drop("mqtt_tap_queue_size", len(waiting) + 1, allowed=self._queue_size)
            return False
        if held > self._queue_bytes and waiting:
            self._drop("mqtt_tap_queue_bytes", held, allowed=self._queue_bytes)
            return False
        if self._closing:
            return False
        self._bytes = held
        waiting.append((message, found, size))
        if len(waiting) == 1:
            super().offer(NEWS)
        return True

    @property
    def dropped(self) -> int:
        """Messages that were dropped because the taps were too slow."""
        return self._drops.count

    @property
    def queued(self) -> int:
        """Messages that wait."""
        return len(self._waiting)

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            self._waiting.clear()
            if self._drops.untold:
                self._tell()

    async def _handle_batch(self, batch: list[ActorMessage]) -> None:
        waiting = self._waiting
        handed_out = 0
        while waiting:
            publication, found, size = waiting.popleft()
            self._bytes -= size
            message = Message.of(publication)
            for tap, captures in found:
                if tap.schema is not None:
                    await tap.call_isolated(message, captures)
                    continue
                # The same without two more coroutines: every message of the broker may come here.
                try:
                    result = tap.callback(message, **captures)
                    if result is not None:
                        await result  # type: ignore[misc] # a plain function returned None
                except Exception:
                    tap.log_failure(message)
            handed_out += 1
            if handed_out % MESSAGES_PER_TURN == 0:
                await asyncio.sleep(0)

    def _drop(self, limit: str, seen: int, *, allowed: int) -> None:
        if limit not in self._limits:
            self._limits.add(limit)
            limits.warning(
                "%s: %d exceeds %d (peer=- protocol=mqtt path=-)", limit, seen, allowed,
                extra={
                    "cap": limit, "requested": seen, "limit": allowed, "peer": "-",
                    "scope_path": "", "protocol": "mqtt",
                },
            )  # fmt: skip
        if self._drops.add():
            self._tell()

    def _tell(self) -> None:
        logger.warning(
            "the taps are too slow: %d messages dropped so far (%d may wait)",
            self._drops.count, self._queue_size,
        )  # fmt: skip


NEWS: Final = ActorMessage()
