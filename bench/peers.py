"""Who is measured: ours and the peers, each with the command that starts it.

Everyone gets one worker, uvloop where it can use it, no access log, and otherwise its defaults.
"""

from __future__ import annotations

import importlib.metadata
import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

BENCH = Path(__file__).resolve().parent
APPS = BENCH / "apps"
SOURCE = BENCH.parent / "src"
LIMIT = "BENCH_LIMIT"


@dataclass(frozen=True)
class Peer:
    """A server to measure.

    Attributes:
        name: What ``--peers`` calls it.
        label: What the table calls it.
        command: Its command line; ``{port}`` is replaced.
        packages: The distributions it needs, first the one that names it.
        imports: The statement whose time the import row measures.
        tls: What its command line needs in addition for TLS; ``{certificate}`` and ``{key}`` are
            replaced.
        requests_per_connection: Requests after which it ends an HTTP/2 connection, at the least;
            0: it does not.
        ours: True for this project's own server.
        environment: Environment variables; ``{port}`` is replaced.
    """

    name: str
    label: str
    command: tuple[str, ...]
    packages: tuple[str, ...] = ()
    imports: str = ""
    tls: tuple[str, ...] = ()
    requests_per_connection: int = 0
    ours: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    def command_line(self, port: int) -> list[str]:
        """Return the command that serves on *port* of the loopback."""
        return [part.replace("{port}", str(port)) for part in self.command]

    def tls_options(self, certificate: str, key: str) -> list[str]:
        """Return what the command needs in addition to serve with TLS."""
        return [part.format(certificate=certificate, key=key) for part in self.tls]

    def missing(self) -> list[str]:
        """Return the distributions that are not installed."""
        return [name for name in self.packages if installed(name) is None]

    def unavailable(self) -> str:
        """Return what to do before it can be measured; empty if it is ready."""
        missing = self.missing()
        return f"pip install {' '.join(missing)}" if missing else ""

    def versions(self) -> str:
        """Return names and versions of what is measured."""
        own = [f"blackbull {installed('blackbull') or 'from source'}"] if self.ours else []
        return ", ".join([*own, *(f"{name} {installed(name)}" for name in self.packages)])


def installed(name: str) -> str | None:
    """Return the version of the distribution *name*, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def ours(*options: str) -> tuple[str, ...]:
    """Return the command that serves our application."""
    return (sys.executable, str(APPS / "ours.py"), "{port}", *options)


def uvicorn(app: str, *options: str) -> tuple[str, ...]:
    """Return the command that serves *app* with uvicorn."""
    return (
        *(sys.executable, "-m", "uvicorn", f"{app}:app", "--app-dir", str(APPS)),
        *("--host", "127.0.0.1", "--port", "{port}", "--workers", "1", "--loop", "uvloop"),
        *("--no-access-log", "--log-level", "warning", *(options or ("--http", "httptools"))),
    )


def uvicorn_logging(app: str) -> tuple[str, ...]:
    """Return the command that serves *app* with uvicorn and the access log that it has."""
    silent = ("--no-access-log", "--log-level", "warning")
    return tuple(word for word in uvicorn(app) if word not in silent)


def granian(interface: str, app: str) -> tuple[str, ...]:
    """Return the command that serves *app* with granian."""
    return (
        *(sys.executable, "-m", "granian", f"{app}:app", "--working-dir", str(APPS)),
        *("--interface", interface, "--host", "127.0.0.1", "--port", "{port}"),
        *("--workers", "1", "--runtime-threads", "1", "--loop", "uvloop"),
        # It serves as many connections at once as its backlog holds: more than the idle row opens.
        *("--backlog", "4096", "--no-access-log", "--log-level", "warning"),
    )


HYPERCORN = (
    *(sys.executable, "-m", "hypercorn", "asgi_raw:app"),
    *("--bind", "127.0.0.1:{port}", "--workers", "1", "--worker-class", "uvloop"),
    *("--log-level", "WARNING"),
)
OURS_ENVIRONMENT = {"PYTHONPATH": str(SOURCE), "BB_ACCESS_LOG": "0"}
OURS_IMPORT = "from blackbull import BlackBull"
CERTFILE = ("--certfile", "{certificate}", "--keyfile", "{key}")
SSL_CERTFILE = ("--ssl-certfile", "{certificate}", "--ssl-keyfile", "{key}")
SSL_CERTIFICATE = ("--ssl-certificate", "{certificate}", "--ssl-keyfile", "{key}")

BLACKBULL = Peer(
    "ours",
    "BlackBull",
    ours(),
    ("uvloop",),
    OURS_IMPORT,
    tls=("--cert", "{certificate}", "--key", "{key}"),
    ours=True,
    environment=OURS_ENVIRONMENT,
)
GRANIAN = Peer(
    "granian",
    "granian, RSGI",
    granian("rsgi", "rsgi_raw"),
    ("granian", "uvloop"),
    tls=SSL_CERTIFICATE,
)
GRANIAN_ASGI = Peer(
    "granian-asgi",
    "granian, ASGI",
    granian("asgi", "asgi_raw"),
    ("granian", "uvloop"),
    tls=SSL_CERTIFICATE,
)
AIOHTTP = Peer(
    "aiohttp",
    "aiohttp",
    (sys.executable, str(APPS / "aiohttp_app.py"), "{port}"),
    ("aiohttp", "uvloop"),
    "from aiohttp import web",
)

HTTP_PEERS = (
    BLACKBULL,
    Peer(
        "ours-msgspec",
        "BlackBull, msgspec",
        ours("--msgspec"),
        ("uvloop", "msgspec"),
        OURS_IMPORT,
        ours=True,
        environment=OURS_ENVIRONMENT,
    ),
    Peer(
        "ours-metrics",
        "BlackBull, MetricsExtension",
        ours("--metrics"),
        ("uvloop", "prometheus-client"),
        OURS_IMPORT,
        ours=True,
        environment=OURS_ENVIRONMENT,
    ),
    Peer(
        "ours-logging",
        "BlackBull, access log",
        ours(),
        ("uvloop",),
        OURS_IMPORT,
        ours=True,
        environment={**OURS_ENVIRONMENT, "BB_ACCESS_LOG": "1"},
    ),
    Peer(
        "uvicorn",
        "uvicorn, raw ASGI",
        uvicorn("asgi_raw"),
        ("uvicorn", "httptools", "uvloop"),
        "import uvicorn",
    ),
    Peer(
        "uvicorn-logging",
        "uvicorn, raw ASGI, access log",
        uvicorn_logging("asgi_raw"),
        ("uvicorn", "httptools", "uvloop"),
        "import uvicorn",
    ),
    GRANIAN,
    GRANIAN_ASGI,
    Peer(
        "starlette",
        "Starlette on uvicorn",
        uvicorn("starlette_app"),
        ("starlette", "uvicorn", "httptools", "uvloop"),
        "from starlette.applications import Starlette; import uvicorn",
    ),
    Peer(
        "fastapi",
        "FastAPI on uvicorn",
        uvicorn("fastapi_app"),
        ("fastapi", "uvicorn", "httptools", "uvloop"),
        "from fastapi import FastAPI; import uvicorn",
    ),
    AIOHTTP,
    Peer(
        "hypercorn",
        "hypercorn, raw ASGI",
        HYPERCORN,
        ("hypercorn", "uvloop"),
        "import hypercorn.asyncio",
        environment={"PYTHONPATH": str(APPS)},
    ),
)

WEBSOCKET_PEERS = (
    BLACKBULL,
    Peer(
        "uvicorn",
        "uvicorn, websockets",
        uvicorn("asgi_raw", "--http", "httptools", "--ws", "websockets-sansio"),
        ("uvicorn", "websockets", "httptools", "uvloop"),
    ),
    Peer(
        "uvicorn-legacy",
        "uvicorn, websockets (legacy)",
        uvicorn("asgi_raw", "--http", "httptools", "--ws", "websockets"),
        ("uvicorn", "websockets", "httptools", "uvloop"),
        environment={"PYTHONWARNINGS": "ignore"},
    ),
    Peer(
        "uvicorn-wsproto",
        "uvicorn, wsproto",
        uvicorn("asgi_raw", "--http", "httptools", "--ws", "wsproto"),
        ("uvicorn", "wsproto", "httptools", "uvloop"),
    ),
    GRANIAN,
    GRANIAN_ASGI,
    AIOHTTP,
    Peer(
        "hypercorn",
        "hypercorn, wsproto",
        HYPERCORN,
        ("hypercorn", "wsproto", "uvloop"),
        environment={"PYTHONPATH": str(APPS)},
    ),
    Peer(
        "socketify",
        "socketify",
        (sys.executable, str(APPS / "socketify_app.py"), "{port}"),
        ("socketify",),
    ),
)

HTTP2_PEERS = (
    BLACKBULL,
    GRANIAN,
    GRANIAN_ASGI,
    Peer(
        "uvicorn",
        "uvicorn, zttp",
        uvicorn("asgi_raw", "--http", "zttp", "--http2"),
        ("uvicorn", "zttp", "uvloop"),
        tls=SSL_CERTFILE,
        # zttp 0.0.35 takes the 4,097th for a flood.
        requests_per_connection=4000,
    ),
    Peer(
        "hypercorn",
        "hypercorn, h2",
        HYPERCORN,
        ("hypercorn", "h2", "uvloop"),
        tls=CERTFILE,
        environment={"PYTHONPATH": str(APPS)},
    ),
)


def known_peers(known: Iterable[Peer]) -> dict[str, Peer]:
    """Return the *known* peers by name, with the external reference server if one was named.

    The environment variable ``BENCH_LIMIT`` holds that server's command line. ``{port}`` and
    ``{python}`` are replaced, and PORT is set; it must answer what ``apps/payloads.py`` lists, or
    is left out of the rows that want it. A first word that ends in ``.py`` runs with this
    interpreter.
    """
    peers = {peer.name: peer for peer in known}
    words = shlex.split(os.environ.get(LIMIT, "").replace("{python}", sys.executable))
    if words:
        python = [sys.executable] if words[0].endswith(".py") else []
        command = (*python, *words)
        peers["limit"] = Peer("limit", "reference", command, environment={"PORT": "{port}"})
    return peers
