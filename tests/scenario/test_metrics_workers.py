"""The figures of several workers, as Prometheus scrapes them from any one of them."""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.program import TIMEOUT, Program
from tests.unit.metrics.scrape import OPENMETRICS, Scrape

APP = """
import os
import prometheus_client
from blackbull import BlackBull
from blackbull.health import HealthExtension
from blackbull.metrics import MetricsExtension

app = BlackBull()
metrics = app.add_extension(MetricsExtension())
app.add_extension(HealthExtension())
orders = metrics.counter("shop_orders", "Orders taken.")
by_hand = prometheus_client.Counter("by_hand", "Made with the library alone.")


@app.route(path="/order")
async def order():
    orders.inc()
    by_hand.inc()
    return str(os.getpid())


if __name__ == "__main__":
    app.run(port=0)
"""


def fetch(port: int, path: str, accept: str = "*/*") -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={"accept": accept, "connection": "close"}
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        return answer.read().decode()


def scrape(port: int) -> Scrape:
    return Scrape(fetch(port, "/metrics", OPENMETRICS))


def until(found: Callable[[], bool]) -> None:
    """Wait until *found* returns True."""
    end = time.monotonic() + TIMEOUT
    while not found():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def test_any_worker_tells_of_all_and_of_those_that_ended(tmp_path: Path) -> None:
    script = tmp_path / "shop.py"
    script.write_text(APP)
    with Program([str(script), "--workers", "2"]) as program:
        port = program.serving()["http"]
        pids: set[str] = set()
        count = 0
        while len(pids) < 2:
            pids.add(fetch(port, "/order"))
            count += 1

        def counted(seen: Scrape) -> bool:
            labels = {"method": "GET", "route": "/order", "status": "200"}
            return (
                seen.value("shop_orders_total") == count
                and seen.value("by_hand_total") == count
                and seen.value("blackbull_http_requests_total", **labels) == count
            )

        until(lambda: counted(scrape(port)))
        seen = scrape(port)
        assert seen.value("blackbull_workers") == 2
        assert seen.value("blackbull_workers_up") == 2
        assert {index for (index,) in seen.all("process_open_fds")} == {"0", "1"}
        os.kill(int(pids.pop()), signal.SIGKILL)
        program.said("died of SIGKILL")
        until(lambda: scrape(port).value("blackbull_workers_up") == 2)
        assert counted(scrape(port))
        assert '"ready"' in fetch(port, "/readyz")
