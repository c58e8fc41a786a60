"""Permits whose requests wait for nobody but their client."""

from proxy.policy.limiter import ConcurrencyLimiter
from proxy.policy.permit_loans import LEFT, Loans


class Holder:
    """A request with a permit."""

    def __init__(self, key: str, *, stalled: bool) -> None:
        self.key = key
        self.stalled = stalled
        self.was_cut = False

    def stalls(self, now: float) -> bool:
        return self.stalled

    def abandoned(self, now: float, since: float) -> bool:
        return self.stalled and now - since >= LEFT

    def cut(self) -> None:
        self.was_cut = True


def held(limiter: ConcurrencyLimiter, *holders: Holder) -> Loans:
    loans = Loans(limiter)
    for holder in holders:
        assert limiter.try_acquire(holder.key)
        loans.begin(holder)
    return loans


def test_what_is_lent_is_not_given_back_twice() -> None:
    limiter = ConcurrencyLimiter(2)
    idle, busy = Holder("a", stalled=True), Holder("b", stalled=False)
    loans = held(limiter, idle, busy)
    loans.look(10.0)
    assert (limiter.in_flight, len(loans.out)) == (1, 1)
    loans.end(idle, 11.0)
    assert (limiter.in_flight, len(loans.out)) == (1, 0)
    loans.end(busy, 11.0)
    assert limiter.in_flight == 0


def test_no_more_is_lent_than_there_is() -> None:
    limiter = ConcurrencyLimiter(3)
    loans = held(limiter, *(Holder(str(n), stalled=True) for n in range(3)))
    loans.look(10.0)
    assert (limiter.in_flight, len(loans.out)) == (0, 3)
    for number in range(3):
        late = Holder(f"late {number}", stalled=True)
        assert limiter.try_acquire(late.key)
        loans.begin(late)
    loans.look(20.0)
    assert (limiter.in_flight, len(loans.out)) == (3, 3)


def test_the_first_that_were_lent_are_ended_when_there_is_no_more_to_lend() -> None:
    limiter = ConcurrencyLimiter(1)
    first, second = Holder("a", stalled=True), Holder("b", stalled=True)
    loans = held(limiter, first)
    loans.look(10.0)
    assert limiter.try_acquire("b")
    loans.begin(second)
    loans.look(10.0 + LEFT / 2)
    assert (first.was_cut, limiter.in_flight) == (False, 1)
    loans.look(10.0 + LEFT)
    assert (first.was_cut, second.was_cut, limiter.in_flight) == (True, False, 0)
    loans.end(first, 40.0)
    assert (limiter.in_flight, list(loans.out)) == (0, [second])


def test_one_that_moves_again_is_not_ended() -> None:
    limiter = ConcurrencyLimiter(1)
    first, second = Holder("a", stalled=True), Holder("b", stalled=True)
    loans = held(limiter, first)
    loans.look(10.0)
    assert limiter.try_acquire("b")
    loans.begin(second)
    first.stalled = False
    loans.look(100.0)
    assert (first.was_cut, limiter.in_flight) == (False, 1)
