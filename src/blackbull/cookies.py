"""Cookies: reading the request's, writing the response's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

from .headers import Field

# RFC 9110 §5.6.7: English, whatever the locale.
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip

SameSite: TypeAlias = Literal["Lax", "Strict", "None", ""]

_is_name = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_is_value = re.compile(r"[!#-+\--:<-\[\]-~]*").fullmatch
_is_attribute = re.compile(r"[ -:<-~]*").fullmatch


def parse_cookie_fields(fields: Iterable[Field]) -> dict[str, str]:
    """Return the cookies of a header section, however many ``cookie`` fields it has.

    A name that comes twice keeps its first value: clients send the most specific path first.
    What is no ``name=value`` is skipped.

    Args:
        fields: Lower-case names and values.

    Returns:
        Names and values; a value loses the quotes around it.

    Spec:
        RFC 6265 §4.2, §5.4; RFC 9113 §8.2.3
    """
    cookies: dict[str, str] = {}
    for key, value in fields:
        if key == b"cookie":
            for pair in value.decode("utf-8", "replace").split(";"):
                name, equals, text = pair.partition("=")
                name = name.strip(" \t")
                if equals and name and name not in cookies:
                    cookies[name] = _unquoted(text.strip(" \t"))
    return cookies


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1]
    return text


def cookie_header(
    name: str,
    value: str,
    path: str = "/",
    http_only: bool = True,
    *,
    domain: str = "",
    max_age: int | None = None,
    expires: datetime | None = None,
    secure: bool = False,
    same_site: SameSite = "Lax",
) -> Field:
    """Return a ``set-cookie`` field.

    Args:
        name: A token.
        value: ASCII without blanks, quotes, commas, semicolons and backslashes.
        path: Where the cookie is sent back; ``""`` for the directory of the request.
        http_only: True hides the cookie from scripts.
        domain: Sends the cookie to this domain and those below it; ``""``: only to this host.
        max_age: Seconds until the client forgets it, 0 or less: at once; None: when it closes.
        expires: The same as a moment, for old clients; taken as UTC if it has no time zone.
        secure: True sends the cookie only over TLS.
        same_site: When the cookie goes along with requests from other sites; ``""``: unsaid.

    Raises:
        ValueError: a part holds what may not stand there, or the parts contradict one another.

    Spec:
        RFC 6265 §4.1; RFC 6265bis §4.1.2.7 (SameSite), §4.1.3 (prefixes)
    """
    if _is_name(name) is None:
        raise ValueError(f"{name!r} is no cookie name: letters, digits and !#$%&'*+-.^_`|~ only")
    if _is_value(value) is None:
        raise ValueError(f"{value!r} is no cookie value; encode it with urllib.parse.quote")
    if same_site not in {"Lax", "Strict", "None", ""}:
        raise ValueError(f"same_site is 'Lax', 'Strict', 'None' or '', not {same_site!r}")
    if same_site == "None" and not secure:
        raise ValueError("clients drop a cookie with same_site='None' unless it has secure=True")
    _check_prefix(name, path=path, domain=domain, secure=secure)
    parts = [f"{name}={value}"]
    for attribute, text in (("Path", path), ("Domain", domain)):
        if _is_attribute(text) is None:
            raise ValueError(f"{text!r} is no cookie {attribute.lower()}")
        if text:
            parts.append(f"{attribute}={text}")
    if max_age is not None:
        parts.append(f"Max-Age={max_age:d}")
    if expires is not None:
        parts.append(f"Expires={_http_date(expires)}")
    if secure:
        parts.append("Secure")
    if http_only:
        parts.append("HttpOnly")
    if same_site:
        parts.append(f"SameSite={same_site}")
    return b"set-cookie", "; ".join(parts).encode("ascii")


def _check_prefix(name: str, *, path: str, domain: str, secure: bool) -> None:
    lowered = name.lower()
    if lowered.startswith(("__secure-", "__host-")) and not secure:
        raise ValueError(f"clients drop the cookie {name!r} unless it has secure=True")
    if lowered.startswith("__host-") and (domain or path != "/"):
        raise ValueError(f"clients drop the cookie {name!r} unless path is '/' and domain is ''")


def _http_date(moment: datetime) -> str:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    utc = aware.astimezone(UTC)
    day, month = _DAYS[utc.weekday()], _MONTHS[utc.month - 1]
    return f"{day}, {utc.day:02} {month} {utc.year:04} {utc:%H:%M:%S} GMT"
