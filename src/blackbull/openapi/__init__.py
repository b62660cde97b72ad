"""OpenAPI: a document of the routes, and a page that shows it."""

from __future__ import annotations

from .extension import OpenAPIExtension
from .page import docs_page
from .spec import generate_spec

swagger_ui_html = docs_page

__all__ = ["OpenAPIExtension", "docs_page", "generate_spec", "swagger_ui_html"]
