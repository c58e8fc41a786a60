"""Regular expressions on what clients send."""

import pytest

from proxy.core.patterns import Paths, Replacement, fault_of


def test_a_path_is_matched_as_a_whole_by_all_patterns_at_once() -> None:
    paths = Paths([r"/items/(\d+)", "/items/.*", "/other"])
    assert paths.matching("/items/7") == [0, 1]
    assert paths.matching("/items/a") == [1]
    assert paths.matching("/x/items/7") == []


@pytest.mark.parametrize(
    ("text", "result"),
    [(b"/a/b/b", b"/a/<b>/b"), (b"/a", b"/a"), (b"/\xff/b", b"/\xff/<b>")],
)
def test_the_first_match_is_replaced_and_no_other_byte(text: bytes, result: bytes) -> None:
    assert Replacement("(?P<it>b)(x)?", [b"<", "it", 2, b">"]).apply(text) == result


@pytest.mark.parametrize("parts", [[3], ["other"], [-1]])
def test_a_group_that_the_pattern_does_not_have_is_refused(parts: list[int | str]) -> None:
    with pytest.raises(ValueError, match="no group"):
        Replacement("(?P<it>b)(x)", parts)


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("/a+", ""),
        ("(", "not a regular expression"),
        (r"a\Z", "the end is"),
        (r"(a)\1", "linear time"),
        ("(?=a)", "linear time"),
        ("a++", "linear time"),
        ("\udc80", "not UTF-8"),
    ],
)
def test_what_cannot_be_matched_in_linear_time_is_a_fault_with_its_reason(
    pattern: str, fault: str
) -> None:
    assert fault in fault_of(pattern)
    assert bool(fault_of(pattern)) is bool(fault)
