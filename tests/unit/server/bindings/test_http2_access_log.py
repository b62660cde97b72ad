"""One record for each stream, however it ends."""

from __future__ import annotations

import asyncio

from wsproto.events import CloseConnection, TextMessage

from blackbull.log.access import AccessLog
from blackbull.log.formatters import PlainFormatter
from blackbull.response import Response
from tests.unit.log.entries import Pile
from tests.unit.server.bindings.http2_talk import App, Talk, waiting
from tests.unit.server.bindings.test_http2_websocket import Socket, connect, framework


class Logged:
    """A conversation whose entries are kept."""

    def __init__(self, app: object, **settings: object) -> None:
        self.talk = Talk(app, **settings)
        self._desk = Pile()
        loop = asyncio.get_running_loop()
        self.talk.service.access_log = AccessLog(loop, self._desk, batch_size=1)

    @property
    def lines(self) -> list[str]:
        """The entries as lines, without times."""
        formatter = PlainFormatter()
        made = [formatter.message(each) for item in self._desk.items for each in item]  # type: ignore[arg-type]
        return [" ".join(p for p in line.split(" ") if not p.endswith("ms")) for line in made]


async def test_streams_that_are_answered_at_once_leave_their_records_in_order() -> None:
    logged = Logged(App({"/": Response("hello"), "/b": Response("", 404)}))
    talk = await logged.talk.begin()
    await talk.ask("/")
    await talk.ask("/b", method="POST", content=b"12345")
    assert logged.lines == ['192.0.2.1 "GET / HTTP/2" 200 5', '192.0.2.1 "POST /b HTTP/2" 404 0']
    talk.end()


async def test_stream_that_is_reset_leaves_a_record_whether_its_handler_runs_or_waits() -> None:
    gate = asyncio.Event()
    logged = Logged(App({"/": waiting(gate)}), h2_active_streams=1)
    talk = await logged.talk.begin()
    runs, waits = talk.client.request("/"), talk.client.request("/")
    await talk.turn()
    talk.client.h2.reset_stream(waits)
    await talk.turn()
    assert logged.lines == ['192.0.2.1 "GET / HTTP/2" - 0 client=left']
    talk.client.h2.reset_stream(runs)
    await talk.turn()
    assert len(logged.lines) == 1  # its handler goes on
    gate.set()
    await talk.turn()
    assert logged.lines == ['192.0.2.1 "GET / HTTP/2" - 0 client=left'] * 2
    talk.end()


async def test_connection_that_is_lost_leaves_a_record_for_each_stream() -> None:
    gate = asyncio.Event()
    logged = Logged(App({"/": waiting(gate)}), h2_active_streams=2)
    talk = await logged.talk.begin()
    for _ in range(5):
        talk.client.request("/")
    await talk.turn()
    talk.view.reset()
    gate.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert logged.lines == ['192.0.2.1 "GET / HTTP/2" - 0 client=left'] * 5
    talk.service.close()


async def test_request_that_is_refused_leaves_a_record() -> None:
    logged = Logged(App({"/": Response("")}), header_max_line=1024, max_body_size=10)
    talk = await logged.talk.begin()
    reply = await talk.ask("/", fields=[(b"x", b"y" * 2000)])
    (line,) = logged.lines
    assert line.startswith(f'192.0.2.1 "-" 431 {len(reply.body)} error="')
    late = await talk.ask("/", method="POST", content=b"x" * 100)
    assert late.status == 413
    assert len(logged.lines) == 2
    talk.end()


async def test_websocket_on_a_stream_leaves_one_record_at_its_end() -> None:
    logged = Logged(framework(), h2_enable_websocket=True)
    talk = await logged.talk.begin()
    socket = await Socket(talk).open()
    socket.send(TextMessage("hello"))
    await socket.receive()
    assert logged.lines == []
    socket.send(CloseConnection(1000, "bye"))
    await socket.receive()
    await talk.turn()
    assert logged.lines == [
        '192.0.2.1 "CONNECT /ws HTTP/2" 200 11 websocket close_code=1000 close_reason=bye '
        "messages_received=1 messages_sent=1"
    ]
    refused = connect(talk, "/refuses")
    await talk.until(lambda: talk.client.replies[refused].status)
    assert logged.lines[1:] == ['192.0.2.1 "CONNECT /refuses HTTP/2" 403 0 websocket']
    talk.end()
