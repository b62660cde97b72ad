from __future__ import annotations

import re
from http import HTTPMethod

import pytest

from blackbull import BlackBull
from blackbull.errors import ConfigurationError
from blackbull.routing import (
    MethodNotApplicable,
    PathNotRegistered,
    RouteInfo,
    Router,
    make_route,
)
from blackbull.routing.handler import ReturnConverters
from blackbull.routing.router import MAX_REMEMBERED_PATH
from tests.spec import spec
from tests.unit.routing.driving import route_of


async def one() -> str:
    return "one"


async def two() -> str:
    return "two"


async def with_id(id: int) -> str:
    return str(id)


async def with_conn(conn: object) -> str:
    return "conn"


def router_of(*routes: tuple[str, str], **more: int) -> Router:
    router = Router(**more)
    for methods, path in routes:
        router.add(route_of(with_conn, path, methods=methods))
    return router


def test_find_gives_route_and_converted_params() -> None:
    router = Router()
    route = route_of(with_id, "/u/{id:int}")
    router.add(route)
    match = router.find("GET", "/u/7")
    assert match.route is route
    assert match.params == {"id": 7}


def test_find_params_changed_by_one_request_are_unchanged_for_the_next() -> None:
    router = router_of(("GET", "/u/{id:int}"))
    router.find("GET", "/u/7").params["id"] = "changed"
    assert router.find("GET", "/u/7").params == {"id": 7}


def test_find_of_an_unknown_path_raises_a_key_error() -> None:
    with pytest.raises(PathNotRegistered, match="'/b'") as caught:
        router_of(("GET", "/a")).find("GET", "/b")
    assert isinstance(caught.value, KeyError)


@spec("RFC 9110 §10.2.1")
def test_find_of_another_method_names_all_that_are_allowed() -> None:
    router = router_of(("GET", "/a/b"), ("PUT", "/a/{x}"), ("DELETE", "/{x:path}"))
    with pytest.raises(MethodNotApplicable) as caught:
        router.find("POST", "/a/b")
    assert caught.value.allowed_methods == ("DELETE", "GET", "HEAD", "PUT")


def test_find_goes_on_when_the_more_exact_path_has_not_the_method() -> None:
    router = router_of(("GET", "/users/me"), ("POST", "/users/{name}"))
    assert router.find("POST", "/users/me").params == {"name": "me"}


@spec("RFC 9110 §9.3.2")
def test_find_head_is_served_by_get_unless_it_has_its_own() -> None:
    router = router_of(("GET", "/a"), ("GET", "/b"), ("HEAD", "/b"), ("POST", "/c"))
    assert router.find("HEAD", "/a").route.methods == ("GET",)
    assert router.find("HEAD", "/b").route.methods == ("HEAD",)
    with pytest.raises(MethodNotApplicable) as caught:
        router.find("HEAD", "/c")
    assert caught.value.allowed_methods == ("POST",)


def test_find_options_only_where_registered() -> None:
    router = router_of(("GET", "/a"), ("OPTIONS", "/b"))
    with pytest.raises(MethodNotApplicable):
        router.find("OPTIONS", "/a")
    assert router.find("OPTIONS", "/b").route.path == "/b"


@spec("RFC 9110 §9.1")
def test_find_methods_are_case_sensitive_tokens() -> None:
    router = router_of(("PROPFIND", "/a"), ("get", "/a"))
    assert router.find("PROPFIND", "/a").route.methods == ("PROPFIND",)
    with pytest.raises(MethodNotApplicable) as caught:
        router.find("GET", "/a")
    assert caught.value.allowed_methods == ("PROPFIND", "get")


def test_find_keeps_schemes_apart() -> None:
    router = Router()
    router.add(route_of(one, "/a"))
    router.add(route_of(two, "/a", scheme="websocket"))
    router.add(route_of(two, "/ws", scheme="websocket"))
    assert router.find("GET", "/a").route.handler is one
    assert router.find("GET", "/a", "websocket").route.handler is two
    with pytest.raises(PathNotRegistered):
        router.find("GET", "/ws")


def test_find_regex_is_tried_last_and_matches_the_whole_path() -> None:
    router = Router()
    converters = ReturnConverters()
    router.add(
        make_route("GET", re.compile(r"/u/(?P<id>\d+)"), handler=with_id, converters=converters)
    )
    router.add(make_route("GET", re.compile(r"/.*z"), handler=one, converters=converters))
    router.add(make_route("GET", "/u/{id:int}/z", handler=with_id, converters=converters))
    assert router.find("GET", "/u/12").params == {"id": "12"}
    assert router.find("GET", "/u/12/z").params == {"id": 12}
    assert router.find("GET", "/q/z").route.handler is one
    with pytest.raises(PathNotRegistered):
        router.find("GET", "/u/12x")
    with pytest.raises(MethodNotApplicable):
        router.find("PUT", "/u/12")


def test_add_same_path_and_method_twice_names_both_handlers() -> None:
    router = Router()
    router.add(route_of(one, "/a"))
    with pytest.raises(ConfigurationError, match=r"GET /a has two handlers.*\.one and.*\.two"):
        router.add(route_of(two, "/a"))
    assert [info.path for info in router.info()] == ["/a"]


def test_add_paths_that_match_the_same_under_other_names_raises() -> None:
    router = router_of(("GET", "/u/{id}"))
    with pytest.raises(ConfigurationError, match="two handlers"):
        router.add(route_of(with_conn, "/u/{name}"))
    router.add(route_of(with_conn, "/u/{name}", methods="PUT"))
    assert router.find("PUT", "/u/ann").params == {"name": "ann"}


def test_add_same_regex_twice_raises() -> None:
    router = Router()
    pattern = re.compile("/a+")
    router.add(make_route("GET", pattern, handler=one, converters=ReturnConverters()))
    with pytest.raises(ConfigurationError, match="two handlers"):
        router.add(make_route("GET", pattern, handler=two, converters=ReturnConverters()))


def test_add_a_name_twice_raises_and_registers_nothing() -> None:
    router = Router()
    router.add(route_of(one, "/a", name="home"))
    with pytest.raises(ValueError, match="'home' belongs to /a"):
        router.add(route_of(two, "/b", name="home"))
    with pytest.raises(PathNotRegistered):
        router.find("GET", "/b")


def test_add_after_freeze_raises() -> None:
    router = router_of(("GET", "/a"))
    router.freeze()
    with pytest.raises(RuntimeError, match="before run"):
        router.add(route_of(two, "/b"))


def test_add_makes_what_was_remembered_forgotten() -> None:
    router = router_of(("GET", "/{x}"))
    assert router.find("GET", "/7").route.path == "/{x}"
    router.add(route_of(with_id, "/{id:int}"))
    assert router.find("GET", "/7").route.path == "/{id:int}"


def test_freeze_fills_static_with_head_from_get() -> None:
    router = router_of(("GET", "/a"), ("POST", "/a"), ("GET", "/u/{id}"), ("PUT", "/p"))
    assert router.static == {}
    router.freeze()
    assert {path: sorted(table) for path, table in router.static.items()} == {
        "/a": ["GET", "HEAD", "POST"],
        "/p": ["PUT"],
    }
    assert router.static["/a"]["HEAD"] is router.static["/a"]["GET"]


def test_freeze_leaves_websocket_routes_out_of_static() -> None:
    router = Router()
    router.add(route_of(one, "/ws", scheme="websocket"))
    router.freeze()
    assert router.static == {}


@pytest.mark.parametrize("cache_max", [0, 1, 2, 8])
def test_find_remembers_no_more_than_it_may(cache_max: int) -> None:
    router = router_of(("GET", "/{id:int}"), cache_max=cache_max)
    for number in range(100):
        assert router.find("GET", f"/{number}").params == {"id": number}
        assert router.find("GET", "/0").params == {"id": 0}
    assert len(router._recent) + len(router._older) <= cache_max + 1


def test_find_remembers_no_path_that_is_long() -> None:
    router = router_of(("GET", "/{name}"))
    for length in range(MAX_REMEMBERED_PATH, MAX_REMEMBERED_PATH + 50):
        router.find("GET", "/" + "x" * length)
    assert not router._recent


def test_find_remembers_what_is_used() -> None:
    router = router_of(("GET", "/{id:int}"), cache_max=4)
    kept = router.find("GET", "/0")
    for number in range(1, 20):
        router.find("GET", f"/{number}")
        assert router.find("GET", "/0") is kept


def test_url_path_for_builds_a_path_that_is_found_again() -> None:
    router = Router()
    router.add(route_of(with_id, "/u/{id:int}", name="user"))
    url = router.url_path_for("user", id=7)
    assert url == "/u/7"
    assert router.find("GET", url).route.name == "user"


def test_url_path_for_what_it_cannot_build_raises() -> None:
    router = Router()
    router.add(route_of(with_id, "/u/{id:int}", name="user"))
    router.add(
        make_route("GET", re.compile("/x"), handler=one, converters=ReturnConverters(), name="x")
    )
    with pytest.raises(KeyError, match="nobody"):
        router.url_path_for("nobody")
    with pytest.raises(ValueError, match="needs a value for 'id'"):
        router.url_path_for("user")
    with pytest.raises(ValueError, match="regular expression"):
        router.url_path_for("x")


def test_info_lists_one_entry_per_method_in_order() -> None:
    router = Router()
    converters = ReturnConverters()
    router.add(
        make_route(["GET", HTTPMethod.POST], "/a", handler=one, converters=converters, name="a")
    )
    router.add(make_route("QUERY", re.compile("/q+"), handler=two, converters=converters))
    assert router.info() == [
        RouteInfo("GET", "/a", "a"),
        RouteInfo("POST", "/a", "a"),
        RouteInfo("QUERY", "/q+", ""),
    ]


@pytest.mark.parametrize("methods", ["", "GE T", "GÉT", [], "GET\n"])
def test_route_with_a_method_that_is_no_token_raises(methods: str) -> None:
    with pytest.raises(ValueError, match="method"):
        route_of(one, "/a", methods=methods)


def test_route_with_middleware_has_no_immediate() -> None:
    async def middleware(conn: object, receive: object, send: object, call_next: object) -> None:
        """Answers nothing."""

    plain = route_of(one)
    assert plain.immediate is plain.plan.immediate is not None
    route = route_of(one, middlewares=[middleware])
    assert route.immediate is None
    assert route.plan.immediate is not None
    assert route.middlewares == (middleware,)


def test_find_remembers_2048_paths_unless_told_otherwise() -> None:
    app = BlackBull()

    @app.route(path="/{name}")
    async def named(name: str) -> str:
        return name

    for number in range(6000):
        app.router.find("GET", f"/{number}")
        assert len(app.router._recent) + len(app.router._older) <= 2048
    app.router._recent.clear()
    with pytest.raises(PathNotRegistered):
        app.router.find("GET", "/no/such")
    with pytest.raises(MethodNotApplicable):
        app.router.find("VERB", "/0")
    assert not app.router._recent  # what a client makes up is not remembered
