"""MQTT.js in node, which is told what to do over a socket of its own."""

from __future__ import annotations

import asyncio
import base64
import fcntl
import itertools
import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from tests.environment import clean_environment
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

ROOT = Path(__file__).parents[3]
MODULES = ROOT / "build" / "npm" / "node_modules"
SCRIPT = Path(__file__).with_name("mqttjs.cjs")

OURS = {"userProperties": "user_property"}
THEIRS = {ours: theirs for theirs, ours in OURS.items()}
BINARY = {"correlation_data"}
FLAGS = {"payload_format_indicator"}
MANY = {"subscription_identifier"}


def node_modules() -> Path:
    """Return the folder that holds MQTT.js; fetch it if it is not there."""
    (ROOT / "build").mkdir(exist_ok=True)
    with (ROOT / "build" / "npm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["make", "--silent", "build/npm/.ready"], cwd=ROOT, check=True)
    return MODULES


@contextmanager
def node() -> Iterator[int]:
    """Run node with MQTT.js; yield the port at which it takes orders."""
    environ = clean_environment({"NODE_PATH": str(node_modules())})
    with subprocess.Popen(
        ["node", str(SCRIPT)], env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def their_properties(properties: Mapping[str, Any] | None) -> dict[str, object]:
    """Return *properties* as MQTT.js wants them."""
    made: dict[str, object] = {}
    for name, value in (properties or {}).items():
        spelt = THEIRS.get(name) or re.sub(r"_(\w)", lambda found: found[1].upper(), name)
        if name in BINARY:
            made[spelt] = base64.b64encode(value).decode()
        elif name in FLAGS:
            made[spelt] = bool(value)
        elif name == "user_property":
            pairs: dict[str, list[str]] = {}
            for key, text in value:
                pairs.setdefault(key, []).append(text)
            made[spelt] = pairs
        else:
            made[spelt] = value
    return made


def our_properties(properties: Mapping[str, Any] | None) -> dict[str, object]:
    """Return what MQTT.js read, under the names of the standard."""
    found: dict[str, object] = {}
    for spelt, value in (properties or {}).items():
        name = OURS.get(spelt) or re.sub(r"[A-Z]", lambda big: f"_{big[0].lower()}", spelt)
        if name in BINARY:
            found[name] = base64.b64decode(value)
        elif name in FLAGS:
            found[name] = int(value)
        elif name in MANY:
            found[name] = value if isinstance(value, list) else [value]
        elif name == "user_property":
            found[name] = [
                (key, text)
                for key, texts in value.items()
                for text in (texts if isinstance(texts, list) else [texts])
            ]
        else:
            found[name] = value
    return found


class MqttjsPeer(Peer):
    """One client in the node process at :attr:`control`."""

    name: ClassVar[str] = "mqttjs"
    control: ClassVar[int]
    aliases = False
    """Let it give its topics aliases."""

    def __init__(self, where: Endpoint, options: Options) -> None:
        super().__init__(where, options)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._ids = itertools.count(1)
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._code: int | None = None

    async def open(self) -> Accepted:
        options, where = self.options, self.where
        reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self.control, limit=1 << 24
        )
        self._reading = asyncio.create_task(self._read(reader))
        will = options.will and {
            "topic": options.will.topic,
            "payload": base64.b64encode(options.will.payload).decode(),
            "qos": options.will.qos,
            "retain": options.will.retain,
            "properties": their_properties(options.will.properties),
        }
        found = await self._ask(
            "open",
            url=self._url(),
            level=options.level,
            clientId=options.client_id,
            clean=options.clean,
            keepalive=options.keepalive,
            username=options.username,
            password=options.password,
            properties=their_properties(options.connect_properties()),
            cafile=where.cafile,
            alpn=where.alpn,
            aliases=self.aliases,
            will=will,
        )
        accepted = Accepted(found["present"], our_properties(found.get("properties")))
        # It does not count what is under way.
        self.window = int(str(accepted.properties.get("receive_maximum", self.window)))
        return accepted

    async def subscribe(
        self,
        *filters: str,
        qos: int = 0,
        identifier: int | None = None,
        no_local: bool = False,
        retain_as_published: bool = False,
        retain_handling: int = 0,
    ) -> list[int]:
        wanted: dict[str, object] = {"qos": qos}
        if self.options.level == 5:
            wanted |= {"nl": no_local, "rap": retain_as_published, "rh": retain_handling}
        if identifier is not None:
            wanted["properties"] = {"subscriptionIdentifier": identifier}
        codes: list[int] = await self._ask("subscribe", filters=filters, options=wanted)
        return codes

    async def unsubscribe(self, *filters: str) -> None:
        await self._ask("unsubscribe", filters=filters)

    async def publish_all(
        self,
        messages: Iterable[tuple[str, bytes]],
        *,
        qos: int = 0,
        retain: bool = False,
        properties: dict[str, object] | None = None,
    ) -> None:
        for part in in_windows(messages, self.window):
            await self._ask(
                "publish",
                messages=[(topic, base64.b64encode(each).decode()) for topic, each in part],
                qos=qos,
                retain=retain,
                properties=their_properties(properties) if self.options.level == 5 else {},
            )

    async def leave(self) -> None:
        await self._ask("leave")
        self.ended(None)

    async def vanish(self) -> None:
        await self._ask("vanish")
        await self.lost

    async def dispose(self) -> None:
        if self._writer is not None and self._reading is not None:
            self._writer.close()
            await self._writer.wait_closed()
            await self._reading

    def _url(self) -> str:
        where = self.where
        tls = "s" if where.cafile is not None else ""
        if where.path is None:
            return f"mqtt{tls}://{HOST}:{where.port}"
        return f"ws{tls}://{HOST}:{where.port}{where.path}"

    async def _ask(self, verb: str, **arguments: object) -> Any:
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        assert self._writer is not None
        line = json.dumps({"verb": verb, "id": number, **arguments})
        self._writer.write(line.encode() + b"\n")
        async with asyncio.timeout(WAIT):
            return await answer

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            told = json.loads(line)
            match told.get("event"):
                case "message":
                    self.heard(
                        Received(
                            told["topic"], base64.b64decode(told["payload"]), told["qos"],
                            told["retain"], our_properties(told["properties"]),
                        )
                    )  # fmt: skip
                case "disconnect":
                    self._code = told["code"]
                case "close":
                    self.ended(self._code)
                case _:
                    self._take(told)

    def _take(self, told: dict[str, Any]) -> None:
        answer = self._answers.pop(told["id"], None)
        if answer is None or answer.done():
            return
        if "error" not in told:
            answer.set_result(told.get("result"))
        elif isinstance(told.get("code"), int):
            answer.set_exception(RefusedError(told["code"]))
        else:
            answer.set_exception(OSError(told["error"]))
