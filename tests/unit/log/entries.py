"""Entries of the access log as servers make them."""

from __future__ import annotations

from blackbull.connection import Connection, KnownEndpoint
from blackbull.log.entry import Details, Entry
from blackbull.log.thread import Desk, Item
from blackbull.protocol.head import RequestHead

PEER = KnownEndpoint(("192.0.2.7", 4711))


class Pile(Desk):
    """Keeps what it gets, until somebody empties it."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.lost = 0
        self.closed = False

    def put(self, item: Item) -> None:
        self.items.append(item)

    def lose(self, count: int) -> None:
        self.lost += count

    def close(self, timeout: float) -> None:
        self.closed = True

    @property
    def sizes(self) -> list[int]:
        return [len(item) for item in self.items]


def request(
    method: str = "GET",
    path: str = "/",
    *,
    query: bytes = b"",
    version: str = "1.1",
    fields: tuple[tuple[bytes, bytes], ...] = (),
) -> Connection:
    """Return a request from 192.0.2.7."""
    head = RequestHead(method, path, query_string=query, http_version=version, fields=fields)
    return Connection(head, PEER)


def entry(
    conn: Connection | None = None,
    status: int = 200,
    *,
    sent: int = 0,
    received: int = 0,
    seconds: float = 0.0,
    details: Details | None = None,
    at: float = 0.0,
) -> Entry:
    """Return the entry of *conn*; of a connection without requests if None."""
    head = None if conn is None else conn.head
    extras = None if conn is None else conn._extras
    return (head, PEER, extras, status, sent, received, at - seconds, at, details)
