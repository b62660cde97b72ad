from __future__ import annotations

import datetime
import enum
import json as stdlib
import math
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackbull import json
from tests.spec import spec

ENCODERS = [json.encode, json.encode_stdlib]
DECODERS = [json.decode, json.decode_stdlib]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text() | st.floats(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


@dataclass
class Point:
    x: float
    more: object = None


UTC = datetime.UTC
EAST = datetime.timezone(datetime.timedelta(hours=2))


@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, 2.5, None, True, "é\n"]}, '{"a":[1,2.5,null,true,"é\\n"]}'),
        (Point(1.0, [Point(2.0)]), '{"x":1.0,"more":[{"x":2.0,"more":null}]}'),
        (Colour.RED, '"red"'),
        (Level.LOW, "1"),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Decimal("1.50"), '"1.50"'),
        (datetime.date(2026, 1, 31), '"2026-01-31"'),
        (datetime.time(12, 30), '"12:30:00"'),
        (datetime.datetime(2026, 1, 31, 12, tzinfo=UTC), '"2026-01-31T12:00:00Z"'),
        (datetime.datetime(2026, 1, 31, 12, tzinfo=EAST), '"2026-01-31T12:00:00+02:00"'),
        (datetime.datetime(2026, 1, 31, 12), '"2026-01-31T12:00:00"'),
        ((1, 2), "[1,2]"),
        ({1}, "[1]"),
        (MappingProxyType({"a": 1}), '{"a":1}'),
        (OrderedDict(b=1, a=2), '{"b":1,"a":2}'),
        ({1: 2}, '{"1":2}'),
        ([math.nan, (math.inf, Point(-math.inf))], '[null,[null,{"x":null,"more":null}]]'),
        ({"a": math.nan}, '{"a":null}'),
    ],
)  # fmt: skip
def test_encode_of_a_value_is_compact_utf8(encode, value: object, expected: str) -> None:
    assert encode(value) == expected.encode()


@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize("value", [object(), [1j], {"a": Point}])
def test_encode_of_what_has_no_form_raises(encode, value: object) -> None:
    with pytest.raises(TypeError, match="no JSON form"):
        encode(value)


@pytest.mark.parametrize("encode", ENCODERS)
def test_encode_of_what_contains_itself_raises(encode) -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(ValueError, match=r"nested|[Cc]ircular"):
        encode(value)
    with pytest.raises(ValueError, match="surrogates"):
        encode("\ud800")


@spec("RFC 8259 §2")
@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[1,]", b"01", b"NaN", b"-Infinity", b"1 2", b"'a'", b"\xff", b'"\n"',
        b"\xef\xbb\xbf1", '"é"'.encode("utf-16"), b"[" * 200_000,
    ],
)  # fmt: skip
def test_decode_of_what_is_no_json_raises(decode, data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(data)


def deepest(accepts: Callable[[int], bool]) -> int:
    """Return the greatest depth that is accepted."""
    low, high = 1, 200_000
    assert accepts(low)
    assert not accepts(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if accepts(middle) else (low, middle)
    return low


def deeper_in_the_stack(levels: int, call: Callable[[], object]) -> object:
    return deeper_in_the_stack(levels - 1, call) if levels else call()


@pytest.mark.parametrize("way", ["installed", "stdlib"])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_what_was_decoded_can_be_encoded_within_an_answer(
    monkeypatch: pytest.MonkeyPatch, way: str, opening: bytes, closing: bytes
) -> None:
    if way == "stdlib":
        monkeypatch.setattr(json, "_decode", json.decode_stdlib)
        monkeypatch.setattr(json, "_encode", json.encode_stdlib)

    def nested(depth: int) -> bytes:
        return opening * depth + b"1" + closing * depth

    def accepts(depth: int) -> bool:
        try:
            json.decode(nested(depth))
        except ValueError:
            return False
        return True

    depth = deepest(accepts)
    assert depth > 500
    answer = json.decode(nested(depth))
    for _ in range(50):
        answer = {"got": answer}
    encoded = deeper_in_the_stack(50, lambda: json.encode(answer))
    assert encoded == b'{"got":' * 50 + nested(depth) + b"}" * 50


@pytest.mark.parametrize("way", ["installed", "stdlib"])
def test_long_json_is_decoded_as_it_is_and_its_errors_told_as_they_are(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "stdlib":
        monkeypatch.setattr(json, "_decode", json.decode_stdlib)
    value = [{"a": [n, None], "[": "]]"} for n in range(1000)]
    assert json.decode(stdlib.dumps(value).encode()) == value
    many = b"[1]," * 1000
    for wrong in (many, b"[1]]," + many + b"[[1]", b"[" + many, many + b"1", b"]" + b"[" * 1000):
        with pytest.raises(ValueError, match=r".") as told:
            json.decode(wrong)
        with pytest.raises(ValueError, match=r".") as plain:
            json._decode(wrong)
        assert str(told.value) == str(plain.value)


@pytest.mark.parametrize("decode", DECODERS)
@given(value=VALUES)
def test_decode_undoes_encode(decode, value: object) -> None:
    for encode in ENCODERS:
        encoded = encode(value)
        assert decode(encoded) == stdlib.loads(encoded)
        assert encode(decode(encoded)) == encode(value)
