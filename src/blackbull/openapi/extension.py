"""The extension that serves the document and the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blackbull.connection import Connection
from blackbull.extension import Extension
from blackbull.response import JSONResponse, Response

from .page import docs_page
from .spec import generate_spec

if TYPE_CHECKING:
    from blackbull.app.application import BlackBull


class OpenAPIExtension(Extension["BlackBull"]):
    """Serves the OpenAPI document of an application's routes, and a page that shows it.

    Args:
        app: Install it there at once; otherwise pass the extension to ``app.add_extension``.
        title: Of the document and the page.
        version: Of the application's interface.
        description: A text about all of it.
        spec_path: Where the document is.
        docs_path: Where the page is; ``""`` for none.
    """

    extension_key = "openapi"

    def __init__(
        self,
        app: BlackBull | None = None,
        *,
        title: str = "BlackBull API",
        version: str = "0.1.0",
        description: str | None = None,
        spec_path: str = "/openapi.json",
        docs_path: str = "/docs",
    ) -> None:
        self.title = title
        self.version = version
        self.description = description
        self.spec_path = spec_path
        self.docs_path = docs_path
        if app is not None:
            app.add_extension(self)

    def init_app(self, app: BlackBull) -> None:
        """Register the two routes.

        Raises:
            RuntimeError: *app* serves such a document already.
        """
        self._register(app)

        async def openapi_document() -> Response:
            return JSONResponse(self.document(app))

        async def openapi_page(conn: Connection) -> str:
            return docs_page(conn.root_path + self.spec_path, self.title)

        app.route(path=self.spec_path)(openapi_document)
        if self.docs_path:
            app.route(path=self.docs_path)(openapi_page)

    def document(self, app: BlackBull) -> dict[str, object]:
        """Return the document of *app*, without the extension's own routes."""
        return generate_spec(
            app,
            title=self.title,
            version=self.version,
            description=self.description,
            exclude=(self.spec_path, self.docs_path),
        )
