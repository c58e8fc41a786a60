"""Tables of a route above the first route."""

from proxy.config.misplaced import above


def test_a_table_above_its_list_is_told_and_taken_out() -> None:
    lines = ["[server]", "[routes.retry]", "attempts = 2", "[[routes]]"]
    [(number, message)] = above(lines, 4, "left-out-")
    assert number == 2
    assert message == "[routes.retry] stands above [[routes]], write it below the one it is for"
    assert lines[1] == "[left-out-2]"


def test_a_table_below_its_list_is_no_mistake() -> None:
    lines = ["[[routes]]", "[routes.retry]", "[[routes]]"]
    before = lines.copy()
    assert list(above(lines, 3, "left-out-")) == list(above(lines, 2, "left-out-")) == []
    assert lines == before
