"""Many routes: how one of them is found does not depend on how many others there are."""

import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.micro.counter import Calls
from proxy.edge.router import RouteOptions, rank
from tests.edge.test_router import find, route, router

LABELS = ["a", "b", "c"]
HOSTS = st.lists(st.sampled_from(LABELS), min_size=1, max_size=4).map(".".join)
FIELDS = st.dictionaries(st.sampled_from(["X-A", "X-B"]), st.sampled_from(["1", "2", "*"]))


@given(
    st.lists(
        st.tuples(
            HOSTS | HOSTS.map("*.{}".format) | st.just(""), st.sampled_from(["/", "/p"]), FIELDS
        ),
        max_size=12,
    ),
    HOSTS,
    st.lists(
        st.tuples(st.sampled_from([b"x-a", b"X-B"]), st.sampled_from([b"1", b" 2\t", b"2", b"3"])),
        max_size=3,
    ),
)
def test_what_is_found_is_the_first_by_rank_that_fits(
    asked: list[tuple[str, str, dict[str, str]]], host: str, given_: list[tuple[bytes, bytes]]
) -> None:
    """However routes are looked up: as if one after the other had been tried."""
    routes = [route(host=name, path=path, headers=fields) for name, path, fields in asked]

    def fits(options: RouteOptions) -> bool:
        end = options.host.removeprefix("*")
        if options.host and not (host == end if end == options.host else host.endswith(end)):
            return False
        for name, wanted in options.headers.items():
            has = [value.strip() for key, value in given_ if key.lower() == name.lower().encode()]
            if not has or (wanted != "*" and wanted.encode() not in has):
                return False
        return True

    best = sorted((rank(each), number) for number, each in enumerate(routes) if fits(each))
    found = find(router(*routes), "/p/x", host=host, headers=tuple(given_))
    assert found == (best[0][1] if best else None)


@pytest.mark.parametrize(
    "options",
    [
        lambda number: {"host": f"*.h{number}.test"},
        lambda number: {"headers": {"X-Tenant": f"t{number}"}},
        lambda number: {"path": f"/p{number}"},
    ],
    ids=["wildcards", "fields", "prefixes"],
)
def test_many_routes_cost_no_more_than_few(options: Callable[[int], dict[str, object]]) -> None:
    def calls(count: int) -> int:
        routes = router(*(route(**options(number)) for number in range(count)))
        last = count - 1
        made = Calls(set())
        sys.setprofile(made.event)
        try:
            found = find(
                routes,
                f"/p{last}",
                host=f"a.h{last}.test",
                headers=((b"X-Tenant", b"t%d" % last),),
            )
        finally:
            sys.setprofile(None)
        assert found == last
        return made.count

    assert calls(2000) <= calls(2) + 5
