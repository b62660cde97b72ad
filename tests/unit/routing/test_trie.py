from __future__ import annotations

import time
from uuid import UUID

import pytest

from blackbull.routing.pattern import parse_path
from blackbull.routing.trie import Trie

ALL = [
    "/",
    "/users",
    "/users/",
    "/users/me",
    "/users/{id:int}",
    "/users/{id:uuid}",
    "/users/{price:float}",
    "/users/{name}",
    "/users/{name}.json",
    "/users/{name}.tar.json",
    "/users/{a}-{b}",
    "/users/{id:int}/photos",
    "/users/{name}/notes",
    "/files/{rest:path}",
    "/files/x/y",
    "/{lang}/help",
]
IDENT = "00000000-0000-0000-0000-000000000001"


def trie_of(*paths: str) -> Trie[str]:
    trie: Trie[str] = Trie()
    for path in paths:
        trie.place(parse_path(path)).value = path
    return trie


def first(trie: Trie[str], path: str) -> tuple[str, tuple[object, ...]] | None:
    return trie.find(path, lambda value: value)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("path", "expected", "values"),
    [
        ("/", "/", ()),
        ("/users", "/users", ()),
        ("/users/", "/users/", ()),
        ("/users/me", "/users/me", ()),
        ("/users/7", "/users/{id:int}", (7,)),
        ("/users/-7", "/users/{id:int}", (-7,)),
        ("/users/4-7", "/users/{a}-{b}", ("4", "7")),
        ("/users/1.5", "/users/{price:float}", (1.5,)),
        (f"/users/{IDENT}", "/users/{a}-{b}", ("0" * 8, IDENT[9:])),
        ("/users/ann", "/users/{name}", ("ann",)),
        ("/users/a b%é", "/users/{name}", ("a b%é",)),
        ("/users/ann.json", "/users/{name}.json", ("ann",)),
        ("/users/ann.tar.json", "/users/{name}.tar.json", ("ann",)),
        ("/users/.json", "/users/{name}", (".json",)),
        ("/users/a-b-c", "/users/{a}-{b}", ("a", "b-c")),
        ("/users/7/photos", "/users/{id:int}/photos", (7,)),
        ("/users/7/notes", "/users/{name}/notes", ("7",)),
        ("/users/me/notes", "/users/{name}/notes", ("me",)),
        ("/files/a/b/c", "/files/{rest:path}", ("a/b/c",)),
        ("/files/x/y", "/files/x/y", ()),
        ("/files/x/z", "/files/{rest:path}", ("x/z",)),
        ("/files//", "/files/{rest:path}", ("/",)),
        ("/users/help", "/users/{name}", ("help",)),
        ("/en/help", "/{lang}/help", ("en",)),
    ],
)
def test_find_takes_the_most_exact_whatever_the_order(
    order: int, path: str, expected: str, values: tuple[object, ...]
) -> None:
    assert first(trie_of(*ALL[::order]), path) == (expected, values)


def test_find_of_a_uuid_gives_a_uuid() -> None:
    assert first(trie_of("/{id:uuid}", "/{name}"), f"/{IDENT}") == ("/{id:uuid}", (UUID(int=1),))


@pytest.mark.parametrize(
    "path", ["/nothing/here", "/users//", "/files", "/files/", "/users/7/", "//users", "*", ""]
)
def test_find_of_what_nothing_matches_is_none(path: str) -> None:
    assert first(trie_of(*ALL[1:]), path) is None


def test_find_of_a_number_too_long_for_int_falls_through() -> None:
    digits = "9" * 5000
    assert first(trie_of("/{id:int}", "/{name}"), f"/{digits}") == ("/{name}", (digits,))
    assert first(trie_of("/v{id:int}"), f"/v{digits}") is None


def test_find_offers_less_exact_ones_until_one_is_chosen() -> None:
    trie = trie_of("/a/b", "/a/{x}", "/{y}/b", "/{z:path}")
    offered: list[str] = []
    assert trie.find("/a/b", offered.append) is None
    assert offered == ["/a/b", "/a/{x}", "/{y}/b", "/{z:path}"]
    assert trie.find("/a/b", lambda value: value if "y" in value else None) == ("/{y}/b", ("a",))


def test_place_of_paths_that_match_the_same_is_one_node() -> None:
    trie: Trie[int] = Trie()
    for one, other in [
        ("/{a}", "/{b}"),
        ("/{a:int}/x", "/{b:int}/x"),
        ("/{a}.txt", "/{b:str}.txt"),
        ("/d/{a:path}", "/d/{b:path}"),
    ]:
        assert trie.place(parse_path(one)) is trie.place(parse_path(other))
    assert trie.place(parse_path("/{a:int}")) is not trie.place(parse_path("/{a:float}"))


def test_find_in_a_hostile_segment_takes_linear_time() -> None:
    trie = trie_of("/{a}-{b}-{c}-{d}-{e}-{f}.json", "/{a}--{b}--{c}.json")
    began = time.perf_counter()
    assert first(trie, "/" + "-" * 8000) is None
    assert first(trie, "/" + "a-" * 4000 + ".xml") is None
    # A backtracking match of six placeholders would take years.
    assert time.perf_counter() - began < 0.5


def test_find_cost_does_not_grow_with_the_routes() -> None:
    def steps(count: int) -> int:
        trie = trie_of(*(f"/r{number}/{{id:int}}" for number in range(count)))
        seen: list[str] = []
        trie.find(f"/r{count - 1}/5", seen.append)
        return len(seen)

    assert steps(10) == steps(1000) == 1
