"""SUBSCRIBE and UNSUBSCRIBE."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from blackbull.errors import LimitExceeded

from ..codec.errors import MQTTDecodeError
from ..codec.packets import encode_packet
from ..codec.subscribe import MQTTSuback, MQTTSubscribe, MQTTUnsuback, MQTTUnsubscribe
from ..codec.types import SUBACK_FAILURE, ReasonCode, SubscriptionOptions
from ..topics import parse_shared, validate_topic_filter
from .admission import topic_limit
from .session import Session, Subscription
from .verdicts import Verdicts

if TYPE_CHECKING:
    from .broker import Broker
    from .link import Link


class Subscribing:
    """What a client subscribes to and unsubscribes from.

    Args:
        broker: Whose topics.
        link: The client.
        verdicts: What the application allows.

    Spec:
        MQTT 5.0 §3.8 to §3.11
    """

    __slots__ = ("_broker", "_link", "_verdicts")

    def __init__(self, broker: Broker, link: Link, verdicts: Verdicts) -> None:
        self._broker = broker
        self._link = link
        self._verdicts = verdicts

    def take(self, packet: MQTTSubscribe | MQTTUnsubscribe) -> None:
        """Do what *packet* says and answer it.

        Raises:
            MQTTDecodeError: the client broke a rule.
            Parked: the application has to decide; nothing was done.
        """
        session = self._link.session
        assert session is not None
        if isinstance(packet, MQTTUnsubscribe):
            self._unsubscribe(session, packet)
        else:
            self._subscribe(session, packet)

    def _unsubscribe(self, session: Session, packet: MQTTUnsubscribe) -> None:
        codes = []
        for filter in packet.topics:
            if not is_topic_filter(filter):
                codes.append(int(ReasonCode.TOPIC_FILTER_INVALID))
            elif self._broker.unsubscribe(session, filter):
                codes.append(0)
            else:
                codes.append(int(ReasonCode.NO_SUBSCRIPTION_EXISTED))
        answer = MQTTUnsuback(packet.packet_id, codes)
        self._link.send(encode_packet(answer, level=self._link.level))

    def _subscribe(self, session: Session, packet: MQTTSubscribe) -> None:
        subscriptions = self._wanted(packet)
        # Whatever has to be decided is decided before anything is done.
        most = self._broker.settings.max_subscriptions
        codes = self._permitted(subscriptions[:most])
        codes += [int(ReasonCode.QUOTA_EXCEEDED)] * (len(subscriptions) - most)
        if self._link.ending:  # whoever was asked sent the client away: nobody would unsubscribe it
            return
        retained = []
        for number, (code, subscription) in enumerate(zip(codes, subscriptions, strict=True)):
            if code:
                continue
            try:
                codes[number], wanted = self._broker.subscribe(session, subscription)
            except LimitExceeded as limit:
                self._link.shell.record_limit(limit)
                codes[number] = int(ReasonCode.QUOTA_EXCEEDED)
                continue
            if wanted:
                retained.append(subscription)
            if self._broker.told("subscribe"):
                told = (subscription.filter, subscription.qos)
                self._broker.notices.append(("subscribe", self._link.info, told))
        if self._link.level == 4:
            codes = [SUBACK_FAILURE if code >= 0x80 else code for code in codes]
        answer = MQTTSuback(packet.packet_id, codes)
        self._link.send(encode_packet(answer, level=self._link.level))
        for subscription in retained:
            self._broker.send_retained(session, subscription)

    def _permitted(self, subscriptions: list[Subscription]) -> list[int]:
        """Return a Reason Code for each; 0 where nothing is against it."""
        codes = [self._judge(each) for each in subscriptions]
        asked = []
        for each, code in zip(subscriptions, codes, strict=True):
            if not code:
                shared = parse_shared(each.filter)
                asked.append(each.filter if shared is None else shared[1])
        allowed = iter(self._verdicts.may_all("subscribe", asked))
        return [code or (0 if next(allowed) else int(ReasonCode.NOT_AUTHORIZED)) for code in codes]

    def _wanted(self, packet: MQTTSubscribe) -> list[Subscription]:
        settings = self._broker.settings
        identifiers = cast("list[int]", packet.properties.get("subscription_identifier", [0]))
        if identifiers != [0] and not settings.subscription_identifiers_available:
            raise MQTTDecodeError(
                "subscription identifiers are not supported",
                reason_code=ReasonCode.SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED,
                spec="MQTT 5.0 §3.2.2.3.12",
            )
        options = packet.subscription_options or [
            SubscriptionOptions(qos) for _, qos in packet.subscriptions
        ]
        return [
            Subscription(
                filter,
                min(option.qos, settings.max_qos),
                no_local=option.no_local,
                retain_as_published=option.retain_as_published,
                retain_handling=option.retain_handling,
                identifier=identifiers[0],
            )
            for (filter, _), option in zip(packet.subscriptions, options, strict=True)
        ]

    def _judge(self, subscription: Subscription) -> int:
        """Return the Reason Code of a filter that is refused; 0: it is not."""
        settings = self._broker.settings
        filter = subscription.filter
        if not is_topic_filter(filter):
            return int(ReasonCode.TOPIC_FILTER_INVALID)
        limit = topic_limit(filter, settings)
        if limit is not None:
            self._link.shell.record_limit(limit)
            return int(ReasonCode.TOPIC_FILTER_INVALID)
        shared = parse_shared(filter)
        if shared is not None:
            if not settings.shared_available:
                return int(ReasonCode.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED)
            if subscription.no_local:
                raise MQTTDecodeError(
                    "a shared subscription cannot be No Local",
                    reason_code=ReasonCode.PROTOCOL_ERROR,
                    spec="MQTT 5.0 §3.8.3.1 [MQTT-3.8.3-4]",
                )
            filter = shared[1]
        if not settings.wildcard_available and ("+" in filter or "#" in filter):
            return int(ReasonCode.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED)
        return 0


def is_topic_filter(filter: str) -> bool:
    """Return True when *filter* is a Topic Filter, a shared one included."""
    try:
        shared = parse_shared(filter)
        return validate_topic_filter(filter if shared is None else shared[1])
    except ValueError:
        return False
