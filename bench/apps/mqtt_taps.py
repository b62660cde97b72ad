"""BlackBull as an MQTT broker whose application looks on. usage: mqtt_taps.py PORT none|MODE

MODE is ``actor`` or ``inline``: how taps run; or ``reliable``.
"""

from __future__ import annotations

import sys

from blackbull import BlackBull
from blackbull.mqtt import Message, MQTTExtension


def main() -> None:
    """Serve on the port given."""
    mode = sys.argv.pop()
    app = BlackBull()
    mqtt = app.add_extension(
        MQTTExtension(
            port=int(sys.argv.pop()), tap_mode=mode if mode in {"actor", "inline"} else "actor"
        )
    )
    seen = 0

    async def look(message: Message) -> None:
        nonlocal seen
        seen += len(message.payload)

    if mode != "none":
        mqtt.on_message(topic="#", reliable=mode == "reliable")(look)
    app.run(port=0)


if __name__ == "__main__":
    main()
