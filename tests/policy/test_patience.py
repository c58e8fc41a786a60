"""How long clients wait that leave."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.patience import ClientPatience


def learnt(*waits: float, now: float = 0.0) -> ClientPatience:
    patience = ClientPatience()
    for waited in waits:
        patience.left(waited, now)
    return patience


def test_eight_that_left_after_the_same_time_have_a_timeout_in_common() -> None:
    assert learnt(*[3.0] * 7).seconds(0.0) is None
    assert learnt(*[3.0] * 8).seconds(0.0) == 3.0


def test_a_few_that_close_a_page_do_not_hide_it() -> None:
    assert learnt(*[3.0, 3.01, 2.99] * 4, 1.1, 17.0).seconds(0.0) == pytest.approx(3.0, abs=0.02)


@pytest.mark.parametrize(
    "waits",
    [
        [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
        [3.0] * 8 + [10.0] * 8,
        [0.2] * 30,
    ],
    ids=["people", "two kinds of clients", "who leaves at once"],
)
def test_who_leaves_at_any_time_has_none(waits: list[float]) -> None:
    assert learnt(*waits).seconds(0.0) is None


def test_it_is_forgotten_after_five_minutes() -> None:
    patience = learnt(*[3.0] * 8)
    assert patience.seconds(300.0) == 3.0
    assert patience.seconds(301.0) is None


def test_it_follows_clients_that_are_given_another_timeout() -> None:
    patience = learnt(*[3.0] * 32)
    for _ in range(32):
        patience.left(10.0, 1.0)
    assert patience.seconds(1.0) == 10.0


def test_an_answer_that_somebody_waited_longer_for_proves_it_wrong() -> None:
    patience = learnt(*[3.0] * 8)
    patience.answered(3.1, 0.0)
    assert patience.seconds(0.0) == 3.0
    patience.answered(60.0, 0.0)
    assert patience.seconds(0.0) is None
    for now in (1.0, 299.0, 301.0):
        for _ in range(8):
            patience.left(3.0, now)
        assert patience.seconds(now) == (3.0 if now > 300 else None)


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 120), st.booleans()), max_size=80))
def test_it_is_always_a_time_after_which_somebody_left(
    events: list[tuple[float, float, bool]],
) -> None:
    patience, now, waits = ClientPatience(), 0.0, set[float]()
    for pause, waited, leaves in events:
        now += pause
        if leaves:
            patience.left(waited, now)
            waits.add(waited)
        else:
            patience.answered(waited, now)
        known = patience.seconds(now)
        assert known is None or (known in waits and known >= 1.0)
