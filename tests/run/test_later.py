"""Concerns that are loaded when a configuration wants them."""

import importlib
import sys
import threading
from types import ModuleType
from typing import Any, cast

import pytest

import proxy.middleware
from proxy.config.load import from_tables
from proxy.core.cache_options import CacheOptions
from proxy.core.exchange import Exchange, Handler
from proxy.core.rate_limit_options import RateLimitOptions
from proxy.core.reply import Reply
from proxy.core.scope import Scope
from proxy.run import later as later_module
from proxy.run.chains import ENDPOINT, ROUTE, UPSTREAM, missing
from proxy.run.later import Later, load
from tests.support.proxy import fronted
from tests.support.scope import upstream_scope
from tests.support.upstream import HEALTHY

QUOTAS = ["proxy.middleware.quota_wait", "proxy.middleware.upstream_quota"]


async def innermost(_: Exchange) -> Reply:
    raise NotImplementedError


def test_a_concern_that_is_not_wanted_is_not_loaded() -> None:
    later = Later("nowhere", wanted=lambda _: False)
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
    assert Later("here", wanted=lambda of: of is wanting).link(wanting, innermost) is innermost
    assert given == [wanting]


def test_it_may_be_any_of_several_tables_that_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    module = cast(Any, ModuleType("here"))
    module.link = lambda _, inner: inner
    monkeypatch.setitem(sys.modules, "proxy.middleware.here", module)
    later = Later("here", CacheOptions, RateLimitOptions)
    for tables, expected in (
        ({"cache": {}}, innermost),
        ({"rate_limit": {"average": 1}}, innermost),
        ({"concurrency": {}}, None),
    ):
        config = from_tables({**tables, "upstreams": [{"name": "a", "servers": ["http://a"]}]})
        assert later.link(upstream_scope(config), innermost) is expected


def unload(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `[rate_limit]` loads, as if it had not been loaded; its names."""
    for name in QUOTAS:
        module = importlib.import_module(name)
        monkeypatch.setattr(proxy.middleware, name.rpartition(".")[2], module)
        monkeypatch.delitem(sys.modules, name)
    return QUOTAS


def test_what_is_missing_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    names = unload(monkeypatch)
    later = Later("upstream_quota", CacheOptions, RateLimitOptions)
    assert not later.is_missing({CacheOptions} - {CacheOptions})
    assert not Later("upstream_quota", wanted=lambda _: True).is_missing({RateLimitOptions})
    assert later.is_missing({RateLimitOptions, int})
    assert [each.__name__ for each in missing({RateLimitOptions})] == names
    load(missing({RateLimitOptions}))
    assert not later.is_missing({RateLimitOptions})
    assert missing({RateLimitOptions}) == []


async def test_a_reload_loads_in_a_thread_while_the_loop_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with fronted(HEALTHY) as (_, running):
        names = unload(monkeypatch)
        seen: list[tuple[str, bool]] = []

        def loaded(wanted: str) -> ModuleType:
            if wanted not in sys.modules:
                seen.append((wanted, threading.current_thread() is threading.main_thread()))
            return importlib.import_module(wanted)

        monkeypatch.setattr(later_module, "import_module", loaded)
        await running.reload(rate_limit={"average": 1})
        assert seen == [
            (name, False) for name in names
        ]  # and nothing that is not in this configuration


def test_every_name_is_that_of_a_module() -> None:
    concerns = [row.concern for row in (*ROUTE, *UPSTREAM, *ENDPOINT)]
    later = [each for each in concerns if isinstance(each, Later)]
    assert later
    for each in later:
        module = __import__(each.__name__, fromlist=["link"])
        assert callable(module.link)
