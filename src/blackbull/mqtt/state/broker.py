"""The broker: sessions, subscriptions, retained messages and wills, and the verbs on them."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias

from blackbull.errors import LimitExceeded

from ..auth.requests import ClientInfo
from ..codec.types import SESSION_EXPIRY_NEVER, ReasonCode
from ..topics import parse_shared
from .hooks import Hooks
from .link import Link, Shell
from .publication import Publication, make_publication
from .retention import Retention
from .routing import Router
from .schedule import Schedule
from .session import Entry, Session, Subscriber, Subscription
from .stats import Stats
from .sys_topics import SysTopics

if TYPE_CHECKING:
    from ..settings import MQTTSettings

BACKLOG_STEP: Final = 500
"""Retained messages that one client is sent in one batch."""

Notice: TypeAlias = "tuple[str, ClientInfo, tuple[object, ...]]"
"""What happened (``connect``, ``disconnect`` or ``subscribe``), to whom, and what else is known."""
InlineTaps: TypeAlias = "Callable[[list[Publication]], Awaitable[None]]"


class Broker:
    """All state of one broker, with one owner.

    Whoever owns it sets ``stats.now``, calls verbs, then writes what is in the ``dirty`` links
    and looks at ``router.tapped`` and ``notices``: that is one batch.

    Args:
        settings: The limits and what is advertised.
        hooks: Whom the application asks to decide.
        new_client_id: Returns a Client Identifier for a client that has none.
        version: What ``$SYS/broker/version`` says.
        levels: The protocol levels that are spoken.

    Attributes:
        sessions: By Client Identifier.
        connected: Clients that are connected.
        dirty: Links that have something to write.
        waiting: Links whose backlog goes on in the next batch.
        notices: What the application's hooks are to be told.
        hooked: The hooks, by what they want to be told of.
        connacks: CONNACK packets by what they say.
        rearm: Something may be due earlier than before.
        on_received: Told the type and the payload's size of each packet that came; None: nobody.
        inline: Awaited for each message that the taps are to see, before its publisher's next
            packet is looked at; None: they are left in ``router.tapped``.
    """

    def __init__(
        self,
        settings: MQTTSettings,
        *,
        hooks: Hooks | None = None,
        new_client_id: Callable[[], str],
        version: str = "",
        levels: Sequence[int] = (4, 5),
    ) -> None:
        self.settings = settings
        self.hooks = hooks or Hooks()
        self.new_client_id = new_client_id
        self.levels = tuple(levels)
        self.stats = Stats()
        self.dirty: list[Link] = []
        self.router = Router(stats=self.stats, dirty=self.dirty)
        self.retention = Retention(settings)
        self.sessions: dict[str, Session] = {}
        self.connected = 0
        self.waiting: list[Link] = []
        self.notices: list[Notice] = []
        self.hooked: Mapping[str, Sequence[object]] = {}
        self.connacks: dict[object, bytes] = {}
        self.rearm = True
        self.on_received: Callable[[str, int], None] | None = None
        self.inline: InlineTaps | None = None
        self._schedule = Schedule()
        self._sys = SysTopics(version=version, interval=settings.sys_interval)

    def start(self, now: float) -> None:
        """Begin to count the time at *now*; the state was made before anything ran."""
        self.stats.now = self.stats.started = now
        self._sys.start(now)

    # ------------------------------------------------------------------ clients

    def open(self, shell: Shell) -> Link:
        """Return the link of a connection whose client has not said CONNECT yet."""
        return Link(shell, dirty=self.dirty, waiting=self.waiting, stats=self.stats)

    def told(self, kind: str) -> bool:
        """Return True when the application wants to be told of such happenings."""
        return bool(self.hooked.get(kind))

    def find(self, client_id: str, *, clean_start: bool) -> tuple[Session, bool]:
        """Return the session of a client that connects, and whether it had one.

        Its last connection, if it is still there, is closed (MQTT-3.1.4-3).

        Raises:
            LimitExceeded: there are too many sessions.
        """
        known = self.sessions.get(client_id)
        if known is not None:
            if known.link is not None:
                old = known.link
                old.end(ReasonCode.SESSION_TAKEN_OVER)
                self.detach(old, with_will=True)
                known = self.sessions.get(client_id)
            if known is not None and clean_start:
                self.end_session(known)
                known = None
        if known is not None:
            return known, True
        if len(self.sessions) >= self.settings.max_sessions:
            raise LimitExceeded(
                "mqtt_max_sessions", allowed=self.settings.max_sessions,
                seen=len(self.sessions) + 1,
            )  # fmt: skip
        session = Session(client_id, settings=self.settings, stats=self.stats)
        self.sessions[client_id] = session
        return session, False

    def attach(self, session: Session, link: Link) -> None:
        """Let *session* go on over *link*, after its CONNACK; a delayed will is off."""
        self.connected += 1
        stats = self.stats
        stats.connections_total += 1
        stats.clients_maximum = max(stats.clients_maximum, self.connected)
        link.session = session
        session.will_at = inf
        if session.subscriptions:
            self.router.forget_routes()
        session.resume(link)
        if self.told("connect"):
            self.notices.append(("connect", link.info, ()))

    def detach(self, link: Link, *, with_will: bool, reason: int = 0) -> None:
        """The connection of *link* is at its end.

        Args:
            link: The link; if another one has taken its place, nothing happens.
            with_will: The client did not say goodbye: its will is published.
            reason: The Reason Code of the client's DISCONNECT, for the application.
        """
        session = link.session
        link.close()
        if session is None or session.link is not link:
            return
        self.router.settle()
        session.link = None
        self.connected -= 1
        if link.backlog is not None:
            session.keep_backlog(link.backlog)
            link.backlog = None
            link.behind.clear()
            link.asked.clear()
        if session.subscriptions:
            self.router.forget_routes()
        if not with_will:
            session.will = None
        elif session.will is not None:
            session.will_at = self.stats.now + min(session.will.delay, session.expiry)
        handed = session.hand_over()
        if session.expiry == 0:
            self.end_session(session)
        else:
            self._let_wait(session)
        self.router.hand_on(handed, left_by=session)
        if self.told("disconnect"):
            self.notices.append(("disconnect", link.info, (reason,)))

    def let_go(self, link: Link) -> None:
        """The server stops: end the connection of *link*; its will is not published."""
        if link.session is not None:
            link.session.will = None
        link.end(ReasonCode.SERVER_SHUTTING_DOWN)
        self.detach(link, with_will=False)

    def _let_wait(self, session: Session) -> None:
        if session.expiry == SESSION_EXPIRY_NEVER:
            session.expires_at = inf
        else:
            session.expires_at = self.stats.now + session.expiry
        if session.will is not None and session.will_at <= self.stats.now:
            self._publish_will(session)
        self._schedule.add(session)
        self._schedule.compact(4 * len(self.sessions) + 64)
        self.rearm = True

    def end_session(self, session: Session) -> None:
        """Forget *session*; a will that is due later is published now (MQTT-3.1.3-9)."""
        self.sessions.pop(session.client_id, None)
        handed = session.hand_over(for_good=True)
        for filter in list(session.subscriptions):
            self._remove(session, filter)
        session.subscriptions.clear()
        session.inflight.clear()
        session.queue = None
        session.expires_at = inf
        self.router.hand_on(handed, left_by=session)
        if session.will is not None and session.will_at != inf:
            self._publish_will(session)

    def _publish_will(self, session: Session) -> None:
        will = session.will
        session.will = None
        session.will_at = inf
        if will is None:
            return
        publication = make_publication(
            will.topic, will.payload, qos=will.qos, retain=will.retain,
            properties=will.properties, now=self.stats.now, publisher=session.client_id,
        )  # fmt: skip
        try:
            self.publish(publication, session)
        except LimitExceeded:  # it cannot be kept for those who come later
            route = self.router.route(publication.raw_topic, publication.topic)
            self.router.publish(publication, route, session)

    # ------------------------------------------------------------------ subscriptions

    def subscribe(self, session: Session, subscription: Subscription) -> tuple[int, bool]:
        """Add a subscription, or replace the one with the same filter.

        Returns:
            The Reason Code, and whether retained messages are to be sent.

        Raises:
            LimitExceeded: the session has too many subscriptions.

        Spec:
            MQTT 5.0 §3.8.4
        """
        filter = subscription.filter
        new = filter not in session.subscriptions
        count = len(session.subscriptions) + new
        if count > self.settings.max_subscriptions:
            raise LimitExceeded(
                "mqtt_max_subscriptions", allowed=self.settings.max_subscriptions, seen=count
            )
        session.subscriptions[filter] = subscription
        shared = parse_shared(filter)
        if shared is not None:
            name, inner = shared
            self.router.join(session, subscription, name=name, filter=inner)
            return subscription.qos, False
        self.router.subscribe(session, subscription, filter)
        wanted = subscription.retain_handling == 0 or (subscription.retain_handling == 1 and new)
        return subscription.qos, wanted

    def unsubscribe(self, session: Session, filter: str) -> bool:
        """Remove a subscription; False if there is none."""
        if session.subscriptions.pop(filter, None) is None:
            return False
        if session.link is not None:
            session.link.asked.pop(filter, None)
        self._remove(session, filter)
        return True

    def _remove(self, session: Session, filter: str) -> None:
        shared = parse_shared(filter)
        if shared is not None:
            self.router.leave(session, name=shared[0], filter=shared[1])
        else:
            self.router.unsubscribe(session, filter)

    def send_retained(self, session: Session, subscription: Subscription) -> None:
        """Send what is retained and matches, a part in each batch.

        Spec:
            MQTT 5.0 §3.3.1.3 (MQTT-3.3.1-6, MQTT-3.3.1-8)
        """
        link = session.link
        if link is None:
            return
        if link.backlog is not None:
            # One at a time: what was asked for twice meanwhile is sent once.
            link.asked[subscription.filter] = subscription
            return
        found = self.retention.matching(subscription.filter, now=self.stats.now)
        if not found:
            return
        self.router.forget_routes()
        link.plain = False
        link.backlog = _backlog(subscription, found)
        self._send_backlog(link)

    def go_on(self) -> bool:
        """Send the next part of every backlog; True while there is more that can be sent."""
        waiting = self.waiting[:]
        self.waiting.clear()
        for link in waiting:
            self._send_backlog(link)
        return bool(self.waiting)

    def _send_backlog(self, link: Link) -> None:
        """Send the next part of a backlog."""
        session = link.session
        backlog = link.backlog
        if session is None or backlog is None:
            return
        for _ in range(min(BACKLOG_STEP, len(backlog))):
            if not session.send_retained(link, backlog[0]):
                link.stalled = True
                return
            backlog.popleft()
        if not backlog:
            self._backlog_sent(session, link)
        if link.backlog is not None:
            self.waiting.append(link)

    def _backlog_sent(self, session: Session, link: Link) -> None:
        """Send what came behind a backlog, then begin the next one."""
        link.backlog = None
        behind, link.behind = link.behind, []
        for publication, first, identifiers, _ in behind:
            link.send_publication(publication, first, 0, identifiers)
        if not link.congested:
            link.released()
        while link.asked and not link.backlog:
            subscription = link.asked.pop(next(iter(link.asked)))
            if session.subscriptions.get(subscription.filter) is subscription:
                found = self.retention.matching(subscription.filter, now=self.stats.now)
                link.backlog = _backlog(subscription, found)
        if link.backlog:
            return
        link.backlog = None
        link.find_plain(self.settings.max_packet_size)
        self.router.forget_routes()
        session.pump()

    # ------------------------------------------------------------------ messages

    def publish(self, publication: Publication, source: Subscriber | None = None) -> int:
        """Retain *publication* if it asks for it, and deliver it to its subscribers.

        Returns:
            The Reason Code: success, or 0x10 without subscribers.

        Raises:
            LimitExceeded: it cannot be retained; it goes to nobody.
        """
        route = self.router.route(publication.raw_topic, publication.topic)
        if publication.retain:
            self.retention.keep(publication, now=self.stats.now)
        self.router.publish(publication, route, source)
        return int(ReasonCode.NO_MATCHING_SUBSCRIBERS) if route.empty else 0

    # ------------------------------------------------------------------ time

    @property
    def due(self) -> float:
        """When :meth:`tick` is to be called next; ``inf`` for never."""
        return min(self._schedule.due, self._sys.due)

    def tick(self) -> None:
        """Do what is due: delayed wills, sessions that expire, figures in ``$SYS``."""
        now = self.stats.now
        self.rearm = True
        for session in self._schedule.take(now):
            if session.link is not None:
                continue
            if session.will is not None and session.will_at <= now:
                self._publish_will(session)
            if session.expires_at <= now:
                self.stats.sessions_expired += 1
                self.end_session(session)
            else:
                self._schedule.add(session)
        if self._sys.due <= now:
            for publication in self._sys.changed(self):
                self.retention.show(publication)
                route = self.router.route(publication.raw_topic, publication.topic)
                self.router.publish(publication, route, None)


def _backlog(subscription: Subscription, found: Iterable[Publication]) -> deque[Entry]:
    """Return the retained messages *found*, as *subscription* wants them."""
    identifiers = (subscription.identifier,) if subscription.identifier else ()
    return deque(
        (publication, 0x31 | min(subscription.qos, publication.qos) << 1, identifiers, None)
        for publication in found
    )
