"""gmqtt, in the event loop; it does not speak WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import gmqtt
from gmqtt.mqtt.handler import MQTTConnectError

from tests.interop.mqtt.peer import (
    HOST,
    WAIT,
    Accepted,
    Endpoint,
    Options,
    Peer,
    Received,
    RefusedError,
    in_windows,
)

# Where its names are not the standard's.
OURS = {
    "payload_format_id": "payload_format_indicator",
    "auth_method": "authentication_method",
    "max_qos": "maximum_qos",
    "sub_id_available": "subscription_identifiers_available",
    "wildcard_subscription_available": "wildcard_subscription_available",
}
THEIRS = {ours: theirs for theirs, ours in OURS.items()}
MANY = {"user_property", "subscription_identifier"}
NEVER_AGAIN = {"reconnect_retries": -2, "reconnect_delay": 0}


def their_properties(properties: Mapping[str, object] | None) -> dict[str, object]:
    """Return *properties* under gmqtt's names."""
    return {THEIRS.get(name, name): value for name, value in (properties or {}).items()}


def our_properties(properties: Mapping[str, Any]) -> dict[str, object]:
    """Return what gmqtt read, under the names of the standard."""
    found = {}
    for name, values in properties.items():
        if name in {"dup", "retain"} or not isinstance(values, list):
            continue
        found[OURS.get(name, name)] = values if name in MANY else values[-1]
    return found


class GmqttPeer(Peer):
    """Its callbacks come in the event loop."""

    name: ClassVar[str] = "gmqtt"
    speaks: ClassVar[frozenset[str]] = frozenset({"tcp", "tls"})

    def __init__(self, where: Endpoint, options: Options) -> None:
        super().__init__(where, options)
        self._acks: dict[int, asyncio.Future[list[int]]] = {}
        self._accepted = Accepted(False)
        will = options.will
        self.client = gmqtt.Client(
            options.client_id,
            clean_session=options.clean,
            will_message=will and gmqtt.Message(
                will.topic, will.payload, will.qos, will.retain,
                **(their_properties(will.properties) if options.level == 5 else {}),
            ),
            **their_properties(options.connect_properties()),
        )  # fmt: skip
        self.client.set_config(NEVER_AGAIN)
        if options.username is not None:
            self.client.set_auth_credentials(options.username, options.password)
        self.client.on_connect = self._on_connect
        self.client.on_message = self._on_message
        self.client.on_disconnect = self._on_disconnect
        self.client.on_subscribe = self._on_ack
        self.client.on_unsubscribe = self._on_ack

    async def open(self) -> Accepted:
        options = self.options
        try:
            await self.client.connect(
                HOST, self.where.port, self.where.context() or False, options.keepalive,
                options.level,
            )  # fmt: skip
        except MQTTConnectError as error:
            await self.client._connection.close()
            self.ended(None)
            raise RefusedError(error._code) from None
        return self._accepted

    async def subscribe(
        self,
        *filters: str,
        qos: int = 0,
        identifier: int | None = None,
        no_local: bool = False,
        retain_as_published: bool = False,
        retain_handling: int = 0,
    ) -> list[int]:
        wanted = [
            gmqtt.Subscription(
                each, qos, no_local, retain_as_published, retain_handling, identifier
            )
            for each in filters
        ]
        return await self._acknowledged(self.client.subscribe(wanted))

    async def unsubscribe(self, *filters: str) -> None:
        await self._acknowledged(self.client.unsubscribe(list(filters)))

    async def publish_all(
        self,
        messages: Iterable[tuple[str, bytes]],
        *,
        qos: int = 0,
        retain: bool = False,
        properties: dict[str, object] | None = None,
    ) -> None:
        named = their_properties(properties) if self.options.level == 5 else {}
        for part in in_windows(messages, self.window):
            for topic, payload in part:
                self.client.publish(topic, payload, qos=qos, retain=retain, **named)
            async with asyncio.timeout(WAIT):
                await self.client._persistent_storage.wait_empty()

    async def leave(self) -> None:
        await self.client.disconnect()
        self.ended(None)

    async def vanish(self) -> None:
        self.client._is_active = False
        self.client._connection._keep_connection_callback.cancel()
        self.client._connection._transport.abort()
        await self.lost

    def _on_connect(self, client: Any, present: int, code: int, properties: Any) -> None:
        self._accepted = Accepted(bool(present), our_properties(properties))
        # It raises where more identifiers are asked for at a time than may be under way.
        self.window = self.client._package_handler.id_generator._max // 2

    def _on_message(self, client: Any, topic: str, payload: bytes, qos: int, found: Any) -> int:
        made = Received(topic, bytes(payload), qos, bool(found["retain"]), our_properties(found))
        self.heard(made)
        return 0

    def _on_disconnect(self, client: Any, packet: Any, exc: Any = None) -> None:
        self.ended(packet[0] if isinstance(packet, bytes) and packet else None)

    def _on_ack(self, client: Any, mid: int, codes: Any, properties: Any = None) -> None:
        self._acks.setdefault(mid, asyncio.get_running_loop().create_future()).set_result(
            list(codes)
        )

    async def _acknowledged(self, mid: int) -> list[int]:
        async with asyncio.timeout(WAIT):
            future = self._acks.setdefault(mid, asyncio.get_running_loop().create_future())
            try:
                return await future
            finally:
                del self._acks[mid]
