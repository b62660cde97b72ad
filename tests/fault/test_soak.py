"""The soak, for some seconds: clients that come and go lose nothing that was promised."""

from __future__ import annotations

import asyncio
import random
import re
import subprocess
import sys

import pytest

from scripts.soak import Ledger, Soak
from scripts.soak_peer import BrokenPromiseError, Delivery
from tests.architecture.source import ROOT
from tests.environment import clean_environment


def test_soak_of_seconds_keeps_every_promise() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "soak.py"), "5"],
        env=clean_environment(), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=55, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert re.search(r"[1-9]\d+ connections, [\d,]+ messages", done.stdout)
    assert done.stdout.endswith("nothing lost that was promised, nothing twice at QoS 2\n")


@pytest.mark.parametrize("qos", [0, 2])
def test_soak_message_that_comes_twice_is_noticed(qos: int) -> None:
    ledger = Ledger("subscriber", ordered=True)
    message = Delivery(f"soak/a/{qos}", f"a {qos} 1".encode(), qos, retain=False)
    ledger.on_message(message)
    with pytest.raises(BrokenPromiseError, match="came twice"):
        ledger.on_message(message)


def test_soak_message_out_of_order_is_noticed() -> None:
    ledger = Ledger("subscriber", ordered=True)
    with pytest.raises(BrokenPromiseError, match="after 0"):
        ledger.on_message(Delivery("soak/a/1", b"a 1 2", 1, retain=False))


async def test_soak_message_that_is_lost_is_noticed() -> None:
    run = Soak(0, 0, random.Random(0))
    run.ledgers.append(Ledger("subscriber", ordered=True))
    run.sent["a", 1] = 1
    assert run.lacking() == ["subscriber lacks 1 messages"]
    await asyncio.sleep(0)
