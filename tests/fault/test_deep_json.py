"""JSON that is nested as deeply as it may be, and deeper."""

from __future__ import annotations

import http.client
from typing import Any

import pytest

from blackbull import BlackBull
from tests.serving import WAIT, Serving


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_nested_json_is_answered_or_the_client_s_error(loop: str) -> None:
    app = BlackBull()

    @app.route(path="/", methods=["POST"])
    async def echo(body: list[Any]) -> object:
        answer: object = body
        for _ in range(20):
            answer = [answer]
        return answer

    with Serving(app, loop) as serving:
        client = http.client.HTTPConnection("127.0.0.1", serving.port("http"), timeout=WAIT)

        def post(depth: int) -> int:
            content = b"[" * depth + b"]" * depth
            client.request("POST", "/", content)
            answer = client.getresponse()
            found = answer.read()
            if answer.status == 200:
                assert found == b"[" * 20 + content + b"]" * 20
            return answer.status

        low, high = 1, 200_000
        assert (post(low), post(high)) == (200, 400)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if post(middle) == 400 else (middle, high)
        assert low > 500
        # How deep is too deep depends on how deep in the stack the last part of it arrives.
        assert {post(low + n) for n in range(-40, 20)} == {200, 400}
        client.close()
