"""docs/requests.md is right about the writings of a path that routes tell apart."""

import re

import pytest

from proxy.core.errors import NoRoute
from proxy.edge.router import RouteOptions, Router
from proxy.http.grammar import Malformed
from proxy.http.target import check_escapes, normal_path
from tests.docs.test_guides import read
from tests.test_docs import TOP

TEXT = read(TOP / "docs" / "requests.md").partition("**Routes are no access control.**")[2]
LISTED = re.findall(r"\(`(/[^`]+)`|, `(/[^`]+)`", TEXT.partition("A route with")[0])
WRITINGS = [one or other for one, other in LISTED]
ROUTER = Router([(RouteOptions(path="/admin", upstream="api"), "api")])


def find(target: str) -> str:
    return ROUTER.find("GET", "a.test", normal_path(target.encode()), [])


def test_the_page_lists_some() -> None:
    assert len(WRITINGS) == 7


@pytest.mark.parametrize("target", WRITINGS)
def test_what_is_listed_takes_another_route(target: str) -> None:
    with pytest.raises(NoRoute):
        find(target)
    if "\\" in target:
        with pytest.raises(Malformed):
            check_escapes(target.encode())
    else:
        check_escapes(target.encode())


@pytest.mark.parametrize("target", ["/%61dmin", "/x/../admin", "/./admin/", "/x/%2e%2E/admin"])
def test_what_all_servers_read_as_the_path_takes_its_route(target: str) -> None:
    assert find(target) == "api"
