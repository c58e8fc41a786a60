"""The links that a request meets, from the top: a part of ``explain``."""

from collections.abc import Iterator, Sequence

from proxy.core.scope import EndpointScope, Scope, UpstreamScope
from proxy.run.chains import ENDPOINT, ROUTE, UPSTREAM, Concern, Link


def told_chain(
    upstreams: Sequence[str], links: Sequence[tuple[Scope, Link]], *, end: Concern | None = None
) -> Iterator[str]:
    """The links in the order in which a request meets them.

    ``end``: what answers the request, so that nothing below is met.
    """
    yield ""
    yield "Chain: what the request meets, from the top"
    made = [link for scope, link in links if not isinstance(scope, UpstreamScope)]
    ends = [number for number, link in enumerate(ROUTE, 1) if link.concern is end]
    yield from _links(ROUTE[: ends[0] if ends else None], made)
    for name in upstreams:
        at = [(s, link) for s, link in links if isinstance(s, UpstreamScope) and s.upstream == name]
        yield f"  at upstream {name}"
        yield from _links(UPSTREAM, [link for s, link in at if not isinstance(s, EndpointScope)])
        yield from _links(ENDPOINT, [link for s, link in at if isinstance(s, EndpointScope)])
        yield f"    {'forward':22} sends it, and returns the reply with its body unread"


def _links(chain: Sequence[Link], made: Sequence[Link]) -> Iterator[str]:
    for link in chain:
        if link in made:
            yield f"    {link.name:22} {link.reason}"
