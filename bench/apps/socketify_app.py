"""socketify: uWebSockets, with its own way to publish. Run as a script: socketify_app.py PORT.

Compression is off unless asked for, and so is asked for; a message of 16 KiB is its largest, and
more room is given for what waits to be sent, because it drops messages otherwise.
"""

from __future__ import annotations

import sys

from payloads import HELLO, JOINED
from socketify import App, AppListenOptions, CompressOptions, OpCode

ROOM = "room"
BEHAVIOR = {
    "compression": CompressOptions.SHARED_COMPRESSOR,
    "max_payload_length": 64 * 1024,
    "max_backpressure": 4 * 1024 * 1024,
}

app = App()


def join(websocket) -> None:
    websocket.subscribe(ROOM)
    websocket.send(JOINED, OpCode.TEXT)


app.get("/plaintext", lambda response, request: response.end(HELLO))
app.ws("/ws", {**BEHAVIOR, "message": lambda ws, text, kind: ws.send(text, kind, True)})
app.ws("/members", {**BEHAVIOR, "open": join})
app.ws(
    "/publish", {**BEHAVIOR, "message": lambda ws, text, kind: ws.publish(ROOM, text, kind, True)}
)

if __name__ == "__main__":
    app.listen(AppListenOptions(port=int(sys.argv[1]), host="127.0.0.1"))
    app.run()
