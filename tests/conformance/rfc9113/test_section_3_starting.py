"""RFC 9113 §3: starting HTTP/2."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from h2.settings import SettingCodes

from tests.certificates import Authority
from tests.conformance.http2 import (
    ACK,
    END_HEADERS,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    PREFACE,
    SETTINGS,
    Line,
    connected,
    conversation,
    frame,
    line,
)
from tests.conformance.peer import App, serving
from tests.spec import spec


@spec("RFC 9113 §3.3", "prior knowledge")
async def test_cleartext_connection_that_begins_with_the_preface_is_http2() -> None:
    """S17."""
    async with conversation() as peer:
        assert (await peer.ask("/path")).body == b"GET /path"


@spec("RFC 9113 §3.3")
@pytest.mark.parametrize("size", [1, 2, 23, 24, 25, 40])
async def test_preface_in_pieces_is_http2_all_the_same(size: int) -> None:
    """S16, S17."""
    opening = PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_STREAM | END_HEADERS, 1, GET)
    async with serving(App()) as server:
        peer = Line(*await asyncio.open_connection("127.0.0.1", server.port))
        for at in range(0, len(opening), size):
            await peer.send(opening[at : at + size])
            await asyncio.sleep(0)
        assert (await peer.until(HEADERS)).stream_id == 1
        await peer.close()


@spec("RFC 9113 §3.4", "the server's preface is a SETTINGS frame, the first it sends")
async def test_servers_preface_comes_first() -> None:
    async with serving(App()) as server:
        peer = Line(*await asyncio.open_connection("127.0.0.1", server.port))
        await peer.send(PREFACE)
        first = await peer.frame()
        assert first is not None
        assert (first.kind, first.flags, first.stream_id) == (SETTINGS, 0, 0)
        await peer.send(frame(SETTINGS, 0, 0))
        answer = await peer.until(SETTINGS)
        assert answer.flags == ACK
        await peer.close()


@spec("RFC 9113 §3.4", "requests may come before the server's preface is known")
async def test_request_that_comes_along_with_the_preface_is_answered() -> None:
    async with serving(App()) as server:
        peer = Line(*await asyncio.open_connection("127.0.0.1", server.port))
        await peer.send(
            PREFACE, frame(SETTINGS, 0, 0), frame(HEADERS, END_STREAM | END_HEADERS, 1, GET)
        )
        assert (await peer.until(HEADERS)).stream_id == 1
        await peer.close()


@spec("RFC 9113 §3.4", "a preface without SETTINGS")
async def test_preface_without_settings_ends_the_connection() -> None:
    async with serving(App()) as server:
        peer = Line(*await asyncio.open_connection("127.0.0.1", server.port))
        await peer.send(PREFACE, frame(HEADERS, END_STREAM | END_HEADERS, 1, GET))
        assert (await peer.until(GOAWAY)).code == 1
        assert await peer.until_close() == []
        await peer.close()


@spec("RFC 9113 §3.1", "Upgrade: h2c is no more")
async def test_upgrade_to_h2c_is_ignored() -> None:
    async with serving(App()) as server:
        peer = Line(*await asyncio.open_connection("127.0.0.1", server.port))
        await peer.send(
            b"GET /a HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\n"
            b"upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n"
        )
        assert (await peer.reader.readexactly(15)) == b"HTTP/1.1 200 OK"
        await peer.close()


@spec("RFC 9113 §3.2", "ALPN")
@pytest.mark.parametrize(
    ("offer", "chosen"),
    [(["h2", "http/1.1"], "h2"), (["http/1.1", "h2"], "h2"), (["http/1.1"], "http/1.1")],
)
async def test_tls_connection_speaks_what_alpn_chose(
    offer: list[str], chosen: str, tmp_path: Path
) -> None:
    """S17."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue_pair()
    async with serving(App(), certfile=certificate, keyfile=key) as server:
        context = ssl.create_default_context(cafile=str(authority.path))
        context.set_alpn_protocols(offer)
        if chosen == "h2":
            async with connected(server, tls=context) as peer:
                assert (await peer.ask("/path")).body == b"GET /path"
                assert {view.protocol for view in server.connections} == {"http2"}
            return
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", server.port, ssl=context, server_hostname="localhost"
        )
        writer.write(b"GET /path HTTP/1.1\r\nhost: a\r\n\r\n")
        assert await reader.readexactly(15) == b"HTTP/1.1 200 OK"
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == chosen
        writer.close()
        await writer.wait_closed()


@spec("RFC 9113 §6.5.2", "RFC 9218 §2.1")
async def test_settings_say_what_the_limits_are() -> None:
    settings = {
        "h2_max_concurrent_streams": 7,
        "h2_initial_window_size": 70000,
        "h2_max_frame_size": 20000,
        "header_max_total": 9000,
    }
    async with conversation(**settings) as peer:
        assert peer.client.settings == {
            SettingCodes.MAX_CONCURRENT_STREAMS: 7,
            SettingCodes.INITIAL_WINDOW_SIZE: 70000,
            SettingCodes.MAX_FRAME_SIZE: 20000,
            SettingCodes.MAX_HEADER_LIST_SIZE: 9000,
            9: 1,
        }


@spec("RFC 9113 §5.4.1", "the peer gets to read why")
async def test_goaway_is_read_although_the_client_is_still_sending() -> None:
    async with line() as peer:
        await peer.send(frame(HEADERS, END_HEADERS, 2, GET), bytes(200_000))
        goaway = await peer.until(GOAWAY)
        assert (goaway.code, goaway.last_stream_id) == (1, 0)
        assert await peer.until_close() == []
