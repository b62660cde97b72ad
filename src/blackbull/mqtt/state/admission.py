"""CONNECT: who may come in, and with which session."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from blackbull.errors import LimitExceeded

from ..auth.requests import AuthStep, ConnectRequest, Identity
from ..codec.connect import MQTTConnack, MQTTConnect
from ..codec.control import MQTTAuth, MQTTDisconnect
from ..codec.errors import MQTTDecodeError
from ..codec.packets import decode_body, encode_packet
from ..codec.types import CONNACK, CONNECT, REASON_CODES, ConnectReturnCode, ReasonCode
from ..settings import MQTTSettings, SlowPolicy
from ..topics import count_levels, validate_topic_name
from .authentication import Conversation
from .hooks import Refusal
from .routing import belongs_to_broker
from .session import Session, Will
from .verdicts import Parked, Verdicts, call

if TYPE_CHECKING:
    from .broker import Broker
    from .link import Link

ANYBODY: Final = Identity()
"""Whom nobody asks: the client goes by its user name, if it has one."""

_RETURN_CODES: Final = {
    ReasonCode.UNSUPPORTED_PROTOCOL_VERSION: ConnectReturnCode.UNACCEPTABLE_PROTOCOL_VERSION,
    ReasonCode.CLIENT_IDENTIFIER_NOT_VALID: ConnectReturnCode.IDENTIFIER_REJECTED,
    ReasonCode.SERVER_UNAVAILABLE: ConnectReturnCode.SERVER_UNAVAILABLE,
    ReasonCode.SERVER_BUSY: ConnectReturnCode.SERVER_UNAVAILABLE,
    ReasonCode.QUOTA_EXCEEDED: ConnectReturnCode.SERVER_UNAVAILABLE,
    ReasonCode.USE_ANOTHER_SERVER: ConnectReturnCode.SERVER_UNAVAILABLE,
    ReasonCode.SERVER_MOVED: ConnectReturnCode.SERVER_UNAVAILABLE,
    ReasonCode.BAD_USER_NAME_OR_PASSWORD: ConnectReturnCode.BAD_USER_NAME_OR_PASSWORD,
    ReasonCode.NOT_AUTHORIZED: ConnectReturnCode.NOT_AUTHORIZED,
    ReasonCode.BANNED: ConnectReturnCode.NOT_AUTHORIZED,
    ReasonCode.BAD_AUTHENTICATION_METHOD: ConnectReturnCode.NOT_AUTHORIZED,
}
"""What MQTT 3.1.1 has for a Reason Code; for others the connection is closed without a word."""


MAX_ALIASES: Final = 256
"""Topics that one client is told a number for, however many it would take."""
_SPARABLE: Final = (
    "response_information", "topic_alias_maximum", "maximum_packet_size", "receive_maximum",
)  # fmt: skip
"""What a client that takes short packets only is not told, the least needed first."""
_PERSONAL: Final = frozenset({"assigned_client_identifier", "authentication_data"})
MAX_CONNACKS: Final = 16
"""Different CONNACK packets that are remembered."""


class Refused(Exception):
    """The client is not let in; no error of ours.

    Attributes:
        refusal: Why.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason_string)
        self.refusal = refusal


class Admission:
    """What happens to a connection until its CONNECT is accepted.

    Args:
        broker: Whose client it wants to be.
        link: The client.
        verdicts: What the application decides.

    Attributes:
        keep_alive: Seconds between two packets that hold for the connection; 0: any.
        conversation: The enhanced authentication, if the client has one.

    Spec:
        MQTT 5.0 §3.1.4; MQTT 3.1.1 §3.1.4
    """

    __slots__ = (
        "_broker", "_connect", "_granted", "_level", "_link", "_verdicts", "conversation",
        "keep_alive",
    )  # fmt: skip

    def __init__(self, broker: Broker, link: Link, verdicts: Verdicts) -> None:
        self.keep_alive = 0
        self.conversation: Conversation | None = None
        self._broker = broker
        self._link = link
        self._verdicts = verdicts
        self._level: int | None = None
        self._connect: MQTTConnect | None = None
        self._granted: tuple[MQTTConnect, Identity, dict[str, object]] | None = None

    def take(self, first: int, body: bytes) -> bool:
        """Take a packet that comes before CONNACK; True when the client is in.

        Raises:
            MQTTDecodeError: the client broke a rule.
            Parked: the application has to decide.
        """
        try:
            if self._granted is not None:  # it is the same packet again
                return self._accept(*self._granted)
            if self.conversation is not None and self._connect is not None:
                return self._auth(self.conversation, self._connect, first, body)
            self.expect(first)
            self._level = announced_level(body)
            return self._decide(self._decode(first, body))
        except Refused as refused:
            refusal = refused.refusal
            self.refuse(
                refusal.reason_code, text=refusal.reason_string,
                reference=refusal.server_reference,
            )  # fmt: skip
            return False

    def expect(self, first: int) -> None:
        """Look at the *first* byte of a packet, even before the rest has arrived.

        Raises:
            MQTTDecodeError: it is not the packet that has to come now.
        """
        if self.conversation is None and first >> 4 != CONNECT:
            raise MQTTDecodeError(
                "the first packet is no CONNECT", reason_code=ReasonCode.PROTOCOL_ERROR,
                spec="MQTT 5.0 §3.1 [MQTT-3.1.0-1]",
            )  # fmt: skip

    def refuse(self, reason: int, *, text: str = "", reference: str = "") -> None:
        """Turn the client away with CONNACK, where its version has one for that, and close."""
        link = self._link
        if link.ending:
            return
        link.reason = reason
        level = self._level if self._level in self._broker.levels else 0
        if level == 5 or (self._level is not None and reason == 0x84 and not self._old_reply):
            allowed = reason in REASON_CODES[CONNACK] and reason >= 0x80
            properties: dict[str, object] = {}
            if text:
                properties["reason_string"] = text
            if reference:
                properties["server_reference"] = reference
            code = reason if allowed else int(ReasonCode.UNSPECIFIED_ERROR)
            packet = encode_packet(MQTTConnack(False, code, properties))
            if len(packet) > link.max_packet:
                packet = encode_packet(MQTTConnack(False, code))
            if len(packet) <= link.max_packet:
                link.send(packet)
        elif self._level is not None and reason in _RETURN_CODES:
            code = int(_RETURN_CODES[ReasonCode(reason)])
            link.send(encode_packet(MQTTConnack(False, code), level=4))
        link.close()

    @property
    def _old_reply(self) -> bool:
        """A client of an unknown version is answered as MQTT 3.1.1 has it."""
        return self._level is not None and self._level < 5 and 4 in self._broker.levels

    def _decode(self, first: int, body: bytes) -> MQTTConnect:
        if self._level is not None and self._level not in self._broker.levels:
            raise Refused(Refusal(reason_code=ReasonCode.UNSUPPORTED_PROTOCOL_VERSION))
        packet = decode_body(first, body)
        assert isinstance(packet, MQTTConnect)
        self._link.level = packet.proto_level
        self._link.claim = packet.client_id, packet.username
        most = cast("int", packet.properties.get("maximum_packet_size", self._link.max_packet))
        self._link.max_packet = most
        self._check(packet)
        return packet

    def _check(self, packet: MQTTConnect) -> None:
        """Refuse what the packet's own format allows and this broker does not."""
        settings = self._broker.settings
        for properties in (packet.properties, packet.will_properties):
            pairs = cast("list[object]", properties.get("user_property", ()))
            if len(pairs) > settings.max_user_properties:
                raise LimitExceeded(
                    "mqtt_max_user_properties", allowed=settings.max_user_properties,
                    seen=len(pairs), code=ReasonCode.QUOTA_EXCEEDED,
                )  # fmt: skip
        if packet.proto_level == 4 and not packet.client_id and not packet.clean_start:
            raise Refused(Refusal(reason_code=ReasonCode.CLIENT_IDENTIFIER_NOT_VALID))
        if packet.will_topic is not None:
            if packet.will_qos > settings.max_qos:
                raise Refused(Refusal(reason_code=ReasonCode.QOS_NOT_SUPPORTED))
            if packet.will_retain and not settings.retain_available:
                raise Refused(Refusal(reason_code=ReasonCode.RETAIN_NOT_SUPPORTED))
            limit = topic_limit(packet.will_topic, settings)
            if limit is not None:
                self._link.shell.record_limit(limit)
            if limit is not None or not is_topic_name(packet.will_topic):
                raise Refused(Refusal(reason_code=ReasonCode.TOPIC_NAME_INVALID))
            if belongs_to_broker(packet.will_topic):
                raise Refused(Refusal(reason_code=ReasonCode.NOT_AUTHORIZED))

    # ------------------------------------------------------------------ who is it

    def _decide(self, packet: MQTTConnect) -> bool:
        method = packet.properties.get("authentication_method")
        if isinstance(method, str):
            conversation = Conversation(
                self._broker.hooks, self._link, request=self._request(packet), method=method
            )
            if not conversation.known:
                raise Refused(Refusal(reason_code=ReasonCode.BAD_AUTHENTICATION_METHOD))
            self._connect = packet
            self.conversation = conversation
            data = cast("bytes | None", packet.properties.get("authentication_data"))
            return self._stepped(conversation, packet, conversation.start(data))
        return self._accept(packet, self._identify(packet), {})

    def _auth(
        self, conversation: Conversation, packet: MQTTConnect, first: int, body: bytes
    ) -> bool:
        auth = decode_body(first, body, level=5)
        if isinstance(auth, MQTTDisconnect):
            self._link.close()
            return False
        if not isinstance(auth, MQTTAuth):
            raise MQTTDecodeError(
                "only AUTH can follow", reason_code=ReasonCode.PROTOCOL_ERROR,
                spec="MQTT 5.0 §4.12 [MQTT-3.1.2-30]",
            )  # fmt: skip
        return self._stepped(conversation, packet, conversation.go_on(auth))

    def _stepped(self, conversation: Conversation, packet: MQTTConnect, step: AuthStep) -> bool:
        if not step.done:
            return False
        if not step.ok:
            raise Refused(Refusal(reason_code=ReasonCode.NOT_AUTHORIZED))
        # Who it is was found by the exchange; what CONNECT claims proves nothing.
        proven = replace(packet, username=None)
        identity = Identity(username=step.username)
        return self._accept(proven, identity, conversation.properties(step))

    def _request(self, packet: MQTTConnect) -> ConnectRequest:
        shell = self._link.shell
        return ConnectRequest(
            client_id=packet.client_id,
            username=packet.username,
            password=packet.password,
            certificate=shell.certificate,
            transport=shell.transport,
            peername=shell.peername,
            properties=packet.properties,
        )

    def _identify(self, packet: MQTTConnect) -> Identity:
        """Return who the client is.

        Raises:
            Refused: it is not let in.
            Parked: the application has to think about it.
        """
        ask = self._broker.hooks.authenticate
        if ask is None:
            return ANYBODY
        verdict = self._verdicts.known("authenticate", "")
        if verdict is None:
            verdict = call(ask, self._request(packet))
            if inspect.isawaitable(verdict):
                raise Parked(verdict, ("authenticate", ""))
        if isinstance(verdict, Identity):
            return verdict
        if isinstance(verdict, Refusal):
            raise Refused(verdict)
        if isinstance(verdict, ReasonCode) and verdict >= 0x80:
            raise Refused(Refusal(reason_code=verdict))
        if verdict is True or (verdict == ReasonCode.SUCCESS and verdict is not False):
            return Identity(username=packet.username)
        anonymous = packet.username is None
        if anonymous and self._broker.settings.allow_anonymous:
            return Identity()
        raise Refused(Refusal(
            reason_code=ReasonCode.NOT_AUTHORIZED if anonymous
            else ReasonCode.BAD_USER_NAME_OR_PASSWORD
        ))  # fmt: skip

    # ------------------------------------------------------------------ welcome

    def _accept(
        self, packet: MQTTConnect, identity: Identity, properties: dict[str, object]
    ) -> bool:
        """Let the client in.

        Raises:
            Parked: the application has to think about its will.
            Refused: it may not publish its will, or takes no packet that could let it in.
        """
        broker, link = self._broker, self._link
        assigned = "" if packet.client_id or identity.client_id else broker.new_client_id()
        client_id = identity.client_id or packet.client_id or assigned
        username = packet.username if identity.username is None else identity.username
        if username is None and broker.settings.allow_anonymous is False:
            raise Refused(Refusal(reason_code=ReasonCode.NOT_AUTHORIZED))
        link.identify(client_id, username)
        self._verdicts.superuser = identity.superuser
        self._granted = packet, identity, properties
        if packet.will_topic is not None and not self._verdicts.may("publish", packet.will_topic):
            raise Refused(Refusal(reason_code=ReasonCode.NOT_AUTHORIZED))
        expiry = self._expiry(packet)
        told = dict(properties)
        if packet.proto_level == 5:
            self._advertise(packet, told, expiry=expiry, assigned=assigned)
        else:
            self.keep_alive = packet.keep_alive
        connack = self._connack(told, packet.proto_level)
        session, present = broker.find(client_id, clean_start=packet.clean_start)
        session.expiry = expiry
        self._equip(session, packet)
        link.send(connack if not present else self._connack(told, packet.proto_level, present=1))
        broker.attach(session, link)
        return True

    def _expiry(self, packet: MQTTConnect) -> int:
        """Return how many seconds the session outlives its connection."""
        longest = self._broker.settings.max_session_expiry
        if packet.proto_level == 4:
            return 0 if packet.clean_start else longest
        asked = cast("int", packet.properties.get("session_expiry_interval", 0))
        return min(asked, longest)

    def _connack(self, told: dict[str, object], level: int, *, present: int = 0) -> bytes:
        """Return the CONNACK; most clients are told the same, and that is encoded once.

        Raises:
            Refused: the client takes no packet that long ([MQTT-3.1.2-24]).
        """
        connacks = self._broker.connacks
        key = (level, present, *told.items())
        connack = connacks.get(key)
        if connack is None:
            connack = encode_packet(MQTTConnack(present == 1, 0, told), level=level)
            if len(connacks) < MAX_CONNACKS and _PERSONAL.isdisjoint(told):
                connacks[key] = connack
        if len(connack) <= self._link.max_packet:
            return connack
        left_out = next((name for name in _SPARABLE if name in told), None)
        if left_out is None:
            raise Refused(Refusal(reason_code=ReasonCode.PACKET_TOO_LARGE))
        del told[left_out]
        return self._connack(told, level, present=present)

    def _equip(self, session: Session, packet: MQTTConnect) -> None:
        """Let link and session be as the client wants them."""
        settings = self._broker.settings
        link = self._link
        link.level = packet.proto_level
        link.window = settings.max_inflight
        link.max_held = settings.max_outbound_bytes
        link.drop_when_slow = settings.slow_policy is SlowPolicy.DROP
        asked = cast("dict[str, int]", packet.properties)
        if packet.proto_level == 5:
            link.window = min(asked.get("receive_maximum", 65535), settings.max_inflight)
            link.problem_information = bool(asked.get("request_problem_information", 1))
            link.topic_alias_maximum = min(asked.get("topic_alias_maximum", 0), MAX_ALIASES)
            link.aliases = {} if link.topic_alias_maximum else None
        link.find_plain(settings.max_packet_size)
        session.will = None
        if packet.will_topic is not None:
            delay = cast("int", packet.will_properties.get("will_delay_interval", 0))
            kept = {
                name: value for name, value in packet.will_properties.items()
                if name != "will_delay_interval"
            }  # fmt: skip
            session.will = Will(
                packet.will_topic, packet.will_payload or b"", qos=packet.will_qos,
                retain=packet.will_retain, properties=kept, delay=delay,
            )  # fmt: skip

    def _advertise(
        self, packet: MQTTConnect, told: dict[str, object], *, expiry: int, assigned: str
    ) -> None:
        """Say in CONNACK what this broker does differently from what the standard assumes.

        Spec:
            MQTT 5.0 §3.2.2.3
        """
        settings = self._broker.settings
        if assigned:
            told["assigned_client_identifier"] = assigned
        if expiry != packet.properties.get("session_expiry_interval", 0):
            told["session_expiry_interval"] = expiry
        told["receive_maximum"] = settings.receive_maximum
        told["maximum_packet_size"] = settings.max_packet_size
        told["topic_alias_maximum"] = settings.topic_alias_maximum
        if settings.max_qos < 2:
            told["maximum_qos"] = settings.max_qos
        for name, available in (
            ("retain_available", settings.retain_available),
            ("wildcard_subscription_available", settings.wildcard_available),
            ("shared_subscription_available", settings.shared_available),
            ("subscription_identifier_available", settings.subscription_identifiers_available),
        ):
            if not available:
                told[name] = 0
        most = settings.max_keep_alive
        self.keep_alive = packet.keep_alive
        if most and not 0 < packet.keep_alive <= most:
            self.keep_alive = most
            told["server_keep_alive"] = most
        base = self._broker.hooks.response_information
        if base and packet.properties.get("request_response_information"):
            told["response_information"] = base


def topic_limit(topic: str, settings: MQTTSettings) -> LimitExceeded | None:
    """Return which limit a Topic Name or Filter goes past, if it does."""
    for name, allowed, seen in (
        ("mqtt_max_topic_levels", settings.max_topic_levels, count_levels(topic)),
        ("mqtt_max_topic_length", settings.max_topic_length, len(topic.encode())),
    ):
        if seen > allowed:
            return LimitExceeded(name, allowed=allowed, seen=seen)
    return None


def is_topic_name(topic: str) -> bool:
    """Return True when messages can be published to *topic*."""
    try:
        return validate_topic_name(topic)
    except ValueError:
        return False


def announced_level(body: bytes) -> int | None:
    """Return the protocol level that a CONNECT asks for; None when it names another protocol."""
    if body[:6] == b"\x00\x04MQTT" and len(body) > 6:
        return body[6]
    if body[:8] == b"\x00\x06MQIsdp" and len(body) > 8:
        return body[8]
    return None
