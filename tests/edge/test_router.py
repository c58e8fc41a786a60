"""The most specific route wins."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.errors import MethodNotAllowed, NoRoute
from proxy.edge.router import RouteOptions, Router, rank
from proxy.http.grammar import Malformed
from proxy.http.target import normal_path


def route(**options: object) -> RouteOptions:
    return msgspec.convert({"upstream": "u", **options}, RouteOptions)


def router(*routes: RouteOptions) -> Router[int]:
    return Router([(options, index) for index, options in enumerate(routes)])


def find(
    routes: Router[int],
    path: str = "/",
    *,
    method: str = "GET",
    host: str = "api.test",
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> int | None:
    try:
        return routes.find(method, host, path, headers)
    except NoRoute:
        return None


@pytest.mark.parametrize(
    ("prefix", "path", "taken"),
    [
        ("/v1", "/v1", True),
        ("/v1", "/v1/", True),
        ("/v1", "/v1/a", True),
        ("/v1", "/v10", False),
        ("/v1", "/V1", False),
        ("/v1/", "/v1", True),
        ("/v1/", "/v1/a", True),
        ("/v1/", "/v10", False),
        ("/v1", "/", False),
        ("/v1/items", "/v1", False),
        ("/", "/", True),
        ("/", "//x", True),
        ("/café", "/caf%C3%A9/x", True),
        ("/%7euser", "/~user", True),
    ],
)
def test_prefixes_end_at_segments(prefix: str, path: str, taken: bool) -> None:
    assert (find(router(route(path=prefix)), path) == 0) is taken


@pytest.mark.parametrize(
    ("pattern", "path", "taken"),
    [
        (r"/items/(\d+)", "/items/7", True),
        (r"/items/(\d+)", "/items/7/a", False),
        (r"/items/(\d+)", "/x/items/7", False),
        (r"/a|/b", "/b", True),
    ],
)
def test_a_regex_matches_the_whole_path(pattern: str, path: str, taken: bool) -> None:
    assert (find(router(route(path_regex=pattern)), path) == 0) is taken


@pytest.mark.parametrize(
    ("pattern", "host", "taken"),
    [
        ("api.test", "api.test", True),
        ("api.test", "API.Test:8080", True),
        ("api.test", "api.test.", True),
        ("api.test", "api.test.:80", True),
        ("Api.Test.", "api.test", True),
        ("api.test", "x.api.test", False),
        ("api.test", "", False),
        ("*.test", "api.test", True),
        ("*.test", "a.b.test:1", True),
        ("*.test", "test", False),
        ("*.test", "atest", False),
        ("[::1]", "[::1]:8080", True),
        ("[::1]", "[::2]", False),
        ("", "anything", True),
        ("", "", True),
    ],
)
def test_hosts_are_compared_without_case_port_and_root_dot(
    pattern: str, host: str, taken: bool
) -> None:
    assert (find(router(route(host=pattern)), host=host) == 0) is taken


ORDER = (
    route(host="api.test", path_regex="/a/.*"),
    route(host="api.test", path_regex="/.*"),
    route(host="api.test", path="/a/b"),
    route(host="api.test", path="/a", methods=["GET"], headers={"X-T": "1"}),
    route(host="api.test", path="/a", headers={"X-T": "*"}),
    route(host="api.test", path="/a"),
    route(host="*.b.test", path="/a"),
    route(host="*.test", path="/a/b"),
    route(host="*.test"),
    route(path="/a/b"),
    route(path="/"),
)


@given(st.permutations(range(len(ORDER))))
def test_the_order_in_the_file_decides_only_ties(places: list[int]) -> None:
    assert sorted(places, key=lambda place: rank(ORDER[place])) == list(range(len(ORDER)))


CASES = (
    ("/a/x", "api.test", "GET", (), 0),
    ("/b", "api.test", "GET", (), 1),
    ("/a", "x.b.test", "GET", (), 6),
    ("/a/b", "x.b.test", "GET", (), 6),  # the longer wildcard goes before the longer path
    ("/a/b", "x.test", "GET", (), 7),
    ("/c", "x.b.test", "GET", (), 8),
    ("/a/b/c", "other", "GET", (), 9),
    ("/c", "other", "GET", (), 10),
)


@pytest.mark.parametrize(("path", "host", "method", "headers", "index"), CASES)
def test_the_most_specific_route_wins(
    path: str, host: str, method: str, headers: tuple[tuple[bytes, bytes], ...], index: int
) -> None:
    assert find(router(*ORDER), path, host=host, method=method, headers=headers) == index


def test_on_a_tie_the_first_in_the_file_wins() -> None:
    both = route(path="/a", methods=["GET", "POST"])
    assert find(router(both, route(path="/a/", methods=["GET"])), "/a") == 0


@pytest.mark.parametrize(
    ("wanted", "headers", "taken"),
    [
        ({"X-Tenant": "acme"}, ((b"x-TENANT", b"acme"),), True),
        ({"X-Tenant": "acme"}, ((b"X-Tenant", b" acme\t"),), True),
        ({"X-Tenant": "acme"}, ((b"X-Tenant", b"Acme"),), False),
        ({"X-Tenant": "acme"}, ((b"X-Tenant", b"b"), (b"X-Tenant", b"acme")), True),
        ({"X-Tenant": "acme"}, (), False),
        ({"X-Beta": "*"}, ((b"X-Beta", b""),), True),
        ({"X-Beta": "*"}, ((b"X-Beta2", b"1"),), False),
        ({"X-A": "1", "X-B": "2"}, ((b"X-A", b"1"),), False),
        ({"X-A": "1", "X-B": "2"}, ((b"X-B", b"2"), (b"X-A", b"1")), True),
        ({"X-A": "\xe9"}, ((b"X-A", b"\xc3\xa9"),), True),
    ],
)
def test_a_route_asks_for_fields(
    wanted: dict[str, str], headers: tuple[tuple[bytes, bytes], ...], taken: bool
) -> None:
    assert (find(router(route(headers=wanted)), headers=headers) == 0) is taken


def test_a_field_that_is_missing_leaves_the_request_to_the_next_route() -> None:
    assert find(router(route(path="/a", headers={"X": "1"}), route()), "/a") == 1


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/a", ("DELETE", "GET", "PUT")),
        ("HEAD", "/a", ("DELETE", "GET", "PUT")),  # HEAD is taken only where it is named
        ("GET", "/b", ("PATCH",)),
    ],
)
def test_a_method_that_no_route_takes_is_told_those_that_some_do(
    method: str, path: str, allow: tuple[str, ...]
) -> None:
    routes = router(
        route(path="/a", methods=["PUT", "GET"]),
        route(path="/a", methods=["DELETE"]),
        route(path="/a", methods=["POST"], headers={"X-Never": "1"}),
        route(path="/b", methods=["PATCH"]),
    )
    with pytest.raises(MethodNotAllowed) as caught:
        find(routes, path, method=method)
    assert caught.value.allow == allow


def test_a_refused_method_is_answered_as_the_first_route_of_its_path_says() -> None:
    never = route(path="/a", methods=["POST"], headers={"X-Never": "1"})
    routes = router(route(path="/"), route(path="/a", methods=["PUT"]), never)
    assert next(routes.at("api.test", "/a", ())) == 1
    assert next(routes.at("api.test", "/b", ())) == 0
    assert list(router(never).at("api.test", "/a", ())) == []


def test_a_method_may_fall_through_to_a_wider_route() -> None:
    routes = router(route(path="/a", methods=["GET"]), route(path="/"))
    assert find(routes, "/a", method="POST") == 1


@pytest.mark.parametrize("routes", [[], [route(path="/a")], [route(host="x.test")]])
def test_no_route_is_no_route(routes: list[RouteOptions]) -> None:
    with pytest.raises(NoRoute):
        router(*routes).find("GET", "api.test", "/b", ())


@pytest.mark.parametrize(
    "options",
    [
        *({"host": host} for host in ("*", "a b", "*.", "a.*.b", "http://a", "é.test", "a/b")),
        *({"path": path} for path in ("v1", "", "/a?b", "/..")),
        *({"path_regex": "("}, {"methods": ["G T"]}, {"methods": [""]}, {"headers": {"a:": "b"}}),
    ],
)
def test_options_that_can_never_match_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        router(route(**options))


def takes(options: RouteOptions, path: str) -> bool:
    """The rule said once more, in the plainest way."""
    prefix = options.path.rstrip("/")
    return path == prefix or path.startswith(prefix + "/")


prefixes = st.lists(st.sampled_from(["a", "b", "ab", ""]), max_size=3).map(
    lambda parts: "/" + "/".join(parts)
)


@given(st.lists(prefixes, max_size=6), prefixes)
def test_the_longest_prefix_wins_whatever_stands_in_the_file(some: list[str], path: str) -> None:
    routes = [route(path=prefix) for prefix in some if not prefix.endswith("//")]
    matching = [options for options in routes if takes(options, path)]
    best = max(matching, key=lambda options: len(options.path.rstrip("/")), default=None)
    found = find(router(*routes), path)
    assert (found is None and best is None) or (
        found is not None
        and best is not None
        and routes[found].path.rstrip("/") == best.path.rstrip("/")
    )


@given(st.binary(max_size=20).map(lambda tail: b"/admin" + tail), st.randoms())
def test_no_spelling_of_a_path_reaches_another_route(raw: bytes, rng: random.Random) -> None:
    """Escaping what need not be escaped changes nothing."""
    spelled = b"".join(
        b"%%%02x" % code
        if chr(code).isalnum() and code < 128 and rng.random() < 0.5
        else bytes((code,))
        for code in raw.partition(b"?")[0].replace(b"%", b"")
    )
    routes = router(route(path="/"), route(path="/admin"))
    try:
        plain = normal_path(raw.partition(b"?")[0].replace(b"%", b""))
    except Malformed:
        return
    assert find(routes, normal_path(spelled)) == find(routes, plain)
