"""What a codec of MQTT raises: the peer's mistakes, and our caller's."""

from __future__ import annotations

from blackbull.errors import IncompleteRead, LocalProtocolError, RemoteProtocolError


class MQTTDecodeError(RemoteProtocolError, ValueError):
    """The peer's bytes break a rule of the standard.

    Attributes:
        reason_code: What a CONNACK or a DISCONNECT says about it; the same number as ``code``.
        spec: The clause, for example ``"MQTT 5.0 §2.1.3 [MQTT-2.1.3-1]"``.
    """

    def __init__(self, message: str, *, reason_code: int = 0x81, spec: str = "") -> None:
        super().__init__(message, code=reason_code, spec=spec)

    @property
    def reason_code(self) -> int:
        """The reason code of the answer."""
        return self.code


class PacketTooLarge(MQTTDecodeError):
    """A packet's header announces more bytes than are taken: 0x95.

    Attributes:
        declared: Bytes of the packet, its header included.
        maximum: The limit.
    """

    def __init__(self, declared: int, maximum: int) -> None:
        super().__init__(
            f"a packet of {declared} bytes exceeds the maximum of {maximum}",
            reason_code=0x95,
            spec="MQTT 5.0 §3.2.2.3.6 [MQTT-3.2.2-15]",
        )
        self.declared = declared
        self.maximum = maximum


class IncompletePacket(IncompleteRead, ValueError):
    """The bytes end inside of a packet; nothing is wrong with what is there.

    Attributes:
        needed: Bytes, counted from the packet's first, without which nothing more can be said.
    """

    def __init__(self, needed: int) -> None:
        super().__init__(f"the packet goes on: {needed} bytes are needed")
        self.needed = needed


class MQTTEncodeError(LocalProtocolError, ValueError):
    """Our caller asked for a packet that the standard forbids."""


def malformed(message: str, spec: str) -> MQTTDecodeError:
    """Return the error for bytes that are no packet: 0x81."""
    return MQTTDecodeError(message, reason_code=0x81, spec=spec)


def protocol_error(message: str, spec: str) -> MQTTDecodeError:
    """Return the error for a packet that must not be: 0x82."""
    return MQTTDecodeError(message, reason_code=0x82, spec=spec)
