"""Several workers, as a person sees them: what is served, and what happens to those that die."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.program import TIMEOUT, Program, run_to_end

APP = """
import asyncio, os, sys
from blackbull import BlackBull

app = BlackBull()


@app.route(path="/")
async def index():
    return str(os.getpid())


@app.route(path="/slow")
async def slow():
    await asyncio.sleep(0.3)
    return str(os.getpid())


@app.raw_handler("kept", port=0)
async def kept(reader, writer, ctx):
    await writer.write(str(os.getpid()).encode())
"""
RUN = "\nif __name__ == '__main__':\n    app.run(port=0)\n"

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return how to write the program: the application and what is said."""

    def write(more: str = "", *, app: str = APP) -> Path:
        path = tmp_path / "main.py"
        path.write_text(app + more + RUN)
        return path

    return write


def fetch(port: int, path: str = "/") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=TIMEOUT) as answer:
        return answer.read().decode()


def ask_kept(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as peer:
        return peer.makefile("rb").read().decode()


def until(found: Callable[[], bool]) -> None:
    """Wait until *found* returns True."""
    end = time.monotonic() + TIMEOUT
    while not found():
        assert time.monotonic() < end, "it never came true"


def everyone(port: int, count: int, *, but: frozenset[str] = frozenset()) -> frozenset[str]:
    """Ask until *count* workers, none of them in *but*, have answered; return who they are."""
    seen: set[str] = set()

    def all_seen() -> bool:
        seen.add(fetch(port))
        return len(seen - but) >= count

    until(all_seen)
    return frozenset(seen - but)


class Load:
    """Requests on new connections, one after the other, in some threads."""

    def __init__(self, port: int, path: str = "/", *, threads: int = 2) -> None:
        self.answers: list[str] = []
        self.failures: list[Exception] = []
        self._url = (port, path)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def _ask(self) -> None:
        while not self._over.is_set():
            try:
                self.answers.append(fetch(*self._url))
            except Exception as error:
                self.failures.append(error)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int = 20) -> None:
        """Wait until *count* more requests were answered."""
        before = len(self.answers)
        until(lambda: bool(time.sleep(0.01)) or len(self.answers) >= before + count)


def said_by(program: Program) -> list[str]:
    """Return what *program* has told whoever started it."""
    return [line for line in program.lines if line.startswith("blackbull: ")]


def refused(failures: list[Exception]) -> list[Exception]:
    """Return those of *failures* that no dying worker explains: nobody listened."""
    return [each for each in failures if "refused" in str(each).lower()]


def test_every_worker_answers_http_and_the_first_one_the_kept_port(write: Write) -> None:
    with Program([str(write()), "--workers", "3"]) as program:
        ports = program.serving()
        pids = everyone(ports["http"], 3)
        owners = {ask_kept(ports["kept"]) for _ in range(8)}
        assert len(owners) == 1
        assert owners <= pids
        assert str(program.process.pid) not in pids
    assert program.wait() == 0
    assert [line for line in program.lines if "serving" in line] == [program.lines[0]]


def test_workers_may_be_given_years(write: Write) -> None:
    ages = {
        "BB_WORKER_TIMEOUT": "1e9",
        "BB_WORKER_START_TIMEOUT": "1e9",
        "BB_KEEP_ALIVE_TIMEOUT": "1e9",
    }
    with Program([str(write()), "--workers", "2"], environ=ages) as program:
        assert everyone(program.serving()["http"], 2)
    assert program.wait() == 0


def test_s12_killed_owner_is_replaced_and_no_connection_refused(write: Write) -> None:
    with Program([str(write()), "--workers", "4"]) as program:
        ports = program.serving()
        owner = ask_kept(ports["kept"])
        with Load(ports["http"]) as load:
            load.more()
            os.kill(int(owner), signal.SIGKILL)
            killed = time.monotonic()
            successor = ask_kept(ports["kept"])
            took = time.monotonic() - killed
            load.more()
        assert successor != owner
        assert took < TIMEOUT  # mostly within 0.1 s; the machine may be busy
        assert refused(load.failures) == []
        assert successor in everyone(ports["http"], 4, but=frozenset({owner}))
        assert re.search(
            rf"worker 0 \(pid {owner}\) died of SIGKILL: a new one starts$",
            program.said("died of"),
        )


def test_worker_that_keeps_dying_is_started_ever_more_slowly(write: Write) -> None:
    with Program([str(write()), "--workers", "2"]) as program:
        ports = program.serving()
        for _ in range(3):
            os.kill(int(ask_kept(ports["kept"])), signal.SIGKILL)
        program.said("worker 0 .* a new one starts$")
        program.said(r"worker 0 .* a new one starts in 0\.1 s$")
        program.said(r"worker 0 .* a new one starts in 0\.2 s$")


def test_hangup_replaces_all_workers_and_cuts_no_request(write: Write) -> None:
    script = write()
    with Program([str(script), "--workers", "2"]) as program:
        ports = program.serving()
        before = everyone(ports["http"], 2)
        script.write_text(script.read_text().replace("return str(", "return 'new ' + str("))
        with Load(ports["http"]) as load, Load(ports["http"], "/slow") as slow:
            load.more()
            program.signal(signal.SIGHUP)
            assert program.serving(times=2) == ports
            until(lambda: ask_kept(ports["kept"]) not in before)
            load.more()
            slow.more(4)
        assert load.failures + slow.failures == []
        assert all(each.startswith("new ") for each in everyone(ports["http"], 2))


def test_hangup_with_code_that_fails_leaves_the_old_workers(write: Write) -> None:
    script = write()
    with Program([str(script), "--workers", "2"]) as program:
        ports = program.serving()
        before = everyone(ports["http"], 2)
        good = script.read_text()
        script.write_text(good.replace("app = BlackBull()", "1 / 0"))
        program.signal(signal.SIGHUP)
        program.said("the new workers do not start, the old ones go on: worker 0 .* status 1")
        assert sum("ZeroDivisionError" in line for line in program.lines) == 1
        script.write_text(good.replace(RUN, "\n@app.on_startup\nasync def f(): 1 / 0\n" + RUN))
        program.signal(signal.SIGHUP)
        program.said("the old ones go on: the application did not start: ZeroDivisionError")
        assert everyone(ports["http"], 2) == before
        assert ask_kept(ports["kept"]) in before


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_startup_that_fails_is_one_line_of_all_workers(write: Write, start: str) -> None:
    script = write("\n@app.on_startup\nasync def fail(): raise RuntimeError('no database')\n")
    environ = {"BB_WORKER_START": start}
    status, out, err = run_to_end([str(script), "--workers", "4"], environ=environ)
    assert (status, out) == (1, "")
    assert err.startswith("blackbull: the application did not start: RuntimeError: no database")
    assert err.count("\n") == 1


def test_port_in_use_is_one_line_of_all_workers(write: Write) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        port = taken.getsockname()[1]
        script = write()
        script.write_text(script.read_text().replace("run(port=0)", f"run(port={port})"))
        status, out, err = run_to_end([str(script), "--workers", "4"])
    assert (status, out) == (1, "")
    assert "the port is in use" in err
    assert err.count("\n") == 1


@contextmanager
def connected(port: int, path: str) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as peer:
        peer.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode())
        yield peer


WAITS = """
@app.route(path="/wait")
async def wait():
    print("handler: started", file=sys.stderr, flush=True)
    await asyncio.sleep(float(sys.argv[-1]))
    return "finished"
"""


def test_signal_lets_running_requests_of_workers_finish(write: Write) -> None:
    with Program([str(write(WAITS)), "--workers", "2", "0.5"]) as program:
        with connected(program.serving()["http"], "/wait") as peer:
            program.said("handler: started")
            program.signal(signal.SIGTERM)
            assert peer.makefile("rb").read().endswith(b"finished")
        assert program.wait() == 0


def test_second_signal_ends_all_workers_at_once(write: Write) -> None:
    environ = {"BB_WORKER_DRAIN_TIMEOUT": "3600"}
    arguments = [str(write(WAITS)), "--workers", "2", "3600"]
    with Program(arguments, environ=environ) as program:
        port = program.serving()["http"]
        pids = everyone(port, 2)
        with connected(port, "/wait"):
            program.said("handler: started")
            program.signal(signal.SIGINT)
            program.said("blackbull: stopping")
            program.signal(signal.SIGINT)
            assert program.wait() == -signal.SIGINT
        for pid in pids:
            until(lambda pid=pid: not alive(int(pid)))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_of_a_killed_supervisor_stop(write: Write, start: str) -> None:
    environ = {"BB_WORKER_START": start}
    with Program([str(write(WAITS)), "--workers", "3", "0.5"], environ=environ) as program:
        port = program.serving()["http"]
        pids = everyone(port, 3)
        with connected(port, "/wait") as peer:
            program.said("handler: started")
            program.signal(signal.SIGKILL)
            assert peer.makefile("rb").read().endswith(b"finished")
        for pid in pids:
            until(lambda pid=pid: not alive(int(pid)))
        program.wait()


def test_stopped_worker_is_killed_and_replaced(write: Write) -> None:
    environ = {"BB_WORKER_TIMEOUT": "1"}
    with Program([str(write()), "--workers", "2"], environ=environ) as program:
        port = program.serving()["kept"]
        owner = ask_kept(port)
        os.kill(int(owner), signal.SIGSTOP)
        program.said(rf"worker 0 \(pid {owner}\) gave no sign of life for 1 s and was killed: a")
        assert ask_kept(port) != owner


def test_startup_that_hangs_is_ended(write: Write) -> None:
    script = write("\n@app.on_startup\nasync def hang(): await asyncio.sleep(3600)\n")
    environ = {"BB_WORKER_START_TIMEOUT": "1"}
    status, _, err = run_to_end([str(script), "--workers", "2"], environ=environ)
    assert status == 1
    assert re.search(r"worker \d \(pid \d+\) did not start within 1 s and was killed", err)
    assert err.count("\n") == 1


def test_shutdown_that_fails_is_status_1(write: Write) -> None:
    script = write("\n@app.on_shutdown\nasync def fail(): raise RuntimeError('no disk')\n")
    with Program([str(script), "--workers", "2"]) as program:
        program.serving()
        program.signal(signal.SIGTERM)
        assert program.wait() == 1
    failed = [line for line in program.lines if "shutdown failed: RuntimeError: no disk" in line]
    assert len(failed) == 2
    assert not any("Traceback" in line for line in program.lines)


def test_worker_is_replaced_after_so_many_requests(write: Write) -> None:
    with Program(
        [str(write()), "--workers", "2", "--max-requests", "40", "--no-access-log"]
    ) as program:
        ports = program.serving()
        with Load(ports["http"]) as load:
            until(lambda: bool(time.sleep(0.01)) or len(set(load.answers)) >= 4)
        assert load.failures == []
        assert len(said_by(program)) == 1


def test_what_follows_run_is_done_once(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(APP + "\napp.run(port=0)\nprint('over', file=sys.stderr)\n")
    for start in ("fork", "spawn"):
        environ = {"BB_WORKER_START": start}
        with Program([str(script), "--workers", "2"], environ=environ) as program:
            program.serving()
            program.signal(signal.SIGTERM)
            assert program.wait() == 0
        assert program.lines.count("over") == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("\napp.run(http=False, workers=2)\n", "stateful protocols are served by one"),
        ("\napp.run(port=0, workers=-1)\n", "BB_WORKERS must be 0 to 1024"),
    ],
)
def test_impossible_workers_are_one_line(tmp_path: Path, more: str, said: str) -> None:
    script = tmp_path / "main.py"
    script.write_text(APP + more)
    status, _, err = run_to_end([str(script)])
    assert status == 1
    assert said in err
    assert err.count("\n") == 1


SINGLETON = """
@app.background_task(singleton=True)
async def once():
    with open("log", "a", buffering=1) as log:
        print("begun", os.getpid(), file=log)
        try:
            while True:
                await asyncio.sleep(0.01)
                print("goes on", os.getpid(), file=log)
        finally:
            print("ended", os.getpid(), file=log)
"""


def test_singleton_moves_and_never_runs_twice(write: Write, tmp_path: Path) -> None:
    log = tmp_path / "log"

    def begun(times: int) -> Callable[[], bool]:
        return lambda: log.exists() and log.read_text().count("begun") >= times

    with Program([str(write(SINGLETON)), "--workers", "3"], cwd=tmp_path) as program:
        ports = program.serving()
        until(begun(1))
        owner = int(ask_kept(ports["kept"]))
        os.kill(owner, signal.SIGKILL)
        until(begun(2))
        program.signal(signal.SIGHUP)
        program.serving(times=2)
        until(begun(3))
        assert int(ask_kept(ports["kept"])) == int(log.read_text().split()[-1])
    said = [line.rsplit(" ", 1) for line in log.read_text().splitlines()]
    by_turns = [pid for i, (_, pid) in enumerate(said) if i == 0 or said[i - 1][1] != pid]
    assert len(by_turns) == 3  # who has ended, or was killed, is never heard of again
    assert by_turns[0] == str(owner)
    assert [what for what, pid in said if pid == by_turns[1]][-1] == "ended"


TOGETHER = """
import json
from blackbull.worker import Figures

@app.on_worker_start
async def count(worker):
    worker.post(Figures({"started": 1.0}, {"alive": 1.0}, index=worker.index))

@app.route(path="/figures")
async def figures():
    found = await app.worker.collect()
    return json.dumps([[f.index, dict(f.counters), dict(f.gauges)] for f in found])

@app.raw_handler("greeter", port=0)
async def greeter(reader, writer, ctx):
    name = await reader.readuntil(b"\\n")
    await writer.write(b"%d %s %s" % (os.getpid(), str(ctx.peername).encode(), name))

@app.route(path="/owner")
async def owner():
    try:
        reader, writer = await app.worker.open_owner("greeter", peername=("10.1.2.3", 4))
    except LookupError as error:
        return str(error)
    await writer.write(b"me\\n")
    answer = b""
    while not answer.endswith(b"\\n"):
        answer += await reader.read()
    await writer.close()
    return answer
"""


def test_workers_see_one_anothers_figures_and_reach_the_owner(write: Write) -> None:
    with Program([str(write(TOGETHER)), "--workers", "3"]) as program:
        ports = program.serving()
        owner = ask_kept(ports["kept"])
        seen: set[str] = set()
        until(lambda: seen.add(fetch(ports["http"], "/owner")) or len(seen) > 1)
        assert seen == {
            f"{owner} ('10.1.2.3', 4) me\n",
            "'greeter' is served by this very process: it is the owner",
        }
        os.kill(int(owner), signal.SIGKILL)
        program.said("worker 0 .* died of SIGKILL")
        assert ask_kept(ports["kept"]) != owner
        figures: list[list[object]] = []
        until(lambda: bool(figures.clear()) or figures.extend(
            json.loads(fetch(ports["http"], "/figures"))) or len(figures) == 3)  # fmt: skip
        assert figures[0] == [None, {"started": 1.0}, {}]
        assert all(each[1:] == [{"started": 1.0}, {"alive": 1.0}] for each in figures[1:])
        assert len({each[0] for each in figures[1:]}) == 2


HANGS = """
@app.on_startup
async def hang():
    if os.path.exists("hang"):
        print("hook: hangs", file=sys.stderr, flush=True)
        await asyncio.sleep(3600)

@app.route(path="/block")
async def block():
    import time
    print("handler: blocks", file=sys.stderr, flush=True)
    while not os.path.exists("go on"):
        time.sleep(0.01)
    return "gone on"
"""


def test_connections_of_a_worker_that_is_away_are_served_by_others(
    write: Write, tmp_path: Path
) -> None:
    with Program([str(write(HANGS)), "--workers", "2"], cwd=tmp_path) as program:
        ports = program.serving()
        owner = ask_kept(ports["kept"])
        (other,) = everyone(ports["http"], 1, but=frozenset({owner}))
        (tmp_path / "hang").touch()
        os.kill(int(other), signal.SIGKILL)
        program.said("hook: hangs")
        assert {fetch(ports["http"]) for _ in range(40)} == {owner}


def test_connections_of_a_worker_that_is_busy_are_served_by_others(
    write: Write, tmp_path: Path
) -> None:
    answers: list[str] = []
    with Program([str(write(HANGS)), "--workers", "2", "--no-access-log"], cwd=tmp_path) as program:
        port = program.serving()["http"]
        blocking = threading.Thread(target=lambda: answers.append(fetch(port, "/block")))
        blocking.start()
        program.said("handler: blocks")
        assert len({fetch(port) for _ in range(20)}) == 1
        (tmp_path / "go on").touch()
        blocking.join(TIMEOUT)
        assert answers == ["gone on"]
        assert len(everyone(port, 2)) == 2
    assert len(said_by(program)) == 2


def test_port_of_a_stateful_protocol_is_handed_over_while_requests_go_on(write: Write) -> None:
    environ = {"BB_WORKER_DRAIN_TIMEOUT": "3600"}
    with Program([str(write(WAITS)), "--workers", "1", "--max-requests", "3", "3600"],
                 environ=environ) as program:  # fmt: skip
        ports = program.serving()
        owner = ask_kept(ports["kept"])
        with connected(ports["http"], "/wait"):
            program.said("handler: started")
            while ask_kept(ports["kept"]) == owner:
                fetch(ports["http"])
            assert alive(int(owner))
            os.kill(int(owner), signal.SIGKILL)


def test_hangups_that_come_while_workers_start_do_not_begin_anew_each_time(
    write: Write, tmp_path: Path
) -> None:
    waiting = "\nwhile os.path.exists('wait'):\n    import time; time.sleep(0.01)\n"
    with Program([str(write(waiting)), "--workers", "2"], cwd=tmp_path) as program:
        program.serving()
        (tmp_path / "wait").touch()
        program.signal(signal.SIGHUP)
        program.said("SIGHUP")
        for _ in range(5):
            program.signal(signal.SIGHUP)
        (tmp_path / "wait").unlink()
        program.serving(times=3)
        program.signal(signal.SIGTERM)
        program.wait()
        # The last one may have been noticed only after that.
        assert sum("SIGHUP" in line for line in program.lines) in {2, 3}


def test_hangup_with_another_number_of_workers_leaves_no_queue_unserved(
    write: Write, tmp_path: Path
) -> None:
    toml = tmp_path / "blackbull.toml"
    toml.write_text("workers = 3\n")
    with Program([str(write())], cwd=tmp_path) as program:
        port = program.serving()["http"]
        assert program.lines[0].endswith("(3 workers)")
        everyone(port, 3)
        toml.write_text("workers = 1\n")
        program.signal(signal.SIGHUP)
        program.serving(times=2)
        with Load(port) as load:
            load.more(60)
        assert load.failures == []
        assert len(set(load.answers[-20:])) == 1
        toml.write_text("workers = many\n")
        program.signal(signal.SIGHUP)
        program.said("the old ones go on: .*TOML")
        toml.write_text("workers = 2\n")
        program.signal(signal.SIGHUP)
        assert program.said("serving", times=3).endswith("(2 workers)")
        everyone(port, 2)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_worker_told_to_stop_is_replaced(write: Write, start: str) -> None:
    with Program([str(write()), "--workers", "2"], environ={"BB_WORKER_START": start}) as program:
        port = program.serving()["kept"]
        owner = ask_kept(port)
        os.kill(int(owner), signal.SIGTERM)
        program.said(rf"worker 0 \(pid {owner}\) was told to stop: a new one starts")
        until(lambda: ask_kept(port) != owner)


def test_worker_told_to_stop_has_a_successor_while_its_requests_go_on(write: Write) -> None:
    environ = {"BB_WORKER_DRAIN_TIMEOUT": "3600"}
    with Program([str(write(WAITS)), "--workers", "2", "3600"], environ=environ) as program:
        ports = program.serving()
        pids = everyone(ports["http"], 2)
        owner = ask_kept(ports["kept"])
        with ExitStack() as waiting:
            for _ in range(12):  # some at each of them, whichever gets which
                waiting.enter_context(connected(ports["http"], "/wait"))
            # Two processes write at a time: some words may be on one line.
            until(lambda: "".join(program.lines).count("handler: started") == 12)
            os.kill(int(owner), signal.SIGTERM)
            program.said(rf"worker 0 \(pid {owner}\) was told to stop: a new one starts")
            until(lambda: ask_kept(ports["kept"]) not in pids)
            everyone(ports["http"], 1, but=pids)
            assert alive(int(owner))
            for pid in pids:
                os.kill(int(pid), signal.SIGKILL)


ENDS = """
@app.on_startup
async def wait():
    while os.path.exists("wait"):
        print("hook: waits", file=sys.stderr, flush=True)
        await asyncio.sleep(0.1)

@app.route(path="/end")
async def end():
    os._exit(3)
"""


def test_worker_that_dies_before_its_successor_is_ready_has_one_only(
    write: Write, tmp_path: Path
) -> None:
    with Program([str(write(ENDS)), "--max-requests", "1"], cwd=tmp_path) as program:
        port = program.serving()["http"]
        (tmp_path / "wait").touch()
        fetch(port)
        program.said("hook: waits")
        with suppress(OSError):
            fetch(port, "/end")
        program.said("ended with status 3")
        (tmp_path / "wait").unlink()
        fetch(port)
        program.signal(signal.SIGTERM)
        assert program.wait() == 0


def test_last_request_of_a_worker_that_was_replaced_starts_no_other(write: Write) -> None:
    with Program([str(write()), "--max-requests", "2"]) as program:
        client = HTTPConnection("127.0.0.1", program.serving()["http"], timeout=TIMEOUT)
        client.request("GET", "/")
        owner = client.getresponse().read()
        program.signal(signal.SIGHUP)
        program.serving(times=2)
        client.request("GET", "/")
        assert client.getresponse().read() == owner
        client.close()
        program.signal(signal.SIGTERM)
        assert program.wait() == 0


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_worker_that_cannot_be_started_is_tried_again(write: Write, start: str) -> None:
    with Program([str(write()), "--workers", "2"], environ={"BB_WORKER_START": start}) as program:
        ports = program.serving()
        supervisor = program.process.pid
        owner = ask_kept(ports["kept"])
        (other,) = everyone(ports["http"], 1, but=frozenset({owner}))
        before = resource.prlimit(supervisor, resource.RLIMIT_NOFILE)
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (4, before[1]))
        os.kill(int(owner), signal.SIGKILL)
        program.said(r"worker 0 cannot be started \(.*Too many open files\): it is tried again")
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, before)
        assert ask_kept(ports["kept"]) not in {owner, other}
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (4, before[1]))
        program.signal(signal.SIGHUP)
        program.said("do not start, the old ones go on: worker 0 cannot be started")
        assert fetch(ports["http"])


@pytest.mark.parametrize("where", ["Path(__file__).parent", "'/'", "'sub'"])
def test_workers_start_where_the_program_did(write: Write, tmp_path: Path, where: str) -> None:
    script = write(f"\nfrom pathlib import Path\nos.chdir({where})\n")
    (tmp_path / "sub").mkdir()
    script.rename(tmp_path / "sub" / "main.py")
    with Program(["sub/main.py", "--workers", "2"], cwd=tmp_path) as program:
        program.serving()
        program.signal(signal.SIGHUP)
        program.serving(times=2)


def test_hangup_that_fails_leaves_no_new_place_open(write: Write, tmp_path: Path) -> None:
    toml = tmp_path / "blackbull.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        free = found.getsockname()[1]
        found.close()
        toml.write_text("workers = 2\nbind = ['127.0.0.1:0']\n")
        script = write()
        script.write_text(script.read_text().replace("app.run(port=0)", "app.run()"))
        with Program([str(script)], cwd=tmp_path) as program:
            ports = program.serving()
            both = f"'127.0.0.1:{free}', '127.0.0.1:{taken.getsockname()[1]}'"
            toml.write_text(f"workers = 2\nbind = ['127.0.0.1:0', {both}]\n")
            program.signal(signal.SIGHUP)
            program.said("the old ones go on: cannot listen on")
            until(lambda: not listens(free))
            assert ask_kept(ports["kept"])
            assert fetch(ports["http"])


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT).close()
    except ConnectionRefusedError:
        return False
    return True


def test_hangup_that_workers_get_as_well_cuts_no_request(write: Write) -> None:
    with Program([str(write(WAITS)), "--workers", "2", "0.5"]) as program:
        port = program.serving()["http"]
        pids = everyone(port, 2)
        with connected(port, "/wait") as peer:
            program.said("handler: started")
            for pid in pids:
                os.kill(int(pid), signal.SIGHUP)
            program.signal(signal.SIGHUP)
            assert peer.makefile("rb").read().endswith(b"finished")
        program.serving(times=2)
    assert not any("died" in line for line in said_by(program))
