"""The application's side where the broker runs in another worker.

One stream to the owner carries what this worker's application publishes and follows. When the
owner dies, the stream is opened anew to its successor and everything is subscribed anew; what was
asked and not answered fails, and what is asked meanwhile waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

from blackbull.abc import Reader, Writer
from blackbull.errors import ConnectionLost, TransportError

from ..application_message import Published
from ..client import LocalSubscription
from ..state.publication import EMPTY, make_publication
from ..topics import validate_topic_name
from ..waiting import Waiting
from .frames import (
    Frame,
    Frames,
    Kind,
    Wish,
    decode_count,
    decode_message,
    decode_refusal,
    encode_frame,
    encode_publication,
    encode_wish,
)

logger = logging.getLogger("blackbull.mqtt")

CHUNK: Final = 65536
PAUSES: Final = (0.02, 0.04, 0.08, 0.16, 0.32, 0.5)
"""Seconds between two attempts to reach the owner; the last one again and again."""
GRACE: Final = 0.25
"""Seconds after which a worker leaves an owner that stops, unless it stops itself."""
MAX_NUMBER: Final = 0xFFFF_FFFF
LAST_WORDS: Final = 1.0
"""Seconds that the owner gets to let clients go when this worker stops."""

Stream = tuple[Reader, Writer]


class Following:
    """Something that this worker's application follows.

    Attributes:
        wish: What the owner is asked for.
        receive: Takes a message.
        lost: Takes how many messages were dropped on the way.
        made: Set once the owner has answered.
        dropped_before: Messages that former owners had dropped.
        dropped: Messages that all owners have dropped.
        refusal: Why the owner does not accept the filter.
    """

    __slots__ = ("dropped", "dropped_before", "lost", "made", "receive", "refusal", "wish")

    def __init__(
        self, wish: Wish, receive: Callable[[Published], object], lost: Callable[[int], None]
    ) -> None:
        self.wish = wish
        self.receive = receive
        self.lost = lost
        self.made = asyncio.Event()
        self.dropped_before = 0
        self.dropped = 0
        self.refusal: Exception | None = None


class DistantSubscription(LocalSubscription):
    """A subscription at the owner, until it is closed."""

    def __init__(self, broker: DistantBroker, number: int) -> None:
        self._broker = broker
        self._number = number

    @property
    def dropped(self) -> int:
        """Messages that were not taken here: none, whoever follows drops them."""
        return 0

    def resume(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Unsubscribe."""
        self._broker.unfollow(self._number)


class DistantBroker:
    """Publishes and subscribes at the broker of the owner.

    Args:
        open_stream: Opens a stream to the owner.
        timeout: Seconds that the owner may take to answer; 0: any time.
    """

    def __init__(self, open_stream: Callable[[], Awaitable[Stream]], *, timeout: float) -> None:
        self._open_stream = open_stream
        self._timeout = timeout
        self._number = 0
        self._asked: dict[int, asyncio.Future[int]] = {}
        self._following: dict[int, Following] = {}
        self._out: list[bytes] = []
        self._news = asyncio.Event()
        self._ready = asyncio.Event()
        self._stopping = False
        self._complained = False
        self._listening: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------ what the application asks

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 0,
        retain: bool = False,
        properties: Mapping[str, object] | None = None,
    ) -> int:
        """Publish a message; return how many subscribers it is on its way to.

        Raises:
            ConnectionLost: the owner did not answer in time, or died before it did: then nobody
                knows whether the message went out.
            LimitExceeded: it cannot be retained, and goes to nobody.
            ValueError: *topic* is no Topic Name, or a property is impossible.
        """
        if not validate_topic_name(topic):
            raise ValueError(f"{topic!r} is no topic that messages can be published to")
        publication = make_publication(
            topic, payload, qos=qos, retain=retain, properties=properties or EMPTY
        )
        return await self._ask(Kind.PUBLISH, encode_publication(publication))

    async def follow(
        self,
        waiting: Waiting[Published],
        *,
        qos: int,
        receive: Callable[[Published], object],
        lost: Callable[[int], None],
    ) -> DistantSubscription:
        """Subscribe *receive*; what is retained has come when this returns.

        While the owner is not to be reached, the subscription is kept for its successor.

        Args:
            waiting: What is followed, and how much of it may wait on the way.
            qos: The highest QoS.
            receive: Takes a message.
            lost: Takes how many messages were dropped on the way in all.

        Raises:
            ValueError: the broker does not accept the filter.
        """
        wish = Wish(waiting.topic, qos, waiting.max_queued, waiting.overflow)
        number = self._next_number()
        following = self._following[number] = Following(wish, receive, lost)
        if self._ready.is_set():
            self._say(Kind.SUBSCRIBE, number, encode_wish(wish))
        try:
            async with asyncio.timeout(self._timeout or None):
                await following.made.wait()
        except TimeoutError:
            logger.warning("%r is followed once the owner of the broker is there", wish.topic)
        except BaseException:
            self.unfollow(number)
            raise
        if following.refusal is not None:
            self.unfollow(number)
            raise following.refusal
        return DistantSubscription(self, number)

    def unfollow(self, number: int) -> None:
        """Unsubscribe. Again: nothing."""
        if self._following.pop(number, None) is not None and self._ready.is_set():
            self._say(Kind.UNSUBSCRIBE, number)

    async def let_go(self) -> None:
        """This worker stops: have the owner let its clients go; wait for that, if not for long."""
        self._stopping = True
        if self._ready.is_set():
            with suppress(TransportError, TimeoutError):
                async with asyncio.timeout(LAST_WORDS):
                    await self._ask(Kind.LET_GO)

    def _next_number(self) -> int:
        """Return a number that nothing has which is under way; they come again, some day."""
        while True:
            self._number = self._number % MAX_NUMBER + 1
            if self._number not in self._asked and self._number not in self._following:
                return self._number

    async def _ask(self, kind: Kind, content: bytes = b"") -> int:
        number = self._next_number()
        try:
            async with asyncio.timeout(self._timeout or None):
                while not self._ready.is_set():
                    await self._ready.wait()
                answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
                self._asked[number] = answer
                self._say(kind, number, content)
                return await answer
        except TimeoutError:
            raise ConnectionLost(
                f"the MQTT broker, which runs in worker 0, did not answer for {self._timeout:g} s"
            ) from None
        finally:
            self._asked.pop(number, None)

    # ------------------------------------------------------------------ the stream

    async def run(self) -> None:
        """Keep a stream to the owner, whoever that is, until this is cancelled."""
        failures = 0
        try:
            while True:
                try:
                    if await self._serve_once():
                        failures = 0
                except Exception:
                    logger.exception("the MQTT broker could not be reached; it is tried again")
                await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
                failures += 1
        finally:
            self._forget("this worker stops")

    async def _serve_once(self) -> bool:
        """Talk to one owner until either side ends; return True if it was ready."""
        try:
            reader, writer = await self._open_stream()
        except OSError:  # there is no owner, or no descriptor
            return False
        except LookupError:
            if not self._complained:
                self._complained = True
                logger.error("worker 0 has no MQTT broker, so nothing can be published here")
            return False
        self._out.clear()
        listening = self._listening = asyncio.ensure_future(self._listen(reader))
        sending = asyncio.ensure_future(self._send(writer))
        try:
            await asyncio.wait({listening, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            was_ready = self._ready.is_set()
            self._forget("the worker that has the MQTT broker ended before it answered")
            for task in (listening, sending):
                task.cancel()
            await asyncio.wait({listening, sending})
            with suppress(TransportError):
                await writer.close()
        for task in (listening, sending):
            error = None if task.cancelled() else task.exception()
            if error is not None and not isinstance(error, TransportError):
                logger.error("the stream to the MQTT broker failed", exc_info=error)
        return was_ready

    def _forget(self, why: str) -> None:
        """The owner is gone: nothing is answered any more."""
        self._ready.clear()
        self._listening = None
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(ConnectionLost(why))
        for following in self._following.values():
            following.dropped_before = following.dropped

    async def _listen(self, reader: Reader) -> None:
        frames = Frames()
        while data := await reader.read(CHUNK):
            for frame in frames.receive(data):
                self._heard(frame)

    async def _send(self, writer: Writer) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            out, self._out = self._out, []
            await writer.write(b"".join(out))

    def _say(self, kind: Kind, number: int, content: bytes = b"") -> None:
        self._out.append(encode_frame(kind, number, content))
        self._news.set()

    def _heard(self, frame: Frame) -> None:
        match frame.kind:
            case Kind.MESSAGE:
                self._deliver(frame)
            case Kind.DONE:
                self._answered(frame.number, decode_count(frame.content))
            case Kind.REFUSED:
                self._answered(frame.number, decode_refusal(frame.content))
            case Kind.READY:
                self._begin()
            case Kind.STOPPING:
                asyncio.get_running_loop().call_later(GRACE, self._leave, self._listening)

    def _begin(self) -> None:
        """The owner is ready: subscribe everything, anew if there was another one before."""
        for number, following in self._following.items():
            self._say(Kind.SUBSCRIBE, number, encode_wish(following.wish))
        self._ready.set()

    def _leave(self, listening: asyncio.Task[None] | None) -> None:
        """Look for the successor of an owner that stops; if all workers do, there is none."""
        if listening is not None and not self._stopping:
            listening.cancel()

    def _answered(self, number: int, answer: int | Exception) -> None:
        following = self._following.get(number)
        if following is not None:
            if isinstance(answer, Exception):
                following.refusal = answer
            following.made.set()
            return
        asked = self._asked.get(number)
        if asked is None or asked.done():  # nobody waits for it any more
            return
        if isinstance(answer, Exception):
            asked.set_exception(answer)
        else:
            asked.set_result(answer)

    def _deliver(self, frame: Frame) -> None:
        following = self._following.get(frame.number)
        if following is None:  # it was closed meanwhile
            return
        publication, dropped = decode_message(frame.content)
        dropped += following.dropped_before
        if dropped != following.dropped:
            following.dropped = dropped
            following.lost(dropped)
        following.receive(publication)
