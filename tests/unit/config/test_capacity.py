"""How many connections there is room for."""

from __future__ import annotations

from pathlib import Path

import pytest

from blackbull.config import capacity
from blackbull.config.capacity import available_memory, resolve_max_connections, use_all_files

MIB = 1024 * 1024


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process may open ten thousand files."""
    monkeypatch.setattr(capacity.resource, "getrlimit", lambda _: (10_000, 10_000))


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_D_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def machine(root: Path, available: int) -> Path:
    text = f"MemTotal: 99999999 kB\nMemAvailable:   {available // 1024} kB\nHugePages_Free: 0\n"
    return write(root, proc__meminfo=text)


def test_capacity_that_is_said_is_kept(tmp_path: Path) -> None:
    assert resolve_max_connections(7, processes=3, root=tmp_path) == 7


@pytest.mark.parametrize(("limit", "connections"), [(1024, 960), (64, 16), (10, 16), (-1, 10_000)])
def test_capacity_leaves_files_to_the_process(
    limit: int, connections: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(capacity.resource, "getrlimit", lambda _: (limit, limit))
    assert resolve_max_connections(0, root=tmp_path) == connections


def test_capacity_of_a_system_that_says_nothing_has_a_bound(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(capacity, "resource", None)
    assert resolve_max_connections(0, root=tmp_path) == 10_000


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("available", "processes", "connections"),
    [(2048 * MIB, 1, 9936), (64 * MIB, 1, 1024), (64 * MIB, 4, 256), (1024, 1, 16)],
)
def test_capacity_is_what_fits_into_memory(
    available: int, processes: int, connections: int, tmp_path: Path
) -> None:
    root = machine(tmp_path, available)
    assert resolve_max_connections(0, processes=processes, root=root) == connections


def test_memory_that_is_not_known_is_none(tmp_path: Path) -> None:
    assert available_memory(tmp_path) is None


def test_memory_of_the_narrowest_control_group_counts(tmp_path: Path) -> None:
    root = machine(tmp_path, 900 * MIB)
    group = root / "sys/fs/cgroup/a.slice"
    (group / "b.service").mkdir(parents=True)
    write(root, proc__self__cgroup="0::/a.slice/b.service\n")
    (group / "b.service/memory.max").write_text("max\n")
    (group / "b.service/memory.current").write_text("1\n")
    assert available_memory(root) == 900 * MIB
    (group / "memory.max").write_text(f"{300 * MIB}\n")
    (group / "memory.current").write_text(f"{200 * MIB}\n")
    assert available_memory(root) == 100 * MIB
    (group / "memory.stat").write_text(f"anon 1\ninactive_file {50 * MIB}\nfile 2\n")
    assert available_memory(root) == 150 * MIB
    (group / "memory.current").write_text(f"{400 * MIB}\n")
    assert available_memory(root) == 0


def test_memory_of_a_container_is_at_the_root_of_what_it_sees(tmp_path: Path) -> None:
    root = write(tmp_path, proc__self__cgroup="0::/../../docker/abc\n")
    (root / "sys/fs/cgroup").mkdir(parents=True)
    (root / "sys/fs/cgroup/memory.max").write_text(f"{64 * MIB}\n")
    (root / "sys/fs/cgroup/memory.current").write_text(f"{32 * MIB}\n")
    assert available_memory(root) == 32 * MIB


def test_memory_of_a_control_group_of_the_first_version_counts(tmp_path: Path) -> None:
    root = write(tmp_path, proc__self__cgroup="7:blkio:/\n4:memory,cpu:/box\n")
    box = root / "sys/fs/cgroup/memory/box"
    box.mkdir(parents=True)
    (box / "memory.limit_in_bytes").write_text(f"{64 * MIB}\n")
    (box / "memory.usage_in_bytes").write_text(f"{16 * MIB}\n")
    assert available_memory(root) == 48 * MIB
    (box / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert available_memory(root) is None


def test_use_all_files_raises_the_lower_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(capacity.resource, "getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr(capacity.resource, "setrlimit", lambda _, limits: asked.append(limits))
    use_all_files()
    assert asked == [(4096, 4096)]


def test_use_all_files_system_that_refuses_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: int, limits: tuple[int, int]) -> None:
        raise ValueError("not that many")

    monkeypatch.setattr(capacity.resource, "getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr(capacity.resource, "setrlimit", refuse)
    use_all_files()
