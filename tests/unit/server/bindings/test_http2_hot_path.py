"""What HTTP/2 requests may cost, counted where a noisy machine cannot disturb it."""

from __future__ import annotations

import asyncio

import pytest

from blackbull import BlackBull
from blackbull.response import Response
from blackbull.server.bindings.http2_exchange import HTTP2Exchange
from blackbull.server.bindings.service import EAGER
from tests.unit.server.bindings.http2_talk import App, Talk
from tests.unit.server.bindings.test_http1_hot_path import Turns


def framework() -> BlackBull:
    app = BlackBull()

    @app.route(path="/")
    async def hello() -> str:
        return "hello"

    @app.route(path="/waits")
    async def waits() -> str:
        await asyncio.sleep(0)
        return "waited"

    @app.route(path="/size", methods=["POST"])
    async def size(body: bytes) -> str:
        return str(len(body))

    return app


async def begin(app: object) -> Talk:
    """Return a connection that has answered one request."""
    talk = await Talk(app).begin()
    assert (await talk.ask()).status == 200
    talk.view.writes = 0
    return talk


@pytest.mark.parametrize("app", [App({"/": Response("hello")}), framework()], ids=["bare", "full"])
async def test_requests_of_one_arrival_are_answered_in_one_write_without_a_turn(
    app: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = await begin(app)
    streams = [talk.client.request() for _ in range(32)]
    with Turns(monkeypatch) as turns:
        talk.say()
    assert talk.view.writes == 1
    assert (turns.soon, turns.later, turns.tasks) == (0, 0, 0)
    talk.hear()
    assert [talk.client.replies[stream].body for stream in streams] == [b"hello"] * 32
    assert all(talk.client.replies[stream].ended for stream in streams)
    talk.end()


async def test_request_with_its_content_costs_no_turn_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    talk = await begin(framework())
    streams = [talk.client.request("/size", method="POST", content=bytes(1000)) for _ in range(16)]
    with Turns(monkeypatch) as turns:
        talk.say()
    assert talk.view.writes == 1
    assert (turns.soon, turns.later, turns.tasks) == (0, 0, 0)
    talk.hear()
    assert {talk.client.replies[stream].body for stream in streams} == {b"1000"}
    talk.end()


async def test_handlers_that_wait_take_a_task_each_and_answer_in_one_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    talk = await begin(framework())
    streams = [talk.client.request("/waits") for _ in range(10)]
    with Turns(monkeypatch) as turns:
        talk.say()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert talk.view.writes == 1
    # On 3.12 and later a task begins in the arrival callback and is known to no create_task.
    assert turns.tasks == (0 if EAGER else 10)
    assert turns.later == 0
    talk.hear()
    assert {talk.client.replies[stream].body for stream in streams} == {b"waited"}
    talk.end()


async def test_request_that_is_answered_at_once_makes_no_exchange(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[object] = []
    original = HTTP2Exchange.__init__

    def counting(self: HTTP2Exchange, *args: object, **kwargs: object) -> None:
        made.append(self)
        original(self, *args, **kwargs)

    monkeypatch.setattr(HTTP2Exchange, "__init__", counting)
    talk = await begin(framework())
    for _ in range(20):
        assert (await talk.ask()).body == b"hello"
    assert made == []
    assert (await talk.ask("/waits")).body == b"waited"
    assert len(made) == 1
    talk.end()


async def test_arrival_moves_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = await begin(framework())
    for _ in range(20):
        talk.client.request()
    due = talk.view.timer.at
    talk.say()
    assert talk.view.timer.at == due
    talk.end()


async def test_large_response_leaves_in_portions_not_at_once() -> None:
    talk = await begin(App({"/large": Response(bytes(200_000))}))
    talk.client.h2.increment_flow_control_window(1 << 20)
    stream = talk.client.request("/large")
    talk.client.h2.increment_flow_control_window(1 << 20, stream)
    talk.view.writes = 0
    talk.say()
    assert 2 <= talk.view.writes <= 4
    talk.hear()
    assert len(talk.client.replies[stream].body) == 200_000
    talk.end()
