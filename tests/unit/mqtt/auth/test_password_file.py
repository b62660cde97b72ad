"""The password file: who is let in, what a storm of clients costs, and how it is written."""

from __future__ import annotations

import asyncio
import inspect
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from blackbull.errors import ConfigurationError
from blackbull.mqtt.auth import ConnectRequest, Identity, PasswordFile, make_credential
from blackbull.mqtt.auth import password_file as module
from blackbull.mqtt.auth.password_file import Answer, check_username, parse_passwords, write_user
from blackbull.mqtt.auth.passwords import Verifier, hash_password, verify_password
from blackbull.mqtt.codec.types import ReasonCode

ALICE = hash_password(b"w0nderland").render()
BOB = make_credential("builder", iterations=4096).render()


async def ask(passwords: PasswordFile, request: ConnectRequest) -> Answer:
    answer = passwords(request)
    return await answer if inspect.isawaitable(answer) else answer


def request(username: str | None, password: bytes | None) -> ConnectRequest:
    return ConnectRequest(client_id="c", username=username, password=password)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "passwords"
    path.write_text(f"# people\n\nalice:{ALICE}\nbob:{BOB}\r\n")
    return path


class Work:
    """Counts the checks that are really done; ``gate`` holds them back."""

    def __init__(self) -> None:
        self.done = 0
        self.at_once = 0
        self.most = 0
        self.gate = threading.Event()
        self.gate.set()
        self._lock = threading.Lock()

    def verify(self, verifier: Verifier | None, password: bytes) -> bool:
        with self._lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        assert self.gate.wait(20)
        with self._lock:
            self.at_once -= 1
            self.done += 1
        return verify_password(verifier, password)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    work = Work()
    monkeypatch.setattr(module, "verify_password", work.verify)
    yield work
    work.gate.set()


@pytest.mark.parametrize(
    ("username", "password", "expected"),
    [
        ("alice", b"w0nderland", Identity(username="alice")),
        ("bob", b"builder", Identity(username="bob")),
        ("alice", b"wonderland", False),
        ("alice", b"", False),
        ("alice", b"builder", False),
        ("carol", b"w0nderland", False),
        ("# people", b"", False),
        ("", b"w0nderland", False),
        (None, b"w0nderland", False),
        ("alice", None, False),
        (None, None, False),
    ],
)
async def test_password_file_lets_in_whom_it_names(
    path: Path, username: str | None, password: bytes | None, expected: object
) -> None:
    assert await ask(PasswordFile(path), request(username, password)) == expected


async def test_password_that_was_right_is_known_again_without_the_work(
    path: Path, work: Work
) -> None:
    passwords = PasswordFile(path)
    for _ in range(3):
        assert await ask(passwords, request("alice", b"w0nderland"))
    assert work.done == 1
    assert passwords(request("alice", b"w0nderland")) == Identity(username="alice"), "at once"


async def test_password_that_was_wrong_is_checked_each_time(path: Path, work: Work) -> None:
    passwords = PasswordFile(path)
    for _ in range(2):
        assert not await ask(passwords, request("alice", b"x"))
        assert not await ask(passwords, request("nobody", b"x"))
    assert work.done == 4


async def test_remembered_passwords_are_bounded(
    path: Path, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 1)
    passwords = PasswordFile(path)
    for name, password in [("alice", b"w0nderland"), ("bob", b"builder")] * 2:
        assert await ask(passwords, request(name, password))
    assert work.done == 4


async def test_clients_that_come_at_once_wait_for_one_check(path: Path, work: Work) -> None:
    passwords = PasswordFile(path)
    found = await asyncio.gather(
        *(ask(passwords, request("alice", b"w0nderland")) for _ in range(100))
    )
    assert all(found)
    assert work.done == 1


async def test_checks_are_done_off_the_loop_a_few_at_a_time(path: Path, work: Work) -> None:
    passwords = PasswordFile(path)
    work.gate.clear()
    tasks = [
        asyncio.ensure_future(ask(passwords, request("alice", b"%d" % number)))
        for number in range(20)
    ]
    while not work.at_once:
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks), "the loop went on meanwhile"
    work.gate.set()
    assert not any(await asyncio.gather(*tasks))
    assert work.done == 20
    assert work.most <= module.MAX_THREADS


async def test_checks_that_wait_are_bounded(
    path: Path, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    passwords = PasswordFile(path)
    work.gate.clear()
    tasks = [asyncio.ensure_future(ask(passwords, request("alice", b"%d" % n))) for n in range(2)]
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(10):
            busy = await ask(passwords, request("alice", b"w0nderland"))
    finally:
        work.gate.set()
    assert busy is ReasonCode.SERVER_BUSY
    assert await asyncio.gather(*tasks) == [False, False]
    assert await ask(passwords, request("alice", b"w0nderland"))


async def test_check_that_nobody_waits_for_is_not_begun(path: Path, work: Work) -> None:
    passwords = PasswordFile(path)
    work.gate.clear()
    tasks = [asyncio.ensure_future(ask(passwords, request("alice", b"%d" % n))) for n in range(50)]
    while not work.at_once:
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    work.gate.set()
    assert await ask(passwords, request("alice", b"w0nderland"))
    assert work.done <= module.MAX_THREADS + 1


async def test_client_that_goes_takes_the_check_from_nobody(path: Path, work: Work) -> None:
    passwords = PasswordFile(path)
    work.gate.clear()
    one, other = (
        asyncio.ensure_future(ask(passwords, request("alice", b"w0nderland"))) for _ in range(2)
    )
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.gather(one, return_exceptions=True)
    work.gate.set()
    assert await other == Identity(username="alice")
    assert work.done == 1


async def test_changed_file_counts_for_the_next_client(path: Path) -> None:
    passwords = PasswordFile(path)
    assert await ask(passwords, request("alice", b"w0nderland"))
    write_user(path, "alice", hash_password(b"changed").render())
    assert not await ask(passwords, request("alice", b"w0nderland"))
    assert await ask(passwords, request("alice", b"changed"))
    write_user(path, "alice", None)
    assert not await ask(passwords, request("alice", b"changed"))


async def test_change_that_makes_no_sense_is_logged_once_and_left_out(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    passwords = PasswordFile(path)
    path.write_text("alice:oops\n")
    assert await ask(passwords, request("alice", b"w0nderland"))
    assert await ask(passwords, request("bob", b"builder"))
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "line 1" in caplog.text
    assert "stays in force" in caplog.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("alice", "line 1: it must be NAME:HASHED"),
        (f"\n:{ALICE}", "line 2: it must be NAME:HASHED"),
        ("alice:s3cret", "line 1: this is no hashed password"),
        (f"alice:{ALICE}\nbob:{BOB}\nalice:{BOB}", "line 3: user 'alice' has a line already"),
        (f"alice:{ALICE[:-31]}", "line 1: the salt or the hash is cut off"),
    ],
    # Salts are random, and two processes must mean the same test.
    ids=["no colon", "no name", "no hash", "a name twice", "cut off"],
)
def test_malformed_line_is_one_error_with_its_number(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "passwords"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        PasswordFile(path)
    assert str(caught.value).startswith(f"password file {str(path)!r}, {said}")
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_absent_file_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'.*absent' cannot be read: No such file"):
        PasswordFile(tmp_path / "absent")
    (tmp_path / "binary").write_bytes(b"alice:\xff")
    with pytest.raises(ConfigurationError, match="is not UTF-8"):
        PasswordFile(tmp_path / "binary")


async def test_scram_is_for_the_users_whose_lines_allow_it(path: Path) -> None:
    scram = PasswordFile(path).scram()
    assert scram.find("bob") == (make_credential("builder", salt=scram.find("bob")[0].salt,
                                                 iterations=4096), True)  # fmt: skip
    assert scram.find("alice")[1] is False
    assert scram.find("nobody")[1] is False


def test_write_user_makes_a_file_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new"
    assert write_user(path, "alice", ALICE) is False
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == f"alice:{ALICE}\n"


def test_write_user_leaves_every_other_line_alone(path: Path) -> None:
    path.chmod(0o644)
    assert write_user(path, "alice", BOB) is True
    assert path.read_text() == f"# people\n\nalice:{BOB}\nbob:{BOB}\n"
    assert write_user(path, "carol", ALICE) is False
    assert write_user(path, "bob", None) is True
    assert path.read_text() == f"# people\n\nalice:{BOB}\ncarol:{ALICE}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["passwords"], "nothing is left lying about"


def test_write_user_without_a_line_to_remove_changes_nothing(path: Path) -> None:
    before = path.stat()
    assert write_user(path, "carol", None) is False
    assert path.stat() == before
    assert write_user(path.parent / "absent", "carol", None) is False
    assert not (path.parent / "absent").exists()


def test_write_user_follows_a_link_to_the_file(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    write_user(link, "carol", ALICE)
    assert link.is_symlink()
    assert "carol" in parse_passwords(path.read_text())


def test_write_user_refuses_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("milk, eggs\n")
    with pytest.raises(ConfigurationError, match="line 1"):
        write_user(path, "alice", ALICE)
    assert path.read_text() == "milk, eggs\n"


def test_write_user_that_fails_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_text()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ConfigurationError, match="cannot be written: No space left"):
        write_user(path, "carol", ALICE)
    assert path.read_text() == before
    assert os.listdir(path.parent) == ["passwords"]


@pytest.mark.parametrize("name", ["", "#x", "a:b", "a\nb", "a\0", "a\x7f", "x" * 65536])
def test_user_name_that_no_line_can_begin_with_is_refused(path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="is no user name"):
        write_user(path, name, ALICE)
    check_username("Jürgen (Keller)")
