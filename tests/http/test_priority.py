"""How urgent a request is."""

import pytest

from proxy.http.priority import urgency


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], 3),
        ([b"u=0"], 0),
        ([b"u=5, i"], 5),
        ([b"i, u = 2"], 2),
        ([b"7"], 7),
        ([b"250"], 250),
        ([b"i"], 3),
        ([b"u=x"], 3),
        ([b"u=1;a"], 1),
        ([b"i;u=1"], 3),
        ([b"1000"], 3),
        ([b"i", b"u=1", b"u=4"], 1),
    ],
)
def test_the_first_field_that_says_it_counts(values: list[bytes], said: int) -> None:
    assert urgency([(b"Priority", value) for value in values], b"priority") == said


def test_other_fields_say_nothing() -> None:
    assert urgency([(b"Priority", b"u=1")], b"x-priority") == 3
