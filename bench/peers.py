"""Who is measured: ours and the peers, each with the command that starts it.

Everyone gets one worker, uvloop where it can use it, no access log, and otherwise its defaults.
"""

from __future__ import annotations

import importlib.metadata
import os
import shlex
import sys
from collections.abc import Mapping
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
        ours: True for this project's own server.
    """

    name: str
    label: str
    command: tuple[str, ...]
    packages: tuple[str, ...] = ()
    imports: str = ""
    ours: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    def command_line(self, port: int) -> list[str]:
        """Return the command that serves on *port* of the loopback."""
        return [part.replace("{port}", str(port)) for part in self.command]

    def missing(self) -> list[str]:
        """Return the distributions that are not installed."""
        return [name for name in self.packages if installed(name) is None]

    def versions(self) -> str:
        """Return names and versions of the distributions."""
        own = [f"blackbull {installed('blackbull') or 'from source'}"] if self.ours else []
        return ", ".join([*own, *(f"{name} {installed(name)}" for name in self.packages)])


def installed(name: str) -> str | None:
    """Return the version of the distribution *name*, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def uvicorn(app: str) -> tuple[str, ...]:
    """Return the command that serves *app* with uvicorn."""
    return (
        *(sys.executable, "-m", "uvicorn", f"{app}:app", "--app-dir", str(APPS)),
        *("--host", "127.0.0.1", "--port", "{port}", "--workers", "1"),
        *("--loop", "uvloop", "--http", "httptools"),
        *("--no-access-log", "--log-level", "warning"),
    )


def granian(interface: str, app: str) -> tuple[str, ...]:
    """Return the command that serves *app* with granian."""
    return (
        *(sys.executable, "-m", "granian", f"{app}:app", "--working-dir", str(APPS)),
        *("--interface", interface, "--host", "127.0.0.1", "--port", "{port}"),
        *("--workers", "1", "--runtime-threads", "1", "--loop", "uvloop"),
        # It serves as many connections at once as its backlog holds: more than the idle row opens.
        *("--backlog", "4096", "--no-access-log", "--log-level", "warning"),
    )


OURS_ENVIRONMENT = {"PYTHONPATH": str(SOURCE)}
OURS_IMPORT = "from blackbull import BlackBull"

PEERS = (
    Peer(
        "ours",
        "BlackBull",
        (sys.executable, str(APPS / "ours.py"), "{port}"),
        ("uvloop",),
        OURS_IMPORT,
        ours=True,
        environment=OURS_ENVIRONMENT,
    ),
    Peer(
        "ours-msgspec",
        "BlackBull, msgspec",
        (sys.executable, str(APPS / "ours.py"), "{port}", "--msgspec"),
        ("uvloop", "msgspec"),
        OURS_IMPORT,
        ours=True,
        environment=OURS_ENVIRONMENT,
    ),
    Peer(
        "uvicorn",
        "uvicorn, raw ASGI",
        uvicorn("asgi_raw"),
        ("uvicorn", "httptools", "uvloop"),
        "import uvicorn",
    ),
    Peer("granian", "granian, RSGI", granian("rsgi", "rsgi_raw"), ("granian", "uvloop")),
    Peer("granian-asgi", "granian, ASGI", granian("asgi", "asgi_raw"), ("granian", "uvloop")),
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
    Peer(
        "aiohttp",
        "aiohttp",
        (sys.executable, str(APPS / "aiohttp_app.py"), "{port}"),
        ("aiohttp", "uvloop"),
        "from aiohttp import web",
    ),
    Peer(
        "hypercorn",
        "hypercorn, raw ASGI",
        (
            *(sys.executable, "-m", "hypercorn", "asgi_raw:app"),
            *("--bind", "127.0.0.1:{port}", "--workers", "1", "--worker-class", "uvloop"),
            *("--log-level", "WARNING"),
        ),
        ("hypercorn", "uvloop"),
        "import hypercorn.asyncio",
        environment={"PYTHONPATH": str(APPS)},
    ),
)


def known_peers() -> dict[str, Peer]:
    """Return every peer by name, with the external reference server if one was named.

    The environment variable ``BENCH_LIMIT`` holds that server's command line. ``{port}`` and
    ``{python}`` are replaced, and PORT is set; it must answer the requests that
    ``apps/payloads.py`` lists. A first word that ends in ``.py`` runs with this interpreter.
    """
    peers = {peer.name: peer for peer in PEERS}
    words = shlex.split(os.environ.get(LIMIT, "").replace("{python}", sys.executable))
    if words:
        python = [sys.executable] if words[0].endswith(".py") else []
        command = (*python, *words)
        peers["limit"] = Peer("limit", "reference", command, environment={"PORT": "{port}"})
    return peers
