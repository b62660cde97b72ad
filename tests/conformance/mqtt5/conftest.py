"""The broker that every conversation of this directory is held with."""

from __future__ import annotations

from tests.mqtt_server import broker

__all__ = ["broker"]
