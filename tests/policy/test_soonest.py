"""An estimate that errs towards trying."""

from proxy.policy.soonest import KEYS, Soonest


def learnt(*seconds: float, now: float = 1000.0) -> Soonest:
    """What is known after answers that took so long."""
    known = Soonest()
    for each in seconds:
        known.observe(b"a", each, now)
    return known


def test_it_is_the_quickest_answer() -> None:
    assert learnt(*[5.0] * 30, 0.1).value(b"a", 1000.0) == 0.1


def test_the_first_one_counts_too() -> None:
    assert learnt(0.1, *[5.0] * 30).value(b"a", 1000.0) == 0.1


def test_few_answers_say_nothing() -> None:
    assert learnt(*[1.0] * 19).value(b"a", 1000.0) is None
    assert learnt(*[1.0] * 20).value(b"a", 1000.0) == 1.0
    assert Soonest().value(b"a", 1000.0) is None


def test_what_was_quick_minutes_ago_does_not_count() -> None:
    known = learnt(*[0.1] * 20)
    for _ in range(20):
        known.observe(b"a", 2.0, 1200.0)
    assert known.value(b"a", 1200.0) == 0.1
    assert known.value(b"a", 1350.0) == 2.0
    assert known.value(b"a", 9999.0) is None


def test_what_has_not_come_for_long_is_forgotten() -> None:
    known = learnt(*[1.0] * 20)
    for number in range(KEYS):
        known.observe(b"%d" % number, 1.0, 1000.0)
    assert known.value(b"a", 1000.0) is None


def test_answers_that_no_longer_count_are_not_enough() -> None:
    known = learnt(*[0.1] * 20)
    known.observe(b"a", 0.1, 1200.0)
    assert known.value(b"a", 1270.0) == 0.1
    assert known.value(b"a", 1320.0) is None  # one is left
