"""Which of several servers gets an attempt.

All policies have ``pick(candidates, key, now)``. There is at least one candidate; what is ejected,
unhealthy or tried before has been taken out. ``now`` is in seconds of a monotonic clock.
"""

import math
import random
from bisect import bisect
from collections.abc import Callable, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import ClassVar, Final, Protocol, TypeVar

from proxy.policy.endpoint import Endpoint

_MEMORY: Final = 60.0
"""Seconds after which round robin forgets who is away; at worst a turn is out of order."""
_FIRST_SHARE: Final = 0.1
"""Of its weight, for a server that starts slowly; Envoy's ``min_weight_percent``."""


C = TypeVar("C", bound=Endpoint)


class Policy(Protocol):
    """How one of several is picked. A new one stands in ``POLICIES``, and as a word in the options
    of ``[load_balance]``; a test compares the two."""

    __slots__ = ()
    by_key: ClassVar[bool] = False
    """Whether ``pick`` is given the key of the request."""
    by_latency: ClassVar[bool] = False
    """Whether it asks for latencies, which are measured for that."""
    less_for_slow: ClassVar[bool] = False
    """Whether the weights of servers are lowered that are slow beside the others. With others keys
    would move, turns would not be what was asked for, or slowness would count twice."""

    def __init__(self, rng: random.Random) -> None: ...

    def pick(self, candidates: Sequence[C], key: bytes | None, now: float) -> C:
        """One of them."""
        ...


class RoundRobin(Policy):
    """In turn, by weight and without bunches: nginx's smooth weighted round robin.

    Each gains its weight at every pick, and who has most is picked and pays for all. Who is away
    gains nothing, and so has nothing to catch up with later.
    """

    __slots__ = ("_credit", "_swept")

    def __init__(self, _: random.Random | None = None) -> None:
        self._credit: dict[str, float] = {}
        self._swept = -math.inf

    def pick(self, candidates: Sequence[C], key: bytes | None, now: float) -> C:
        """The one that is owed most."""
        if len(candidates) == 1:
            return candidates[0]
        if now - self._swept > _MEMORY:
            self._sweep(candidates, now)
        credit = self._credit
        total, most, best = 0.0, -math.inf, candidates[0]
        for each in candidates:
            weight = each.weight
            total += weight
            credit[each.name] = owed = credit.get(each.name, 0.0) + weight
            if owed > most:
                most, best = owed, each
        credit[best.name] = most - total
        return best

    def _sweep(self, candidates: Sequence[C], now: float) -> None:
        names = {each.name for each in candidates}
        self._credit = {name: owed for name, owed in self._credit.items() if name in names}
        self._swept = now


class LeastRequest(Policy):
    """The less busy of two that are drawn by weight (power of two choices).

    The second is taken where, with this request, it would be no busier for its weight than the
    first is without it. So an idle upstream follows the weights exactly, a busy one evens out
    ``in_flight / weight``, and with equal weights the one with fewer requests is taken. Comparing
    ``(in_flight + 1) / weight`` instead would leave the lighter of two idle servers without any.
    """

    __slots__ = ("_rng",)
    less_for_slow = True

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def pick(self, candidates: Sequence[C], key: bytes | None, now: float) -> C:
        """The first drawn, unless the second is less busy."""
        if len(candidates) == 1:
            return candidates[0]
        first, second = _two(candidates, self._rng)
        if (second.in_flight + 1) * first.weight <= first.in_flight * second.weight:
            return second
        return first


class PeakEwma(Policy):
    """The one of two that will answer sooner: Finagle's, which Linkerd uses.

    A server of which nothing is known is tried at once if it is idle. While it has yet to answer,
    it is taken to be as fast as the one it is compared with, so it is never given more to do.
    """

    __slots__ = ("_rng",)
    by_latency = True

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def pick(self, candidates: Sequence[C], key: bytes | None, now: float) -> C:
        """Of two drawn by weight, that with less latency times requests for its weight."""
        if len(candidates) == 1:
            return candidates[0]
        first, second = _two(candidates, self._rng)
        one, other = first.latency.value(now), second.latency.value(now)
        unknown = max(one, other) or 1.0
        if not one and first.in_flight:
            one = unknown
        if not other and second.in_flight:
            other = unknown
        if (
            other * (second.in_flight + 1) * first.weight
            < one * (first.in_flight + 1) * second.weight
        ):
            first = second
        first.latency.asked(now)
        return first


class Hash(Policy):
    """The same server for the same key: weighted rendezvous hashing.

    When a server leaves, only its keys move, in proportion to the weights of the others; when its
    weight grows, keys move only to it. No ring is kept: a pick costs about a microsecond for each
    candidate, which suits some dozens.
    """

    __slots__ = ("_keyless",)
    by_key = True

    def __init__(self, rng: random.Random) -> None:
        self._keyless = LeastRequest(rng)

    def pick(self, candidates: Sequence[C], key: bytes | None, now: float) -> C:
        """The one that ``key`` belongs to; without a key, the less busy of two."""
        if len(candidates) == 1:
            return candidates[0]
        if key is None:
            return self._keyless.pick(candidates, key, now)
        # A digest first: a long key is read once, and no name can run into a key.
        digest = blake2b(key, digest_size=16).digest()
        return min(candidates, key=lambda each: _arrival(each, digest))


POLICIES: Final[dict[str, type[Policy]]] = {
    "round_robin": RoundRobin,
    "least_request": LeastRequest,
    "peak_ewma": PeakEwma,
    "hash": Hash,
}
"""As ``[load_balance] policy`` calls them."""


def _arrival(candidate: Endpoint, digest: bytes) -> float:
    """When a Poisson process with the weight as its rate has its first event.

    The chance to be first among several is exactly one's share of the weights. blake2b, as scores
    of one key must not depend on one another; CRCs of one key differ by a constant.
    """
    drawn = blake2b(candidate.name.encode() + digest, digest_size=8).digest()
    return -math.log((int.from_bytes(drawn, "big") + 1) / 2**64) / candidate.weight


def _two(candidates: Sequence[C], rng: random.Random) -> tuple[C, C]:
    """Two different ones, the first drawn by weight and so the second among the others."""
    size, weight = len(candidates), candidates[0].weight
    for each in candidates:
        if each.weight != weight:
            break
    else:
        one, other = int(rng.random() * size), int(rng.random() * (size - 1))
        return candidates[one], candidates[other + (other >= one)]
    weights = [each.weight for each in candidates]
    first = _draw(weights, rng)
    if size == 2:
        return candidates[first], candidates[1 - first]
    weights[first] = 0.0
    return candidates[first], candidates[_draw(weights, rng)]


def _draw(weights: list[float], rng: random.Random) -> int:
    sums = list(accumulate(weights))
    return bisect(sums, rng.random() * sums[-1])


def slow_start_factor(age: float, window: float) -> float:
    """Share of its weight for a server ``age`` seconds after it came or came back.

    Grows evenly from a tenth to 1 in ``window`` seconds; 1 at once where ``window`` is 0.
    """
    if window <= 0 or age >= window:
        return 1.0
    return _FIRST_SHARE + (1.0 - _FIRST_SHARE) * max(0.0, age) / window


def eligible(
    primaries: Sequence[C],
    backups: Sequence[C],
    usable: Callable[[C], bool],
    panic_threshold: float,
) -> Sequence[C]:
    """Those to pick from: usable primaries, else usable backups; maybe none.

    Where less than ``panic_threshold`` percent of the primaries are usable (and no backup takes
    over), they are all used, as in Envoy: if most seem to have failed, either the check is wrong
    or the few that are left could not carry the load. 0 turns that off. What an operator has
    withdrawn has not failed: it is none of them. ``usable`` is asked twice unless all primaries
    are; then ``primaries`` itself is returned.
    """
    if primaries and all(map(usable, primaries)):
        return primaries
    left = [each for each in primaries if usable(each)]
    if not left and (spare := [each for each in backups if usable(each)]):
        return spare
    if any(each.withdrawn for each in primaries):
        primaries = [each for each in primaries if not each.withdrawn]
    return primaries if 100 * len(left) < panic_threshold * len(primaries) else left
