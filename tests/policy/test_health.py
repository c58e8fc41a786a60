"""What active checks say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.health import Health


def heard(health: Health, answers: str) -> str:
    """What is said after each answer: ``+`` is a good one."""
    said = ""
    for answer in answers:
        (health.passed if answer == "+" else health.failed)()
        said += "+" if health.healthy else "-"
    return said


def proven(up: int, down: int) -> Health:
    return Health(up, down, proven=True)


def test_it_takes_several_answers_in_a_row_to_change_its_mind() -> None:
    assert heard(proven(2, 3), "--+--+---") == "++++++++-"
    assert heard(proven(2, 3), "----+-++-") == "++-----++"


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ("-", "-"),
        ("---++", "---++"),  # the first good one is enough too
        ("-+--+---++", "-++++++--+"),
        ("+---", "+++-"),
    ],
)
def test_until_the_first_good_answer_each_one_is_enough(answers: str, said: str) -> None:
    assert heard(Health(2, 3), answers) == said


def test_of_the_last_server_one_bad_answer_is_never_enough() -> None:
    health = Health(2, 3)
    seen = []
    for last in (True, True, False):
        health.failed(last=last)
        seen.append(health.healthy)
    assert seen == [True, True, False]
    alone = Health(2, 3)
    for _ in range(3):
        assert alone.healthy
        alone.failed(last=True)
    assert not alone.healthy
    alone.passed()
    assert alone.healthy


def test_one_is_enough_where_one_is_said() -> None:
    assert heard(Health(1, 1), "-+--+") == "-+--+"


@given(st.text("+-", max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_a_verdict_is_the_last_row_that_was_long_enough(text: str, up: int, down: int) -> None:
    expected = "+"
    for end in range(1, len(text) + 1):
        head = text[:end]
        if head.endswith("+" * up):
            expected = "+"
        elif head.endswith("-" * down):
            expected = "-"
    assert (heard(proven(up, down), text) or "+")[-1] == expected
