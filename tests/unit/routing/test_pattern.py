from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackbull.routing.pattern import CONVERTERS, parse_path
from blackbull.routing.trie import Trie
from tests.spec import spec

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="/"), min_size=1)


def test_parse_path_without_placeholders_is_static() -> None:
    pattern = parse_path("/a/b.json")
    assert pattern.is_static
    assert pattern.placeholders == {}


def test_parse_path_with_placeholders_names_them_in_order() -> None:
    pattern = parse_path("/u/{id:int}/{name}.{kind}/{rest:path}")
    assert not pattern.is_static
    assert {name: item.converter.name for name, item in pattern.placeholders.items()} == {
        "id": "int", "name": "str", "kind": "str", "rest": "path",
    }  # fmt: skip
    assert [item.explicit for item in pattern.placeholders.values()] == [True, False, False, True]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("a", "does not begin with '/'"),
        ("", "does not begin with '/'"),
        ("/a/{id:integer}", "unknown converter 'integer'"),
        ("/a/{id:}", "unknown converter ''"),
        ("/a/{1d}", "identifier"),
        ("/a/{}", "identifier"),
        ("/{a}/{a}", "twice"),
        ("/{a:path}/b", "put it last"),
        ("/{a:path}.txt", "put it last"),
        ("/{a}{b}", "between two placeholders"),
        ("/a/{b", "without its partner"),
        ("/a/b}", "without its partner"),
        (r"/a/\d+", "re.compile"),
        ("/a/(?P<x>b)", "re.compile"),
        ("^/a$", "does not begin"),
        ("/a.*", "re.compile"),
        ("/a?b=c", "re.compile"),
        ("/a|b", "re.compile"),
        ("/a#b", "'#'"),
    ],
)
def test_parse_path_malformed_raises_with_the_reason(path: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_path(path)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("int", "-12", -12),
        ("int", "007", 7),
        ("float", "1.5", 1.5),
        ("float", "-3", -3.0),
        ("str", "é x", "é x"),
        ("path", "a/b", "a/b"),
        ("uuid", "00000000-0000-0000-0000-00000000000A", uuid.UUID(int=10)),
    ],
)
def test_converter_of_matching_text_gives_the_value(name: str, text: str, value: object) -> None:
    read = CONVERTERS[name].read(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("int", "1.0"),
        ("int", "+1"),
        ("int", "1_0"),
        ("int", " 1"),
        ("int", "١"),
        ("int", "1\n"),
        ("int", ""),
        ("int", "9" * 5000),
        ("float", "nan"),
        ("float", "1."),
        ("float", "1e3"),
        ("str", "a/b"),
        ("str", ""),
        ("path", ""),
        ("uuid", "0" * 32),
        ("uuid", "{00000000-0000-0000-0000-000000000000}"),
    ],
)
def test_converter_of_other_text_raises(name: str, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - int() has its own sentence
        CONVERTERS[name].read(text)


def test_build_encodes_what_a_segment_cannot_hold() -> None:
    pattern = parse_path("/a b/{name}/{rest:path}")
    url = pattern.build({"name": "x y%?#é", "rest": "c/d e"})
    assert url == "/a%20b/x%20y%25%3F%23%C3%A9/c/d%20e"


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"id": 1}, "needs a value for 'name'"),
        ({"id": 1, "name": "a", "other": 2}, "no placeholder named 'other'"),
        ({"id": "x", "name": "a"}, "'x' does not fit"),
        ({"id": 1, "name": "a/b"}, "'a/b' does not fit"),
        ({"id": 1, "name": ""}, "'' does not fit"),
    ],
)
def test_build_with_wrong_values_raises(params: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_path("/{id:int}/{name}").build(params)


@spec("RFC 3986 §2.1")
@given(name=TEXT, number=st.integers(), ident=st.uuids(), rest=st.lists(TEXT, min_size=1))
def test_build_is_understood_by_the_trie(
    name: str, number: int, ident: uuid.UUID, rest: list[str]
) -> None:
    from urllib.parse import unquote

    pattern = parse_path("/n/{name}/{number:int}/x-{ident:uuid}/{rest:path}")
    trie: Trie[bool] = Trie()
    trie.place(pattern).value = True
    url = pattern.build({"name": name, "number": number, "ident": ident, "rest": "/".join(rest)})
    assert url.isascii()
    assert trie.find(unquote(url), lambda value: value) == (
        True,
        (name, number, ident, "/".join(rest)),
    )
