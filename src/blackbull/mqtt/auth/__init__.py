"""Who a client is and what it may do: the hooks' arguments, password and ACL files, SCRAM.

What reads files is loaded when it is first used: a broker that lets everybody in has none of it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from .requests import (
    Action,
    AuthExchange,
    AuthStep,
    ClientInfo,
    ConnectRequest,
    EnhancedAuthentication,
    Identity,
    Transport,
)

if TYPE_CHECKING:
    from .acl import ACLFile
    from .password_file import PasswordFile
    from .scram import ScramAuthentication, ScramCredential, make_credential

_HOME = {
    "ACLFile": "acl",
    "PasswordFile": "password_file",
    "ScramAuthentication": "scram",
    "ScramCredential": "scram",
    "make_credential": "scram",
}

__all__ = [
    "ACLFile",
    "Action",
    "AuthExchange",
    "AuthStep",
    "ClientInfo",
    "ConnectRequest",
    "EnhancedAuthentication",
    "Identity",
    "PasswordFile",
    "ScramAuthentication",
    "ScramCredential",
    "Transport",
    "make_credential",
]


def __getattr__(name: str) -> object:
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module 'blackbull.mqtt.auth' has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"blackbull.mqtt.auth.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
