"""Enhanced authentication: the conversation of AUTH packets with one client."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ..auth.requests import AuthExchange, AuthStep, ConnectRequest
from ..codec.control import MQTTAuth
from ..codec.errors import MQTTDecodeError
from ..codec.packets import encode_packet
from ..codec.types import ReasonCode

if TYPE_CHECKING:
    from .hooks import Hooks
    from .link import Link


class Conversation:
    """The enhanced authentication of one connection, at its beginning and again later.

    Args:
        hooks: Has the methods.
        link: The client.
        request: What is known of the client.
        method: Its Authentication Method.

    Spec:
        MQTT 5.0 §4.12
    """

    __slots__ = ("_exchange", "_hooks", "_link", "_method", "_request")

    def __init__(self, hooks: Hooks, link: Link, *, request: ConnectRequest, method: str) -> None:
        self._hooks = hooks
        self._link = link
        self._request = request
        self._method = method
        self._exchange: AuthExchange | None = None

    @property
    def known(self) -> bool:
        """The method is one of ours."""
        return self._method in self._hooks.enhanced

    def start(self, data: bytes | None) -> AuthStep:
        """Begin, with the Authentication Data of CONNECT or of a re-authentication."""
        self._exchange = self._hooks.enhanced[self._method].start(self._request)
        return self._answer(self._exchange.step(data))

    def go_on(self, packet: MQTTAuth) -> AuthStep:
        """Take the client's next AUTH packet.

        Raises:
            MQTTDecodeError: it does not belong into this conversation.
        """
        self._check_method(packet)
        if self._exchange is None or packet.reason_code != ReasonCode.CONTINUE_AUTHENTICATION:
            raise _unexpected("MQTT 5.0 §3.15.2.1")
        return self._answer(self._exchange.step(_data(packet)))

    def again(self, packet: MQTTAuth) -> None:
        """Take an AUTH packet of a client that is connected (MQTT 5.0 §4.12.1).

        Raises:
            MQTTDecodeError: it does not belong there, or the client is not who it says it is.
        """
        self._check_method(packet)
        if self._exchange is not None:
            step = self.go_on(packet)
        elif packet.reason_code == ReasonCode.REAUTHENTICATE:
            step = self.start(_data(packet))
        else:
            raise _unexpected("MQTT 5.0 §4.12.1")
        if not step.done:
            return
        if not step.ok or step.username not in {None, self._link.info.username}:
            raise MQTTDecodeError(
                "the client could not prove who it is",
                reason_code=ReasonCode.NOT_AUTHORIZED,
                spec="MQTT 5.0 §4.12.1 [MQTT-4.12.1-2]",
            )
        self._link.send(encode_packet(MQTTAuth(ReasonCode.SUCCESS, self.properties(step))))

    def properties(self, step: AuthStep) -> dict[str, object]:
        """Return the properties that tell the client of *step*."""
        properties: dict[str, object] = {"authentication_method": self._method}
        if step.data is not None:
            properties["authentication_data"] = step.data
        return properties

    def _answer(self, step: AuthStep) -> AuthStep:
        if not step.done:
            packet = MQTTAuth(ReasonCode.CONTINUE_AUTHENTICATION, self.properties(step))
            self._link.send(encode_packet(packet))
        else:
            self._exchange = None
        return step

    def _check_method(self, packet: MQTTAuth) -> None:
        if packet.properties.get("authentication_method") != self._method:
            raise _unexpected("MQTT 5.0 §4.12 [MQTT-4.12.0-5]")


def _data(packet: MQTTAuth) -> bytes | None:
    return cast("bytes | None", packet.properties.get("authentication_data"))


def _unexpected(spec: str) -> MQTTDecodeError:
    return MQTTDecodeError(
        "this AUTH does not belong here", reason_code=ReasonCode.PROTOCOL_ERROR, spec=spec
    )
