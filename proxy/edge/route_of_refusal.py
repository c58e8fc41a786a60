"""The route of a request that is refused before its chain has it: the answer looks as that says.

A browser shows its page no answer without the fields of ``[cors]``, whatever the status.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from proxy.core.errors import ClientError, MethodNotAllowed
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.edge.client_stream import ClientStream
from proxy.edge.responses import ErrorsOptions
from proxy.edge.route_fields import route_fields
from proxy.http.fields import RawHeaders

if TYPE_CHECKING:
    from proxy.edge.preflights import PageRouter


class Chain(Protocol):
    """A route as the edge sees it."""

    @property
    def name(self) -> str:
        """How the log calls it."""

    @property
    def errors(self) -> ErrorsOptions | None:
        """How our own answers look on it."""

    @property
    def handle(self) -> Callable[[Exchange], Awaitable[Reply]]:
        """The chain of middlewares, the upstream at its end."""

    @property
    def own_fields(self) -> Callable[[RawHeaders], RawHeaders] | None:
        """What answers carry that are made before ``handle`` has a say, by the fields as they
        came."""


def answer_as_route(
    router: "PageRouter[Chain]", exchange: Exchange, raw: RawHeaders, stream: ClientStream
) -> None:
    """Have the answer to a refused request look as its route says, as far as one can be found.

    ``raw``: the fields as the client sent them.
    """
    if not exchange.path:  # where it leads could not be read
        return
    chain: Chain | None
    fields = route_fields(raw, ()) if router.identifies else raw
    try:
        chain = router.find(exchange.method, exchange.host, exchange.path, fields)
        exchange.route = chain.name
    except MethodNotAllowed:  # no route takes it, but a page that asks is to read that
        chain = next(router.at(exchange.host, exchange.path, fields), None)
    except ClientError:
        return
    if chain is not None:
        stream.errors = chain.errors
        exchange.error_fields = fields_on(chain, raw)


def fields_on(chain: Chain, raw: RawHeaders) -> RawHeaders:
    """What an answer on a route carries besides its own fields."""
    return () if chain.own_fields is None else chain.own_fields(raw)
