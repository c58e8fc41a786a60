"""Concerns that are loaded when a configuration wants them."""

import sys
from types import ModuleType
from typing import Any, cast

import pytest

from proxy.config.load import from_tables
from proxy.core.cache_options import CacheOptions
from proxy.core.exchange import Exchange, Handler
from proxy.core.rate_limit_options import RateLimitOptions
from proxy.core.reply import Reply
from proxy.core.scope import Scope
from proxy.run.chains import ENDPOINT, ROUTE, UPSTREAM
from proxy.run.later import Later, table
from tests.support.scope import upstream_scope


async def innermost(_: Exchange) -> Reply:
    raise NotImplementedError


def test_a_concern_that_is_not_wanted_is_not_loaded() -> None:
    later = Later("nowhere", lambda _: False)
    assert later.link(cast(Scope, object()), innermost) is None


def test_one_that_is_wanted_makes_its_own_link(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def link(of: Scope, inner: Handler) -> Handler:
        given.append(of)
        return inner

    module = cast(Any, ModuleType("here"))
    module.link = link
    monkeypatch.setitem(sys.modules, "proxy.middleware.here", module)
    wanting = cast(Scope, object())
    assert Later("here", lambda of: of is wanting).link(wanting, innermost) is innermost
    assert given == [wanting]


def test_it_may_be_any_of_several_tables_that_wants_it() -> None:
    wanted = table(CacheOptions, RateLimitOptions)
    for tables, expected in (
        ({"cache": {}}, True),
        ({"rate_limit": {"average": 1}}, True),
        ({"concurrency": {}}, False),
    ):
        config = from_tables({**tables, "upstreams": [{"name": "a", "servers": ["http://a"]}]})
        assert wanted(upstream_scope(config)) is expected


def test_every_name_is_that_of_a_module() -> None:
    concerns = [row.concern for row in (*ROUTE, *UPSTREAM, *ENDPOINT)]
    later = [each for each in concerns if isinstance(each, Later)]
    assert later
    for each in later:
        module = __import__(each.__name__, fromlist=["link"])
        assert callable(module.link)
