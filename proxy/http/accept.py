"""What a client would rather have (RFC 9110 12.5.1)."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from proxy.http.fields import RawHeaders, values
from proxy.http.sse import EVENT_STREAM

# Each alternative takes what it can and gives nothing back, so that a list of any shape is read in
# one pass. A quoted string that does not end goes on to the end.
_MEMBER: Final = re.compile(rb'(?>(?:[^,"]++|"(?>(?:[^"\\]++|\\.)*)(?:"|\\?\Z))+)', re.DOTALL)
_PARAMETER: Final = re.compile(rb'(?>(?:[^;"]++|"(?>(?:[^"\\]++|\\.)*)(?:"|\\?\Z))+)', re.DOTALL)
_WEIGHT: Final = re.compile(rb"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


def ranges(fields: RawHeaders) -> Iterator[tuple[bytes, float]]:
    """The media ranges of all Accept fields, in lower case, each with its weight.

    A weight that is none counts as 1, as if it had not been given.
    """
    for _, kind, weight in weighed(fields, b"accept"):
        yield kind, weight


def weighed(fields: RawHeaders, name: bytes) -> Iterator[tuple[bytes, bytes, float]]:
    """The same of any such field, each with all of its member in front.

    The name is given in lower case.
    """
    for value in values(fields, name):
        for member in _MEMBER.findall(value):
            if member.startswith(b";"):  # parameters of nothing
                continue
            kind, *parameters = _PARAMETER.findall(member)
            kind = kind.strip(b" \t").lower()
            if not kind:
                continue
            weight = 1.0
            for parameter in parameters:
                key, _, text = parameter.partition(b"=")
                if key.strip(b" \t").lower() == b"q":
                    text = text.strip(b" \t")
                    weight = float(text) if _WEIGHT.fullmatch(text) else 1.0
            yield member, kind, weight


def weight_of(weights: Mapping[bytes, float], *kinds: bytes) -> float:
    """That of the first of these that is named: a kind, then the wildcards that hold it, if any."""
    return next((weights[kind] for kind in kinds if kind in weights), 0.0)


def takes_gzip(fields: RawHeaders) -> bool:
    """Whether the client would have gzip no less than no coding (RFC 9110 12.5.3)."""
    weights = {kind: weight for _, kind, weight in weighed(fields, b"accept-encoding")}
    gzip = weight_of(weights, b"gzip", b"x-gzip", b"*")
    return 0.0 < gzip >= weights.get(b"identity", 0.0)


def prefers_events(fields: RawHeaders) -> bool:
    """Whether text/event-stream is all that a client takes, or what it would rather have.

    A client that takes JSON and events alike, as those of MCP do, is to be told what it gets.
    """
    wanted = 0.0
    other = 0.0
    for kind, weight in ranges(fields):
        if kind == EVENT_STREAM:
            wanted = max(wanted, weight)
        else:
            other = max(other, weight)
    return wanted > other
