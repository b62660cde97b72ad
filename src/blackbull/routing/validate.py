"""What is wrong with the routes, found before the first request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .handler.coercion import accepts
from .handler.parameters import Parameter, Source
from .route import Route, handler_name


def problems(routes: Iterable[Route]) -> list[str]:
    """Return a sentence for everything that is wrong with *routes*; nothing when all is well."""
    return [problem for route in routes for problem in _problems(route)]


def _problems(route: Route) -> Iterator[str]:
    if route.plan.full:
        return
    where = f"{' '.join(route.methods)} {route.path_text}"
    name = handler_name(route.handler)
    parameters = {item.name: item for item in route.plan.parameters}
    # Whoever takes the connection can read path_params.
    knows_all = any(
        item.source in {Source.CONNECTION, Source.WEBSOCKET} for item in parameters.values()
    )
    for placeholder in route.placeholders.values():
        parameter = parameters.get(placeholder.name)
        if parameter is None:
            if not knows_all:
                yield (
                    f"{where}: {name} has no parameter for {{{placeholder.name}}}: "
                    "add one, or rename the placeholder"
                )
        elif placeholder.explicit and not _agrees(parameter, placeholder.converter.type):
            yield (
                f"{where}: {{{placeholder.name}:{placeholder.converter.name}}} gives "
                f"{placeholder.converter.type.__name__}, but {name} wants "
                f"{_type_name(parameter.annotation)}: change one of them"
            )


def _agrees(parameter: Parameter, given: type) -> bool:
    return accepts(parameter.annotation, given)


def _type_name(annotation: object) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
