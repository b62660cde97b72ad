"""What a program may say when it is run; ``app.run()`` and the composition root take the same."""

from __future__ import annotations

from collections.abc import Sequence
from ssl import SSLContext
from typing import TypedDict

from blackbull.config import KeyPairs
from blackbull.transport.listener import Listener


class RunOptions(TypedDict, total=False):
    """The keyword arguments of ``app.run()``; what is left out, or None, is said elsewhere.

    Attributes:
        host: Address to bind; 127.0.0.1 unless told otherwise.
        bind: Where to listen, instead of *host* and *port*: ``"0.0.0.0:8000"``, ``":8000"``,
            ``"[::1]:8000"``, ``"unix:/run/app.sock"``, ``"fd://3"``; one of these or several.
        listeners: Where to listen, and what is spoken there, instead of *bind*.
        http: Listen for HTTP; False: only protocols with a port of their own are served.
        password: What private keys are encrypted with.
        client_ca: Path of the authorities of client certificates, PEM; clients need one then.
        sni: Certificate chain and key by the server name that a client asks for.
        ssl_context: Used as it is, instead of all of these files.
        workers: Number of processes; 0: as many as there are processors.
        max_requests: Requests after which a worker is replaced by a fresh one; 0: never.
        max_connections: Connections served at a time, more are refused; 0: as files and memory
            allow.
        drain_timeout: Seconds that requests may go on when it is told to stop; 0: none.
        reload: Serve anew whenever a Python file below the current directory changes.
        reload_paths: What is watched as well.
        access_log: Leave a line for each request.
        log_format: ``text`` or ``json``.
        log_file: Path of the file that lines are appended to; stderr unless told otherwise.
        log_level: The least severe of the framework's own records that is written.
        config: Path of the TOML file; the one of the working directory if None.
        argv: The command line's flags; ``sys.argv[1:]`` if None.
    """

    host: str | None
    bind: str | Sequence[str] | None
    listeners: Sequence[Listener] | None
    http: bool
    password: str | None
    client_ca: str | None
    sni: KeyPairs | None
    ssl_context: SSLContext | None
    workers: int | None
    max_requests: int | None
    max_connections: int | None
    drain_timeout: float | None
    reload: bool | None
    reload_paths: Sequence[str] | str | None
    access_log: bool | None
    log_format: str | None
    log_file: str | None
    log_level: str | None
    config: str | None
    argv: Sequence[str] | None
