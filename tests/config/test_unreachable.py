"""Routes that can never match."""

from typing import Any

import pytest

from proxy.config.unreachable import shadowed
from proxy.edge.router import RouteOptions

FREE: dict[str, Any] = {}


def hidden(*routes: dict[str, Any]) -> list[int]:
    """Indices of the routes that are warned of."""
    options = [RouteOptions(upstream="api", **route) for route in routes]
    indices = [finding.place[1] for finding in shadowed(options)]
    return [index for index in indices if isinstance(index, int)]


@pytest.mark.parametrize(
    ("routes", "indices"),
    [
        ([FREE, FREE], [1]),
        ([FREE, FREE, FREE], [1, 2]),
        ([{"path": "/v1"}, {"path": "/v1/"}], [1]),
        ([{"host": "A.example"}, {"host": "a.example."}], [1]),
        ([{"host": "*.example.com"}, {"host": "*.example.com"}], [1]),
        ([{"path_regex": "/a"}, {"path_regex": "/a"}], [1]),
        ([{"methods": ("GET", "PUT")}, {"methods": ("PUT", "GET")}], [1]),
        ([{"methods": ("GET", "PUT")}, {"methods": ("GET",)}], [1]),
        ([{"headers": {"X-A": "1"}}, {"headers": {"x-a": "1"}}], [1]),
        ([{"headers": {"X-A": "*"}}, {"headers": {"x-a": "1"}}], [1]),
        # the one that names more stands first, whatever the file's order
        ([FREE, {"methods": ("GET",)}], []),
        ([FREE, {"headers": {"X-A": "1"}}], []),
        ([{"methods": ("GET",)}, {"methods": ("GET", "PUT")}], []),
        ([{"methods": ("GET",)}, {"headers": {"X-A": "1"}}], []),
        ([{"headers": {"X-A": "1"}}, {"headers": {"X-A": "2"}}], []),
        ([{"headers": {"X-A": "1"}}, {"headers": {"X-A": "*"}}], []),
        ([FREE, {"path": "/v1"}], []),
        ([{"path": "/v1"}, {"path": "/v10"}], []),
        ([{"host": "*.example.com"}, {"host": "a.example.com"}], []),
        ([{"path_regex": "/.*"}, {"path": "/a"}], [1]),
        ([{"path_regex": ".*"}, {"path": "/a"}, {"path_regex": "/b"}, FREE], [1, 3]),
        ([{"path_regex": "/.*", "methods": ("GET",)}, {"path": "/a"}], []),
        ([{"path_regex": "/.*"}, {"path": "/a", "host": "a.example"}], []),
        ([{"path_regex": "/b.*"}, {"path": "/b"}], []),
        ([{"path": "bad"}, {"path": "bad"}], []),
        ([{"host": "bad/"}, {"host": "bad/"}], []),
    ],
)
def test_only_a_route_whose_requests_all_go_elsewhere_is_named(
    routes: list[dict[str, Any]], indices: list[int]
) -> None:
    assert hidden(*routes) == indices


def test_the_warning_names_the_route_that_takes_them() -> None:
    [finding] = shadowed([RouteOptions(upstream="a"), RouteOptions(upstream="b")])
    assert finding.message.startswith("warning: this route can never match, routes[0]")
