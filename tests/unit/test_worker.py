"""The process that serves alone, and who owns what must be done once."""

from __future__ import annotations

import pytest

from blackbull import BlackBull
from blackbull.config import Settings
from blackbull.server.server import Server
from blackbull.worker import Figures, OnlyWorker


def test_only_worker_is_the_owner_and_alone() -> None:
    worker = OnlyWorker()
    assert (worker.owner, worker.index, worker.count) == (True, 0, 1)


async def test_only_worker_collects_nothing_of_others() -> None:
    worker = OnlyWorker()
    worker.post(Figures({"requests": 1.0}))
    assert await worker.collect() == []


async def test_only_worker_has_no_owner_elsewhere() -> None:
    with pytest.raises(LookupError, match="this very process"):
        await OnlyWorker().open_owner("mqtt")


class Second(OnlyWorker):
    index = 1
    count = 2


async def test_server_of_another_worker_leaves_stateful_ports_to_the_owner() -> None:
    app = BlackBull()

    async def handler(reader: object, writer: object, ctx: object) -> None: ...

    app.register_protocol_handler("kept", handler, port=0)
    app.register_protocol_handler("free", handler, port=0, stateful=False)
    server = Server(app, settings=Settings(port=0), worker=Second())
    await server.start()
    try:
        assert [each.protocol for each in server.listening] == ["http", "free"]
        assert app.worker is server.worker
    finally:
        await server.stop(0.0)
