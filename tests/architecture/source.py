"""The package's source, as the architecture tests read it: modules and what they import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "blackbull"
SOURCE = ROOT / "src" / PACKAGE


@dataclass(frozen=True)
class Import:
    """One imported module.

    Attributes:
        module: Absolute name: the submodule where one is meant, else the module.
        line: Where it is imported.
        late: Inside a function.
        typing: Under ``if TYPE_CHECKING``, so it does not happen at run time.
    """

    module: str
    line: int
    late: bool
    typing: bool


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    name: str
    path: Path
    tree: ast.Module
    imports: tuple[Import, ...]

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def ours(self) -> tuple[Import, ...]:
        """The imports of the package's own modules."""
        return tuple(i for i in self.imports if i.module.split(".")[0] == PACKAGE)

    @property
    def foreign(self) -> tuple[Import, ...]:
        """The imports of everything else."""
        return tuple(i for i in self.imports if i.module.split(".")[0] != PACKAGE)


def read_imports(name: str, *, is_package: bool, tree: ast.Module, known: set[str]) -> list[Import]:
    """Return what module *name* imports; *known* are the names of the package's modules."""
    base = name if is_package else name.rpartition(".")[0]
    found: list[Import] = []

    def resolve(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
            return
        origin = node.module or ""
        if node.level:
            parents = base.split(".")
            parents = parents[: len(parents) - node.level + 1]
            origin = ".".join([*parents, *([origin] if origin else [])])
        for alias in node.names:
            submodule = f"{origin}.{alias.name}"
            yield submodule if submodule in known else origin

    def visit(node: ast.AST, *, late: bool, typing: bool) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.extend(
                Import(module, node.lineno, late, typing) for module in dict.fromkeys(resolve(node))
            )
            return
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                visit(child, late=late, typing=True)
            for child in node.orelse:
                visit(child, late=late, typing=typing)
            return
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, late=late or inside, typing=typing)

    visit(tree, late=False, typing=False)
    return found


@cache
def modules() -> dict[str, Module]:
    """Return every module of the package by its dotted name."""
    paths = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = [PACKAGE, *path.relative_to(SOURCE).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        paths[".".join(parts)] = path
    result = {}
    for name, path in paths.items():
        tree = ast.parse(path.read_text(), filename=str(path))
        imports = read_imports(
            name, is_package=path.name == "__init__.py", tree=tree, known=set(paths)
        )
        result[name] = Module(name, path, tree, tuple(imports))
    return result
