"""Dependencies: values that a handler is given because a provider can make them.

::

    async def session():
        async with open_session() as session:
            yield session

    @app.route(path="/users")
    async def users(session=Depends(session)):
        return await session.list_users()
"""

from __future__ import annotations

import ast
import enum
import inspect
import textwrap
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TypeAlias, cast

ProviderFunction: TypeAlias = Callable[..., object]


class Depends:
    """The default of a parameter whose value comes from *provider*.

    Args:
        provider: A function, a coroutine function, or an async generator function that yields
            exactly once; what follows its ``yield`` runs after the response was sent, the last
            one first, and the handler's exception is raised at the ``yield``. It takes what a
            handler may take, other dependencies included.
        use_cache: False to call it anew for each parameter that names it; else all of them
            share one value per request.

    Raises:
        TypeError: *provider* cannot be called.
    """

    __slots__ = ("provider", "use_cache")

    def __init__(self, provider: ProviderFunction, *, use_cache: bool = True) -> None:
        if not callable(provider):
            raise TypeError(f"Depends takes a function, not {provider!r}")
        self.provider = provider
        self.use_cache = use_cache

    def __repr__(self) -> str:
        return f"Depends({provider_name(self.provider)})"


class Form(enum.Enum):
    """How a provider makes its value."""

    FUNCTION = enum.auto()
    COROUTINE = enum.auto()
    GENERATOR = enum.auto()


def provider_form(provider: ProviderFunction) -> Form:
    """Return how *provider* makes its value; warn when its clean-up may be skipped.

    Raises:
        TypeError: it is a generator function that is not async.
    """
    function = inspect.unwrap(provider)
    if not (inspect.isroutine(function) or isinstance(function, type)):
        function = type(function).__call__
    if inspect.isasyncgenfunction(function):
        if _cleans_up_unguarded(function):
            warnings.warn(
                f"{provider_name(provider)}: what follows the yield is skipped when the handler "
                "raises; put the yield in try/finally or in a with block",
                RuntimeWarning,
                stacklevel=2,
            )
        return Form.GENERATOR
    if inspect.isgeneratorfunction(function):
        raise TypeError(
            f"the provider {provider_name(provider)} is a generator: make it an async def"
        )
    return Form.COROUTINE if inspect.iscoroutinefunction(function) else Form.FUNCTION


def provider_name(provider: object) -> str:
    """Return how to call *provider* in a message."""
    return getattr(provider, "__qualname__", None) or repr(provider)


class Scope:
    """The dependencies of one request: values to share, generators to close.

    Attributes:
        values: What providers made, by provider.
    """

    __slots__ = ("_open", "values")

    def __init__(self) -> None:
        self.values: dict[ProviderFunction, object] = {}
        self._open: list[tuple[AsyncGenerator[object, None], str]] = []

    async def provide(
        self, provider: ProviderFunction, form: Form, arguments: Mapping[str, object]
    ) -> object:
        """Return what *provider* makes of *arguments*. Cancelling is safe.

        Raises:
            RuntimeError: it is an async generator that yields nothing.
        """
        made = provider(**arguments)
        if form is Form.FUNCTION:
            return made
        if form is Form.COROUTINE:
            return await cast("Awaitable[object]", made)
        generator = cast("AsyncGenerator[object, None]", made)
        try:
            value = await anext(generator)
        except StopAsyncIteration:
            raise RuntimeError(f"{provider_name(provider)} did not yield a value") from None
        self._open.append((generator, provider_name(provider)))
        return value

    async def close(self, error: BaseException | None = None) -> None:
        """Let every generator clean up, the last one first.

        Args:
            error: What the handler raised; raised at each ``yield``, and by this method.

        Raises:
            BaseException: *error*, or what a generator raised in its stead.
            RuntimeError: a generator yields a second time.
        """
        while self._open:
            generator, name = self._open.pop()
            try:
                await _resume(generator, name, error)
            except BaseException as raised:
                # The others must clean up too.
                error = raised
        if error is not None:
            raise error


async def _resume(
    generator: AsyncGenerator[object, None], name: str, error: BaseException | None
) -> None:
    try:
        if error is None:
            await anext(generator)
        else:
            await generator.athrow(error)
    except StopAsyncIteration:
        # A provider may end early, but it may not make the handler's exception disappear.
        return
    finally:
        await generator.aclose()
    raise RuntimeError(f"the provider {name} yields more than once") from error


def _cleans_up_unguarded(function: Callable[..., object]) -> bool:
    """Return True if statements follow a ``yield`` that no try or with block surrounds."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError, TypeError):
        return False
    definition = tree.body[0] if tree.body else None
    if not isinstance(definition, ast.AsyncFunctionDef):
        return False
    for statement in definition.body[:-1]:
        if isinstance(statement, ast.Expr | ast.Assign | ast.AnnAssign) and any(
            isinstance(node, ast.Yield) for node in ast.walk(statement)
        ):
            return True
    return False
