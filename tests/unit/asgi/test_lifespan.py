from __future__ import annotations

import asyncio
import logging

import pytest

from blackbull.asgi import HostedApp
from blackbull.asgi.types import ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
from blackbull.errors import BlackBullError, ConfigurationError, LocalProtocolError
from tests.spec import spec


class Hosted:
    """An application that answers the two lifespan events with *answers*, one each."""

    def __init__(self, *answers: ASGISendEvent) -> None:
        self.answers = answers
        self.log: list[object] = []
        self.scope: Scope = {}
        self.app = HostedApp(self)

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        self.scope = scope
        for answer in self.answers:
            self.log.append((await receive())["type"])
            await send(answer)
        self.log.append("returned")


STARTED: ASGISendEvent = {"type": "lifespan.startup.complete"}
STOPPED: ASGISendEvent = {"type": "lifespan.shutdown.complete"}


@spec("ASGI Lifespan", "Startup", "Shutdown")
async def test_lifespan_well_behaved_runs_once_around_everything() -> None:
    hosted = Hosted(STARTED, STOPPED)
    await hosted.app.startup()
    assert hosted.log == ["lifespan.startup"]
    await hosted.app.shutdown()
    assert hosted.log == ["lifespan.startup", "lifespan.shutdown", "returned"]
    assert hosted.scope["type"] == "lifespan"
    assert hosted.scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}
    assert hosted.scope["state"] is hosted.app.state


async def test_lifespan_second_run_starts_anew() -> None:
    hosted = Hosted(STARTED, STOPPED)
    for _ in range(2):
        await hosted.app.startup()
        await hosted.app.shutdown()
    assert hosted.log == ["lifespan.startup", "lifespan.shutdown", "returned"] * 2


async def test_lifespan_startup_failed_raises_with_the_message() -> None:
    hosted = Hosted({"type": "lifespan.startup.failed", "message": "no database\n"})
    with pytest.raises(ConfigurationError, match=r"^no database$"):
        await hosted.app.startup()
    await hosted.app.shutdown()
    assert hosted.log == ["lifespan.startup", "returned"]


async def test_lifespan_startup_failed_with_a_traceback_raises_its_last_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = "Traceback (most recent call last):\n  ...\nRuntimeError: no database\n"
    hosted = Hosted({"type": "lifespan.startup.failed", "message": text})
    with pytest.raises(ConfigurationError, match=r"^RuntimeError: no database$"):
        await hosted.app.startup()
    assert "Traceback" in caplog.text


async def test_lifespan_startup_failed_and_raised_again_raises_once() -> None:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed"})
        raise RuntimeError

    with pytest.raises(ConfigurationError, match="startup failed"):
        await HostedApp(app).startup()


async def test_lifespan_shutdown_failed_raises_with_the_message() -> None:
    hosted = Hosted(STARTED, {"type": "lifespan.shutdown.failed", "message": "still writing"})
    await hosted.app.startup()
    with pytest.raises(BlackBullError, match="still writing"):
        await hosted.app.shutdown()


@spec("ASGI Lifespan", "Scope")
async def test_lifespan_unknown_to_the_application_is_done_without(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        raise NotImplementedError(scope["type"])

    hosted = HostedApp(app)
    with caplog.at_level(logging.INFO, "blackbull.asgi"):
        await hosted.startup()
    await hosted.shutdown()
    assert [record.levelname for record in caplog.records] == ["INFO"]


async def test_lifespan_that_returns_at_once_is_done_without() -> None:
    hosted = Hosted()
    await hosted.app.startup()
    await hosted.app.shutdown()
    assert hosted.log == ["returned"]


async def test_lifespan_raising_in_startup_is_told_to_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        raise ZeroDivisionError

    hosted = HostedApp(app)
    await hosted.startup()
    await hosted.shutdown()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert caplog.records[0].exc_info is not None


async def test_lifespan_raising_while_serving_is_reported_at_shutdown() -> None:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        await send(STARTED)
        raise ZeroDivisionError

    hosted = HostedApp(app)
    await hosted.startup()
    with pytest.raises(BlackBullError) as caught:
        await hosted.shutdown()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    "answers",
    [
        [{"type": "lifespan.shutdown.complete"}],
        [STARTED, STARTED],
        [{"type": "http.response.start", "status": 200}],
        [{}],
    ],
)
async def test_lifespan_answer_out_of_order_is_the_applications_fault(
    answers: list[ASGISendEvent],
) -> None:
    errors: list[LocalProtocolError] = []

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        try:
            for answer in answers:
                await send(answer)
        except LocalProtocolError as error:
            errors.append(error)

    hosted = HostedApp(app)
    await hosted.startup()
    await hosted.shutdown()
    assert len(errors) == 1


async def test_lifespan_startup_cancelled_ends_the_application() -> None:
    ended: list[str] = []
    waiting = asyncio.Event()

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    starting = asyncio.create_task(HostedApp(app).startup())
    await waiting.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert ended == ["cancelled"]


async def test_lifespan_that_will_not_return_is_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("blackbull.asgi.lifespan.LEAVE_TIMEOUT", 0.01)
    ended: list[str] = []

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        await send(STARTED)
        await receive()
        await send(STOPPED)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    hosted = HostedApp(app)
    await hosted.startup()
    await hosted.shutdown()
    assert ended == ["cancelled"]


async def test_lifespan_context_spans_one_task() -> None:
    """A cancel scope opened at startup is closed at shutdown: both run in the same task."""
    tasks: list[object] = []

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        async with asyncio.timeout(60):
            await receive()
            tasks.append(asyncio.current_task())
            await send(STARTED)
            await receive()
            tasks.append(asyncio.current_task())
            await send(STOPPED)

    hosted = HostedApp(app)
    await hosted.startup()
    await hosted.shutdown()
    assert tasks[0] is tasks[1]
