"""Clients without a user name, with and without somebody who asks for one."""

from __future__ import annotations

import pytest

from blackbull.mqtt.auth import ConnectRequest, Identity
from blackbull.mqtt.messages import ReasonCode
from tests.mqtt_packets import connack, connect
from tests.mqtt_server import running


def by_name(request: ConnectRequest) -> Identity | bool:
    """Let in whoever says that it is Alice."""
    return request.username == "alice"


def by_port(request: ConnectRequest) -> Identity | bool:
    """Let everybody in, and name nobody."""
    return Identity()


@pytest.mark.parametrize(
    ("allowed", "authenticate", "username", "reason"),
    [
        (None, None, None, 0),
        (None, None, "bob", 0),
        (None, by_name, None, ReasonCode.NOT_AUTHORIZED),
        (None, by_name, "alice", 0),
        (None, by_name, "bob", ReasonCode.BAD_USER_NAME_OR_PASSWORD),
        (True, None, None, 0),
        (True, by_name, None, 0),
        (True, by_name, "alice", 0),
        (True, by_name, "bob", ReasonCode.BAD_USER_NAME_OR_PASSWORD),
        (False, None, None, ReasonCode.NOT_AUTHORIZED),
        (False, None, "bob", 0),
        (False, by_name, None, ReasonCode.NOT_AUTHORIZED),
        (False, by_name, "alice", 0),
        (False, by_port, None, ReasonCode.NOT_AUTHORIZED),
        (False, by_port, "bob", 0),
        (None, by_port, None, 0),
    ],
)
async def test_anonymous_clients_are_let_in_as_the_setting_says(
    allowed: bool | None, authenticate: object, username: str | None, reason: int
) -> None:
    async with running(allow_anonymous=allowed, authenticate=authenticate) as broker:
        a = broker.peer("a")
        await broker.play(
            a.send(connect(username=username)),
            a.expect(connack(reason)),
        )  # fmt: skip
