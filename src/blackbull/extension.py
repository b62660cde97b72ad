"""Extensions: parts of an application that come from elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Generic, Protocol, TypeVar


class ExtensionHost(Protocol):
    """The part of an application that an extension may rely on being there."""

    extensions: dict[str, object]


HostT = TypeVar("HostT", bound=ExtensionHost)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that an extension shows to whoever collects figures.

    Attributes:
        name: In lower case with underscores, without a prefix; one that counts bytes or seconds
            ends with the unit.
        value: The number.
        text: What it is, in a sentence.
        labels: What tells it from others of the same name; few different values.
        grows: True: it counts what has happened since the start; False: it goes up and down.
    """

    name: str
    value: float
    text: str
    labels: Mapping[str, str] = field(default_factory=dict)
    grows: bool = False


class Extension(ABC, Generic[HostT]):
    """A part that registers itself with an application.

    ``app.add_extension(MyExtension())`` calls :meth:`init_app` at once, and :meth:`startup` and
    :meth:`shutdown` around serving. A published ``blackbull-<name>`` uses the key ``<name>``.
    """

    extension_key: ClassVar[str] = ""

    @abstractmethod
    def init_app(self, app: HostT) -> None:
        """Register routes, protocols and listeners with *app*.

        Raises:
            RuntimeError: the application already has an extension with this key.
        """

    async def startup(self, app: HostT) -> None:
        """Called before the first connection is accepted."""

    async def stopping(self, app: HostT) -> None:
        """Called when the server was told to stop: end what would never end by itself.

        Requests that are under way go on, for as long as the settings say; then they are ended.
        What is done once for all workers must have ended here: the next owner does it from now on.
        """

    async def shutdown(self, app: HostT) -> None:
        """Called after the last connection was closed."""

    def figures(self) -> Iterable[Figure]:
        """Return the numbers that it has to show; asked about once a second, so be quick."""
        return ()

    def trouble(self) -> str | None:
        """Return why it cannot do its work now, in a few words; None while it can."""
        return None

    def _register(self, app: HostT) -> None:
        key = self.extension_key
        if not key:
            raise RuntimeError(f"{type(self).__name__} needs an extension_key")
        if key in app.extensions:
            raise RuntimeError(f"an extension named {key!r} is already registered; add it once")
        app.extensions[key] = self
