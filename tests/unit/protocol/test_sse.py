"""Server-sent events on the wire, read back by a parser written from the standard's algorithm."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackbull.protocol.sse import COMMENT, encode_event, encode_item
from tests.spec import spec

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
ONE_LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"))


@dataclass(frozen=True)
class Seen:
    """What a client dispatches: HTML Living Standard §9.2.6."""

    data: str
    event: str = "message"
    last_id: str = ""
    retry: int | None = None


def read(stream: bytes) -> list[Seen]:
    seen: list[Seen] = []
    data: list[str] = []
    event, last_id, retry = "", "", None
    for line in re.split("\r\n|\r|\n", stream.decode()):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if data:
                seen.append(Seen("\n".join(data), event or "message", last_id, retry))
            data, event = [], ""
        elif name == "data":
            data.append(value)
        elif name == "event":
            event = value
        elif name == "id" and "\0" not in value:
            last_id = value
        elif name == "retry" and value.isdigit():
            retry = int(value)
    return seen


@spec("HTML Living Standard §9.2.5")
def test_event_text_is_one_data_line() -> None:
    assert encode_event("hello") == b"data: hello\n\n"


def test_event_every_field_precedes_its_data() -> None:
    wire = encode_event("x", event="tick", id="7", retry=1500, comment="note")
    assert wire == b": note\nevent: tick\nid: 7\nretry: 1500\ndata: x\n\n"


@pytest.mark.parametrize("data", ["a\nb", "a\r\nb", "a\rb"])
@spec("HTML Living Standard §9.2.6")
def test_event_data_of_several_lines_gets_a_field_each(data: str) -> None:
    assert encode_event(data) == b"data: a\ndata: b\n\n"


def test_event_data_other_separators_are_no_line_ends() -> None:
    text = "a\x0bb\x85c\u2028d"
    assert read(encode_event(text)) == [Seen(text)]


@pytest.mark.parametrize("data", ["", "\n", " a", "a\n", ":a", "event: x"])
def test_event_awkward_data_arrives_unchanged(data: str) -> None:
    assert read(encode_event(data)) == [Seen(data)]


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "\n\ndata: forged"])
def test_event_line_end_in_event_or_id_raises(text: str) -> None:
    with pytest.raises(ValueError, match="line end"):
        encode_event("x", event=text)
    with pytest.raises(ValueError, match="line end"):
        encode_event("x", id=text)


def test_event_nul_in_id_raises() -> None:
    with pytest.raises(ValueError, match="NUL"):
        encode_event("x", id="a\0")


def test_event_comment_of_several_lines_stays_a_comment() -> None:
    assert read(encode_event("x", comment="a\ndata: forged\rid: 1")) == [Seen("x")]


def test_event_without_data_is_dispatched_to_nobody() -> None:
    assert read(encode_event(id="1", retry=5) + COMMENT + encode_event("x")) == [
        Seen("x", last_id="1", retry=5)
    ]


def test_event_negative_retry_raises() -> None:
    with pytest.raises(ValueError, match="retry"):
        encode_event("x", retry=-1)


@pytest.mark.parametrize(
    ("item", "wire"),
    [
        ("a", b"data: a\n\n"),
        (b"a\nb", b"data: a\ndata: b\n\n"),
        ({"data": "a"}, b"data: a\n\n"),
        ({"data": b"a"}, b"data: a\n\n"),
        ({"data": {"t": "é", "n": [1, None]}}, 'data: {"t":"é","n":[1,null]}\n\n'.encode()),
        ({"data": None}, b"data: null\n\n"),
        ({"data": 3, "id": 4}, b"id: 4\ndata: 3\n\n"),
        ({"event": "e", "data": "a", "retry": 1}, b"event: e\nretry: 1\ndata: a\n\n"),
        ({"id": None, "event": None, "data": "a"}, b"data: a\n\n"),
        ({"comment": "c"}, b": c\n\n"),
        ({"id": ""}, b"id: \n\n"),
    ],
)
def test_item_accepted_forms_become_events(item: object, wire: bytes) -> None:
    assert encode_item(item) == wire


@pytest.mark.parametrize("item", [None, 3, ["a"], {"event": 3}, {"retry": "5"}, {"retry": True},
                                  {"id": True}, {"data": object()}])  # fmt: skip
def test_item_wrong_type_raises_type_error(item: object) -> None:
    with pytest.raises(TypeError):
        encode_item(item)


@pytest.mark.parametrize(
    "item", [{}, {"evnt": "x", "data": "a"}, {"data": float("nan")}, b"\xff", "\ud800"]
)
def test_item_without_form_raises_value_error(item: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        encode_item(item)


@given(TEXT, ONE_LINE, ONE_LINE, st.none() | st.integers(0, 10**9), st.none() | TEXT)
def test_event_round_trip_keeps_every_field(
    data: str, event: str, identity: str, retry: int | None, comment: str | None
) -> None:
    wire = encode_event(data, event=event, id=identity, retry=retry, comment=comment)
    lines = "\n".join(re.split("\r\n|\r|\n", data))
    assert read(wire) == [Seen(lines, event or "message", identity, retry)]


@given(st.lists(TEXT | st.binary().map(lambda b: b.hex().encode())))
def test_stream_of_items_with_comments_between_keeps_order(items: list[str | bytes]) -> None:
    stream = COMMENT.join(encode_item(item) for item in items)
    texts = [item.decode() if isinstance(item, bytes) else item for item in items]
    assert [seen.data for seen in read(stream)] == [
        "\n".join(re.split("\r\n|\r|\n", text)) for text in texts
    ]
