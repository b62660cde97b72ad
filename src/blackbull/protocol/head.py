"""The head of a request, whatever version of HTTP carried it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Fields: TypeAlias = tuple[tuple[bytes, bytes], ...]


class RequestHead:
    """A request's control data and header section (RFC 9110 §6.2, §6.3). Never changed once made.

    Attributes:
        method: Case-sensitive token, for example ``"GET"``.
        path: Percent-decoded path without the query; ``"*"`` in asterisk-form.
        raw_path: The path as it came, without the query.
        query_string: The query as it came, without the question mark.
        http_version: ``"1.0"``, ``"1.1"`` or ``"2"``.
        authority: Host and port that the request names; ``b""`` if none.
        fields: Lower-case names and values, in wire order.
    """

    __slots__ = (
        "authority",
        "fields",
        "http_version",
        "method",
        "path",
        "query_string",
        "raw_path",
    )

    def __init__(
        self,
        method: str,
        path: str,
        *,
        raw_path: bytes = b"",
        query_string: bytes = b"",
        http_version: str = "1.1",
        authority: bytes = b"",
        fields: Fields = (),
    ) -> None:
        self.method = method
        self.path = path
        self.raw_path = raw_path
        self.query_string = query_string
        self.http_version = http_version
        self.authority = authority
        self.fields = fields


BodyLimit: TypeAlias = Callable[[RequestHead], int]
"""Returns how many bytes of content the request with a head may have."""
