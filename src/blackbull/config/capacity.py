"""How many connections this process has room for: descriptors, and memory."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

try:
    import resource
except ImportError:  # not a POSIX system
    resource = None  # type: ignore[assignment]

RESERVED_FILES: Final = 64
"""Open files that connections leave to the rest of the process."""
CONNECTION_MEMORY: Final = 65536
"""Bytes that a connection is taken to need: an idle one has a few thousand, one at work more."""
FALLBACK_MAX_CONNECTIONS: Final = 10_000
"""Connections where the system sets no limit."""
LEAST: Final = 16

_UNLIMITED: Final = 1 << 60
"""What control groups of the first version say where there is no limit is above this."""


def resolve_max_connections(
    max_connections: int, *, processes: int = 1, root: Path = Path("/")
) -> int:
    """Return how many connections may be served at a time.

    Args:
        max_connections: The setting; 0 asks for what there is room for: as many as descriptors
            are left, and no more than fit into the memory that is available now at 64 KiB each.
        processes: How many share the memory; each has descriptors of its own.
        root: Where the system's files are.
    """
    if max_connections > 0:
        return max_connections
    bounds = []
    if (files := _max_files()) is not None:
        bounds.append(files - RESERVED_FILES)
    if (memory := available_memory(root)) is not None:
        bounds.append(memory // CONNECTION_MEMORY // processes)
    return max(min(bounds, default=FALLBACK_MAX_CONNECTIONS), LEAST)


def use_all_files() -> None:
    """Let the process open as many files as the system allows it to ask for.

    The lower limit that processes begin with is for those that use ``select()``, which nothing
    here does; each connection takes a descriptor.
    """
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return
    with suppress(OSError, ValueError):  # some systems promise more than they give
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def fill_standard_files() -> None:
    """Let stdin, stdout and stderr lead nowhere where whoever started us has closed them.

    What is opened next would get their numbers, and with them what others write there; libuv
    ends a process that closes such a number.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            # The lowest number that is free: this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _max_files() -> int | None:
    """Return how many files the process may have open; None: no limit is known."""
    if resource is None:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def available_memory(root: Path = Path("/")) -> int | None:
    """Return how many bytes of memory the process could still have; None if that is not known.

    That is what the machine has left, or what the narrowest of the control groups has that the
    process is in.
    """
    found = [*_machine(root), *_groups(root)]
    return max(min(found), 0) if found else None


def _machine(root: Path) -> list[int]:
    text = _read(root / "proc/meminfo")
    lines = (line.split() for line in text.splitlines())
    return [int(line[1]) * 1024 for line in lines if line[:1] == ["MemAvailable:"]]


def _groups(root: Path) -> list[int]:
    """Return what is left in each control group, the process's own and those around it."""
    left: list[int] = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            base, limit, usage = "sys/fs/cgroup", "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            base, limit = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
            usage = "memory.usage_in_bytes"
        else:
            continue
        own = PurePosixPath(path.lstrip("/"))
        # In a container the group's own path may lie outside of what is mounted: its root is it.
        for group in dict.fromkeys((own, *own.parents)):
            directory = root / base / group
            allowed, used = _number(directory / limit), _number(directory / usage)
            if allowed is not None and used is not None and allowed < _UNLIMITED:
                left.append(allowed - used + _reclaimable(directory))
    return left


def _reclaimable(directory: Path) -> int:
    """Return how much of what a group uses are pages of files that nobody needs."""
    lines = (line.split() for line in _read(directory / "memory.stat").splitlines())
    return sum(int(line[1]) for line in lines if line[:1] == ["inactive_file"])


def _number(path: Path) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdigit() else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
