"""mosquitto_pub, mosquitto_sub and mosquitto_rr, as a person types them."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.environment import clean_environment
from tests.interop.mqtt.brokers import PASSWORD, REFERENCE, USER, broker
from tests.interop.mqtt.peer import HOST, WAIT, Endpoint
from tests.spec import spec

every_level = pytest.mark.parametrize("level", ["311", "5"])


class Listener:
    """A mosquitto_sub that is subscribed, and what it prints."""

    def __init__(self, process: Process) -> None:
        self.process = process

    async def line(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(WAIT):
            return (await self.process.stdout.readline()).decode().rstrip("\n")

    async def message(self) -> dict[str, Any]:
        """Return the next message that it got."""
        while not (line := await self.line()).startswith("{"):
            assert line, "mosquitto_sub has ended"
        found: dict[str, Any] = json.loads(line)
        return found

    async def messages(self, n: int) -> list[dict[str, Any]]:
        return [await self.message() for _ in range(n)]


def address(where: Endpoint, level: str) -> list[str]:
    tls = ["--cafile", where.cafile] if where.cafile is not None else []
    alpn = ["--tls-alpn", where.alpn] if where.alpn is not None else []
    return ["-h", HOST, "-p", str(where.port), "-V", level, *tls, *alpn]


@asynccontextmanager
async def listening(where: Endpoint, level: str, *arguments: str) -> AsyncIterator[Listener]:
    """Run mosquitto_sub; enter once all of its subscriptions are acknowledged."""
    process = await asyncio.create_subprocess_exec(
        "stdbuf", "-oL", "mosquitto_sub", *address(where, level), "-d", "-F", "%j", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=PIPE, limit=1 << 22, env=clean_environment(),
    )  # fmt: skip
    listener = Listener(process)
    try:
        while not (line := await listener.line()).startswith("Subscribed"):
            assert line, "mosquitto_sub has ended"
        yield listener
    finally:
        if process.returncode is None:
            process.terminate()
        assert process.stdout is not None
        await process.stdout.read()
        await process.wait()


async def run(
    program: str, where: Endpoint, level: str, *arguments: str, stdin: bytes = b""
) -> tuple[int, str, str]:
    """Run a program that ends by itself; return its exit status, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        program, *address(where, level), *arguments,
        stdin=PIPE, stdout=PIPE, stderr=PIPE, env=clean_environment(),
    )  # fmt: skip
    async with asyncio.timeout(WAIT):
        out, err = await process.communicate(stdin)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def publish(where: Endpoint, level: str, *arguments: str, stdin: bytes = b"") -> None:
    status, _, err = await run("mosquitto_pub", where, level, *arguments, stdin=stdin)
    assert (status, err) == (0, "")


@pytest.fixture
async def where(tmp_path: Path) -> AsyncIterator[Endpoint]:
    async with broker("tcp", tmp_path) as endpoint:
        yield endpoint


@every_level
async def test_guide_published_value_is_shown(where: Endpoint, level: str) -> None:
    """S44."""
    async with listening(where, level, "-t", "sensors/#") as listener:
        await publish(where, level, "-t", "sensors/room1/temperature", "-m", "21.5")
        got = await listener.message()
    assert (got["topic"], got["payload"], got["qos"]) == ("sensors/room1/temperature", "21.5", 0)


@spec("MQTT 5.0 §4.3")
@every_level
async def test_messages_of_each_qos_arrive_once_in_order(where: Endpoint, level: str) -> None:
    lines = [str(n) for n in range(200)]
    async with listening(where, level, "-t", "lines/+", "-q", "2") as listener:
        for qos in ("0", "1", "2"):
            text = "\n".join(lines).encode() + b"\n"
            await publish(where, level, "-t", f"lines/{qos}", "-q", qos, "-l", stdin=text)
            got = await listener.messages(len(lines))
            assert [each["payload"] for each in got] == lines
            assert {str(each["qos"]) for each in got} == {qos}


@spec("MQTT 5.0 §3.3.1.3")
@every_level
async def test_retained_message_is_kept_and_cleared(where: Endpoint, level: str) -> None:
    await publish(where, level, "-t", "r/1", "-m", "kept", "-r", "-q", "1")
    await publish(where, level, "-t", "r/2", "-m", "cleared", "-r", "-q", "1")
    await publish(where, level, "-t", "r/2", "-n", "-r", "-q", "1")
    async with listening(where, level, "-t", "r/#", "-q", "1") as listener:
        await publish(where, level, "-t", "r/3", "-m", "live", "-q", "1")
        got = await listener.messages(2)
    assert [(each["topic"], each["retain"]) for each in got] == [("r/1", 1), ("r/3", 0)]


@spec("MQTT 5.0 §4.1")
@every_level
async def test_session_waits_for_its_client(where: Endpoint, level: str) -> None:
    """S37."""
    session = ["-c", "-i", "sleeper", "-q", "1", "-t", "s/#"]
    if level == "5":
        session += ["-x", "300"]
    status, _, err = await run("mosquitto_sub", where, level, *session, "-E")
    assert (status, err) == (0, "")
    for n in range(5):
        await publish(where, level, "-t", f"s/{n}", "-m", str(n), "-q", "1")
    status, out, _ = await run("mosquitto_sub", where, level, *session, "-C", "5", "-v")
    assert (status, out.splitlines()) == (0, [f"s/{n} {n}" for n in range(5)])


@spec("MQTT 5.0 §3.1.2.5")
@every_level
async def test_will_of_a_killed_client_is_published(where: Endpoint, level: str) -> None:
    """S40; told to end, mosquitto_sub says at level 5 that its will is to be published."""
    will = ["--will-topic", "will", "--will-payload", "gone", "--will-qos", "1"]
    async with listening(where, level, "-t", "will", "-q", "1") as watcher:
        async with listening(where, level, "-t", "x", *will) as left:
            left.process.terminate()
            await left.process.wait()
        if level == "5":
            assert (await watcher.message())["payload"] == "gone"
        async with listening(where, level, "-t", "x", *will) as killed:
            killed.process.kill()
            got = await watcher.message()
        assert (got["topic"], got["payload"], got["qos"]) == ("will", "gone", 1)
        await publish(where, level, "-t", "will", "-m", "the end")
        assert (await watcher.message())["payload"] == "the end"


@spec("MQTT 5.0 §4.8.2")
@every_level
async def test_shared_subscription_divides_the_messages(where: Endpoint, level: str) -> None:
    """S41."""
    share = ["-t", "$share/g/job/#", "-t", "end", "-q", "1"]
    async with (
        listening(where, level, *share) as one,
        listening(where, level, *share) as other,
    ):
        lines = [str(n) for n in range(40)]
        text = "\n".join(lines).encode() + b"\n"
        await publish(where, level, "-t", "job/1", "-q", "1", "-l", stdin=text)
        await publish(where, level, "-t", "end", "-m", "end", "-q", "1")
        shares = []
        for listener in (one, other):
            part: list[str] = []
            while (message := await listener.message())["topic"] != "end":
                part.append(message["payload"])
            shares.append(part)
    assert sorted(shares[0] + shares[1]) == sorted(lines)
    assert all(shares)


@every_level
async def test_topics_of_the_broker_are_not_for_everybody(where: Endpoint, level: str) -> None:
    """S41: ``#`` does not match ``$SYS/...``, which has Mosquitto's names."""
    status, out, _ = await run(
        "mosquitto_sub", where, level, "-t", "#", "-t", "$SYS/broker/version", "-C", "1", "-v"
    )
    assert status == 0
    assert out.startswith("$SYS/broker/version ")


@spec("MQTT 5.0 §3.1.4")
@every_level
async def test_wrong_password_is_told_by_its_name(tmp_path: Path, level: str) -> None:
    async with broker("tcp", tmp_path, passwords=True) as where:
        right = ["-u", USER, "-P", PASSWORD]
        wrong = ["-u", USER, "-P", "wrong"]
        message = ["-t", "t", "-m", "x", "-q", "1"]
        await publish(where, level, *message, *right)
        status, _, err = await run("mosquitto_pub", where, level, *message, *wrong)
    assert status != 0
    assert "not authori" in err.lower() or "bad user name" in err.lower()


@every_level
async def test_large_file_arrives_whole(where: Endpoint, level: str, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(b"0123456789abcdef" * 60_000)
    async with listening(where, level, "-t", "large", "-q", "2") as listener:
        await publish(where, level, "-t", "large", "-f", str(file), "-q", "2")
        assert (await listener.message())["payload"] == file.read_text()


@spec("MQTT 5.0 §3.3.2.3")
async def test_properties_arrive_unaltered(where: Endpoint) -> None:
    """S42."""
    async with listening(where, "5", "-t", "p", "-q", "1", "-D", "subscribe",
                         "subscription-identifier", "7") as listener:  # fmt: skip
        await publish(
            where, "5", "-t", "p", "-m", '{"a": 1}', "-q", "1",
            "-D", "publish", "content-type", "application/json",
            "-D", "publish", "response-topic", "answers",
            "-D", "publish", "correlation-data", "abc",
            "-D", "publish", "payload-format-indicator", "1",
            "-D", "publish", "message-expiry-interval", "60",
            "-D", "publish", "user-property", "k", "v1",
            "-D", "publish", "user-property", "l", "v2",
        )  # fmt: skip
        got = (await listener.message())["properties"]
    assert got["content-type"] == "application/json"
    assert got["response-topic"] == "answers"
    assert got["correlation-data"] == "abc"
    assert got["payload-format-indicator"] == 1
    assert 58 <= got["message-expiry-interval"] <= 60
    assert got["user-properties"] == {"k": "v1", "l": "v2"}


@spec("MQTT 5.0 §4.10")
async def test_request_is_answered(where: Endpoint) -> None:
    async with listening(where, "5", "-t", "question", "-q", "1") as listener:
        asking = asyncio.ensure_future(
            run("mosquitto_rr", where, "5", "-t", "question", "-e", "answer", "-m", "6*7")
        )
        question = await listener.message()
        assert question["properties"]["response-topic"] == "answer"
        await publish(where, "5", "-t", "answer", "-m", "42", "-q", "1")
        assert await asking == (0, "42\n", "")


@pytest.mark.parametrize("transport", ["tls"] if REFERENCE else ["tls", "shared", "shared-tls"])
@every_level
async def test_conversation_over_each_transport(tmp_path: Path, level: str, transport: str) -> None:
    async with (
        broker(transport, tmp_path) as where,
        listening(where, level, "-t", "a/+", "-q", "2") as listener,
    ):
        for qos in ("0", "1", "2"):
            await publish(where, level, "-t", "a/b", "-m", f"über {qos}", "-q", qos)
            got = await listener.message()
            assert (got["payload"], str(got["qos"])) == (f"über {qos}", qos)
