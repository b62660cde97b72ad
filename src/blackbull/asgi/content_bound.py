"""How much content a request may have where another server hosts our application."""

from __future__ import annotations

from typing import Final

from blackbull.config import Settings
from blackbull.connection import Connection
from blackbull.errors import HTTPException
from blackbull.log import LimitLog
from blackbull.native import NativeApp, find_limits

limits: Final = LimitLog()
"""Records what fired. A host's connections have no end that we learn of, so none is summed up."""


class ContentBound:
    """Counts the content of one request against ``max_body_size``.

    Args:
        app: Its settings and its route say how much there may be; without settings, anything.
        conn: The request.

    Spec:
        RFC 9110 §15.5.14
    """

    __slots__ = ("_app", "_conn", "_most", "_seen")

    def __init__(self, app: NativeApp, conn: Connection) -> None:
        self._app = app
        self._conn = conn
        self._most: int | None = None
        self._seen = 0

    def check_announced(self) -> None:
        """Judge what content-length says.

        Raises:
            HTTPException: 413, too much is announced.
        """
        for name, value in self._conn.head.fields:
            if name == b"content-length" and value.isdigit():
                self._judge(int(value[:19]))

    def count(self, size: int) -> None:
        """*size* more bytes have arrived.

        Raises:
            HTTPException: 413, that makes too many.
        """
        self._seen += size
        self._judge(self._seen)

    def _judge(self, size: int) -> None:
        if self._most is None:
            self._most = self._find()
        if 0 <= self._most < size:
            limits.record(
                "max_body_size",
                peer=self._conn.client,
                protocol=f"http{self._conn.http_version.removesuffix('.0')}",
                path=self._conn.path,
                requested=size,
                allowed=self._most,
                key=self._conn.connection_id,
            )
            raise HTTPException(413, f"max_body_size: {size} exceeds {self._most}")

    def _find(self) -> int:
        find = find_limits(self._app)
        overrides = None if find is None else find(self._conn.head)
        if overrides is not None and overrides.max_body_size is not None:
            return overrides.max_body_size
        settings = getattr(self._app, "settings", None)
        return settings.max_body_size if isinstance(settings, Settings) else -1
