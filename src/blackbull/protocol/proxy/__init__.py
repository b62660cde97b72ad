"""The PROXY protocol, versions 1 and 2: what a proxy says about a connection before its bytes.

Spec:
    The PROXY protocol, versions 1 & 2 (HAProxy Technologies), section numbers as there
"""

from __future__ import annotations

from .connection import ProxyConnection
from .header import MAX_HEADER, ProxyAddress, ProxyHeader
from .version1 import encode_v1
from .version2 import encode_v2

__all__ = [
    "MAX_HEADER",
    "ProxyAddress",
    "ProxyConnection",
    "ProxyHeader",
    "encode_v1",
    "encode_v2",
]
