"""BlackBull: the whole framework path - routing, typed handlers, limits and timeouts, events.

Run as a script: ours.py PORT [--msgspec] [--metrics] [--cert PATH --key PATH]. Without
``--msgspec`` the optional JSON library is made to look absent, so that JSON is serialised by the
standard library, as it is for the peers. With ``--metrics`` requests are counted.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

from payloads import BIG, HELLO, JOINED, MESSAGE, PART, PARTS

# Before the import: what is looked for then is not found.
if "--msgspec" not in sys.argv:
    sys.modules["msgspec"] = None  # type: ignore[assignment]

from blackbull import BlackBull, Response, WebSocket
from blackbull.broadcast import Channel
from blackbull.utils import Scheme

app = BlackBull()
room = Channel()


@app.route(path="/plaintext")
async def plaintext() -> Response:
    return Response(HELLO, content_type="text/plain; charset=utf-8")


@app.route(path="/json")
async def message() -> dict[str, str]:
    return {"message": MESSAGE}


@app.route(path="/users/{id:int}")
async def user(id: int) -> dict[str, int]:
    return {"id": id}


@app.route(path="/echo", methods=["POST"])
async def echo(body: bytes) -> bytes:
    return body


@app.route(path="/big")
async def big() -> bytes:
    return BIG


@app.route(path="/stream")
async def stream() -> AsyncIterator[bytes]:
    for _ in range(PARTS):
        yield PART


@app.route(path="/upload", methods=["POST"])
async def upload(body: bytes) -> str:
    return str(len(body))


@app.route(path="/ws", scheme=Scheme.websocket)
async def ws_echo(ws: WebSocket) -> None:
    await ws.accept()
    async for message in ws:
        await ws.send(message)


@app.route(path="/members", scheme=Scheme.websocket)
async def ws_join(ws: WebSocket) -> None:
    await ws.accept()
    with room.join(ws):
        await ws.send(JOINED)
        async for _ in ws:
            pass


@app.route(path="/publish", scheme=Scheme.websocket)
async def ws_publish(ws: WebSocket) -> None:
    await ws.accept()
    async for message in ws:
        room.send(message)


def main() -> None:
    """Serve on the port given, after making sure that nothing of ours is compiled."""
    compiled = [
        name
        for name, module in sys.modules.items()
        if name.split(".")[0] == "blackbull" and str(module.__file__).endswith(".so")
    ]
    if compiled:
        sys.exit(f"compiled modules would be measured, not the interpreted ones: {compiled}")
    if "--metrics" in sys.argv:
        from blackbull.metrics import MetricsExtension  # noqa: PLC0415

        app.add_extension(MetricsExtension())
    sys.argv = [argument for argument in sys.argv if argument not in {"--msgspec", "--metrics"}]
    app.run(port=int(sys.argv.pop(1)))


if __name__ == "__main__":
    main()
