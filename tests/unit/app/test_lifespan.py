"""What runs before and after serving, and in which order."""

from __future__ import annotations

import pytest

from blackbull.app import BlackBull
from blackbull.event import Event
from blackbull.extension import Extension

Log = list[str]


class Part(Extension[BlackBull]):
    def __init__(self, key: str, log: Log, *, fails: str = "") -> None:
        self.extension_key = key  # type: ignore[misc]
        self.log = log
        self.fails = fails

    def init_app(self, app: BlackBull) -> None:
        self._register(app)
        self.log.append(f"init {self.extension_key}")

    async def startup(self, app: BlackBull) -> None:
        self._note("startup")

    async def stopping(self, app: BlackBull) -> None:
        self._note("stopping")

    async def shutdown(self, app: BlackBull) -> None:
        self._note("shutdown")

    def _note(self, what: str) -> None:
        self.log.append(f"{what} {self.extension_key}")
        if self.fails == what:
            raise RuntimeError(f"{self.extension_key} fails")


def hooked(log: Log, *parts: Part) -> BlackBull:
    app = BlackBull()
    for part in parts:
        assert app.add_extension(part) is part

    @app.on_startup
    async def begin() -> None:
        log.append("startup hook")

    @app.on_shutdown
    async def end() -> None:
        log.append("shutdown hook")

    return app


async def test_lifespan_extensions_enclose_the_hooks_and_end_in_reverse() -> None:
    log: Log = []
    app = hooked(log, Part("a", log), Part("b", log))
    await app.startup()
    await app.shutdown()
    assert log == [
        "init a", "init b",
        "startup a", "startup b", "startup hook",
        "shutdown hook", "shutdown b", "shutdown a",
    ]  # fmt: skip
    assert list(app.extensions) == ["a", "b"]


async def test_stopping_tells_the_extensions_that_run_whatever_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log: Log = []
    app = hooked(log, Part("a", log), Part("b", log, fails="stopping"))
    await app.stopping()
    await app.startup()
    log.clear()
    await app.stopping()
    assert log == ["stopping b", "stopping a"]
    assert "Part failed to end its work" in caplog.text
    await app.shutdown()


async def test_startup_failing_extension_ends_those_before_it() -> None:
    log: Log = []
    app = hooked(log, Part("a", log), Part("b", log, fails="startup"), Part("c", log))
    log.clear()
    with pytest.raises(RuntimeError, match="b fails"):
        await app.startup()
    assert log == ["startup a", "startup b", "shutdown a"]


async def test_startup_failing_hook_raises_and_ends_the_extensions() -> None:
    log: Log = []
    app = hooked(log, Part("a", log))

    @app.on_startup
    async def fails() -> None:
        raise OSError("no database")

    with pytest.raises(OSError, match="no database"):
        await app.startup()
    assert log[-1] == "shutdown a"


async def test_shutdown_everything_has_its_turn_and_the_first_error_is_raised() -> None:
    log: Log = []
    app = hooked(log, Part("a", log), Part("b", log, fails="shutdown"))
    await app.startup()
    with pytest.raises(RuntimeError, match="b fails"):
        await app.shutdown()
    assert log[-3:] == ["shutdown hook", "shutdown b", "shutdown a"]


async def test_shutdown_waits_for_detached_listeners() -> None:
    app = BlackBull()
    log: Log = []

    @app.on("app_shutdown")
    async def observe(event: Event) -> None:
        log.append(event.name)

    await app.startup()
    await app.shutdown()
    assert log == ["app_shutdown"]


async def test_startup_again_after_shutdown_runs_the_hooks_again() -> None:
    log: Log = []
    app = hooked(log, Part("a", log))
    for _ in range(2):
        await app.startup()
        await app.shutdown()
    assert log.count("startup a") == log.count("shutdown hook") == 2


async def test_startup_plain_function_hook_is_called() -> None:
    log: Log = []
    app = BlackBull()
    app.on_startup(lambda: log.append("up"))  # type: ignore[type-var]
    await app.startup()
    assert log == ["up"]


async def test_add_extension_duck_typed_needs_only_init_app() -> None:
    class Duck:
        def init_app(self, app: BlackBull) -> None:
            app.extensions["duck"] = self

    app = BlackBull()
    app.add_extension(Duck())
    await app.startup()
    await app.shutdown()
    assert "duck" in app.extensions
    with pytest.raises(TypeError, match="init_app"):
        BlackBull().add_extension(object())  # type: ignore[type-var]


def test_add_extension_same_key_twice_is_refused() -> None:
    app = BlackBull()
    app.add_extension(Part("a", []))
    with pytest.raises(RuntimeError, match="already registered"):
        app.add_extension(Part("a", []))
