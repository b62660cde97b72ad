"""HPACK, the header compression of HTTP/2: RFC 7541."""

from __future__ import annotations

from .decoder import Decoder
from .encoder import Encoder
from .tables import Field

__all__ = ["Decoder", "Encoder", "Field"]
