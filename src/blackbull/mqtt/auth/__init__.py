"""Who a client is and what it may do: the hooks' arguments, password and ACL files, SCRAM."""

from __future__ import annotations

from .acl import ACLFile
from .certificates import CertificateNames
from .password_file import PasswordFile
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
from .scram import ScramAuthentication, ScramCredential, make_credential

__all__ = [
    "ACLFile",
    "Action",
    "AuthExchange",
    "AuthStep",
    "CertificateNames",
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
