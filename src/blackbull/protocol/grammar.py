"""Tables of the HTTP grammar: tokens, field values, hosts, request targets."""

from __future__ import annotations

import re
from typing import Final

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"

TOKEN: Final = re.compile(_TOKEN)
"""RFC 9110 §5.6.2."""

_VALUE = rb"(?:[^\x00-\x20\x7f](?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?"

FIELD_LINE: Final = re.compile(rb"(" + _TOKEN + rb"):[ \t]*+(" + _VALUE + rb")[ \t]*")
"""RFC 9112 §5, without obs-fold: the name ends at the colon, the value has no edge space."""

FIELD_VALUE: Final = re.compile(_VALUE)
"""RFC 9110 §5.5: what we accept in a value that we send."""

REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb") ([\x21\x22\x24-\x7e]+) (HTTP/[0-9]\.[0-9])")
"""RFC 9112 §3: single spaces; a target of visible ASCII without a fragment."""

ABSOLUTE_FORM: Final = re.compile(rb"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?]*)(.*)")
"""RFC 9112 §3.2.2: scheme, authority, and the rest."""

HOST: Final = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)(?::[0-9]{0,5})?"
)
"""RFC 9110 §7.2: uri-host and an optional port; never userinfo."""

BAD_PERCENT: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
"""RFC 3986 §2.1: a percent sign that starts no octet."""

BARE_LF: Final = re.compile(rb"(?<!\r)\n")
"""RFC 9112 §2.2: a line end that we do not accept."""

_QUOTED = (
    rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]'  # qdtext
    rb'|\\[\t \x21-\x7e\x80-\xff])*"'  # quoted-pair
)
_EXTENSION = (
    rb"[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?"
)

CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]+)(?:" + _EXTENSION + rb")*")
"""RFC 9112 §7.1, §7.1.1: the size and well-formed extensions."""


def is_token(text: bytes) -> bool:
    """Return True if *text* is a token (RFC 9110 §5.6.2)."""
    return TOKEN.fullmatch(text) is not None


def is_field_value(value: bytes) -> bool:
    """Return True if *value* may be sent as a field value (RFC 9110 §5.5)."""
    return FIELD_VALUE.fullmatch(value) is not None


def comma_list(value: bytes) -> list[bytes]:
    """Return the non-empty elements of a comma-separated list (RFC 9110 §5.6.1)."""
    return [item for part in value.split(b",") if (item := part.strip(b" \t"))]
