"""The default error pages: what the client did wrong; in development, what we did, too."""

from __future__ import annotations

import html
import traceback
from http import HTTPStatus

from blackbull.connection import Connection
from blackbull.errors import HTTPException
from blackbull.response import Response

HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
Q_ZERO = 0.0


def phrase_of(status: int) -> str:
    """Return ``"404 Not Found"``; only the number for a status without a registered phrase."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def error_page(
    conn: Connection,
    status: int,
    *,
    error: Exception | None = None,
    headers: dict[str, str] | None = None,
    development: bool = False,
) -> Response:
    """Return the page for *status*.

    Args:
        conn: The request, whose ``accept`` chooses between HTML and plain text.
        status: 400 to 599.
        error: What happened. The detail of an :class:`HTTPException` below 500 is written for the
            client; the rest is shown in development only, with the traceback of a bug.
        headers: Extra response fields.
        development: True shows all of *error*.
    """
    title = phrase_of(status)
    for_client = isinstance(error, HTTPException) and status < HTTPStatus.INTERNAL_SERVER_ERROR
    detail = _detail(error, status) if development or for_client else ""
    if prefers_html(conn):
        return Response(_html(title, detail), status, HTML, headers)
    text = f"{title}\n\n{detail}" if detail else title
    # A lone surrogate, as in an undecodable file name, has no UTF-8.
    return Response(text.encode("utf-8", "replace"), status, TEXT, headers)


def prefers_html(conn: Connection) -> bool:
    """Return True when ``accept`` names HTML and wants it at least as much as plain text.

    Spec:
        RFC 9110 §12.5.1
    """
    wanted = {"text/html": Q_ZERO, "text/plain": Q_ZERO}
    accept = conn.headers.get_combined(b"accept") or b""
    for item in accept.decode("latin-1").lower().split(","):
        media_type, *parameters = (part.strip() for part in item.split(";"))
        if media_type in wanted:
            wanted[media_type] = max(wanted[media_type], _quality(parameters))
    return wanted["text/html"] > Q_ZERO and wanted["text/html"] >= wanted["text/plain"]


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return Q_ZERO
    return 1.0


def _detail(error: Exception | None, status: int) -> str:
    if error is None:
        return ""
    if isinstance(error, HTTPException):
        return error.detail
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return str(error)
    return "".join(traceback.format_exception(error))


def _html(title: str, detail: str) -> bytes:
    shown = f"<pre>{html.escape(detail)}</pre>" if detail else ""
    name = html.escape(title)
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title></head>'
        f"<body><h1>{name}</h1>{shown}</body></html>"
    )
    return page.encode("utf-8", "replace")
