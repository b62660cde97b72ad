"""A page in headless Chromium, which answers questions over the DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--remote-debugging-port=0", "--window-size=1200,800",
)  # fmt: skip
TIMEOUT = 40.0


class Page:
    """One page."""

    def __init__(self, tools: ClientConnection) -> None:
        self._tools = tools
        self._number = 0

    async def evaluate(self, expression: str) -> object:
        """Return what *expression* is in the page."""
        told = await self._ask(
            "Runtime.evaluate", {"expression": expression, "returnByValue": True}
        )
        assert "exceptionDetails" not in told, told
        result = told["result"]
        assert isinstance(result, dict)
        return result.get("value")

    async def until(self, expression: str) -> None:
        """Wait until *expression* is true in the page."""
        async with asyncio.timeout(TIMEOUT):
            while not await self.evaluate(expression):
                await asyncio.sleep(0.05)

    async def screenshot(self, path: Path) -> None:
        """Write a picture of what is seen."""
        told = await self._ask("Page.captureScreenshot", {"format": "png"})
        path.write_bytes(base64.b64decode(str(told["data"])))

    async def _ask(self, method: str, parameters: dict[str, object]) -> dict[str, object]:
        self._number += 1
        await self._tools.send(
            json.dumps({"id": self._number, "method": method, "params": parameters})
        )
        while True:
            told = json.loads(await self._tools.recv())
            if told.get("id") == self._number:
                assert "error" not in told, told
                answer: dict[str, object] = told["result"]
                return answer


@contextlib.asynccontextmanager
async def opened(url: str, profile: Path) -> AsyncIterator[Page]:
    """Open *url* in a browser of its own."""
    browser = await asyncio.create_subprocess_exec(
        "chromium", *ARGUMENTS, f"--user-data-dir={profile}", url,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(TIMEOUT):
            while not (tools := await asyncio.to_thread(find, profile, url)):
                await asyncio.sleep(0.05)
        async with connect(tools, max_size=None) as connection:
            yield Page(connection)
    finally:
        browser.terminate()
        await browser.wait()


def find(profile: Path, url: str) -> str:
    """Return the address of the page's tools; empty: it is not there yet."""
    try:
        port = (profile / "DevToolsActivePort").read_text().split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=5) as answer:
            pages = json.loads(answer.read())
    except (OSError, IndexError):
        return ""
    return next((str(page["webSocketDebuggerUrl"]) for page in pages if page["url"] == url), "")
