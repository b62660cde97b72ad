"""The layer table and the effect table, read from the imports."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.source import PACKAGE, Module, modules

# Layer and group of each part, by the longest matching dotted prefix below the package.
PLACES: dict[str, tuple[int, str]] = {
    "errors": (0, "contracts"),
    "abc": (0, "contracts"),
    "extension": (0, "contracts"),
    "protocol": (1, "codecs"),
    "mqtt.codec": (1, "codecs"),
    "transport": (2, "transport"),
    "connection": (2, "model"),
    "content": (2, "model"),
    "request": (2, "model"),
    "response": (2, "model"),
    "streaming": (2, "model"),
    "websocket": (2, "model"),
    "websocket_session": (2, "model"),
    "forwarding": (2, "model"),
    "headers": (2, "model"),
    "cookies": (2, "model"),
    "messages": (2, "model"),
    "native": (2, "model"),
    "json": (2, "model"),
    "limits": (2, "model"),
    "utils": (2, "model"),
    "actor": (2, "runtime"),
    "event": (2, "runtime"),
    "event_aggregator": (2, "runtime"),
    "broadcast": (2, "runtime"),
    "worker": (2, "runtime"),
    "logger": (2, "log"),
    "observer": (2, "runtime"),
    "observed": (2, "runtime"),
    "log": (2, "log"),
    "config": (2, "config"),
    "server": (3, "server"),
    "asgi": (3, "asgi"),
    "client": (3, "client"),
    "app": (4, "application"),
    "router": (4, "application"),
    "routing": (4, "application"),
    "middleware": (4, "application"),
    "static": (4, "application"),
    "di": (4, "application"),
    "mqtt": (5, "mqtt"),
    "grpc": (5, "grpc"),
    "openapi": (5, "openapi"),
    "metrics": (5, "metrics"),
    "health": (5, "health"),
    "tracing": (5, "tracing"),
    "cli": (6, "tools"),
    "testing": (6, "tools"),
    "runner": (6, "tools"),
    "__main__": (6, "tools"),
}

# Layers whose groups are siblings that never import one another.
SIBLINGS = {3, 5}

# The one step up: BlackBull.run() is where the application and the server are put together.
COMPOSITION_ROOT = ("blackbull.app.application", "blackbull.runner")

LOOP = {"asyncio", "selectors", "select", "socket", "ssl", "socketserver", "uvloop", "threading"}
CLOCK = {"time", "random", "secrets"}
SYSTEM = {"os", "signal", "subprocess", "multiprocessing"}
LOGGING = {"logging"}

# What a group must not import.
EFFECTS: dict[str, set[str]] = {
    "contracts": LOOP | CLOCK | SYSTEM | LOGGING,
    "codecs": LOOP | CLOCK | SYSTEM | LOGGING,
    "model": LOOP | CLOCK | SYSTEM | LOGGING,
    "config": LOOP | CLOCK | LOGGING,
    "application": (LOOP - {"asyncio"}) | {"random", "secrets"} | {"subprocess", "signal"},
}

# All of the core that the MQTT bridge may use, so that it can leave as a package of its own.
MQTT_MAY_USE = {"errors", "abc", "extension", "actor", "websocket", "config", "worker", "mqtt"}


def place(name: str) -> tuple[int, str]:
    """Return the layer and the group of module *name*."""
    inner = name.removeprefix(f"{PACKAGE}.")
    while inner and inner not in PLACES:
        inner = inner.rpartition(".")[0]
    assert inner, f"{name} has no place in the layer table"
    return PLACES[inner]


def placed() -> list[Module]:
    """Return every module but the package itself, which only names what it exports."""
    return [module for name, module in modules().items() if name != PACKAGE]


def test_layer_table_every_module_has_a_place() -> None:
    assert all(place(module.name) for module in placed())


@pytest.mark.parametrize("module", placed(), ids=lambda module: module.name)
def test_imports_point_down_only(module: Module) -> None:
    layer, group = place(module.name)
    for imported in module.ours:
        if imported.module == PACKAGE or (module.name, imported.module) == COMPOSITION_ROOT:
            continue
        other_layer, other_group = place(imported.module)
        where = f"{module.name}:{imported.line} imports {imported.module}"
        assert other_layer <= layer, f"{where}: from layer {layer} up to {other_layer}"
        if layer == other_layer and layer in SIBLINGS:
            assert group == other_group, f"{where}: siblings never import one another"


def test_package_itself_is_imported_by_nobody_inside() -> None:
    offenders = [
        f"{module.name}:{imported.line}"
        for module in placed()
        for imported in module.ours
        if imported.module == PACKAGE and module.name.split(".")[1] not in {"cli", "__main__"}
    ]
    assert offenders == []


@pytest.mark.parametrize("module", placed(), ids=lambda module: module.name)
def test_imports_respect_the_effect_table(module: Module) -> None:
    forbidden = EFFECTS.get(place(module.name)[1], set())
    offenders = [
        f"{module.name}:{imported.line} imports {imported.module}"
        for imported in module.foreign
        if imported.module.split(".")[0] in forbidden and not imported.typing
    ]
    assert offenders == []


@pytest.mark.parametrize(
    "module",
    [module for module in placed() if place(module.name)[1] == "codecs"],
    ids=lambda module: module.name,
)
def test_codecs_are_synchronous(module: Module) -> None:
    offenders = [
        node.lineno
        for node in ast.walk(module.tree)
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)
    ]
    assert offenders == []


def test_environment_is_read_in_config_only() -> None:
    offenders = [
        f"{module.name}:{node.lineno}"
        for module in modules().values()
        if not module.name.startswith(f"{PACKAGE}.config")
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"})
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and {alias.name for alias in node.names} & {"environ", "environb", "getenv"}
        )
    ]
    assert offenders == []


def test_mqtt_bridge_uses_only_its_seams() -> None:
    offenders = [
        f"{module.name}:{imported.line} imports {imported.module}"
        for module in placed()
        if module.name.split(".")[1] == "mqtt"
        for imported in module.ours
        if imported.module.split(".")[1:2] != []
        and imported.module.split(".")[1] not in MQTT_MAY_USE
    ]
    assert offenders == []
