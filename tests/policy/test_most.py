"""Who has the most is known at any time."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.most import Most


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=200))
def test_one_with_the_largest_number_is_known_after_each_change(
    steps: list[tuple[str, bool]],
) -> None:
    most, counts = Most(), Counter[str]()
    for key, more in steps:
        if more:
            most.more(key)
            counts[key] += 1
        elif counts[key]:
            most.less(key)
            counts[key] -= 1
        assert most.largest == max(counts.values(), default=0)
        assert {key: most.number(key) for key in counts} == dict(counts)
        if most.largest:
            assert counts[str(most.key())] == most.largest


def test_among_equals_it_is_the_one_that_came_first_to_the_number() -> None:
    most = Most()
    for key in ("a", "b", "b", "a"):
        most.more(key)
    assert most.key() == "b"
