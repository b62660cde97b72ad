"""BlackBull as an MQTT broker: the extension as everybody adds it. usage: mqtt_ours.py PORT"""

from __future__ import annotations

import sys

from blackbull import BlackBull
from blackbull.mqtt import MQTTExtension

app = BlackBull()


def main() -> None:
    """Serve on the port given, after making sure that nothing of ours is compiled."""
    app.add_extension(MQTTExtension(port=int(sys.argv.pop(1))))
    compiled = [
        name
        for name, module in sys.modules.items()
        if name.split(".")[0] == "blackbull"
        and str(getattr(module, "__file__", "")).endswith(".so")
    ]
    if compiled:
        sys.exit(f"compiled modules would be measured, not the interpreted ones: {compiled}")
    app.run(port=0)


if __name__ == "__main__":
    main()
