"""A connected client, as the broker sees it: what it may be sent, and what it is to be sent."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from math import inf
from typing import TYPE_CHECKING, Final, TypeVar

from blackbull.abc import Address
from blackbull.errors import LimitExceeded

from ..auth.requests import ClientInfo
from ..codec.control import MQTTDisconnect
from ..codec.packets import encode_packet
from ..codec.reasons import MQTTReasonCode
from ..codec.types import ReasonCode

if TYPE_CHECKING:
    from ..auth.requests import Transport
    from .publication import Publication
    from .session import Entry, Session, Subscription
    from .stats import Stats

MAX_PACKET: Final = 268_435_460

T = TypeVar("T")


class Shell(ABC):
    """Whoever does a link's I/O; it is called back within a batch and must not call the broker."""

    @property
    @abstractmethod
    def peername(self) -> Address | None:
        """The peer's address."""

    @property
    @abstractmethod
    def transport(self) -> Transport:
        """How the client is connected."""

    @property
    @abstractmethod
    def certificate(self) -> Mapping[str, object] | None:
        """The client's verified certificate."""

    @abstractmethod
    def flush(self) -> None:
        """Write what is in ``link.out``; close the connection if ``link.ending``."""

    @abstractmethod
    def park(self, decision: Awaitable[T], then: Callable[[T | BaseException], None]) -> None:
        """Wait for *decision* outside the broker; call *then*, in a batch, with what came of it."""

    def abort(self) -> None:
        """Reset the connection: it could not be written to."""

    @abstractmethod
    def record_limit(self, limit: LimitExceeded) -> None:
        """Log that the client went past *limit*."""


class Link:
    """The broker's end of one network connection.

    Args:
        shell: Does its I/O.
        dirty: The broker's list of links that have something to write.
        waiting: The broker's list of links whose backlog goes on in the next batch.
        stats: The broker's figures.

    Attributes:
        level: The protocol level, 4 or 5; 5 until CONNECT says otherwise.
        session: The client's session, once it is accepted.
        out: Packets that are to be written, oldest first.
        congested: Nothing can be written now: the peer does not take what was, or the link ends.
        window: QoS 1 and 2 messages that may be under way to the client.
        outstanding: How many are.
        max_packet: The longest packet that the client takes, in bytes.
        max_held: Bytes of QoS 0 messages that are kept back for a congested client.
        drop_when_slow: A message too many is dropped; else the client is disconnected.
        goodbye: The client has said DISCONNECT.
        ending: Nothing more is said or heard; the connection is closed once ``out`` is written.
        parked: A decision is awaited; what arrives waits.
        aliases: Topic Aliases that the client was told; None if it takes none.
        topic_alias_maximum: How many it takes.
        backlog: Retained messages that are being sent to it.
        behind: QoS 0 messages that came meanwhile.
        asked: Subscriptions whose retained messages are to be sent after these.
        stalled: The backlog waits for the client to read, or to acknowledge.
        dirty: The broker's list of links that have something to write.
        waiting: The broker's list of links whose backlog goes on in the next batch.
        go_on: Handles the packets that came while the link was parked.
        plain: It can be given the very bytes that another client of its level sent.
        received: Packets that came.
        folded: Packets in ``out``, and before, that follow another one in the same piece.
        claim: The client and user that CONNECT named, whoever it is.
        reason: Why the connection ends, a Reason Code; None while nobody has said.
    """

    __slots__ = (
        "_client_id", "_held", "_info", "_kept", "_last", "_username", "aliases", "asked",
        "backlog", "behind", "claim", "congested", "dirty", "drop_when_slow", "ending", "folded",
        "go_on", "goodbye", "level", "max_held", "max_packet", "out", "outstanding", "parked",
        "plain", "problem_information", "reason", "received", "session", "shell", "stalled",
        "stats", "topic_alias_maximum", "waiting", "window",
    )  # fmt: skip

    def __init__(
        self, shell: Shell, *, dirty: list[Link], waiting: list[Link], stats: Stats
    ) -> None:
        self.shell = shell
        self.stats = stats
        self.level = 5
        self.session: Session | None = None
        self._client_id = ""
        self._username: str | None = None
        self._info: ClientInfo | None = None
        self.out: list[bytes] = []
        self.congested = False
        self.window = 1
        self.outstanding = 0
        self.max_packet = MAX_PACKET
        self.max_held = 0
        self.drop_when_slow = True
        self.ending = False
        self.goodbye = False
        self.parked = False
        self.problem_information = True
        self.topic_alias_maximum = 0
        self.aliases: dict[bytes, int] | None = None
        self.backlog: deque[Entry] | None = None
        self.behind: list[Entry] = []
        self.asked: dict[str, Subscription] = {}
        self.plain = True
        self.go_on: Callable[[], None] = _nothing
        self.dirty = dirty
        self.waiting = waiting
        self.stalled = False
        self.received = 0
        self.folded = 0
        self.claim: tuple[str, str | None] | None = None
        self.reason: int | None = None
        self._held = 0
        self._last = 0
        self._kept = 0

    @property
    def unanswered(self) -> int:
        """Answers, and all else but QoS 0 messages, that are kept back."""
        return len(self.out) - self._kept

    def identify(self, client_id: str, username: str | None) -> None:
        """Remember who the client is."""
        self._client_id = client_id
        self._username = username
        self._info = None

    @property
    def info(self) -> ClientInfo:
        """What the application knows of the client."""
        if self._info is None:
            shell = self.shell
            self._info = ClientInfo(
                self._client_id, self._username, shell.peername, shell.transport
            )
        return self._info

    def describe(self) -> dict[str, object]:
        """Return what a log says of the client and its connection's end."""
        told: dict[str, object] = {}
        client_id, username = self._client_id, self._username
        if self.claim is not None:
            client_id = client_id or self.claim[0]
            username = username or self.claim[1]
            told["client_id"] = client_id
            if username is not None:
                told["user"] = username
            told["protocol_level"] = self.level
        told["reason"] = name_reason(self.reason)
        return told

    def find_plain(self, longest: int) -> None:
        """Find out whether it takes other clients' bytes as they are, *longest* bytes at most."""
        self.plain = self.aliases is None and self.backlog is None and self.max_packet >= longest

    def send(self, packet: bytes) -> None:
        """Write *packet* with whatever else this batch has for the client."""
        out = self.out
        if not out:
            self.dirty.append(self)
        out.append(packet)
        self.stats.messages_sent += 1

    def hold(self, packets: bytes, *, count: int) -> None:
        """Keep QoS 0 messages for a congested client as long as there is room."""
        if self._has_room(len(packets), count=count):
            self.stats.messages_sent += count
            self.out.append(packets)
            self.folded += count - 1
            self._kept += 1
        else:
            self.stats.publish_sent -= count

    def hold_behind(self, entry: Entry) -> None:
        """Keep a QoS 0 message until the backlog is sent, as long as there is room."""
        if self._has_room(entry[0].size, count=1):
            self.behind.append(entry)

    def _has_room(self, size: int, *, count: int) -> bool:
        if not self.ending:
            self._held += size
            if self._held <= self.max_held:
                return True
            self.shell.record_limit(
                LimitExceeded("mqtt_max_outbound_bytes", allowed=self.max_held, seen=self._held)
            )
            self._held -= size
            if not self.drop_when_slow:
                self.end(ReasonCode.QUOTA_EXCEEDED)
        self.stats.publish_dropped += count
        return False

    def catch_up(self) -> None:
        """Let the backlog go on in this batch, if it waited for the client."""
        if self.stalled:
            self.stalled = False
            self.waiting.append(self)

    def released(self) -> None:
        """The peer has taken what was written: nothing is kept back any more."""
        self.congested = self.ending
        self._kept = 0
        if not self.behind:
            self._held = 0

    def send_publication(
        self, publication: Publication, first: int, packet_id: int, identifiers: tuple[int, ...]
    ) -> bool:
        """Write a PUBLISH packet.

        Returns:
            False when the client does not take packets that long: it is not sent.

        Spec:
            MQTT 5.0 §3.1.2.11.4 (MQTT-3.1.2-24, MQTT-3.1.2-25)
        """
        level = self.level
        if level == 5 and (
            identifiers or publication.expires_at != inf or self.aliases is not None
        ):
            return self._send_special(publication, first, packet_id, identifiers)
        packet = publication.packet(level, first, packet_id)
        if len(packet) > self.max_packet:
            self.stats.publish_dropped += 1
            return False
        self.stats.count_sent(first >> 1 & 3)
        if self.congested and not first & 6:
            self.hold(packet, count=1)
        else:
            self.send(packet)
        return True

    def end(self, reason: int, *, text: str = "", reference: str = "") -> None:
        """Close the connection, with a DISCONNECT packet if the client is to understand it.

        Args:
            reason: The Reason Code.
            text: The Reason String, for people.
            reference: The server to use instead.

        Spec:
            MQTT 5.0 §3.14, §4.13
        """
        if self.ending:
            return
        self.reason = reason
        if self.level == 5 and self.session is not None:
            properties: dict[str, object] = {}
            if text and self.problem_information:
                properties["reason_string"] = text
            if reference:
                properties["server_reference"] = reference
            packet = encode_packet(MQTTDisconnect(reason, properties))
            if len(packet) > self.max_packet:
                packet = encode_packet(MQTTDisconnect(reason))
            self.send(packet)
        self.close()

    def close(self) -> None:
        """Close the connection once what is to be written is written."""
        if not self.ending:
            self.ending = True
            self._last = len(self.out)
            if self.congested or not self.out:
                self.dirty.append(self)
            self.congested = True  # whoever has something for it finds out that it is too late

    def cut(self) -> None:
        """Forget what was put behind the last words, in the same batch or later.

        Spec:
            MQTT 5.0 §3.14.4 (MQTT-3.14.4-1)
        """
        del self.out[self._last :]
        self._last = 0

    def _send_special(
        self, publication: Publication, first: int, packet_id: int, identifiers: tuple[int, ...]
    ) -> bool:
        topic = publication.raw_topic
        alias, known = self._alias(topic)
        packet = publication.special_packet(
            first,
            packet_id,
            identifiers=identifiers,
            alias=alias,
            name_topic=not known,
            now=self.stats.now,
        )
        if alias and len(packet) > self.max_packet:
            # Of a short topic the alias is longer than the name.
            if not known and self.aliases is not None:
                del self.aliases[topic]
            packet = publication.special_packet(
                first, packet_id, identifiers=identifiers, now=self.stats.now
            )
        if len(packet) > self.max_packet:
            self.stats.publish_dropped += 1
            return False
        self.stats.count_sent(first >> 1 & 3)
        if self.congested and not first & 6:
            self.hold(packet, count=1)
        else:
            self.send(packet)
        return True

    def _alias(self, topic: bytes) -> tuple[int, bool]:
        """Return the Topic Alias of *topic*, 0 for none, and whether the client knows it."""
        aliases = self.aliases
        if aliases is None:
            return 0, False
        known = aliases.get(topic)
        if known is not None:
            return known, True
        # What is kept back may yet be dropped, and its alias would never be told.
        if self.congested or len(aliases) >= self.topic_alias_maximum:
            return 0, False
        aliases[topic] = alias = len(aliases) + 1
        return alias, False

    def leave(self) -> None:
        """Let go of the connection, so that nothing that is left keeps it."""
        self.shell = NOBODY
        self.go_on = _nothing
        self.out.clear()


def name_reason(reason: int | None) -> str:
    """Return why a connection ended, in a word.

    Args:
        reason: A Reason Code; None: neither side has given one.
    """
    if reason is None:
        return "connection_lost"
    if not reason:
        return "disconnect"
    return MQTTReasonCode(reason).name.lower()


class _Nobody(Shell):
    """Stands in for a connection that is gone."""

    @property
    def peername(self) -> Address | None:
        return None

    @property
    def transport(self) -> Transport:
        return "tcp"

    @property
    def certificate(self) -> Mapping[str, object] | None:
        return None

    def flush(self) -> None:
        pass

    def park(self, decision: Awaitable[T], then: Callable[[T | BaseException], None]) -> None:
        pass

    def record_limit(self, limit: LimitExceeded) -> None:
        pass


NOBODY: Final = _Nobody()


def _nothing() -> None:
    return None
