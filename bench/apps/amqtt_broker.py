"""amqtt as an MQTT broker, for anybody, on uvloop. usage: amqtt_broker.py PORT"""

from __future__ import annotations

import asyncio
import logging
import sys

import uvloop
from amqtt.broker import Broker

CONFIGURATION = {
    "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{sys.argv[1]}"}},
    "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
}


async def main() -> None:
    """Serve until the process is ended."""
    logging.disable(logging.CRITICAL)
    broker = Broker(CONFIGURATION)
    await broker.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
