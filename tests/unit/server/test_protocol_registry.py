"""The registry of protocols."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator

import pytest

from blackbull.abc import (
    ConnectionView,
    ProtocolBinding,
    ProtocolContext,
    ProtocolDetector,
    Reader,
    Writer,
)
from blackbull.errors import ConfigurationError
from blackbull.server.protocol_registry import ProtocolRegistry, RawBinding
from blackbull.transport.memory import MemoryConnection


async def quiet(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
    """A protocol that says nothing."""


class Bell(ProtocolDetector):
    protocol_name = "bell"

    def detect(self, prefix: bytes, alpn: str | None) -> bool | None:
        return prefix.startswith(b"\a")


class Telex(ProtocolBinding):
    name = "telex"
    alpn = ("telex/1",)

    async def serve(self, conn: ConnectionView) -> None:
        """Say nothing."""


def test_register_keeps_the_order_and_says_where_each_is_reached() -> None:
    registry = ProtocolRegistry()
    telex = Telex()
    registry.add(telex)
    own = registry.register("own", quiet, port=9000, tls=True, stateful=False)
    shared = registry.register("shared", quiet, detector=Bell())
    both = registry.register("both", quiet, detector=Bell(), port=0)
    assert registry.bindings == (telex, own, shared, both)
    assert registry.raw_bindings == (own, shared, both)
    assert registry.port_bindings == (own, both)
    assert registry.shared_bindings == (telex, shared, both)
    assert registry.ports == (9000, 0)
    assert registry.get("own") is own
    assert registry.get("other") is None
    assert (own.tls, own.stateful, own.port) == (True, False, 9000)


def test_by_alpn_names_the_binding() -> None:
    registry = ProtocolRegistry()
    registry.register("own", quiet, port=0)
    registry.add(Telex())
    found = registry.by_alpn("telex/1")
    assert found is not None
    assert found.name == "telex"
    assert registry.by_alpn("h2") is None


def test_new_registry_is_empty() -> None:
    """S09."""
    assert ProtocolRegistry().bindings == ()
    assert ProtocolRegistry().ports == ()


def test_register_name_taken_is_refused() -> None:
    registry = ProtocolRegistry()
    registry.register("echo", quiet, port=0)
    with pytest.raises(ConfigurationError, match="'echo' is already registered"):
        registry.register("echo", quiet, port=0)
    with pytest.raises(ConfigurationError, match="non-empty"):
        registry.register("", quiet, port=0)


def test_register_port_taken_is_refused() -> None:
    registry = ProtocolRegistry()
    registry.register("one", quiet, port=9000)
    registry.register("any", quiet, port=0)
    registry.register("any too", quiet, port=0)
    with pytest.raises(ConfigurationError, match="'one' has it"):
        registry.register("two", quiet, port=9000)


@pytest.mark.parametrize("port", [-1, 65536])
def test_register_impossible_port_is_refused(port: int) -> None:
    with pytest.raises(ConfigurationError, match="1 to 65535"):
        ProtocolRegistry().register("echo", quiet, port=port)


def test_register_what_is_no_async_function_is_refused() -> None:
    async def stream(reader: Reader, writer: Writer, ctx: ProtocolContext) -> AsyncIterator[bytes]:
        yield b""

    for handler in (stream, None, "echo"):
        with pytest.raises(ConfigurationError, match="async def"):
            ProtocolRegistry().register("echo", handler, port=0)  # type: ignore[arg-type]


async def test_raw_binding_serve_gives_the_handler_its_context() -> None:
    """S04."""
    seen: list[ProtocolContext] = []

    async def keep(reader: Reader, writer: Writer, ctx: ProtocolContext) -> None:
        seen.append(ctx)
        await writer.write(await reader.read())

    conn = MemoryConnection(peername=("192.0.2.1", 4), sockname=("192.0.2.2", 5))
    conn.protocol = "keep"
    conn.feed(b"hello")
    await RawBinding("keep", keep, port=0).serve(conn)
    (ctx,) = seen
    assert ctx == ProtocolContext(
        peername=("192.0.2.1", 4),
        sockname=("192.0.2.2", 5),
        ssl=None,
        connection_id=conn.connection_id,
        protocol="keep",
        aggregator=None,
        record_limit=conn.record_limit,
        note=conn.note,
    )
    assert uuid.UUID(hex=ctx.connection_id).version == 4
    assert conn.sent == b"hello"


def test_raw_binding_detector_is_asked_and_its_absence_means_no() -> None:
    with_one = RawBinding("bell", quiet, detector=Bell())
    assert with_one.detect(b"\a", None)
    assert not with_one.detect(b"x", None)
    assert RawBinding("bell", quiet, port=0).detect(b"\a", None) is False


def test_registry_loaded_does_not_load_the_server() -> None:
    code = (
        "import sys, blackbull.server.protocol_registry; "
        "sys.exit('blackbull.server.server' in sys.modules)"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], check=False, env=env).returncode == 0


def test_server_package_has_the_old_name_too() -> None:
    """S14."""
    from blackbull.server import ASGIServer, Server

    assert ASGIServer is Server
    with pytest.raises(ImportError):
        from blackbull.server import Nothing  # noqa: F401


def test_any_binding_with_a_port_is_found_by_it_and_kept_from_shared_ports() -> None:
    registry = ProtocolRegistry()
    telex = Telex()
    telex.port = 4000
    telex.shared = False
    registry.add(telex)
    assert registry.port_bindings == (telex,)
    assert registry.ports == (4000,)
    assert registry.shared_bindings == ()


def test_any_binding_with_a_taken_port_is_refused() -> None:
    registry = ProtocolRegistry()
    registry.register("quiet", quiet, port=4000)
    telex = Telex()
    telex.port = 4000
    with pytest.raises(ConfigurationError, match="'quiet' has it"):
        registry.add(telex)
