"""What is put into the inboxes of the broker's actor and of the connections' actors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from blackbull.actor import Message

from .state.inbound import Inbound


@dataclass(slots=True)
class Received(Message):
    """Bytes came from a client."""

    inbound: Inbound
    data: bytes


@dataclass(slots=True)
class Detach(Message):
    """A client's connection is gone."""

    inbound: Inbound


@dataclass(slots=True)
class TimedOut(Message):
    """A client was silent for too long."""

    inbound: Inbound


@dataclass(slots=True)
class Writable(Message):
    """A client that was slow takes bytes again."""

    inbound: Inbound


@dataclass(slots=True)
class Decided(Message):
    """Something that the application was asked is decided."""

    inbound: Inbound
    then: Callable[[object], None]
    outcome: object


@dataclass(slots=True)
class Tick(Message):
    """Something is due."""


@dataclass(slots=True)
class Wake(Message):
    """There is something to write."""


@dataclass(slots=True)
class Send(Message):
    """For a connection's actor: write this.

    Attributes:
        packet: One or several encoded packets.
    """

    packet: bytes


@dataclass(slots=True)
class Close(Message):
    """For a connection's actor: close the connection.

    Attributes:
        reason_code: Why, as the client was told.
    """

    reason_code: int = 0
