"""Concerns that are loaded when a configuration wants them.

What a chain does not have costs nothing: neither time at the start nor memory. ``run/chains`` is
the one place that says which concerns these are, and what wants each of them.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeAlias, cast

from proxy.core.exchange import Handler
from proxy.core.scope import Scope

Wanted: TypeAlias = Callable[[Any], object]
"""Whether a scope may want a concern; where it does not, the ``link`` of the concern gives None."""


class Later:
    """A concern, which stands in a chain as its module does."""

    def __init__(self, module: str, wanted: Wanted) -> None:
        """``module``: as its file is called below ``proxy/middleware``, with dots."""
        self.__name__ = f"proxy.middleware.{module}"
        self._wanted = wanted

    def link(self, scope: Scope, inner: Handler) -> Handler | None:
        """What the module gives; None without it."""
        if not self._wanted(scope):
            return None
        return cast("Handler | None", import_module(self.__name__).link(scope, inner))


def table(*kinds: type) -> Wanted:
    """Where the route, or the upstream, has one of these tables."""
    return lambda scope: any(scope.find(kind) is not None for kind in kinds)
