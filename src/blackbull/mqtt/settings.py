"""Every setting of the broker on one page: its name, unit, default, range and sentence."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar, Final

from blackbull.config import Kind, check, setting

MAX_PACKET: Final = 268_435_460
"""The longest packet that there can be: 268,435,455 bytes and five of fixed header."""
NEVER: Final = 0xFFFF_FFFF
"""A Session Expiry Interval that never ends."""


class Overflow(enum.StrEnum):
    """Which message goes when a session's queue is full."""

    DROP_NEWEST = "drop_newest"
    DROP_OLDEST = "drop_oldest"


class SlowPolicy(enum.StrEnum):
    """What becomes of a subscriber that takes its bytes too slowly."""

    DROP = "drop"
    DISCONNECT = "disconnect"


@dataclass(frozen=True, slots=True, kw_only=True)
class MQTTSettings:
    """What one broker allows and advertises.

    Times are seconds and sizes are bytes.

    Raises:
        ConfigurationError: a value is out of its range.
    """

    env_prefix: ClassVar[str] = "BB_MQTT_"
    toml_table: ClassVar[str] = "mqtt"

    max_packet_size: int = setting(
        1_048_576,
        "BB_MQTT_MAX_PACKET_SIZE",
        kind=Kind.COUNT,
        unit="bytes",
        minimum=64,
        maximum=MAX_PACKET,
        sentence="The longest packet; a longer one ends its connection with 0x95. Advertised.",
    )
    receive_maximum: int = setting(
        64,
        "BB_MQTT_RECEIVE_MAXIMUM",
        kind=Kind.COUNT,
        minimum=1,
        maximum=65535,
        sentence="QoS 1 and 2 messages that a client may have under way to us. Advertised.",
    )
    max_inflight: int = setting(
        1024,
        "BB_MQTT_MAX_INFLIGHT",
        kind=Kind.COUNT,
        minimum=1,
        maximum=65535,
        sentence="QoS 1 and 2 messages under way to one client, whatever its Receive Maximum.",
    )
    max_queued_messages: int = setting(
        1000,
        "BB_MQTT_MAX_QUEUED_MESSAGES",
        kind=Kind.COUNT,
        minimum=1,
        sentence="Messages that wait for one session, connected or not.",
    )
    max_queued_bytes: int = setting(
        16_777_216,
        "BB_MQTT_MAX_QUEUED_BYTES",
        kind=Kind.COUNT,
        unit="bytes",
        minimum=1,
        sentence="What the messages that wait for one session may hold together.",
    )
    overflow: Overflow = setting(  # noqa: RUF009 - it makes a field, not a value
        Overflow.DROP_NEWEST,
        "BB_MQTT_OVERFLOW",
        kind=Kind.CHOICE,
        sentence="Which message goes when a session's queue is full: drop_newest or drop_oldest.",
    )
    max_retained: int = setting(
        10_000,
        "BB_MQTT_MAX_RETAINED",
        kind=Kind.COUNT,
        sentence="Topics with a retained message; one more is refused with 0x97.",
    )
    max_retained_bytes: int = setting(
        67_108_864,
        "BB_MQTT_MAX_RETAINED_BYTES",
        kind=Kind.COUNT,
        unit="bytes",
        sentence="What the retained messages may hold together, their topics included.",
    )
    max_subscriptions: int = setting(
        1000,
        "BB_MQTT_MAX_SUBSCRIPTIONS",
        kind=Kind.COUNT,
        minimum=1,
        sentence="Subscriptions of one session; one more is refused with 0x97.",
    )
    max_sessions: int = setting(
        10_000,
        "BB_MQTT_MAX_SESSIONS",
        kind=Kind.COUNT,
        minimum=1,
        sentence="Sessions, connected or not; one more is refused with 0x97.",
    )
    max_session_expiry: int = setting(
        NEVER,
        "BB_MQTT_MAX_SESSION_EXPIRY",
        kind=Kind.COUNT,
        unit="s",
        maximum=NEVER,
        sentence="How long a session may outlive its connection; 4294967295: for ever. Advertised.",
    )
    # 1000 subscriptions of a session hold 4 MiB of topics at most, and no name that people give
    # comes near it; the standard's own limit would let them hold 64 MiB.
    max_topic_length: int = setting(
        4096,
        "BB_MQTT_MAX_TOPIC_LENGTH",
        kind=Kind.COUNT,
        unit="bytes",
        minimum=1,
        maximum=65535,
        sentence="The longest topic name or filter, as UTF-8.",
    )
    max_topic_levels: int = setting(
        128,
        "BB_MQTT_MAX_TOPIC_LEVELS",
        kind=Kind.COUNT,
        minimum=1,
        maximum=65536,
        sentence="Levels of a topic name or filter.",
    )
    topic_alias_maximum: int = setting(
        64,
        "BB_MQTT_TOPIC_ALIAS_MAXIMUM",
        kind=Kind.COUNT,
        maximum=65535,
        sentence="Topics that a client may give a number, per connection; 0: none. Advertised.",
    )
    max_user_properties: int = setting(
        64,
        "BB_MQTT_MAX_USER_PROPERTIES",
        kind=Kind.COUNT,
        sentence="User properties of one packet.",
    )
    max_qos: int = setting(
        2,
        "BB_MQTT_MAX_QOS",
        kind=Kind.COUNT,
        maximum=2,
        sentence="The highest quality of service. Advertised.",
    )
    retain_available: bool = setting(
        True,
        "BB_MQTT_RETAIN_AVAILABLE",
        kind=Kind.SWITCH,
        sentence="Whether messages can be retained. Advertised.",
    )
    wildcard_available: bool = setting(
        True,
        "BB_MQTT_WILDCARD_AVAILABLE",
        kind=Kind.SWITCH,
        sentence="Whether filters may have wildcards. Advertised.",
    )
    shared_available: bool = setting(
        True,
        "BB_MQTT_SHARED_AVAILABLE",
        kind=Kind.SWITCH,
        sentence="Whether subscriptions can be shared. Advertised.",
    )
    subscription_identifiers_available: bool = setting(
        True,
        "BB_MQTT_SUBSCRIPTION_IDENTIFIERS_AVAILABLE",
        kind=Kind.SWITCH,
        sentence="Whether subscriptions may have identifiers. Advertised.",
    )
    connect_timeout: float = setting(
        10.0,
        "BB_MQTT_CONNECT_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long a client may take from connecting to being accepted; 0: no limit.",
    )
    packet_timeout: float = setting(
        120.0,
        "BB_MQTT_PACKET_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long one packet may take to arrive.",
    )
    max_keep_alive: int = setting(
        0,
        "BB_MQTT_MAX_KEEP_ALIVE",
        kind=Kind.COUNT,
        unit="s",
        maximum=65535,
        sentence="The longest Keep Alive, which other clients are told; 0: whatever they ask for.",
    )
    max_outbound_bytes: int = setting(
        1_048_576,
        "BB_MQTT_MAX_OUTBOUND_BYTES",
        kind=Kind.COUNT,
        unit="bytes",
        minimum=1,
        sentence="What may be on its way to one connection before its client counts as slow.",
    )
    slow_policy: SlowPolicy = setting(  # noqa: RUF009 - it makes a field, not a value
        SlowPolicy.DROP,
        "BB_MQTT_SLOW_POLICY",
        kind=Kind.CHOICE,
        sentence="A slow client's lot: drop (QoS 0 messages go, others wait) or disconnect.",
    )
    tap_queue_size: int = setting(
        1024,
        "BB_MQTT_TAP_QUEUE_SIZE",
        kind=Kind.COUNT,
        minimum=1,
        sentence="Messages that wait for the application's taps; more are dropped and counted.",
    )
    tap_queue_bytes: int = setting(
        16_777_216,
        "BB_MQTT_TAP_QUEUE_BYTES",
        kind=Kind.COUNT,
        unit="bytes",
        minimum=1,
        sentence="What the messages that wait for the taps may hold together.",
    )
    broker_inbox_maxsize: int = setting(
        1024,
        "BB_MQTT_BROKER_INBOX_MAXSIZE",
        kind=Kind.COUNT,
        minimum=1,
        sentence="Batches from connections that wait for the broker; then connections wait.",
    )
    broker_inbox_max_bytes: int = setting(
        16_777_216,
        "BB_MQTT_BROKER_INBOX_MAX_BYTES",
        kind=Kind.COUNT,
        unit="bytes",
        minimum=1,
        sentence="What these may hold together.",
    )
    connection_inbox_maxsize: int = setting(
        1024,
        "BB_MQTT_CONNECTION_INBOX_MAXSIZE",
        kind=Kind.COUNT,
        minimum=1,
        sentence="Packets from the broker that wait for one connection's writer.",
    )
    connection_inbox_max_bytes: int = setting(
        16_777_216,
        "BB_MQTT_CONNECTION_INBOX_MAX_BYTES",
        kind=Kind.COUNT,
        unit="bytes",
        minimum=1,
        sentence="What these may hold together.",
    )
    owner_timeout: float = setting(
        5.0,
        "BB_MQTT_OWNER_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long workers wait for an answer of the one with the broker; 0: no limit.",
    )
    sys_interval: float = setting(
        10.0,
        "BB_MQTT_SYS_INTERVAL",
        kind=Kind.SECONDS,
        sentence="How often $SYS topics are published; 0: never.",
    )
    allow_anonymous: bool | None = setting(
        None,
        "BB_MQTT_ALLOW_ANONYMOUS",
        kind=Kind.AUTO_SWITCH,
        sentence="Whether clients need no user name; auto: as long as nobody is asked for one.",
    )

    def __post_init__(self) -> None:
        check(self)
