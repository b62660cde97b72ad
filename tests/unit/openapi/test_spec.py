"""The document: valid, and true to the routes."""

from __future__ import annotations

import enum
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import pytest
from openapi_spec_validator import validate

from blackbull.app import BlackBull
from blackbull.connection import Connection
from blackbull.di import Depends
from blackbull.openapi import generate_spec
from blackbull.response import Response
from blackbull.utils import Scheme


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Tag:
    name: str
    children: list[Tag] = field(default_factory=list)


@dataclass
class Item:
    """What is for sale."""

    id: UUID
    price: float
    name: str = "nameless"
    colour: Colour = Colour.RED
    tags: tuple[Tag, ...] = ()
    size: tuple[int, int] = (1, 1)
    extra: dict[str, int] | None = None
    unit: Literal["kg", "m"] = "kg"
    made: datetime | None = None


def dig(node: object, *keys: object) -> object:
    for key in keys:
        node = node[key]  # type: ignore[index]
    return node


def full_app() -> BlackBull:
    app = BlackBull()

    @app.route(path="/items/{item_id:uuid}", name="read_item")
    async def read_item(item_id: UUID, limit: int = 10, q: str | None = None) -> Item:
        """Read one item.

        It may be gone.
        """
        raise NotImplementedError

    @app.route(["PUT", "POST"], "/items/{item_id:uuid}")
    async def write_item(item_id: UUID, item: Item, *, dry: bool) -> list[Item]:
        raise NotImplementedError

    @app.route("DELETE", "/items/{number}")
    async def delete(number: int, user: Annotated[str, Depends(lambda: "ada")]) -> None: ...

    @app.route("POST", "/raw")
    async def raw(body: bytes) -> bytes:
        return body

    @app.route("POST", "/full")
    async def full(scope, receive, send): ...  # type: ignore[no-untyped-def]

    @app.route("POST", "/conn")
    async def conn(conn: Connection) -> Response:
        return Response()

    @app.route(path="/files/{name}.{kind}/{rest:path}")
    async def files(name: str, kind: str, rest: str) -> AsyncIterator[str]:
        yield name

    @app.route(path="/plain")
    async def plain():  # type: ignore[no-untyped-def]
        return "x"

    app.route("PROPFIND", "/dav")(plain)
    app.route(path=re.compile(r"/regex/(?P<a>.)"))(plain)
    app.route(path="/ws", scheme=Scheme.websocket)(plain)
    return app


@pytest.fixture(scope="module")
def document() -> dict[str, object]:
    return generate_spec(full_app(), title="Shop", version="1.2", description="All of it")


def test_generate_spec_is_valid(document: dict[str, object]) -> None:
    validate(document)
    assert document["openapi"] == "3.1.0"
    assert document["info"] == {"title": "Shop", "version": "1.2", "description": "All of it"}


def test_generate_spec_empty_application_is_valid() -> None:
    validate(generate_spec(BlackBull()))


def test_generate_spec_lists_what_openapi_can_describe(document: dict[str, object]) -> None:
    paths = document["paths"]
    assert isinstance(paths, dict)
    assert {path: sorted(item) for path, item in paths.items()} == {
        "/items/{item_id}": ["get", "post", "put"],
        "/items/{number}": ["delete"],
        "/raw": ["post"],
        "/full": ["post"],
        "/conn": ["post"],
        "/files/{name}.{kind}/{rest}": ["get"],
        "/plain": ["get"],
    }


def test_generate_spec_operation_has_docstring_and_parameters(
    document: dict[str, object],
) -> None:
    operation = dig(document, "paths", "/items/{item_id}", "get")
    assert isinstance(operation, dict)
    assert operation["operationId"] == "read_item"
    assert operation["summary"] == "Read one item."
    assert operation["description"] == "It may be gone."
    assert operation["parameters"] == [
        {
            "name": "item_id", "in": "path", "required": True,
            "schema": {"type": "string", "format": "uuid"},
        },
        {
            "name": "limit", "in": "query", "required": False,
            "schema": {"type": "integer", "default": 10},
        },
        {
            "name": "q", "in": "query", "required": False,
            "schema": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
    ]  # fmt: skip
    answer = dig(operation, "responses", "200", "content", "application/json", "schema")
    assert answer == {"$ref": "#/components/schemas/Item"}


def test_generate_spec_operation_identifiers_are_unique(document: dict[str, object]) -> None:
    paths = document["paths"]
    assert isinstance(paths, dict)
    names = [operation["operationId"] for item in paths.values() for operation in item.values()]
    assert len(set(names)) == len(names)
    assert {"write_item", "write_item_post"} <= set(names)


def test_generate_spec_body_is_a_reference_and_required(document: dict[str, object]) -> None:
    body = dig(document, "paths", "/items/{item_id}", "post", "requestBody")
    assert body == {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}},
    }
    placeholder = {"content": {"application/json": {"schema": {"type": "object"}}}}
    for path in ("/full", "/conn"):
        assert dig(document, "paths", path, "post", "requestBody") == placeholder
    assert "application/octet-stream" in dig(  # type: ignore[operator]
        document, "paths", "/raw", "post", "requestBody", "content"
    )


def test_generate_spec_bare_placeholder_takes_its_annotation(
    document: dict[str, object],
) -> None:
    operation = dig(document, "paths", "/items/{number}", "delete")
    assert dig(operation, "parameters", 0, "schema") == {"type": "integer"}
    assert len(dig(operation, "parameters")) == 1  # type: ignore[arg-type]
    assert dig(operation, "responses") == {"204": {"description": "No Content"}}


def test_generate_spec_dataclass_becomes_a_component(document: dict[str, object]) -> None:
    assert dig(document, "components", "schemas", "Item") == {
        "type": "object",
        "description": "What is for sale.",
        "required": ["id", "price"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "price": {"type": "number"},
            "name": {"type": "string", "default": "nameless"},
            "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
            "tags": {"type": "array", "items": {"$ref": "#/components/schemas/Tag"}},
            "size": {
                "type": "array", "minItems": 2, "maxItems": 2,
                "prefixItems": [{"type": "integer"}, {"type": "integer"}],
            },
            "extra": {
                "anyOf": [
                    {"type": "object", "additionalProperties": {"type": "integer"}},
                    {"type": "null"},
                ],
                "default": None,
            },
            "unit": {"type": "string", "enum": ["kg", "m"], "default": "kg"},
            "made": {
                "anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}],
                "default": None,
            },
        },
    }  # fmt: skip
    tag = dig(document, "components", "schemas", "Tag", "properties", "children")
    assert tag == {"type": "array", "items": {"$ref": "#/components/schemas/Tag"}}


def test_generate_spec_same_name_of_two_classes_gives_two_components() -> None:
    def make(kind: type) -> type:
        return dataclass(type("Item", (), {"__annotations__": {"x": kind}, "__module__": "other"}))

    app = BlackBull()
    for path, kind in (("/a", make(int)), ("/b", make(str))):

        async def read(item):  # type: ignore[no-untyped-def]
            return item

        read.__annotations__["item"] = kind
        app.route("POST", path)(read)
    document = generate_spec(app)
    validate(document)
    assert len(dig(document, "components", "schemas")) == 2  # type: ignore[arg-type]
