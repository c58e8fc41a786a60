"""Concerns that are loaded when a configuration wants them.

What a chain does not have costs nothing: neither time at the start nor memory. ``run/chains`` is
the one place that says which concerns these are, and what wants each of them.
"""

import sys
from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any, TypeAlias, cast

from proxy.core.exchange import Handler
from proxy.core.scope import Scope

Wanted: TypeAlias = Callable[[Any], object]
"""Whether a scope may want a concern; where it does not, the ``link`` of the concern gives None."""


class Later:
    """A concern, which stands in a chain as its module does."""

    def __init__(self, module: str, *tables: type, wanted: Wanted | None = None) -> None:
        """``module``: as its file is called below ``proxy/middleware``, with dots.

        ``tables``: it is wanted where the route, or the upstream, has one of them; or where
        ``wanted`` says so.
        """
        self.__name__ = f"proxy.middleware.{module}"
        self._tables = tables
        self._wanted = wanted or self._has_table

    def _has_table(self, scope: Scope) -> bool:
        return any(scope.find(table) is not None for table in self._tables)

    def link(self, scope: Scope, inner: Handler) -> Handler | None:
        """What the module gives; None without it."""
        if not self._wanted(scope):
            return None
        return cast("Handler | None", import_module(self.__name__).link(scope, inner))

    def is_missing(self, tables: Collection[type]) -> bool:
        """Whether a configuration with these tables loads it, and it has not been loaded."""
        return self.__name__ not in sys.modules and any(each in tables for each in self._tables)


def load(concerns: Collection[Later]) -> None:
    """Load these. A reload does so in a thread: one of them takes up to 40 ms."""
    for each in concerns:
        import_module(each.__name__)
