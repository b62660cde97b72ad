"""Entries of the access log as servers make them."""

from __future__ import annotations

from blackbull.connection import Connection, KnownEndpoint
from blackbull.log.entry import Details, Entry
from blackbull.protocol.head import RequestHead

PEER = KnownEndpoint(("192.0.2.7", 4711))


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
