"""Properties as paho-mqtt spells them, for the two clients that are built on it."""

from __future__ import annotations

from collections.abc import Mapping

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.interop.mqtt.peer import Options

# At level 4 paho-mqtt tells the codes of 3.1.1 as those of 5 that mean the same.
CONNACK_311 = {0x84: 1, 0x85: 2, 0x88: 3, 0x86: 4, 0x87: 5}


def paho_properties(packet: int, properties: Mapping[str, object] | None) -> Properties | None:
    """Return *properties* for a packet of type *packet*; None if there are none."""
    if not properties:
        return None
    made = Properties(packet)
    for name, value in properties.items():
        spelt = name.title().replace("_", "")
        if spelt == "UserProperty":
            for pair in value:  # type: ignore[attr-defined]
                made.UserProperty = tuple(pair)
        else:
            setattr(made, spelt, value)
    return made


def plain_properties(properties: Properties | None) -> dict[str, object]:
    """Return what paho-mqtt read, under the names of the standard in snake case."""
    if properties is None:
        return {}
    found: dict[str, object] = {}
    for spelt in properties.names:
        attribute = spelt.replace(" ", "")
        if hasattr(properties, attribute):
            name = spelt.lower().replace(" ", "_")
            found[name] = getattr(properties, attribute)
    return found


def refused_code(options: Options, code: int) -> int:
    """Return the code of a CONNACK as it was on the wire."""
    return code if options.level == 5 else CONNACK_311[code]


def connect_properties(options: Options) -> Properties | None:
    """Return the properties of a CONNECT packet."""
    return paho_properties(PacketTypes.CONNECT, options.connect_properties())


def will_properties(options: Options) -> Properties | None:
    """Return the properties of the Will."""
    if options.will is None or options.level < 5:
        return None
    return paho_properties(PacketTypes.WILLMESSAGE, options.will.properties)


def publish_properties(
    options: Options, properties: Mapping[str, object] | None
) -> Properties | None:
    """Return the properties of a PUBLISH packet."""
    return paho_properties(PacketTypes.PUBLISH, properties) if options.level == 5 else None


def subscribe_properties(identifier: int | None) -> Properties | None:
    """Return the properties of a SUBSCRIBE packet."""
    given = None if identifier is None else {"subscription_identifier": identifier}
    return paho_properties(PacketTypes.SUBSCRIBE, given)


def paho_filters(
    options: Options,
    filters: tuple[str, ...],
    qos: int,
    no_local: bool,
    retain_as_published: bool,
    retain_handling: int,
) -> list[tuple[str, object]]:
    """Return the list that ``subscribe`` takes at the client's level."""
    if options.level < 5:
        return [(each, qos) for each in filters]
    wanted = SubscribeOptions(
        qos=qos,
        noLocal=no_local,
        retainAsPublished=retain_as_published,
        retainHandling=retain_handling,
    )
    return [(each, wanted) for each in filters]
