"""A name that moves is told from one that shows a few of its many addresses in turn."""

from proxy.policy.rotation import Turns

A, B, C, D = "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"


def after(*answers: tuple[str, ...]) -> Turns:
    turns = Turns()
    for answer in answers:
        turns.heard(answer)
    return turns


def test_a_name_that_is_not_known_or_has_one_address_is_asked_for_itself() -> None:
    assert Turns().addresses == ("",)
    assert after((A,)).addresses == ("",)
    assert after((A, B), (B,)).addresses == ("",)


def test_what_is_listed_no_more_is_no_server() -> None:
    turns = after((A, B), (B, C))
    assert turns.addresses == (B, C)
    assert turns.remembers(A)


def test_one_that_comes_back_shows_that_the_name_takes_turns() -> None:
    turns = after((A, B), (C, D), (A, C))
    assert turns.addresses == (A, B, C, D)
    turns.heard((B, D))
    assert turns.addresses == (A, B, C, D)


def test_a_failover_that_is_undone_is_no_turn() -> None:
    assert after((A,), (B,), (A,), (B,)).addresses == ("",)


def test_what_was_not_listed_for_long_is_forgotten() -> None:
    turns = after((A, B), (C, D), (A, C), *[(C, D)] * 12)
    assert turns.addresses == (C, D)
    assert not turns.remembers(A)
