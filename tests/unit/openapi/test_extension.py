"""The two routes, and the page that needs nothing from elsewhere."""

from __future__ import annotations

import json
import re

import pytest
from openapi_spec_validator import validate

from blackbull.app import BlackBull
from blackbull.openapi import OpenAPIExtension, docs_page
from tests.unit.app.doubles import get


@pytest.fixture
def app() -> BlackBull:
    app = BlackBull()

    @app.route(path="/hello/{name}")
    async def hello(name: str) -> dict[str, str]:
        """Greet."""
        return {"hello": name}

    return app


async def test_enable_openapi_serves_document_and_page(app: BlackBull) -> None:
    app.enable_openapi(title="Greeter", version="2", description="It greets")
    document = await get(app, "/openapi.json")
    assert document.headers["content-type"] == b"application/json"
    parsed = json.loads(document.body)
    validate(parsed)
    assert list(parsed["paths"]) == ["/hello/{name}"]
    assert parsed["info"] == {"title": "Greeter", "version": "2", "description": "It greets"}
    page = await get(app, "/docs")
    assert page.headers["content-type"] == b"text/html; charset=utf-8"
    assert "<title>Greeter</title>" in page.text
    assert isinstance(app.extensions["openapi"], OpenAPIExtension)


async def test_extension_paths_can_be_chosen(app: BlackBull) -> None:
    app.add_extension(OpenAPIExtension(spec_path="/api/spec", docs_path=""))
    assert (await get(app, "/api/spec")).status == 200
    assert (await get(app, "/docs")).status == 404


def test_extension_can_install_itself(app: BlackBull) -> None:
    extension = OpenAPIExtension(app)
    assert app.extensions == {"openapi": extension}


def test_extension_twice_is_refused(app: BlackBull) -> None:
    app.enable_openapi()
    with pytest.raises(RuntimeError, match="already registered"):
        app.enable_openapi()


def test_docs_page_loads_nothing_from_elsewhere() -> None:
    page = docs_page("/openapi.json", "T")
    assert not re.search(r"(?:https?:)?//[a-z]|<link|@import|<script src|<img", page)
    assert 'fetch("/openapi.json")' in page


def test_docs_page_escapes_title_and_url() -> None:
    page = docs_page("/</script><b>{title}", "<script>alert(1)</script>{url}")
    assert "<script>alert" not in page
    assert page.count("</script>") == 1
    assert "{title}" in page
