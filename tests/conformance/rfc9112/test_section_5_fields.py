"""RFC 9112 §5: field lines; RFC 9110 §5 and RFC 6585 §5 for what they may hold."""

from __future__ import annotations

import pytest

from tests.conformance.peer import App, conversation, refused
from tests.spec import spec


def with_fields(lines: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\nhost: a\r\n" + lines + b"\r\n\r\n"


@spec("RFC 9112 §5.1", "white space before the colon MUST be answered 400")
@pytest.mark.parametrize("line", [b"x : y", b"x\t: y", b"transfer-encoding : chunked"])
async def test_space_before_the_colon_is_400(line: bytes) -> None:
    assert (await refused(with_fields(line))).status == 400


@spec("RFC 9112 §5.2", "obs-fold MUST be rejected with 400 or replaced")
@pytest.mark.parametrize("line", [b"x: y\r\n z", b"x: y\r\n\tz", b"x:\r\n y", b"x: y\r\n "])
async def test_obs_fold_is_400(line: bytes) -> None:
    assert (await refused(with_fields(line))).status == 400


@spec("RFC 9110 §5.1", "RFC 9112 §5")
@pytest.mark.parametrize("line", [b"x", b": y", b"x y: z", b"x(y): z", b"\xe9: z", b"x\x00: z"])
async def test_field_name_that_is_no_token_is_400(line: bytes) -> None:
    assert (await refused(with_fields(line))).status == 400


@spec("RFC 9110 §5.5", "CR, LF and NUL in a value are dangerous: MUST be rejected or replaced")
@pytest.mark.parametrize("line", [b"x: a\x00b", b"x: a\rb", b"x: \x01", b"x: \x7f", b"x: \x0b"])
async def test_field_value_with_a_control_character_is_400(line: bytes) -> None:
    assert (await refused(with_fields(line))).status == 400


@spec("RFC 9112 §5.1", "RFC 9110 §5.5")
async def test_field_value_loses_its_edges_and_keeps_the_rest() -> None:
    app = App()
    async with conversation(app) as peer:
        await peer.ask(with_fields(b"x:\t a\t\xffb \t\r\ny:"))
    (conn,) = app.seen
    assert conn.headers.get("x") == b"a\t\xffb"
    assert conn.headers.getlist("y") == [(b"y", b"")]


@spec("RFC 9110 §5.3", "lines of one name keep their order")
async def test_fields_of_one_name_keep_their_order() -> None:
    app = App()
    async with conversation(app) as peer:
        await peer.ask(with_fields(b"x: 1\r\ny: 2\r\nX: 3"))
    assert app.seen[0].headers.getlist("x") == [(b"x", b"1"), (b"x", b"3")]


@spec("RFC 6585 §5", "RFC 9110 §5.4")
@pytest.mark.parametrize(
    "lines",
    [
        b"x: " + b"y" * 9000,
        b"\r\n".join([b"x: " + b"y" * 8000] * 9),
        b"\r\n".join([b"x: y"] * 300),
        b"y" * 9000 + b": x",
    ],
)
async def test_fields_beyond_the_limits_are_431(lines: bytes) -> None:
    assert (await refused(with_fields(lines))).status == 431


@spec("RFC 9112 §11.2", "names that others could take for framing")
@pytest.mark.parametrize("name", [b"content_length", b"Transfer_Encoding"])
async def test_underscore_twin_of_a_framing_field_is_400(name: bytes) -> None:
    assert (await refused(with_fields(name + b": 5"))).status == 400
