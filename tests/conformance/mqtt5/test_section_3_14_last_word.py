"""MQTT 5.0 §3.14.4: nothing follows a DISCONNECT, whatever happens in the same moment."""

from __future__ import annotations

import pytest

from tests.mqtt_packets import DISCONNECT, connect, encode, header, publish, subscribe
from tests.mqtt_world import World
from tests.spec import spec


@spec("MQTT 5.0 §3.14.4", "MQTT-3.14.4-1")
@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("order", ["before", "after", "around"])
@pytest.mark.parametrize("how", ["malformed", "takeover"])
def test_messages_of_the_same_batch_do_not_follow_the_disconnect(
    how: str, order: str, qos: int
) -> None:
    """The peer refuses whatever comes behind it."""
    world = World()
    a, p, other = world.peer("a"), world.peer("p"), world.peer("a")
    a.says(connect(session_expiry_interval=60), subscribe(1, ("t", 1)))
    p.says(connect(), publish("t", b"first"))
    a.hears()
    said = encode(publish("t", b"x", qos=qos, packet_id=1), 5)
    if order != "after":
        p.receives(said * (1 if qos else 3))
    if how == "malformed":
        a.receives(header(0x41, b"\0\1"))
    else:
        other.dials(connect("a", clean=False))
    if order != "before":
        p.receives(encode(publish("t", b"y", qos=qos, packet_id=2), 5))
    heard = a.hears()
    assert heard[-1].kind == DISCONNECT
    assert heard[-1]["code"] == (0x81 if how == "malformed" else 0x8E)
