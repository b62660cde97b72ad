"""What systemd passes to a service, as its manual pages have it."""

from __future__ import annotations

import os

import pytest

from blackbull.config import Notifying, PassedSocket, notifying, passed_sockets
from blackbull.errors import ConfigurationError

OWN = str(os.getpid())


def passed(count: str = "1", *, pid: str = OWN, names: str | None = None) -> list[PassedSocket]:
    environ = {"LISTEN_PID": pid, "LISTEN_FDS": count}
    if names is not None:
        environ["LISTEN_FDNAMES"] = names
    return list(passed_sockets(environ=environ))


def test_sockets_begin_with_descriptor_3() -> None:
    assert passed("2") == [PassedSocket(3, "unknown"), PassedSocket(4, "unknown")]


def test_sockets_have_their_names() -> None:
    assert passed("2", names="web:mqtt") == [PassedSocket(3, "web"), PassedSocket(4, "mqtt")]


def test_sockets_of_another_process_are_not_ours() -> None:
    assert passed(pid="1") == []
    assert passed(pid=str(os.getppid())) == []
    environ = {"LISTEN_PID": str(os.getppid()), "LISTEN_FDS": "1"}
    assert passed_sockets(child=True, environ=environ) == (PassedSocket(3, "unknown"),)


def test_sockets_without_the_variables_are_none() -> None:
    assert passed_sockets(environ={}) == ()
    assert passed_sockets(environ={"LISTEN_FDS": "1"}) == ()
    assert passed_sockets(environ={"LISTEN_PID": OWN}) == ()
    assert passed("0") == []


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"LISTEN_PID": "x"}, "LISTEN_PID must be a whole number, not 'x'"),
        ({"LISTEN_PID": OWN, "LISTEN_FDS": "-1"}, "LISTEN_FDS must be a whole number, not '-1'"),
        ({"LISTEN_PID": OWN, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "a:b"}, "names 2 sockets"),
    ],
)
def test_variables_that_contradict_each_other_are_refused(
    environ: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        passed_sockets(environ=environ)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"NOTIFY_SOCKET": "relative"}, None),
        ({"NOTIFY_SOCKET": "/"}, None),
        ({"NOTIFY_SOCKET": "/run/n"}, Notifying("/run/n", 0.0)),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "2500000"}, Notifying("@n", 2.5)),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}, Notifying("@n", 0.0)),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": OWN},
         Notifying("@n", 1.0)),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "soon"}, Notifying("@n", 0.0)),
    ],
)  # fmt: skip
def test_manager_that_waits_for_news_is_known(
    environ: dict[str, str], expected: Notifying | None
) -> None:
    assert notifying(environ) == expected
