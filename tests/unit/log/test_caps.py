"""One record per connection and limit, one summary, and a bounded log under a flood."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from blackbull import errors
from blackbull.errors import LimitExceeded
from blackbull.log import LimitLog
from blackbull.log.caps import WINDOW, render_peer

PEER = ("192.0.2.7", 4711)


class Clock:
    """Monotonic seconds that only a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def extras(record: logging.LogRecord) -> dict[str, object]:
    names = ("cap", "requested", "limit", "peer", "scope_path", "protocol")
    return {name: getattr(record, name) for name in names}


def test_record_error_given_writes_one_warning_with_all_attributes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = LimitExceeded("max_body_size", allowed=10, seen=12)
    LimitLog().record(error, peer=PEER, protocol="http1", path="/up")
    [record] = caplog.records
    assert (record.name, record.levelno) == ("blackbull.caps", logging.WARNING)
    assert extras(record) == {
        "cap": "max_body_size",
        "requested": 12,
        "limit": 10,
        "peer": "192.0.2.7:4711",
        "scope_path": "/up",
        "protocol": "http1",
    }
    assert record.getMessage() == (
        "max_body_size: 12 exceeds 10 (peer=192.0.2.7:4711 protocol=http1 path=/up)"
    )


def test_record_values_given_override_those_of_the_error(caplog: pytest.LogCaptureFixture) -> None:
    error = LimitExceeded("max_body_size", allowed=10, seen=12)
    LimitLog().record(error, peer=PEER, requested=99, allowed=0)
    assert extras(caplog.records[0])["requested"] == 99
    assert extras(caplog.records[0])["limit"] == 0


def test_record_hostile_path_is_escaped_in_text_and_attribute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    LimitLog().record("header_max_line", peer=PEER, path="/a\r\nWARNING forged")
    record = caplog.records[0]
    assert "\n" not in record.getMessage()
    assert record.__dict__["scope_path"] == r"/a\x0d\x0aWARNING forged"


def test_record_repeated_is_suppressed_until_the_connection_closes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    limits = LimitLog()
    for _ in range(5):
        limits.record("max_body_size", peer=PEER, path="/p", protocol="http1")
    limits.record("header_timeout", peer=PEER)
    assert [record.__dict__["cap"] for record in caplog.records] == [
        "max_body_size",
        "header_timeout",
    ]
    limits.close(PEER)
    assert len(caplog.records) == 3
    summary = caplog.records[-1]
    assert summary.getMessage() == "max_body_size: suppressed=4 more (peer=192.0.2.7:4711)"
    assert extras(summary)["scope_path"] == "/p"
    assert summary.__dict__["suppressed"] == 4


def test_close_then_record_writes_a_full_record_again(caplog: pytest.LogCaptureFixture) -> None:
    limits = LimitLog()
    for _ in range(2):
        limits.record("max_body_size", peer=PEER)
        limits.close(PEER)
    limits.close(("192.0.2.9", 1))
    assert len(caplog.records) == 2


def test_record_other_connection_of_the_same_address_has_its_own_record(
    caplog: pytest.LogCaptureFixture,
) -> None:
    limits = LimitLog()
    limits.record("max_body_size", peer=("", None), key="a")
    limits.record("max_body_size", peer=("", None), key="b")
    limits.record("max_body_size", peer=("", None), key="b")
    assert [record.__dict__["peer"] for record in caplog.records] == ["unix", "unix"]


def test_record_more_connections_than_tracked_forgets_the_oldest_with_its_summary(
    caplog: pytest.LogCaptureFixture,
) -> None:
    limits = LimitLog(max_tracked=2)
    for port in (1, 1, 2, 3):
        limits.record("c", peer=("h", port))
    texts = [record.getMessage() for record in caplog.records]
    assert "c: suppressed=1 more (peer=h:1)" in texts
    limits.record("c", peer=("h", 3))
    assert len(caplog.records) == len(texts)


def test_record_flood_of_connections_writes_burst_records_and_one_summary(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    limits = LimitLog(burst=3, clock=clock)
    for port in range(10):
        limits.record("max_connections", peer=("h", port))
        limits.close(("h", port))
    assert len(caplog.records) == 3
    clock.now += 1
    limits.record("max_connections", peer=("h", 11))
    assert [record.getMessage() for record in caplog.records[3:]] == [
        "max_connections: suppressed=7 more (peer=many)",
        "max_connections (peer=h:11 protocol=- path=-)",
    ]


def test_record_of_a_limit_is_written_a_hundred_times_a_second(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    limits = LimitLog(clock=clock)
    for written in (100, 200):
        for port in range(150):
            limits.record("c", peer=("h", port + written * 1000))
        limits.flush()
        texts = [r.getMessage() for r in caplog.records]
        assert sum("suppressed" not in text for text in texts) == written
        clock.now += WINDOW


def test_record_path_is_shown_up_to_a_length(caplog: pytest.LogCaptureFixture) -> None:
    for length, shown in ((255, "p" * 255), (256, "p" * 256), (257, "p" * 256 + "...(+1)")):
        LimitLog().record("c", peer=PEER, path="p" * length)
        assert caplog.records[-1].__dict__["scope_path"] == shown
        assert caplog.records[-1].getMessage().endswith(f"path={shown})")


def test_record_flood_on_one_limit_hides_no_other_limit(caplog: pytest.LogCaptureFixture) -> None:
    limits = LimitLog(burst=1, clock=Clock())
    for cap in ("a", "a", "b"):
        limits.record(cap)
    assert [record.__dict__["cap"] for record in caplog.records] == ["a", "b"]


def test_flush_summarises_everything_once(caplog: pytest.LogCaptureFixture) -> None:
    limits = LimitLog(burst=2, clock=Clock())
    for _ in range(3):
        limits.record("a", peer=PEER)
    limits.record("a", peer=("h", 2))
    limits.record("a", peer=("h", 3))
    caplog.clear()
    limits.flush()
    limits.flush()
    assert sorted(record.getMessage() for record in caplog.records) == [
        "a: suppressed=1 more (peer=many)",
        "a: suppressed=2 more (peer=192.0.2.7:4711)",
    ]


@pytest.mark.parametrize(
    ("peer", "text"),
    [
        (None, "-"),
        (("192.0.2.7", 80), "192.0.2.7:80"),
        (("2001:db8::7", 80), "[2001:db8::7]:80"),
        (("/run/a.sock", None), "/run/a.sock"),
        (("", None), "unix"),
        (("a\nb", None), r"a\x0ab"),
    ],
)
def test_render_peer_each_family_is_one_word(
    peer: tuple[str, int | None] | None, text: str
) -> None:
    assert render_peer(peer) == text


def test_log_imported_and_nothing_configured_writes_nothing() -> None:
    code = "from blackbull.log import LimitLog; LimitLog().record('a')"
    source = str(Path(errors.__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (run.stdout, run.stderr) == ("", "")
