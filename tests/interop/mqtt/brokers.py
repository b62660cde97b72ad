"""The broker that the peers meet: ours; or Debian's, to see whether a test asks for too much.

``PEER_BROKER=mosquitto`` in the environment takes Debian's: what it fails at, too, is no fault
of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.certificates import Authority
from tests.interop.mqtt.peer import HOST, WAIT, Endpoint

WEBSOCKET_PATH = "/mqtt"
USER, PASSWORD = "ada", "pässword"
REFERENCE = os.environ.get("PEER_BROKER") == "mosquitto"
TRANSPORTS = ("tcp", "tls", "ws", "wss") + (() if REFERENCE else ("shared", "shared-tls"))


@asynccontextmanager
async def broker(
    transport: str, directory: Path, *, passwords: bool = False, **settings: object
) -> AsyncIterator[Endpoint]:
    """Run a broker that is reached over *transport*; yield where.

    Args:
        transport: ``shared`` is the HTTP port itself, ``shared-tls`` the same with ALPN.
        directory: For its files.
        passwords: Let in nobody but :data:`USER` with :data:`PASSWORD`.
        settings: Of our broker.
    """
    authority = None
    if transport in {"tls", "wss", "shared-tls"}:
        authority = Authority(directory)
    run = reference if REFERENCE else ours
    async with run(transport, directory, authority, passwords, **settings) as port:
        yield Endpoint(
            port,
            cafile=authority and authority.path,
            path=WEBSOCKET_PATH if transport in {"ws", "wss"} else None,
            alpn="mqtt" if transport == "shared-tls" else None,
        )


@asynccontextmanager
async def ours(
    transport: str,
    directory: Path,
    authority: Authority | None,
    passwords: bool,
    **settings: object,
) -> AsyncIterator[int]:
    """Run our broker in this event loop; yield its port."""
    from blackbull import BlackBull, Settings
    from blackbull.mqtt import MQTTExtension
    from blackbull.server import Server

    async def authenticate(request: object) -> bool:
        return (request.username, request.password) == (USER, PASSWORD.encode())  # type: ignore[attr-defined]

    app = BlackBull()
    own_port = transport in {"tcp", "tls"}
    app.add_extension(
        MQTTExtension(
            port=0 if own_port else None,
            tls=transport == "tls",
            websocket_path=WEBSOCKET_PATH,
            authenticate=authenticate if passwords else None,
            **settings,
        )
    )
    certificate, key = authority.issue_pair() if authority is not None else (None, None)
    server = Server(app, settings=Settings(port=0, certfile=certificate, keyfile=key))
    await server.start()
    try:
        (port,) = {
            each.address[1]
            for each in server.listening
            if each.protocol == ("mqtt" if own_port else "http")
        }
        assert port is not None
        yield port
    finally:
        await server.stop(1.0)
        await app.events.aclose()


@asynccontextmanager
async def reference(
    transport: str, directory: Path, authority: Authority | None, passwords: bool, **_: object
) -> AsyncIterator[int]:
    """Run Debian's mosquitto; yield its port."""
    port, spare = free_port(), free_port()
    lines = [
        # It does not start with nothing but a listener for WebSocket.
        f"listener {spare} 127.0.0.1", f"listener {port}",
        "max_inflight_messages 0", "max_queued_messages 0",
        "user root", "allow_anonymous false" if passwords else "allow_anonymous true",
    ]  # fmt: skip
    if transport in {"ws", "wss"}:
        lines.append("protocol websockets")
    if authority is not None:
        certificate, key = authority.issue_pair()
        lines += [f"certfile {certificate}", f"keyfile {key}"]
    if passwords:
        path = directory / "passwords"
        subprocess.run(
            ["mosquitto_passwd", "-b", "-c", str(path), USER, PASSWORD],
            check=True, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        lines.append(f"password_file {path}")
    config = directory / "mosquitto.conf"
    config.write_text("\n".join(lines) + "\n")
    process = await asyncio.create_subprocess_exec(
        "/usr/sbin/mosquitto", "-c", str(config), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await reachable(port)
        yield port
    finally:
        process.terminate()
        await process.wait()


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def reachable(port: int) -> None:
    """Wait until something listens at *port*."""
    async with asyncio.timeout(WAIT):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(HOST, port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.01)
