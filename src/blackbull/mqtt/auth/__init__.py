"""Who a client is and what it may do: the hooks' arguments, password and ACL files, SCRAM."""

from __future__ import annotations

from .requests import (
    AuthExchange,
    AuthStep,
    ClientInfo,
    ConnectRequest,
    EnhancedAuthentication,
    Identity,
)

__all__ = [
    "AuthExchange",
    "AuthStep",
    "ClientInfo",
    "ConnectRequest",
    "EnhancedAuthentication",
    "Identity",
]
