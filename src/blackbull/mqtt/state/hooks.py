"""Whom of the application the broker asks to decide."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ..auth.requests import (
    ClientInfo,
    ConnectRequest,
    EnhancedAuthentication,
    Identity,
)
from ..codec.types import ReasonCode

Action: TypeAlias = Literal["publish", "subscribe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a client is not let in, told in the broker's own words.

    Attributes:
        reason_code: 0x80 or more; a client of MQTT 3.1.1 is told the nearest return code.
        server_reference: The server to use instead, with 0x9C (for now) or 0x9D (for good).
        reason_string: A sentence for people.

    Spec:
        MQTT 5.0 §3.2.2.2, §4.11
    """

    reason_code: int
    server_reference: str = ""
    reason_string: str = ""


Verdict: TypeAlias = "Identity | Refusal | ReasonCode | bool | None"
Authenticate: TypeAlias = "Callable[[ConnectRequest], Verdict | Awaitable[Verdict]]"
Authorize: TypeAlias = "Callable[[ClientInfo, Action, str], bool | Awaitable[bool]]"


@dataclass(slots=True, kw_only=True)
class Hooks:
    """Whom the broker asks.

    Attributes:
        authenticate: Who is this client? True: who it says it is; False or None: not let in.
        authorize: May it do that to this topic, or filter? Asked once per session and topic.
        enhanced: The methods of enhanced authentication, by name.
        response_information: What a client that asks for it is told to base response topics on.
    """

    authenticate: Authenticate | None = None
    authorize: Authorize | None = None
    enhanced: Mapping[str, EnhancedAuthentication] = field(default_factory=dict)
    response_information: str = ""
