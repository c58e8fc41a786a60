"""Which route answers a preflight: the one that would take the request behind it.

A preflight is ``OPTIONS`` whatever the method of that request, and carries none of its fields. By
its own method and fields it came to another route, or to none, where a route names ``methods`` or
``headers``. So routes are looked at in their order, by host, path and the method that is asked for:

- the first with ``[cors]`` whose ``headers`` the request may carry answers;
- one without ``[cors]`` that would take the request in any case ends the search: what stands behind
  it never sees that request. The preflight is then routed as any other ``OPTIONS``.
"""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from proxy.core.exchange import Exchange
from proxy.edge.route_of_refusal import Chain
from proxy.edge.router import RouteOptions, Router, rank
from proxy.http.client_cert import names_client_cert
from proxy.http.fields import RawHeaders
from proxy.http.preflight import Preflight, preflight

T_co = TypeVar("T_co", covariant=True)


class _Candidate(NamedTuple, Generic[T_co]):
    """A route at its host and path."""

    methods: frozenset[str]
    headers: list[tuple[bytes, bytes | None]]
    answers: bool
    """Whether it has ``[cors]``."""
    target: T_co

    def may_take(self, asked: Preflight) -> bool:
        """Whether it may take the request; a browser shows no certificate before that."""
        if self.methods and asked.method.decode("latin-1") not in self.methods:
            return False
        return all(
            names_client_cert(name) or asked.may_follow_with(name, value)
            for name, value in self.headers
        )


class PageRouter(Router[T_co]):
    """A router that knows preflights."""

    __slots__ = ("_candidates",)

    def __init__(
        self, routes: Sequence[tuple[RouteOptions, T_co]], answers: Callable[[T_co], bool]
    ) -> None:
        """``answers``: whether a route has ``[cors]``. Raises ValueError as above."""
        super().__init__(routes)
        self._candidates: Router[_Candidate[T_co]] | None = None
        if any(answers(target) for _, target in routes):
            ranked = sorted(routes, key=lambda route: rank(route[0]))
            self._candidates = Router([_anyhow(each, answers) for each in ranked])

    def answering(self, exchange: Exchange, fields: RawHeaders) -> T_co | None:
        """The route that answers it as a preflight; None where that is for ``find`` to say.

        ``fields``: those by which a route is chosen.
        """
        if self._candidates is None or (asked := preflight(exchange.method, fields)) is None:
            return None
        for each in self._candidates.at(exchange.host, exchange.path, ()):
            if not each.may_take(asked):
                continue
            if each.answers:
                return each.target
            if not each.headers:
                return None
        return None

    def route(self, exchange: Exchange, fields: RawHeaders) -> T_co:
        """The route that takes a request. Raises as ``find`` does."""
        found = self.answering(exchange, fields)
        if found is not None:
            return found
        return self.find(exchange.method, exchange.host, exchange.path, fields)


def answers(chain: Chain) -> bool:
    """Whether a chain answers preflights: it has ``[cors]``."""
    return chain.own_fields is not None


def _anyhow(
    route: tuple[RouteOptions, T_co], answers: Callable[[T_co], bool]
) -> tuple[RouteOptions, _Candidate[T_co]]:
    """A route at its place, whatever methods and fields it asks for: the caller sees to that.

    So all at one place rank alike, and stay in the order in which they are given.
    """
    options, target = route
    place = RouteOptions(
        host=options.host, path=options.path, path_regex=options.path_regex, upstream=""
    )
    wanted = [
        (name.lower().encode(), None if value == "*" else value.strip().encode())
        for name, value in options.headers.items()
    ]
    return place, _Candidate(frozenset(options.methods), wanted, answers(target), target)
