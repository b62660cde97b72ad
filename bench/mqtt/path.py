"""What a message costs our broker without sockets: microseconds from arrival to the last answer.

    python bench/mqtt/path.py [--rows one-qos0,connect] [--profile ROW] [--count 40000]

Connections in memory are fed what clients send, a batch at a time as it arrives from a socket, and
the answers of subscribers with the next. There is no kernel and no load generator in these
numbers, so they are steady enough to judge a change by; ``compare.py`` says what it means for
clients.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import pstats
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

# The directories of benchmarks hold modules named http and mqtt: others' must win.
BENCH = Path(__file__).resolve().parent.parent
sys.path.remove(str(BENCH / "mqtt"))
sys.path[:0] = [str(BENCH.parent), str(BENCH.parent / "src")]

import uvloop  # noqa: E402

from blackbull.mqtt.binding import FedConnection  # noqa: E402
from blackbull.mqtt.broker import BrokerActor  # noqa: E402
from blackbull.mqtt.settings import MQTTSettings  # noqa: E402
from blackbull.transport.memory import MemoryConnection  # noqa: E402

PAYLOAD = b"x" * 64
Step = list[tuple[MemoryConnection, bytes]]
"""Bytes that arrive in the same turn of the event loop, and where."""


def text(value: str) -> bytes:
    return len(value).to_bytes(2, "big") + value.encode()


def packet(first: int, body: bytes) -> bytes:
    size = len(body)
    length = bytes((size,)) if size < 128 else bytes((size & 127 | 128, size >> 7))
    return bytes((first,)) + length + body


def connect(name: str) -> bytes:
    return packet(0x10, text("MQTT") + b"\5\2\0\0\0" + text(name))


def subscribe(*filters: str, qos: int) -> bytes:
    return packet(0x82, b"\0\1\0" + b"".join(text(one) + bytes((qos,)) for one in filters))


def publish(topic: str, payload: bytes = PAYLOAD, *, qos: int = 0, number: int = 0) -> bytes:
    numbered = number.to_bytes(2, "big") if qos else b""
    return packet(0x30 | qos << 1, text(topic) + numbered + b"\0" + payload)


def answers(first: int, numbers: range) -> bytes:
    return b"".join(bytes((first, 2)) + number.to_bytes(2, "big") for number in numbers)


class House:
    """A broker that runs, and clients of it in memory."""

    def __init__(self) -> None:
        self.actor = BrokerActor(MQTTSettings())

    def join(self, name: str, *filters: str, qos: int = 0) -> MemoryConnection:
        """Return a client's connection; it is let in with the next turn of the loop."""
        view = MemoryConnection()
        FedConnection(view, self.actor)
        view.feed(connect(name) + (subscribe(*filters, qos=qos) if filters else b""))
        return view


@dataclass(frozen=True)
class Row:
    """A kind of traffic.

    Attributes:
        make: Opens the clients and returns the steps, each with the first once they are there.
        share: Messages in each step.
        connects: It is connections that count, and making them does, too.
    """

    make: Callable[[House, int], Iterator[Step]]
    share: int
    connects: bool = False


def numbers(turn: int, share: int) -> range:
    """Return the Packet Identifiers of a turn; the broker counts its own like this, too."""
    first = turn * share % 65000 + 1
    return range(first, first + share)


def plain(share: int, *, topics: int = 1, members: int = 1, filter: str = "t/#") -> Row:
    """Return messages of QoS 0 from one publisher, of different sizes if there are more topics."""

    def make(house: House, count: int) -> Iterator[Step]:
        for number in range(members):
            house.join(f"subscriber-{number}", filter)
        publisher = house.join("publisher")
        made = [publish(f"t/{n}", PAYLOAD[: 64 - n % 32]) for n in range(topics)]
        one = b"".join(made[n % topics] for n in range(share))
        return ([(publisher, one)] for _ in range(count))

    return Row(make, share)


def at_least_once(share: int, *, members: int = 1, filter: str = "t/#") -> Row:
    """Return messages of QoS 1, which the subscriber acknowledges a turn later."""

    def make(house: House, count: int) -> Iterator[Step]:
        group = [house.join(f"s-{number}", filter, qos=1) for number in range(members)]
        publisher = house.join("publisher")
        for turn in range(count):
            sent = [publish("t/0", qos=1, number=each) for each in numbers(turn, share)]
            step: Step = [(publisher, b"".join(sent))]
            if turn:
                acknowledged = answers(0x40, numbers(turn - 1, share // members))
                step += [(member, acknowledged) for member in group]
            yield step

    return Row(make, share)


def exactly_once(share: int) -> Row:
    """Return messages of QoS 2: each turn holds the three phases of three batches."""

    def make(house: House, count: int) -> Iterator[Step]:
        member = house.join("subscriber", "t/#", qos=2)
        publisher = house.join("publisher")
        for turn in range(count):
            sent = b"".join(publish("t/0", qos=2, number=n) for n in numbers(turn, share))
            received = finished = b""
            if turn:
                received = answers(0x50, numbers(turn - 1, share))
                sent += answers(0x62, numbers(turn - 1, share))
            if turn > 1:
                finished = answers(0x70, numbers(turn - 2, share))
            yield [(publisher, sent), (member, received + finished)]

    return Row(make, share)


def pairs(clients: int, *, qos: int) -> Row:
    """Return one message from each of many publishers to a subscriber of its own."""

    def make(house: House, count: int) -> Iterator[Step]:
        members = [house.join(f"s-{n}", f"p/{n}", qos=qos) for n in range(clients)]
        publishers = [house.join(f"p-{n}") for n in range(clients)]
        for turn in range(count):
            number = turn % 65000 + 1
            step = [
                (each, publish(f"p/{n}", qos=qos, number=number))
                for n, each in enumerate(publishers)
            ]
            if qos and turn:
                step += [(each, answers(0x40, range(number - 1, number))) for each in members]
            yield step

    return Row(make, clients)


def connects(house: House, count: int) -> Iterator[Step]:
    """Return connections that come, are let in, and say goodbye."""
    for turn in range(count):
        view = MemoryConnection()
        FedConnection(view, house.actor)
        yield [(view, connect(f"client-{turn}"))]
        yield [(view, b"\xe0\0")]


ROWS = {
    "one-qos0": plain(200),
    "one-mixed": plain(200, topics=64),
    "one-qos1": at_least_once(20),
    "one-qos2": exactly_once(20),
    "fan-out": plain(10, members=1000),
    "pairs-qos0": pairs(100, qos=0),
    "pairs-qos1": pairs(100, qos=1),
    "shared": plain(200, members=8, filter="$share/g/t/#"),
    "shared-qos1": at_least_once(16, members=8, filter="$share/g/t/#"),
    "round-trip": plain(1),
    "connects": Row(connects, 1, connects=True),
}


async def measure(row: Row, count: int) -> float:
    """Return the CPU seconds that *count* steps took, a turn of the loop each."""
    house = House()
    running = asyncio.ensure_future(house.actor.run())
    loop = asyncio.get_running_loop()
    rest = row.make(house, count)
    first = next(rest)
    await asyncio.sleep(0.01)
    following = chain([first], rest if row.connects else list(rest))
    finished = loop.create_future()

    def run() -> None:
        # In a callback, as on a real arrival: no task is running.
        step = next(following, None)
        if step is None:
            finished.set_result(None)
            return
        for view, data in step:
            view.sent.clear()
            view.feed(data)
        loop.call_soon(run)

    gc.collect()
    gc.freeze()
    before = house.actor.broker.stats.publish_sent
    started = time.process_time()
    loop.call_soon(run)
    await finished
    taken = time.process_time() - started
    sent = house.actor.broker.stats.publish_sent - before
    if not row.connects and sent < count * row.share * 0.99:
        raise SystemExit(f"only {sent} of {count * row.share} messages were delivered")
    house.actor.stop()
    await running
    gc.unfreeze()
    return taken


def main() -> None:
    """Measure every row three times and print the best, or profile one."""
    parser = argparse.ArgumentParser(description="What a message costs us without sockets.")
    parser.add_argument("--rows", default=",".join(ROWS), help="comma-separated")
    parser.add_argument("--profile", choices=ROWS)
    parser.add_argument("--count", type=int, default=40000, help="messages or connections")
    arguments = parser.parse_args()
    if arguments.profile:
        row = ROWS[arguments.profile]
        profiler = cProfile.Profile()
        profiler.enable()
        uvloop.run(measure(row, max(arguments.count // row.share, 1)))
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
        return
    print("| row | us per turn | us per message or connection |\n| --- | ---: | ---: |")
    for name in arguments.rows.split(","):
        row = ROWS[name]
        count = max(arguments.count // row.share, 1)
        best = min(uvloop.run(measure(row, count)) for _ in range(3)) / count * 1e6
        print(f"| {name} | {best:.2f} | {best / row.share:.3f} |", flush=True)


if __name__ == "__main__":
    main()
