"""Keep a broker busy with clients that come and go, and see whether it keeps its promises.

    python scripts/soak.py [SECONDS] [--port PORT --pid PID] [--seed N]

Ten minutes unless told otherwise, on a broker of our own, or on the one that listens on PORT.
Publishers send at QoS 0, 1 and 2; subscribers with sessions and a shared group listen; strangers
connect, publish, retain and vanish. All of them lose their connections again and again - politely,
without a word, within a packet, or to a second connection of their own - and resume.

What must hold: what the broker has acknowledged arrives at everybody who was to get it, at QoS 2
exactly once; messages of one publisher keep their order; sessions survive; a will is told if
and only if its client vanished; the last retained message is the one that is kept; and the memory
of the broker is at the end what it was after a third of the time. Exit status 0 if it did.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.soak_peer import TIMEOUT, BrokenPromiseError, Client, Delivery, Will

PUBLISHERS = 8
SUBSCRIBERS = 6
GROUP = 4
STRANGERS = 12
RATE = 40.0
"""Messages per second of each publisher."""
MEMORY_SHARE = 1.10
MEMORY_SLACK = 8 << 20
SETTLE = 30.0
PROGRAM = """
from blackbull import BlackBull
from blackbull.mqtt import MQTTExtension
app = BlackBull()
app.add_extension(MQTTExtension(port=0))
app.run(port=0, access_log=False)
"""
SERVING = re.compile(r"blackbull: serving .*?\bmqtt on [^ ,]*?:(\d+)")


@dataclass
class Ledger:
    """What was published, and what one listener, or a group of them, has got of it."""

    name: str
    ordered: bool
    once: dict[tuple[str, int], int] = field(default_factory=dict)
    seen: dict[tuple[str, int], set[int]] = field(default_factory=dict)
    again: int = 0

    def on_message(self, message: Delivery) -> None:
        """Enter a message.

        Raises:
            BrokenPromiseError: it must not have come, or not now.
        """
        publisher, sent_qos, number = message.payload.decode().split()
        lane, which = (publisher, int(sent_qos)), int(number)
        if message.qos != lane[1]:
            raise BrokenPromiseError(f"{self.name}: {message} has another QoS")
        seen = self.seen.setdefault(lane, set())
        if which in seen:
            if message.qos != 1:
                raise BrokenPromiseError(f"{self.name}: {message} came twice")
            self.again += 1
            return
        last = self.once.get(lane, 0)
        wrong = which <= last if message.qos == 0 else which != last + 1
        if self.ordered and wrong:
            raise BrokenPromiseError(f"{self.name}: {message} after {last}")
        self.once[lane] = which
        seen.add(which)

    def missing(self, sent: dict[tuple[str, int], int]) -> int:
        """Return how many messages of QoS 1 and 2 have not arrived."""
        return sum(
            count - len(self.seen.get(lane, ())) for lane, count in sent.items() if lane[1] > 0
        )


@dataclass
class Soak:
    """One run."""

    port: int
    seconds: float
    chance: random.Random
    sent: dict[tuple[str, int], int] = field(default_factory=dict)
    ledgers: list[Ledger] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    wills: list[str] = field(default_factory=list)
    wanted_wills: set[str] = field(default_factory=set)
    kept: dict[str, set[bytes]] = field(default_factory=dict)
    lives: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)
    living: asyncio.TaskGroup = field(default_factory=asyncio.TaskGroup)

    async def run(self) -> None:
        """Do everything.

        Raises:
            BrokenPromiseError: the broker did not do what it must.
        """
        self.make_clients()
        publishers = self.clients[-PUBLISHERS:]
        async with asyncio.TaskGroup() as steady:
            self.living = steady
            for client in self.clients:
                steady.create_task(self.keep(client))
            for client in self.clients:
                if client.filters:
                    async with asyncio.timeout(TIMEOUT):
                        await client.subscribed.wait()
            until = asyncio.get_running_loop().time() + self.seconds
            async with asyncio.TaskGroup() as work:
                for client in publishers:
                    work.create_task(self.publish(client, until))
                for number in range(STRANGERS):
                    work.create_task(self.be_strange(number, until))
            await self.settle()
            self.over.set()
        await self.look_at_kept()

    def make_clients(self) -> None:
        """Make everybody who has a session."""
        for number in range(SUBSCRIBERS):
            ledger = Ledger(f"subscriber {number}", ordered=True)
            self.ledgers.append(ledger)
            self.add(f"subscriber-{number}", 4 + number % 2, "soak/#", ledger.on_message)
        group = Ledger("the group", ordered=False)
        self.ledgers.append(group)
        for number in range(GROUP):
            self.add(f"member-{number}", 5, "$share/group/soak/+/+", group.on_message)
        self.add("heir", 5, "will/#", lambda one: self.wills.append(one.payload.decode()))
        for number in range(PUBLISHERS):
            self.clients.append(Client(self.port, f"publisher-{number}", 4 + number % 2))

    def add(self, name: str, level: int, topic: str, take: Callable[[Delivery], None]) -> None:
        """Add a client that listens."""
        made = Client(self.port, name, level, filters=((topic, 2),), on_message=take)
        self.clients.append(made)

    async def keep(self, client: Client) -> None:
        """Let a client live one life after the other, until all is over."""
        first = True
        while not self.over.is_set():
            ending = asyncio.Event()
            length = self.chance.uniform(0.05, 3)
            living = self.living.create_task(client.live(ending, how=self.choose()))
            self.lives += 1
            if first and client.filters:
                await first_of(client.subscribed.wait(), living)
            first = False
            await first_of(asyncio.sleep(length), living, self.over.wait())
            ending.set()
            await living
            await asyncio.sleep(self.chance.choice((0, 0, 0.02, 0.3)))
        client.exorcise()

    def choose(self) -> str:
        """Choose how a life ends."""
        return self.chance.choice(("leave", "vanish", "vanish", "cut", "haunt"))

    async def publish(self, client: Client, until: float) -> None:
        """Publish until the time is up."""
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            lane = (client.name, self.chance.randrange(3))
            number = self.sent[lane] = self.sent.get(lane, 0) + 1
            payload = f"{client.name} {lane[1]} {number}".encode()
            await client.publish(f"soak/{client.name}/{lane[1]}", payload, qos=lane[1])
            await asyncio.sleep(self.chance.expovariate(RATE))

    async def be_strange(self, number: int, until: float) -> None:
        """Be one client after the other that nobody has heard of before."""
        loop, count = asyncio.get_running_loop(), 0
        topic = f"kept/{number}"
        while loop.time() < until:
            count += 1
            name = f"stranger-{number}-{count}"
            how = self.choose()
            will = Will(f"will/{name}", name.encode()) if how != "haunt" else None
            # Some leave a session behind, which goes by itself.
            expiry = self.chance.choice((0, 0, 1, 2))
            client = Client(
                self.port, name, 5, expiry, filters=((f"noise/{count % 7}/#", 1),), will=will
            )
            ending = asyncio.Event()
            living = self.living.create_task(client.live(ending, how=how))
            self.lives += 1
            await first_of(client.subscribed.wait(), living)
            if will is not None and how != "leave":
                self.wanted_wills.add(name)
            await client.publish(f"noise/{count % 7}/x", b"x" * 100, qos=0)
            payload = name.encode()
            self.kept.setdefault(topic, set()).add(payload)
            await client.publish(topic, payload, qos=1, retain=True)
            await first_of(asyncio.sleep(self.chance.uniform(0, 0.4)), living)
            if client.settled:
                self.kept[topic] = {payload}
            ending.set()
            await living
            client.exorcise()

    async def settle(self) -> None:
        """Wait until everything has arrived.

        Raises:
            BrokenPromiseError: it does not.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + SETTLE
        while lacking := self.lacking():
            if loop.time() > until:
                raise BrokenPromiseError("; ".join(lacking))
            await asyncio.sleep(0.1)

    def lacking(self) -> list[str]:
        """Return what has not arrived yet."""
        found = [
            f"{ledger.name} lacks {missing} messages"
            for ledger in self.ledgers
            if (missing := ledger.missing(self.sent))
        ]
        unsettled = sum(len(client.sending) for client in self.clients)
        if unsettled:
            found.append(f"{unsettled} messages are not acknowledged")
        if lost := self.wanted_wills - set(self.wills):
            found.append(f"{len(lost)} wills are not told")
        return found

    async def look_at_kept(self) -> None:
        """Compare what is retained, and the wills.

        Raises:
            BrokenPromiseError: it is not what it should be.
        """
        if extra := set(self.wills) - self.wanted_wills:
            raise BrokenPromiseError(f"wills of clients that did not vanish: {sorted(extra)[:5]}")
        found: dict[str, bytes] = {}
        ending = asyncio.Event()

        def take(one: Delivery) -> None:
            found[one.topic] = one.payload
            if found.keys() == self.kept.keys():
                ending.set()

        reader = Client(self.port, "reader", expiry=0, filters=(("kept/#", 1),), on_message=take)
        asyncio.get_running_loop().call_later(TIMEOUT, ending.set)
        await reader.live(ending)
        for topic, fit in self.kept.items():
            if found.get(topic) not in fit:
                raise BrokenPromiseError(f"{topic} keeps {found.get(topic)!r}, not one of {fit}")
        await asyncio.gather(*(self.forget(client) for client in self.clients))

    async def forget(self, client: Client) -> None:
        """Let the broker forget a session."""
        over = asyncio.Event()
        over.set()
        await Client(self.port, client.name, client.level, expiry=0).live(over)


async def first_of(*things: Awaitable[object]) -> None:
    """Wait until one of *things* is done; tasks go on, everything else is given up."""
    tasks = [asyncio.ensure_future(thing) for thing in things]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task, thing in zip(tasks, things, strict=True):
        if task is not thing:
            task.cancel()
    await asyncio.gather(
        *(task for task, thing in zip(tasks, things, strict=True) if task is not thing),
        return_exceptions=True,
    )


def resident(pid: int) -> int:
    """Return the resident bytes of a process."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


async def watch(pid: int, samples: list[int]) -> None:
    """Look at the memory of the broker, again and again."""
    while True:
        samples.append(resident(pid))
        await asyncio.sleep(0.5)


@contextlib.asynccontextmanager
async def broker() -> AsyncIterator[tuple[int, int]]:
    """Run a broker of our own; return its port and process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM,
        stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stderr is not None
    drain: asyncio.Task[bytes] | None = None
    try:
        told = (await process.stderr.readline()).decode()
        found = SERVING.search(told)
        if found is None:
            raise SystemExit(f"the broker did not start: {told}")
        drain = asyncio.create_task(process.stderr.read())
        yield int(found[1]), process.pid
    finally:
        process.terminate()
        await process.wait()
        lines = (await drain).decode().splitlines() if drain else []
    if complaints := [line for line in lines if not line.startswith("blackbull: stopping")]:
        raise BrokenPromiseError("\n".join(["the broker complains:", *complaints[-30:]]))


def flat(samples: list[int]) -> str:
    """Return one line about the memory of the broker.

    Raises:
        BrokenPromiseError: it grew.
    """
    third = max(1, len(samples) // 3)
    early, late = max(samples[third : 2 * third] or samples), max(samples[-third:])
    if late > early * MEMORY_SHARE + MEMORY_SLACK:
        raise BrokenPromiseError(f"memory grew from {early:,} to {late:,} bytes")
    return f"memory {early / 1e6:.1f} MB after a third, {late / 1e6:.1f} MB at the end"


async def soak(port: int, pid: int, arguments: argparse.Namespace) -> None:
    """Run once, and tell what was done.

    Raises:
        BrokenPromiseError: the broker did not do what it must.
    """
    run = Soak(port, arguments.seconds, random.Random(arguments.seed))
    samples: list[int] = []
    watching = asyncio.create_task(watch(pid, samples))
    started = time.monotonic()
    try:
        await run.run()
    finally:
        watching.cancel()
        took = time.monotonic() - started
        got = sum(len(seen) for ledger in run.ledgers for seen in ledger.seen.values())
        print(f"{took:.0f} s, {run.lives:,} connections, {sum(run.sent.values()):,} messages, "
              f"{got:,} deliveries, {sum(one.again for one in run.ledgers):,} repeated at QoS 1, "
              f"{len(set(run.wills)):,} wills")  # fmt: skip
    print(flat(samples))


async def main(arguments: argparse.Namespace) -> int:
    """Run, and return the exit status."""
    broken: list[BaseException] = []
    try:
        if arguments.port:
            await soak(arguments.port, arguments.pid, arguments)
        else:
            async with broker() as (port, pid):
                await soak(port, pid, arguments)
    except* (BrokenPromiseError, OSError, EOFError) as errors:
        broken = leaves(errors)
    for text in sorted({f"{error}" or repr(error) for error in broken})[:10]:
        print(f"broken: {text}", file=sys.stderr)
    if not broken:
        print("nothing lost that was promised, nothing twice at QoS 2")
    return 1 if broken else 0


def leaves(error: BaseException) -> list[BaseException]:
    """Return the errors of a group."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for one in error.exceptions for leaf in leaves(one)]
    return [error]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Soak an MQTT broker.")
    parser.add_argument("seconds", type=float, nargs="?", default=600.0)
    parser.add_argument("--port", type=int, default=0, help="of a broker that runs already")
    parser.add_argument("--pid", type=int, default=0, help="its process")
    parser.add_argument("--seed", type=int, default=None)
    sys.exit(asyncio.run(main(parser.parse_args())))
