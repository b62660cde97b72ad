"""Chat rooms: a page with a live WebSocket, and one channel for each room.

Run it and open http://127.0.0.1:8000/ in two windows. A channel is in one process: run it with
one worker. ``gateway.py`` shows how to reach the clients of all of several.
"""

from __future__ import annotations

from blackbull import BlackBull, Response, WebSocket
from blackbull.broadcast import Channel
from blackbull.utils import Scheme

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Chat</title>
<style>
  body { font: 16px/1.4 system-ui; max-width: 40rem; margin: 2rem auto; padding: 0 1rem }
  #log { min-height: 12rem; border: 1px solid #8885; padding: .5rem; white-space: pre-wrap }
  input { font: inherit; width: 100%; box-sizing: border-box; margin-top: .5rem }
</style>
<h1>Room <span id="room"></span>, <span id="count">0</span> here</h1>
<div id="log" aria-live="polite"></div>
<form><input id="text" autocomplete="off" autofocus placeholder="say something, press Enter"></form>
<script>
  const room = location.hash.slice(1) || "lobby";
  const byId = id => document.getElementById(id);
  const base = location.origin.replace("http", "ws");
  const socket = new WebSocket(`${base}/rooms/${encodeURIComponent(room)}?name=guest`);
  byId("room").textContent = room;
  socket.onmessage = event => {
    const message = JSON.parse(event.data);
    byId("count").textContent = message.here;
    if (message.text) byId("log").append(`${message.name}: ${message.text}\\n`);
  };
  socket.onclose = event => byId("log").append(`(closed: ${event.code} ${event.reason})\\n`);
  document.forms[0].onsubmit = event => {
    event.preventDefault();
    socket.send(byId("text").value);
    byId("text").value = "";
  };
  addEventListener("hashchange", () => location.reload());
</script>
"""

app = BlackBull()
rooms: dict[str, Channel] = {}


@app.route(path="/")
async def page() -> Response:
    return Response(PAGE)


@app.route(
    path="/rooms/{room}", scheme=Scheme.websocket, allow_origins="self", max_message_size=4096
)
async def chat(ws: WebSocket, room: str, name: str = "guest") -> None:
    await ws.accept()
    channel = rooms.setdefault(room, Channel(max_queued=100, overflow="disconnect"))
    with channel.join(ws):
        channel.send_json({"here": len(channel)})
        async for text in ws:
            channel.send_json({"here": len(channel), "name": name, "text": str(text)})
    if channel:
        channel.send_json({"here": len(channel)})
    else:
        rooms.pop(room, None)


if __name__ == "__main__":
    app.run(port=8000)
