from __future__ import annotations

import pytest

from blackbull.errors import LocalProtocolError, RemoteProtocolError
from blackbull.protocol.head import RequestHead
from blackbull.protocol.websocket import (
    accept_key,
    negotiate,
    parse_connect,
    parse_handshake,
    refusal_fields,
)
from blackbull.protocol.websocket.handshake import parse_extensions
from tests.spec import spec

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


def head(*fields: tuple[bytes, bytes], method: str = "GET") -> RequestHead:
    return RequestHead(method, "/", fields=fields)


ASKED = ((b"sec-websocket-version", b"13"), (b"sec-websocket-key", KEY))


@spec("RFC 6455 §1.3", "the example of the standard")
def test_accept_key_is_the_standards() -> None:
    assert accept_key(KEY) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_handshake_tells_what_the_client_offers() -> None:
    handshake = parse_handshake(
        head(
            *ASKED,
            (b"sec-websocket-protocol", b"a, ,b"),
            (b"sec-websocket-protocol", b"c"),
            (b"sec-websocket-extensions", b"permessage-deflate; client_max_window_bits, x"),
        )
    )
    assert handshake.key == KEY
    assert handshake.subprotocols == ("a", "b", "c")
    assert handshake.extensions == (
        (b"permessage-deflate", [(b"client_max_window_bits", None)]),
        (b"x", []),
    )


def test_answer_has_the_fields_of_each_version_of_http() -> None:
    agreement = negotiate([(b"permessage-deflate", [])])
    assert agreement is not None
    fields = parse_handshake(head(*ASKED)).answer(agreement=agreement, fields=((b"x", b"y"),))
    assert [name for name, _ in fields] == [
        b"upgrade", b"connection", b"sec-websocket-accept", b"sec-websocket-extensions", b"x",
    ]  # fmt: skip
    connect = parse_connect(
        head((b"sec-websocket-version", b"13"), (b"sec-websocket-protocol", b"chat"))
    )
    assert connect.answer(agreement=None) == ()
    assert connect.answer(subprotocol="chat", agreement=None) == (
        (b"sec-websocket-protocol", b"chat"),
    )


@pytest.mark.parametrize("name", [b"upgrade", b"sec-websocket-accept", b"transfer-encoding"])
def test_answer_with_a_field_of_the_handshake_is_our_mistake(name: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        parse_handshake(head(*ASKED)).answer(agreement=None, fields=((name, b"x"),))


def test_answer_with_a_subprotocol_that_was_not_offered_is_our_mistake() -> None:
    with pytest.raises(LocalProtocolError):
        parse_handshake(head(*ASKED)).answer(subprotocol="x", agreement=None)


@pytest.mark.parametrize(
    ("asked", "code", "clause"),
    [
        (head(method="POST"), 400, "RFC 6455 §4.2.1"),
        (head(), 400, "RFC 6455 §4.2.1"),
        (head((b"sec-websocket-version", b"12"), ASKED[1]), 426, "RFC 6455 §4.2.2"),
        (head(ASKED[0]), 400, "RFC 6455 §4.2.1"),
        (head(ASKED[0], (b"sec-websocket-key", b"x")), 400, "RFC 6455 §4.2.1"),
        (head(*ASKED, (b"sec-websocket-protocol", b"a b")), 400, "RFC 6455 §4.1"),
        (head(*ASKED, (b"sec-websocket-extensions", b"=")), 400, "RFC 6455 §9.1"),
    ],
)
def test_handshake_malformed_names_status_and_clause(
    asked: RequestHead, code: int, clause: str
) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_handshake(asked)
    assert (caught.value.code, caught.value.spec) == (code, clause)
    assert refusal_fields(caught.value)[0] == (b"sec-websocket-version", b"13")


def test_handshake_with_content_is_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        parse_handshake(head(*ASKED), has_content=True)


@spec("RFC 6455 §9.1")
@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        (b"", []),
        (b" , ,", []),
        (b"a", [(b"a", [])]),
        (b"a,b", [(b"a", []), (b"b", [])]),
        (b"a ; b ; c=1\t, d", [(b"a", [(b"b", None), (b"c", b"1")]), (b"d", [])]),
        (b'a; b="c"', [(b"a", [(b"b", b"c")])]),
        (b'a; b="\\c\\d"', [(b"a", [(b"b", b"cd")])]),
        (b"a; b = c", [(b"a", [(b"b", b"c")])]),
    ],
)
def test_extensions_are_parsed(value: bytes, parsed: list[object]) -> None:
    assert parse_extensions(value) == parsed


def test_extensions_are_parsed_up_to_a_number() -> None:
    assert parse_extensions(b"a," * 31 + b"a") == [(b"a", [])] * 32


@pytest.mark.parametrize(
    "value",
    [
        b"a b",
        b"a;",
        b"a; =",
        b"a; b=",
        b'a; b="',
        b'a; b=""',
        b'a; b="c,d"',
        b"a=b",
        b"(",
        b";",
        b"a," * 32 + b"a",
    ],
)
def test_extensions_malformed_are_refused(value: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_extensions(value)
    assert caught.value.code == 400
