"""How records look: a line for people, with or without colours, or a line of JSON."""

from __future__ import annotations

import json
import logging
import re
import time
from abc import abstractmethod
from typing import Final

from ..protocol.head import RequestHead
from .entry import (
    FIELDS,
    MAX_VALUE,
    NO_CONTENT,
    RECORD_FIELDS,
    Entry,
    Noted,
    Peer,
    client_of,
    describe_entry,
    own_fields,
    sent_content,
)
from .escape import escape

ACCESS: Final = "blackbull.access"
MAX_KNOWN: Final = 1024
"""Requests whose text is kept."""
MAX_KNOWN_REQUEST: Final = 256
"""Characters of method and path of those."""

STANDARD: Final = RECORD_FIELDS - set(FIELDS)
"""The attributes that every record of ``logging`` has, and members that every line has."""


class RecordFormatter(logging.Formatter):
    """Formats standard records, and the access log's entries without making records of them.

    Args:
        query: Show the queries of requests.
    """

    def __init__(self, *, query: bool = False) -> None:
        super().__init__()
        self.query = query
        # Wall-clock minus monotonic time: entries have the latter.
        self.offset = time.time() - time.monotonic()
        self._stamp = (-1, "")

    def format_entries(self, entries: list[Entry]) -> list[str]:
        """Return *entries* as lines, without the lines' ends."""
        self.offset = time.time() - time.monotonic()
        return [self.format_entry(entry) for entry in entries]

    @abstractmethod
    def format_entry(self, entry: Entry) -> str:
        """Return *entry* as one line, without the line's end."""

    def stamp(self, seconds: float) -> str:
        """Return the time as RFC 3339 has it: UTC, milliseconds."""
        second, milliseconds = divmod(int(seconds * 1000.0 + 0.001), 1000)
        return f"{self.second(second)}{milliseconds:03d}Z"

    def second(self, second: int) -> str:
        """Return the time down to its full second, and a dot."""
        known = self._stamp
        if known[0] != second:
            text = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
            known = self._stamp = (second, text)
        return known[1]


class PlainFormatter(RecordFormatter):
    """A line for people: when, and what."""

    def __init__(self, *, query: bool = False) -> None:
        super().__init__(query=query)
        self._requests: dict[tuple[str, str, str], str] = {}
        self._statuses: dict[int, str] = {}

    def format_entries(self, entries: list[Entry]) -> list[str]:
        """Return *entries* as lines.

        What nearly all of them are is done here, in one piece and from what is known already.
        """
        self.offset = offset = time.time() - time.monotonic()
        clients: dict[Peer, str] = {}
        asked: dict[int, str] = {}  # by the head's identity: heads that repeat are one object
        statuses = self._statuses
        lines: list[str] = []
        millisecond = -1
        stamp = ""
        for entry in entries:
            head, peer, noted, status, sent, _, began, ended, details = entry
            at = int((ended + offset) * 1000.0)
            if at != millisecond:
                millisecond = at
                stamp = self.stamp(at / 1000.0)
            if head is None or noted is not None or details is not None or self.query:
                lines.append(f"{stamp} {self.message(entry)}")
                continue
            client = clients.get(peer) or self._learn_client(peer, clients)
            request = asked.get(id(head)) or self._learn_request(head, asked)
            if status in NO_CONTENT or head.method == "HEAD":
                sent = 0
            lines.append(
                f"{stamp}{client}{request}{statuses.get(status) or self._learn_status(status)} "
                f"{sent} {(ended - began) * 1000.0:.1f}ms"
            )
        return lines

    def format_entry(self, entry: Entry) -> str:
        return self.format_entries([entry])[0]

    def message(self, entry: Entry) -> str:
        """Return what the line says behind the time."""
        return entry_message(entry, query=self.query)

    def status(self, status: int) -> str:
        """Return the status as it is shown."""
        return str(status or "-")

    def request(self, method: str, path: str, version: str) -> str:
        """Return the request as it is shown."""
        return request_line(method, path, version)

    def _learn_status(self, status: int) -> str:
        text = self._statuses[status] = self.status(status)
        return text

    def _learn_client(self, peer: Peer, clients: dict[Peer, str]) -> str:
        text = clients[peer] = f" {client_text(peer)}"
        return text

    def _learn_request(self, head: RequestHead, asked: dict[int, str]) -> str:
        known = (head.method, head.path, head.http_version)
        text = self._requests.get(known)
        if text is None:
            text = f' "{self.request(*known)}" '
            if len(head.method) + len(head.path) <= MAX_KNOWN_REQUEST:
                if len(self._requests) >= MAX_KNOWN:
                    self._requests.clear()
                self._requests[known] = text
        asked[id(head)] = text
        return text

    def format(self, record: logging.LogRecord) -> str:
        """Return *record* as a line; a traceback follows on lines of its own."""
        text = f"{self.stamp(record.created)} {self.level(record)} {record.name}: {said(record)}"
        return with_traceback(self, record, text)

    def level(self, record: logging.LogRecord) -> str:
        """Return the record's level as it is shown."""
        return record.levelname


class ColoredFormatter(PlainFormatter):
    """A line for people at a terminal: statuses and levels have colours."""

    def message(self, entry: Entry) -> str:
        text = METHOD.sub(f"{BOLD}\\g<0>{RESET}", super().message(entry), 1)
        return STATUS.sub(lambda found: paint_status(int(found[0])), text, 1)

    def status(self, status: int) -> str:
        return paint_status(status) if status else "-"

    def request(self, method: str, path: str, version: str) -> str:
        return f"{BOLD}{escape(method, max_length=32)}{RESET} {request_line('', path, version)[1:]}"

    def level(self, record: logging.LogRecord) -> str:
        color = next((c for least, c in LEVEL_COLORS if record.levelno >= least), "")
        return f"{color}{record.levelname}{RESET}" if color else record.levelname


class JsonFormatter(RecordFormatter):
    """A line of JSON per record: ``time``, ``level``, ``logger``, and what the record knows."""

    def format_entry(self, entry: Entry) -> str:
        told: dict[str, object] = {
            "time": self.stamp(entry[7] + self.offset), "level": "INFO", "logger": ACCESS,
        }  # fmt: skip
        told.update(describe_entry(entry, query=self.query))
        return as_json(told)

    def format(self, record: logging.LogRecord) -> str:
        """Return *record* as a line; a traceback is one of its members."""
        told: dict[str, object] = {
            "time": self.stamp(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in vars(record).items():
            if name not in STANDARD and name not in told:
                told[name] = value
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        elif record.exc_text:
            told["exception"] = record.exc_text
        if record.stack_info:
            told["stack"] = record.stack_info
        return as_json(told)


RESET: Final = "\x1b[0m"
BOLD: Final = "\x1b[1m"
STATUS_COLORS: Final = {
    1: "\x1b[36m", 2: "\x1b[32m", 3: "\x1b[36m", 4: "\x1b[33m", 5: "\x1b[31m",
}  # fmt: skip
LEVEL_COLORS: Final = (
    (logging.ERROR, "\x1b[31m"), (logging.WARNING, "\x1b[33m"), (logging.INFO, "\x1b[32m"),
)  # fmt: skip
METHOD: Final = re.compile(r'(?<= ")[^ "]+(?= )')
STATUS: Final = re.compile(r'(?<=" )\d{3}(?= )')


def paint_status(status: int) -> str:
    """Return *status* in the colour of its class."""
    return f"{STATUS_COLORS.get(status // 100, '')}{status}{RESET}"


def client_text(peer: Peer, noted: Noted | None = None) -> str:
    """Return the client's address as a line shows it."""
    return escape(client_of(peer, noted)[0]) or "unix"


def request_line(method: str, path: str, version: str) -> str:
    """Return a request as one text without surprises."""
    return f"{escape(method, max_length=32)} {escape(path, max_length=MAX_VALUE)} HTTP/{version}"


def entry_message(entry: Entry, *, query: bool = False) -> str:
    """Return all that is to be said of an entry, without colours."""
    head, peer, noted, status, sent, received, began, ended, details = entry
    client = client_text(peer, noted)
    more: dict[str, object] = dict(details or ())
    protocol = more.pop("protocol", None)
    duration = f"{(ended - began) * 1000.0:.1f}ms"
    if head is not None:
        path = head.path
        if query and head.query_string:
            path = f"{path}?{head.query_string.decode('latin-1')}"
        request = request_line(head.method, path, head.http_version)
        parts = [
            client,
            f'"{request}"',
            str(status or "-"),
            str(sent_content(head, status, sent)),
            duration,
        ]
        if protocol is not None:
            parts.append(str(protocol))
    elif status:
        parts = [client, '"-"', str(status), str(sent), duration]
    else:
        parts = [client, str(protocol), duration, f"received={received}", f"sent={sent}"]
    if noted is not None and noted.request_id:
        more["request_id"] = noted.request_id
    if more.pop("disconnected", False):
        more["client"] = "left"
    more.update(own_fields(noted))
    parts += [f"{escape(name)}={show(value)}" for name, value in more.items()]
    return " ".join(parts)


def show(value: object) -> str:
    """Return *value* as a line shows it: quoted unless it is a number or a plain word."""
    if value is None or isinstance(value, int | float):
        return str(value)
    text = escape(str(value))
    return text if PLAIN_WORD.fullmatch(text) else f'"{text}"'


PLAIN_WORD: Final = re.compile(r"[\w.:/+@%-]+")


def said(record: logging.LogRecord) -> str:
    """Return the record's message, without control characters; further lines are indented."""
    text = record.getMessage()
    return text if text.isprintable() else indented(text)


def indented(text: str) -> str:
    """Return *text* so that none of its lines but the first looks like the begin of a record."""
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character == "\n":
        return "\n    "
    return character if character.isprintable() else escape(character)


def with_traceback(formatter: logging.Formatter, record: logging.LogRecord, text: str) -> str:
    """Return *text* followed by what the record has of tracebacks and stacks."""
    if record.exc_info and not record.exc_text:
        record.exc_text = formatter.formatException(record.exc_info)
    for more in (record.exc_text, record.stack_info):
        if more:
            text += indented(f"\n{more}")
    return text


def as_json(told: dict[str, object]) -> str:
    """Return *told* as JSON in ASCII; what JSON has no form for becomes text."""
    for name, value in told.items():
        if isinstance(value, str) and len(value) > MAX_VALUE and name not in LONG:
            told[name] = f"{value[:MAX_VALUE]}...(+{len(value) - MAX_VALUE})"
    try:
        return ENCODER.encode(told)
    except ValueError:  # a number that JSON does not have, or something that holds itself
        return ENCODER.encode({name: show_json(value) for name, value in told.items()})


ENCODER: Final = json.JSONEncoder(default=str, allow_nan=False)

LONG: Final = frozenset({"message", "exception", "stack"})


def show_json(value: object) -> object:
    """Return *value* if JSON surely has a form for it, else its text."""
    return value if value is None or isinstance(value, str | int) else str(value)
