"""What active checks say."""

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


def test_it_takes_several_answers_in_a_row_to_change_its_mind() -> None:
    assert heard(Health(2, 3), "--+--+---") == "++++++++-"
    assert heard(Health(2, 3), "----+-++-") == "++-----++"


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
    assert (heard(Health(up, down), text) or "+")[-1] == expected
