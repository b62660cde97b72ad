"""aiomqtt, in the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable
from typing import Any, ClassVar

import aiomqtt

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


class AiomqttPeer(Peer):
    """Messages are read by a task, as an application would."""

    name: ClassVar[str] = "aiomqtt"

    def __init__(self, where: Endpoint, options: Options) -> None:
        super().__init__(where, options)
        level_5 = options.level == 5
        will = options.will
        self._accepted: Accepted | None = None
        self._reading: asyncio.Task[None] | None = None
        self.client = aiomqtt.Client(
            HOST,
            where.port,
            identifier=options.client_id or None,
            protocol=aiomqtt.ProtocolVersion(options.level),
            username=options.username,
            password=options.password,
            will=will and aiomqtt.Will(
                will.topic, will.payload, will.qos, will.retain, will_properties(options)
            ),
            clean_session=None if level_5 else options.clean,
            clean_start=options.clean if level_5 else 3,
            transport="tcp" if where.path is None else "websockets",
            websocket_path=where.path,
            tls_context=where.context(),
            keepalive=options.keepalive,
            properties=connect_properties(options),
            timeout=WAIT,
        )  # fmt: skip
        self._code: int | None = None
        self._connect_told = self.client._client.on_connect
        self._disconnect_told = self.client._client.on_disconnect
        self.client._client.on_connect = self._on_connect
        self.client._client.on_disconnect = self._on_disconnect

    async def open(self) -> Accepted:
        try:
            await self.client.__aenter__()
        except aiomqtt.MqttCodeError as error:
            self.ended(None)
            code: Any = error.rc
            raise RefusedError(refused_code(self.options, code.value)) from None
        self._reading = asyncio.create_task(self._read())
        assert self._accepted is not None
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
        wanted = paho_filters(
            self.options, filters, qos, no_local, retain_as_published, retain_handling
        )
        codes = await self.client.subscribe(
            wanted, properties=subscribe_properties(identifier)  # type: ignore[arg-type]
        )  # fmt: skip
        return [code if isinstance(code, int) else code.value for code in codes]

    async def unsubscribe(self, *filters: str) -> None:
        await self.client.unsubscribe(list(filters))

    async def publish_all(
        self,
        messages: Iterable[tuple[str, bytes]],
        *,
        qos: int = 0,
        retain: bool = False,
        properties: dict[str, object] | None = None,
    ) -> None:
        made = publish_properties(self.options, properties)
        async with asyncio.TaskGroup() as group:
            for topic, payload in messages:
                group.create_task(self.client.publish(topic, payload, qos, retain, made))

    async def leave(self) -> None:
        await self.client.__aexit__(None, None, None)
        self.ended(None)

    async def vanish(self) -> None:
        sock: Any = self.client._client.socket()
        getattr(sock, "_socket", sock).shutdown(socket.SHUT_RDWR)
        await self.lost

    async def dispose(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        if self.client._disconnected.done():
            self.client._disconnected.exception()
        self.client._client._reset_sockets()

    async def _read(self) -> None:
        try:
            async for message in self.client.messages:
                self.heard(
                    Received(
                        str(message.topic), bytes(message.payload), message.qos,
                        bool(message.retain), plain_properties(message.properties),
                    )
                )  # fmt: skip
        except aiomqtt.MqttError:
            self.ended(self._code)

    def _on_connect(self, client: Any, data: Any, flags: Any, code: Any, properties: Any) -> None:
        self._accepted = Accepted(flags.session_present, plain_properties(properties))
        self._connect_told(client, data, flags, code, properties)

    def _on_disconnect(self, client: Any, data: Any, flags: Any, code: Any, props: Any) -> None:
        self._code = code.value if flags.is_disconnect_packet_from_server else None
        self._disconnect_told(client, data, flags, code, props)
