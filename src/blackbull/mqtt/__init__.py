"""An MQTT broker in the application's process: MQTT 5.0 and MQTT 3.1.1.

It uses the core through the seams that any extension has, so that it can leave as a package of its
own.
"""

from __future__ import annotations

from .asyncapi import AsyncAPIExtension
from .auth.requests import ClientInfo, ConnectRequest, Identity
from .broker import BrokerActor
from .codec.types import ReasonCode
from .connection import serve_connection
from .extension import MQTTExtension, MQTTProtocolDetector
from .schema import InvalidPayload
from .settings import MQTTSettings
from .state.hooks import Refusal
from .tap import Message, Subscription, Tap, TapActor

__all__ = [
    "AsyncAPIExtension",
    "BrokerActor",
    "ClientInfo",
    "ConnectRequest",
    "Identity",
    "InvalidPayload",
    "MQTTExtension",
    "MQTTProtocolDetector",
    "MQTTSettings",
    "Message",
    "ReasonCode",
    "Refusal",
    "Subscription",
    "Tap",
    "TapActor",
    "serve_connection",
]
