"""The broker that every conversation of this directory is held with."""

from tests.mqtt_server import broker as broker
