"""Permits for connections, and who is given the next one."""

from proxy.policy.permits import Permits


class Waiter:
    """Says which permits it was told of; deaf once it has left."""

    def __init__(self) -> None:
        self.told: list[Permits] = []
        self.listens = True

    def __call__(self, permits: Permits) -> bool:
        if self.listens:
            self.told.append(permits)
        return self.listens


def test_what_is_set_aside_is_taken_by_nobody_else() -> None:
    permits = Permits(2)
    assert [permits.set_aside(who) for who in "aabc"] == [True, True, True, False]
    permits.take("a")
    permits.forgo("a")  # it has taken it
    assert permits.full
    permits.forgo("b")
    permits.release()
    assert [permits.set_aside(who) for who in "cde"] == [True, True, False]


def test_who_has_waited_for_longest_is_given_the_next_one() -> None:
    permits = Permits(1)
    assert permits.set_aside("a")
    permits.take("a")
    first, gone, deaf, last = Waiter(), Waiter(), Waiter(), Waiter()
    for who in (first, gone, deaf, last):
        permits.wait(who, who)
    permits.leave(gone)
    deaf.listens = False
    permits.release()
    assert (first.told, last.told) == ([permits], [])
    assert not permits.set_aside("new"), "nobody overtakes"
    permits.take(first)
    permits.release()
    assert (gone.told, deaf.told, last.told) == ([], [], [permits])
    permits.forgo(last)
    assert not permits.full


def test_whoever_forgoes_leaves_it_to_the_next() -> None:
    permits = Permits(1)
    assert permits.set_aside("a")
    waiter = Waiter()
    permits.wait(waiter, waiter)
    permits.forgo("a")
    assert waiter.told == [permits]
    assert permits.full
