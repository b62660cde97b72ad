"""The OpenAPI 3.1 document of an application's routes."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from blackbull.response import Response
from blackbull.routing.handler.parameters import Parameter, Source
from blackbull.routing.pattern import Placeholder
from blackbull.routing.route import Route

from .schema import EMPTY, Schema, Schemas, hints_of, with_default

if TYPE_CHECKING:
    from blackbull.app.application import BlackBull

OPENAPI_VERSION: Final = "3.1.0"
METHODS: Final = frozenset({"GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"})
"""What a path item can describe; a route's other methods are left out."""
WITH_CONTENT: Final = frozenset({"PUT", "POST", "PATCH"})

PLACEHOLDERS: Final[dict[str, Schema]] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "uuid": {"type": "string", "format": "uuid"},
    "str": {"type": "string"},
    "path": {"type": "string"},
}


def generate_spec(
    app: BlackBull,
    *,
    title: str = "BlackBull API",
    version: str = "0.1.0",
    description: str | None = None,
    exclude: Collection[str] = (),
) -> dict[str, object]:
    """Return the document that describes *app*.

    Routes that are regular expressions, and WebSockets, have no form in OpenAPI and are left out.

    Args:
        app: The application.
        title: Of the document.
        version: Of the application's interface.
        description: A text about all of it.
        exclude: Paths to leave out.

    Spec:
        OpenAPI 3.1.0 §4.8.1
    """
    schemas = Schemas()
    paths: dict[str, dict[str, object]] = {}
    identifiers: set[str] = set()
    for route in app.router.routes:
        if route.scheme != "http" or route.pattern is None or route.path_text in exclude:
            continue
        for method in route.methods:
            if method in METHODS:
                item = paths.setdefault(_template(route), {})
                item.setdefault(method.lower(), _operation(route, method, schemas, identifiers))
    info: dict[str, object] = {"title": title, "version": version}
    if description:
        info["description"] = description
    document: dict[str, object] = {"openapi": OPENAPI_VERSION, "info": info, "paths": paths}
    if schemas.components:
        document["components"] = {"schemas": schemas.components}
    return document


def _template(route: Route) -> str:
    assert route.pattern is not None
    segments = (
        "".join(
            f"{{{part.name}}}" if isinstance(part, Placeholder) else part for part in segment.parts
        )
        for segment in route.pattern.segments
    )
    return "".join(f"/{segment}" for segment in segments)


def _operation(
    route: Route, method: str, schemas: Schemas, identifiers: set[str]
) -> dict[str, object]:
    operation: dict[str, object] = {"operationId": _identifier(route, method, identifiers)}
    summary, _, rest = (inspect.getdoc(route.handler) or "").partition("\n")
    if summary:
        operation["summary"] = summary
    if rest.strip():
        operation["description"] = rest.strip()
    parameters = [*_path_parameters(route, schemas), *_query_parameters(route, schemas)]
    if parameters:
        operation["parameters"] = parameters
    body = _request_body(route, method, schemas)
    if body is not None:
        operation["requestBody"] = body
    operation["responses"] = _responses(route, schemas)
    return operation


def _identifier(route: Route, method: str, taken: set[str]) -> str:
    """Return a name that no other operation has (OpenAPI 3.1.0 §4.8.10.1)."""
    base = route.name or getattr(route.handler, "__name__", "operation")
    name, number = base, 1
    while name in taken:
        name = f"{base}_{method.lower()}" if number == 1 else f"{base}_{method.lower()}_{number}"
        number += 1
    taken.add(name)
    return name


def _path_parameters(route: Route, schemas: Schemas) -> list[Schema]:
    annotations = {item.name: item.annotation for item in route.plan.parameters}
    found: list[Schema] = []
    for placeholder in route.placeholders.values():
        annotation = annotations.get(placeholder.name, EMPTY)
        bare = not placeholder.explicit and annotation is not EMPTY
        schema = schemas.of(annotation) if bare else dict(PLACEHOLDERS[placeholder.converter.name])
        found.append({"name": placeholder.name, "in": "path", "required": True, "schema": schema})
    return found


def _query_parameters(route: Route, schemas: Schemas) -> list[Schema]:
    return [
        {
            "name": parameter.name,
            "in": "query",
            "required": parameter.required,
            "schema": _parameter_schema(parameter, schemas),
        }
        for parameter in route.plan.parameters
        if parameter.source is Source.QUERY
    ]


def _parameter_schema(parameter: Parameter, schemas: Schemas) -> Schema:
    annotation = str if parameter.annotation is EMPTY else parameter.annotation
    schema = schemas.of(annotation)
    # None stands for an absent parameter; no query can say it.
    if parameter.required or parameter.default is None:
        return schema
    return with_default(schema, parameter.default)


def _request_body(route: Route, method: str, schemas: Schemas) -> Schema | None:
    for parameter in route.plan.parameters:
        if parameter.source is Source.BODY:
            return {
                "required": parameter.required,
                "content": _content(parameter.annotation, schemas, bare=bytes),
            }
    reads_itself = route.plan.full or any(
        parameter.source is Source.CONNECTION for parameter in route.plan.parameters
    )
    if method in WITH_CONTENT and reads_itself:
        return {"content": {"application/json": {"schema": {"type": "object"}}}}
    return None


def _responses(route: Route, schemas: Schemas) -> dict[str, object]:
    annotation = _returned(route)
    if annotation is None:
        return {"204": {"description": HTTPStatus.NO_CONTENT.phrase}}
    answer: Schema = {"description": HTTPStatus.OK.phrase}
    if annotation is not EMPTY:
        answer["content"] = _content(annotation, schemas, bare=str)
    return {"200": answer}


def _returned(route: Route) -> object:
    """Return the annotation of what the handler returns; EMPTY where that says nothing."""
    if route.plan.full:
        return EMPTY
    annotation = hints_of(route.handler).get("return", EMPTY)
    if annotation is type(None):
        return None
    if isinstance(annotation, type) and issubclass(annotation, Response):
        return EMPTY
    return annotation


def _content(annotation: object, schemas: Schemas, *, bare: type) -> dict[str, object]:
    kind = bare if annotation is EMPTY else annotation
    if kind is str:
        media_type = "text/html" if bare is str else "text/plain"
        return {media_type: {"schema": {"type": "string"}}}
    if kind is bytes:
        return {"application/octet-stream": {"schema": {}}}
    return {"application/json": {"schema": schemas.of(kind)}}
