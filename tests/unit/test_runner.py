"""The composition root, as far as it can be tested without a process of its own."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from blackbull import BlackBull, runner
from blackbull.asgi.host import HostedApp
from blackbull.config import Settings
from blackbull.errors import ConfigurationError, MissingExtra
from blackbull.server.signals import SIGNALS
from blackbull.server.workers.generation import Terms


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that would have been served with."""
    calls: list[Settings] = []

    async def serve(app: object, settings: Settings, **_: object) -> int:
        calls.append(settings)
        return 0

    monkeypatch.setattr(runner, "serve", serve)
    for name in ("BLACKBULL_HOST", "BLACKBULL_PORT", "BLACKBULL_CERT", "BLACKBULL_KEY"):
        monkeypatch.delenv(name, raising=False)
    return calls


def test_run_defaults_to_loopback_port_8000(served: list[Settings]) -> None:
    runner.run(BlackBull(), argv=())
    assert [(s.host, s.port) for s in served] == [("127.0.0.1", 8000)]


def test_run_environment_wins_over_the_default(
    served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLACKBULL_PORT", "1")
    runner.run(BlackBull(), argv=())
    assert [s.port for s in served] == [1]


def test_run_logs_as_flags_arguments_and_variables_say(
    served: list[Settings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BB_ACCESS_LOG", "0")
    monkeypatch.setenv("BB_LOG_LEVEL", "info")
    flags = ["--access-log", "--log-format", "json", "--log-file", str(tmp_path / "b")]
    runner.run(BlackBull(), argv=())
    runner.run(BlackBull(), argv=(), access_log=True, log_level="error", log_format="json")
    runner.run(BlackBull(), argv=flags, access_log=False, log_file=str(tmp_path / "a"))
    told = [(s.access_log, s.log_level, s.log_format, s.log_file) for s in served]
    assert told == [
        (False, "info", "text", None),
        (True, "error", "json", None),
        (True, "info", "json", str(tmp_path / "b")),
    ]
    assert not (tmp_path / "a").exists()


def test_run_flag_bounds_the_connections(
    served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BB_MAX_CONNECTIONS", "7")
    runner.run(BlackBull(), argv=())
    runner.run(BlackBull(), argv=(), max_connections=8)
    runner.run(BlackBull(), argv=["--max-connections", "9"], max_connections=8)
    assert [s.max_connections for s in served] == [7, 8, 9]


def test_run_flag_says_how_long_requests_may_go_on(
    served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BB_WORKER_DRAIN_TIMEOUT", "7")
    runner.run(BlackBull(), argv=())
    runner.run(BlackBull(), argv=(), drain_timeout=0)
    runner.run(BlackBull(), argv=["--drain-timeout", "9.5"], drain_timeout=0)
    assert [s.drain_timeout for s in served] == [7, 0, 9.5]


class Supervised:
    """Stands in for the supervisor: notes what it is made with."""

    made: ClassVar[list[dict[str, object]]] = []

    def __init__(self, terms: Terms, **options: object) -> None:
        self.made.append({"terms": terms, **options})

    def run(self) -> int:
        return 0


@pytest.fixture
def supervised(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What supervisors were made with."""
    monkeypatch.setattr(runner, "Supervisor", Supervised)
    monkeypatch.setattr(Supervised, "made", [])
    return Supervised.made


@pytest.mark.parametrize(
    ("name", "value", "workers"),
    [("BB_WORKERS", "4", 4), ("BLACKBULL_RELOAD", "1", 1), ("BB_MAX_REQUESTS", "9", 1)],
)
def test_run_environment_asking_for_a_supervisor_gets_one(
    served: list[Settings],
    supervised: list[dict[str, object]],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    workers: int,
) -> None:
    monkeypatch.setenv(name, value)
    runner.run(BlackBull(), argv=())
    assert ([each["terms"] for each in supervised], served) == ([Terms(workers, 8, 30, 60)], [])
    assert (supervised[0]["watcher"] is not None) == (name == "BLACKBULL_RELOAD")


def test_run_without_a_number_of_workers_is_one_per_processor(
    supervised: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "processors", lambda: 5)
    runner.run(BlackBull(), workers=0, argv=())
    assert [each["terms"] for each in supervised] == [Terms(5, 8, 30, 60)]


def test_run_workers_are_copies_only_where_that_is_safe(
    supervised: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for start, safe, copies in (
        ("auto", True, True), ("auto", False, False), ("fork", False, True), ("spawn", True, False),
    ):  # fmt: skip
        monkeypatch.setenv("BB_WORKER_START", start)
        monkeypatch.setattr(runner, "can_fork", lambda safe=safe: safe)
        runner.run(BlackBull(), workers=2, argv=())
        assert (supervised[-1]["serve"] is not None) == copies, start


def raw_app(*, port: int | None, stateful: bool) -> BlackBull:
    async def handler(reader: object, writer: object, ctx: object) -> None: ...

    app = BlackBull()
    app.register_protocol_handler("raw", handler, port=port, stateful=stateful)
    return app


@pytest.mark.parametrize(
    ("port", "stateful", "http", "said"),
    [
        (0, True, True, ""),
        (None, False, True, ""),
        (0, False, False, ""),
        (0, True, False, "2 workers without HTTP"),
        (None, True, True, "'raw' is stateful and has no port of its own"),
    ],
)
def test_run_workers_that_cannot_share_are_refused(
    supervised: list[dict[str, object]],
    capsys: pytest.CaptureFixture[str],
    port: int | None,
    stateful: bool,
    http: bool,
    said: str,
) -> None:
    app = raw_app(port=port, stateful=stateful)
    if not said:
        runner.run(app, workers=2, http=http, argv=())
        assert len(supervised) == 1
        return
    with pytest.raises(SystemExit):
        runner.run(app, workers=2, http=http, argv=())
    assert said in capsys.readouterr().err
    assert supervised == []


def test_run_argument_wins_over_the_environment(
    served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLACKBULL_PORT", "1")
    runner.run(BlackBull(), port=0, host="::1", argv=())
    assert [(s.host, s.port) for s in served] == [("::1", 0)]


def test_run_flag_wins_over_the_argument(served: list[Settings]) -> None:
    runner.run(BlackBull(), port=2, argv=["--port", "0"])
    assert [s.port for s in served] == [0]


def test_run_reads_the_process_arguments(
    served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["main.py", "--host", "::1", "--unknown"])
    runner.run(BlackBull())
    assert [s.host for s in served] == ["::1"]


def test_run_application_method_reaches_the_runner(served: list[Settings]) -> None:
    BlackBull().run(port=3, argv=())
    assert [s.port for s in served] == [3]


def test_run_certificate_and_key_are_passed_on(served: list[Settings], tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.touch()
    key.touch()
    runner.run(BlackBull(), argv=["--cert", str(cert), "--key", str(key)])
    assert [(s.certfile, s.keyfile) for s in served] == [(str(cert), str(key))]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"workers": -1}, "BB_WORKERS must be 0 to 1024"),
        ({"certfile": "absent.pem"}, "there is no certificate file 'absent.pem'"),
        ({"certfile": "a" * 300}, "cannot be read: File name too long"),
        ({"keyfile": "absent.pem"}, "a key without its certificate"),
        ({"port": 65536}, "BLACKBULL_PORT"),
    ],
)
def test_run_impossible_argument_is_one_line_and_status_1(
    served: list[Settings],
    capsys: pytest.CaptureFixture[str],
    flags: dict[str, int],
    said: str,
) -> None:
    with pytest.raises(SystemExit) as ended:
        runner.run(BlackBull(), argv=(), **flags)
    assert ended.value.code == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("blackbull: ")
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert served == []


def test_run_argument_given_to_the_application_goes_before_variables(
    served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLACKBULL_PORT", "1")
    monkeypatch.setenv("BB_MAX_BODY_SIZE", "1")
    app = BlackBull(settings=Settings(port=2, host="::1"))
    runner.run(app, argv=["--port", "3"])
    runner.run(app, host="::2", argv=())
    assert [(s.host, s.port, s.max_body_size) for s in served] == [
        ("::1", 3, Settings().max_body_size),
        ("::2", 2, Settings().max_body_size),
    ]


def test_run_file_is_the_last_before_the_default(
    served: list[Settings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    keys = ("header_timeout", "body_timeout", "port", "socket_backlog")
    Path("blackbull.toml").write_text("".join(f"{key} = 1\n" for key in keys))
    Path(".env").write_text("BB_BODY_TIMEOUT=2\nBLACKBULL_PORT=2\nBB_SOCKET_BACKLOG=2\n")
    monkeypatch.setenv("BLACKBULL_PORT", "3")
    monkeypatch.setenv("BB_SOCKET_BACKLOG", "")
    runner.run(BlackBull(), argv=())
    runner.run(BlackBull(), port=4, argv=())
    runner.run(BlackBull(), port=4, argv=["--port", "5"])
    assert [tuple(getattr(s, key) for key in keys) for s in served] == [
        (1.0, 2.0, 3, 2),
        (1.0, 2.0, 4, 2),
        (1.0, 2.0, 5, 2),
    ]


@pytest.mark.parametrize(
    ("argument", "argv", "backlog"),
    [(None, [], 1), ("a.toml", [], 2), ("a.toml", ["--config", "b.toml"], 3)],
)
def test_run_file_is_the_one_that_is_named(
    served: list[Settings],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    argument: str | None,
    argv: list[str],
    backlog: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("blackbull.toml", "a.toml", "b.toml"), 1):
        Path(name).write_text(f"socket_backlog = {number}")
    runner.run(BlackBull(), config=argument, argv=argv)
    assert [s.socket_backlog for s in served] == [backlog]


def test_run_key_of_a_flag_fits_a_certificate_of_a_variable(
    served: list[Settings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.touch()
    key.touch()
    monkeypatch.setenv("BLACKBULL_CERT", str(cert))
    runner.run(BlackBull(), argv=["--key", str(key)])
    assert [(s.certfile, s.keyfile) for s in served] == [(str(cert), str(key))]


def test_native_app_is_taken_as_it_is() -> None:
    app = BlackBull()
    assert runner.as_native_app(app) is app


def test_asgi_app_is_hosted() -> None:
    async def app(scope: object, receive: object, send: object) -> None: ...

    assert isinstance(runner.as_native_app(app), HostedApp)


@pytest.mark.parametrize("thing", [7, None, "main:app", lambda: None])
def test_other_things_are_refused(thing: object) -> None:
    with pytest.raises(ConfigurationError):
        runner.as_native_app(thing)


def test_loop_factory_is_uvloop_when_installed() -> None:
    factory = runner.loop_factory(Settings())
    assert factory is not None
    assert factory.__module__.startswith("uvloop")


def test_loop_factory_switched_off_is_the_standard_one() -> None:
    assert runner.loop_factory(replace(Settings(), uvloop=False)) is None


def test_loop_factory_without_uvloop_depends_on_the_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert runner.loop_factory(Settings()) is None
    with pytest.raises(MissingExtra, match=r"blackbull\[standard\]"):
        runner.loop_factory(replace(Settings(), uvloop=True))


async def test_signals_restore_what_was_there() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with runner.Signals(asyncio.get_running_loop()) as signals:
        signal.raise_signal(signal.SIGTERM)
        await signals.stop.wait()
        for number in (signal.SIGINT, signal.SIGTERM):
            assert signal.getsignal(number) == signal.SIG_DFL
    assert [signal.getsignal(number) for number in SIGNALS] == before


async def test_signals_outside_the_main_thread_are_not_touched() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    loop = asyncio.get_running_loop()

    def enter() -> list[object]:
        with runner.Signals(loop):
            return [signal.getsignal(number) for number in SIGNALS]

    assert await asyncio.to_thread(enter) == before


async def test_unless_stopped_work_that_ends_is_done() -> None:
    with runner.Signals(asyncio.get_running_loop()) as signals:
        assert await signals.unless_stopped(asyncio.sleep(0))


async def test_unless_stopped_cancels_the_work_on_a_signal() -> None:
    with runner.Signals(asyncio.get_running_loop()) as signals:
        signals.stop.set()
        assert not await signals.unless_stopped(asyncio.sleep(3600))


async def test_unless_stopped_passes_errors_on() -> None:
    async def fail() -> None:
        raise ConfigurationError("no")

    with (
        runner.Signals(asyncio.get_running_loop()) as signals,
        pytest.raises(ConfigurationError, match="no"),
    ):
        await signals.unless_stopped(fail())
