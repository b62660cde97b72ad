"""paho-mqtt, with its own thread."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Any, ClassVar

import paho.mqtt.client as paho

from tests.interop.mqtt.paho_names import (
    connect_properties,
    paho_filters,
    plain_properties,
    publish_properties,
    refused_code,
    subscribe_properties,
    will_properties,
)
from tests.interop.mqtt.peer import (
    HOST,
    WAIT,
    Accepted,
    Endpoint,
    Options,
    Peer,
    Received,
    RefusedError,
)


def paho_client(where: Endpoint, options: Options) -> paho.Client:
    """Return a client that is set up and not connected."""
    client = paho.Client(
        paho.CallbackAPIVersion.VERSION2,
        client_id=options.client_id,
        clean_session=options.clean if options.level < 5 else None,
        protocol=paho.MQTTProtocolVersion(options.level),
        transport="tcp" if where.path is None else "websockets",
        reconnect_on_failure=False,
    )
    if (context := where.context()) is not None:
        client.tls_set_context(context)
    if where.path is not None:
        client.ws_set_options(path=where.path)
    if options.username is not None:
        client.username_pw_set(options.username, options.password)
    if (will := options.will) is not None:
        client.will_set(will.topic, will.payload, will.qos, will.retain, will_properties(options))
    return client


class PahoPeer(Peer):
    """Its callbacks come in a thread; what they say is taken to the event loop."""

    name: ClassVar[str] = "paho"

    def __init__(self, where: Endpoint, options: Options) -> None:
        super().__init__(where, options)
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[Accepted] = self._loop.create_future()
        self._acks: dict[int, asyncio.Future[list[int]]] = {}
        self.client = paho_client(where, options)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_message = self._on_message
        self.client.on_subscribe = self._on_ack
        self.client.on_unsubscribe = self._on_ack

    async def open(self) -> Accepted:
        options = self.options
        started = {"clean_start": options.clean} if options.level == 5 else {}
        await asyncio.to_thread(
            self.client.connect, HOST, self.where.port, options.keepalive,
            properties=connect_properties(options), **started,
        )  # fmt: skip
        self.client.loop_start()
        return await self._answer

    async def subscribe(
        self,
        *filters: str,
        qos: int = 0,
        identifier: int | None = None,
        no_local: bool = False,
        retain_as_published: bool = False,
        retain_handling: int = 0,
    ) -> list[int]:
        wanted = paho_filters(
            self.options, filters, qos, no_local, retain_as_published, retain_handling
        )
        _, mid = self.client.subscribe(wanted, properties=subscribe_properties(identifier))
        return await self._acknowledged(mid)

    async def unsubscribe(self, *filters: str) -> None:
        _, mid = self.client.unsubscribe(list(filters))
        await self._acknowledged(mid)

    async def publish_all(
        self,
        messages: Iterable[tuple[str, bytes]],
        *,
        qos: int = 0,
        retain: bool = False,
        properties: dict[str, object] | None = None,
    ) -> None:
        made = publish_properties(self.options, properties)
        under_way = [
            self.client.publish(topic, payload, qos, retain, made) for topic, payload in messages
        ]

        def wait() -> None:
            for info in under_way:
                info.wait_for_publish(WAIT)
                assert info.is_published()

        await asyncio.to_thread(wait)

    async def leave(self) -> None:
        self.client.disconnect()
        await self.lost

    async def vanish(self) -> None:
        sock: Any = self.client.socket()
        getattr(sock, "_socket", sock).shutdown(socket.SHUT_RDWR)
        await self.lost

    async def dispose(self) -> None:
        await asyncio.to_thread(self.client.loop_stop)
        self.client._reset_sockets()  # its pair for waking up its thread

    def _say(self, what: Any, *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(what, *arguments)

    def _on_connect(self, client: Any, data: Any, flags: Any, code: Any, properties: Any) -> None:
        if code.is_failure:
            self._say(
                self._answer.set_exception, RefusedError(refused_code(self.options, code.value))
            )
        else:
            made = Accepted(flags.session_present, plain_properties(properties))
            self._say(self._answer.set_result, made)

    def _on_disconnect(self, client: Any, data: Any, flags: Any, code: Any, props: Any) -> None:
        told = code.value if flags.is_disconnect_packet_from_server else None
        self._say(self.ended, told)

    def _on_message(self, client: Any, data: Any, message: paho.MQTTMessage) -> None:
        properties = plain_properties(getattr(message, "properties", None))
        made = Received(message.topic, message.payload, message.qos, message.retain, properties)
        self._say(self.heard, made)

    def _on_ack(self, client: Any, data: Any, mid: int, codes: Any, properties: Any) -> None:
        self._say(self._take_ack, mid, [code.value for code in codes])

    def _take_ack(self, mid: int, codes: list[int]) -> None:
        self._acks.setdefault(mid, self._loop.create_future()).set_result(codes)

    async def _acknowledged(self, mid: int) -> list[int]:
        async with asyncio.timeout(WAIT):
            return await self._acks.setdefault(mid, self._loop.create_future())
