"""What workers ask the supervisor for: sockets, one another's figures and counts, the owner."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Final

from blackbull.errors import ConfigurationError

from .channel import Message
from .generation import Generation
from .held import HeldSockets, Key
from .ledger import Ledger, decode_figures, encode_figures
from .origins import OriginTable
from .places import decode_where, encode_where
from .process import Process, State

BUSY: Final = 3.0
"""Seconds without a sign of life after which others accept what waits for a worker."""


class Desk:
    """Answers workers' questions, and sees to it that what is there once is had by one.

    Args:
        held: The listening sockets.

    Attributes:
        owner: The process that does what must be done once; it stays the owner until it has
            let go of that or has ended.
        next_owner: The process that was ready last to be the owner: it is reached in its place
            while there is none, as when all are starting.
    """

    def __init__(self, held: HeldSockets) -> None:
        self.owner: Process | None = None
        self.next_owner: Process | None = None
        self._held = held
        self._ledger = Ledger()
        self._lent: dict[tuple[Key, int], Process] = {}
        self._origins: OriginTable | None = None

    def answer(self, process: Process, message: Message) -> None:
        """Do what *message* asks for; what nobody understands is ignored."""
        match message.say:
            case "open":
                self._open(process, message)
            case "count":
                self._count(process)
            case "post":
                self._ledger.post(process.pid, decode_figures(message.content))
            case "collect":
                others = [encode_figures(each) for each in self._ledger.others(process.pid)]
                answer = {"id": message.content.get("id"), "figures": others}
                process.channel.send("collected", answer)
            case "owner":
                self._connect(process, message)
            case "released":
                if self.owner is process:
                    self.owner = None

    def forget(self, process: Process) -> None:
        """Take note that *process* has ended."""
        self._ledger.end(process.pid)
        if self._origins is not None:
            self._origins.clear(process.pid)
        if self.owner is process:
            self.owner = None
        if self.next_owner is process:
            self.next_owner = None
        for lent, borrower in list(self._lent.items()):
            if borrower is process:
                del self._lent[lent]

    def close(self) -> None:
        """Let go of what is shared with workers."""
        if self._origins is not None:
            self._origins.close()

    def settle(self, generation: Generation, *, now: float) -> None:
        """Name an owner if there is none, and let every socket have somebody who accepts."""
        serving = [
            slot.serving
            for slot in generation.slots
            if slot.serving is not None
            and slot.serving.state is State.SERVING
            and not slot.serving.leaving
        ]
        if self.owner is None and serving and serving[0].slot == 0:
            self.owner = serving[0]
            self.owner.channel.send("own")
        awake = {
            process.slot: process
            for process in serving
            if not generation.terms.timeout or now - process.heard < BUSY
        }
        for key, slot, sockets in self._held.apart():
            self._lend(key, slot, sockets, awake)

    def _lend(
        self,
        key: Key,
        slot: int,
        sockets: list[socket.socket],
        serving: dict[int, Process],
    ) -> None:
        """Let another worker accept on the sockets of a *slot* whose own does not."""
        borrower = self._lent.get((key, slot))
        name = f"{slot} {encode_where(key[0])} {key[1:]}"
        if slot in serving or (borrower is not None and borrower not in serving.values()):
            if borrower is not None:
                borrower.channel.send("give back", {"key": name})
                del self._lent[key, slot]
            borrower = None
        if slot not in serving and borrower is None:
            able = [process for process in serving.values() if key in process.asked]
            if able:
                content: dict[str, object] = {
                    "key": name, "where": encode_where(key[0]), "name": key[1],
                }  # fmt: skip
                with suppress(OSError):  # no descriptor is left: they wait
                    able[slot % len(able)].channel.send("lend", content, files=sockets)
                    self._lent[key, slot] = able[slot % len(able)]

    def _open(self, process: Process, message: Message) -> None:
        where, name = decode_where(message.content["where"]), message.text("name")
        before = sum(1 for asked in process.asked if asked[:2] == (where, name))
        key = (where, name, before)
        try:
            backlog = int(message.number("backlog"))
            sockets = self._held.open(key, backlog=backlog, slot=process.slot)
            process.channel.send("opened", files=sockets)
        except ConfigurationError as error:
            process.channel.send("refused", {"line": str(error)})
        except OSError as error:
            process.channel.send("refused", {"line": f"cannot listen on {where}: {error}"})
        else:
            process.asked.append(key)

    def _count(self, process: Process) -> None:
        """Let the worker count connections by address together with the others."""
        try:
            self._origins = self._origins or OriginTable()
            row = self._origins.give(process.pid)
            if row is None:
                process.channel.send("refused", {"line": "there are too many workers"})
                return
            content: dict[str, object] = {"row": row, "key": self._origins.key.hex()}
            process.channel.send("opened", content, files=[self._origins])
        except OSError as error:
            process.channel.send("refused", {"line": f"no memory can be shared: {error}"})

    def _connect(self, process: Process, message: Message) -> None:
        """Join the worker that asks and the owner by a pair of sockets of their own."""
        answer: dict[str, object] = {"id": message.content.get("id")}
        owner, protocol = self.owner, message.text("protocol")
        if owner is None or owner.state is not State.SERVING:
            owner = self.next_owner
        if owner is None or owner.state not in {State.READY, State.SERVING}:
            process.channel.send("no owner", answer)
            return
        if protocol not in owner.protocols:
            process.channel.send("no protocol", answer)
            return
        try:
            here, there = socket.socketpair()
            with here, there:
                process.channel.send("joined", answer, files=[here])
                owner.channel.send("serve", message.content, files=[there])
        except OSError:  # no descriptor is left
            process.channel.send("no owner", answer)
