"""All credentials of one upstream."""

from collections.abc import Iterator
from functools import partial
from math import isinf
from typing import TYPE_CHECKING, cast

from proxy.core.clock import Clock, monotonic
from proxy.core.credentials import Field
from proxy.core.samples import Sample, counter, gauge, info
from proxy.policy.keys import Key, Keys
from proxy.upstream.credentials.options import (
    CredentialsOptions,
    CredentialsTables,
    each_of,
    names_of,
)
from proxy.upstream.credentials.sources import FromFile, Given, Source
from proxy.upstream.session import Session

if TYPE_CHECKING:
    from proxy.upstream.credentials.tokens import Tokens


class UpstreamCredentials:
    """The keys of an upstream, and where their values come from."""

    __slots__ = ("_clock", "_ends", "_made", "_sources", "_tokens", "choice", "keys", "names")

    def __init__(
        self,
        tables: CredentialsTables | None,
        upstream: str,
        session: Session,
        clock: Clock = monotonic,
        before: "UpstreamCredentials | None" = None,
    ) -> None:
        """Raises OSError, ValueError or ssl.SSLError where a file or a value cannot be used.

        ``before``: those that are used now. What is among them under the same name and with the
        same options goes on: its token, and what the upstream has said of it.
        """
        self._clock = clock
        known = {} if before is None else before._made
        make = partial(_source, upstream=upstream, session=session, clock=clock)
        self._made: dict[tuple[str, CredentialsOptions], Source] = {
            each: known.get(each) or make(*each)
            for each in zip(names_of(tables), each_of(tables), strict=True)
        }
        sources = list(self._made.values())
        self._ends = sources
        """Those that end with these credentials."""
        self.keys = tuple(source.key for source in sources)
        self.choice = Keys(self.keys)
        self.names = frozenset(
            each.header.lower().replace("_", "-").encode() for each in each_of(tables)
        )
        self._sources = {source.key: source for source in sources}
        self._tokens = {
            source.key: cast("Tokens", source)
            for source, options in zip(sources, each_of(tables), strict=True)
            if options.oauth2 is not None
        }

    @property
    def may_change(self) -> bool:
        """Whether there are files that are worth a look."""
        return any(source.may_change for source in self._sources.values())

    def open(self) -> None:
        """Ask for tokens."""
        for source in self._sources.values():
            source.open()

    async def close(self) -> None:
        """Stop asking."""
        for source in self._ends:
            await source.close()

    def leave_to(self, others: "UpstreamCredentials") -> None:
        """What goes on in others, which take the place of these, does not end with these."""
        stay = others._made.values()
        self._ends = [source for source in self._ends if source not in stay]

    async def look(self) -> None:
        """A second has passed: look at the files."""
        for source in self._sources.values():
            await source.look()

    def shown(self) -> tuple[Field, ...]:
        """What a health check shows, without waiting for it: the first key that the upstream takes.

        Where there is none, one that it may not take; a key whose quota is used up is taken.
        """
        now = self._clock()
        first = min(
            (key for key in self.keys if key.field is not None),
            key=lambda key: not key.usable(now) or key.refused_until > now,
            default=None,
        )
        return () if first is None or first.field is None else (first.field,)

    async def ready(self, key: Key, until: float) -> Field:
        """See ``core/credentials``. Raises CredentialsUnavailable."""
        return await self._sources[key].ready(until)

    async def refused(self, key: Key, shown: Field, until: float) -> bool:
        """See ``core/credentials``."""
        return await self._sources[key].refused(shown, until)

    def describe(self, now: float) -> Iterator[Sample]:
        """For operators, by name; ``now`` is monotonic."""
        for key in self.keys:
            labels = {"credentials": key.name}
            yield gauge("credentials_usable", int(key.usable(now)), labels)
            yield counter("credentials_requests", key.requests, labels)
            yield counter("credentials_exceeded", key.exceeded, labels)
            yield counter("credentials_refused", key.refused, labels)
            yield gauge("credentials_blocked_seconds", key.blocked_for(now), labels)
            if not isinf(left := key.left(now)):
                yield gauge("credentials_left", left, labels)
            if not isinf(key.usable_until):
                yield gauge("credentials_expires_seconds", max(0.0, key.usable_until - now), labels)
            if (tokens := self._tokens.get(key)) is not None:
                yield counter("credentials_renewals", tokens.renewals, labels)
                yield counter("credentials_failures", tokens.failures, labels)
                yield info("credentials_failure", tokens.failure, labels)


def _source(
    name: str, options: CredentialsOptions, *, upstream: str, session: Session, clock: Clock
) -> Source:
    if options.oauth2 is not None:
        from proxy.upstream.credentials.token_server import TokenServer  # noqa: PLC0415 - with it
        from proxy.upstream.credentials.tokens import Tokens  # noqa: PLC0415 - with it

        ask = TokenServer(options.oauth2, session).ask
        return Tokens(Key(name), options.header.encode(), ask, upstream, clock)
    return FromFile(name, options, clock) if options.value_file else Given(name, options)
