"""Imports stand at the top, go round in no circle, and need nothing that is not declared."""

from __future__ import annotations

import subprocess
import sys
import tomllib

from tests.architecture.source import PACKAGE, ROOT, Module, modules

STANDARD_LIBRARY = sys.stdlib_module_names

# The import name of a distribution, where the two differ.
IMPORT_NAMES = {"python-dotenv": "dotenv", "prometheus-client": "prometheus_client",
                "nats-py": "nats", "opentelemetry-api": "opentelemetry"}  # fmt: skip


def extras() -> set[str]:
    """Return the import names of what the run-time extras install."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == []
    names = set()
    for extra, requirements in project["optional-dependencies"].items():
        if extra not in {"test", "bench", "docs"}:
            for requirement in requirements:
                name = requirement.split(";")[0].split(">")[0].strip()
                names.add(IMPORT_NAMES.get(name, name))
    return names


def dependencies(module: Module) -> set[str]:
    """Return the modules that importing *module* runs, as far as its text tells."""
    names = {i.module for i in module.ours if not i.late and not i.typing}
    return names & modules().keys() - {module.name}


def find_cycle() -> list[str]:
    """Return one import cycle, or an empty list."""
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        for dependency in sorted(dependencies(modules()[name])):
            if cycle := visit(dependency, [*trail, name]):
                return cycle
        done.add(name)
        return []

    for name in modules():
        if cycle := visit(name, []):
            return cycle
    return []


def test_imports_have_no_cycle() -> None:
    assert find_cycle() == []


def test_late_imports_are_the_composition_root_only() -> None:
    late = [(module.name, i.module) for module in modules().values() for i in module.ours if i.late]
    assert late in ([], [("blackbull.app.application", "blackbull.runner")])


def test_late_imports_of_others_are_optional_packages() -> None:
    offenders = [
        f"{module.name}:{imported.line} imports {imported.module}"
        for module in modules().values()
        for imported in module.foreign
        if imported.late and imported.module.split(".")[0] not in extras()
    ]
    assert offenders == []


def test_imports_need_only_the_standard_library_and_extras() -> None:
    allowed = STANDARD_LIBRARY | extras()
    offenders = [
        f"{module.name}:{imported.line} imports {imported.module}"
        for module in modules().values()
        for imported in module.foreign
        if imported.module.split(".")[0] not in allowed
    ]
    assert offenders == []


def test_import_of_the_package_loads_no_server() -> None:
    code = (
        "import sys, blackbull\n"
        "heavy = {'asyncio', 'ssl', 'blackbull.server', 'blackbull.app', 'blackbull.transport'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_every_module_imports_without_the_extras() -> None:
    """The package works on the standard library alone: no extra is imported unguarded."""
    code = (
        "import importlib, sys\n"
        f"for name in {sorted(extras())!r}: sys.modules[name] = None\n"
        f"for name in {sorted(modules())!r}:\n"
        "    if name != 'blackbull.__main__': importlib.import_module(name)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_import_reader_resolves_relative_and_late_imports() -> None:
    import ast

    from tests.architecture.source import read_imports

    text = (
        "from __future__ import annotations\n"
        "from .sibling import x\n"
        "from .. import other\n"
        "def f():\n    from ..up import y\n"
        "if TYPE_CHECKING:\n    import asyncio\n"
    )
    known = {f"{PACKAGE}.a.sibling", f"{PACKAGE}.other", f"{PACKAGE}.up"}
    found = read_imports(f"{PACKAGE}.a.b", is_package=False, tree=ast.parse(text), known=known)
    assert [(i.module, i.late, i.typing) for i in found] == [
        ("__future__", False, False),
        (f"{PACKAGE}.a.sibling", False, False),
        (f"{PACKAGE}.other", False, False),
        (f"{PACKAGE}.up", True, False),
        ("asyncio", False, True),
    ]
