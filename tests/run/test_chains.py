"""The tables of the chains, and what is made of one."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any, cast

import proxy.middleware
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.core.scope import Scope
from proxy.run.chains import ENDPOINT, ROUTE, UPSTREAM, Link, linked

ROWS = (*ROUTE, *UPSTREAM, *ENDPOINT)
SCOPE = cast(Scope, object())


def concerns() -> Iterator[str]:
    """Every module that makes a link."""
    found = pkgutil.walk_packages(proxy.middleware.__path__, f"{proxy.middleware.__name__}.")
    for name in (each.name for each in found):
        link = vars(import_module(name)).get("link")
        if link is not None and link.__module__ == name:
            yield name


def test_every_module_that_makes_a_link_has_one_row() -> None:
    rows = [row.concern.__name__ for row in ROWS]
    assert sorted(rows) == sorted(concerns())


def test_every_row_has_a_name_and_a_reason_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert len({row.reason for row in ROWS}) == len(ROWS)
    assert all(row.reason for row in ROWS)


def test_a_row_is_called_as_its_file_or_folder() -> None:
    names = {row.concern.__name__: row.name for row in ROWS}
    assert names["proxy.middleware.cors"] == "cors"
    assert names["proxy.middleware.retry.retry"] == "retry"
    assert names["proxy.middleware.deadline.deadline"] == "deadline"
    assert names["proxy.middleware.deadline.propagation"] == "deadline/propagation"


async def innermost(_: Exchange) -> Reply:
    """Below all links."""
    raise NotImplementedError


def row(name: str, told: list[Any], *, handler: Handler | None) -> Link:
    """A link that tells what it was made from."""

    def link(scope: object, inner: Handler) -> Handler | None:
        told.append((name, scope, inner))
        return handler

    return Link(cast(Any, SimpleNamespace(__name__=name, link=link)), name)


def test_links_are_made_from_the_inside_and_what_is_left_out_is_not_told_of() -> None:
    async def top(_: Exchange) -> Reply:
        raise NotImplementedError

    async def low(_: Exchange) -> Reply:
        raise NotImplementedError

    told: list[Any] = []
    high, out, below = (
        row("high", told, handler=top),
        row("out", told, handler=None),
        row("below", told, handler=low),
    )
    made: list[Any] = []
    chain = (high, out, below)
    handler = linked(chain, SCOPE, innermost, lambda scope, link: made.append((scope, link)))
    assert handler is top
    assert told == [("below", SCOPE, innermost), ("out", SCOPE, low), ("high", SCOPE, low)]
    assert made == [(SCOPE, below), (SCOPE, high)]
    assert linked((), SCOPE, innermost) is innermost
