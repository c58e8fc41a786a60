"""What `[retry] on` names."""

from pathlib import Path

import pytest

from proxy.middleware.retry.options import statuses
from tests.config.test_crosscheck import UPSTREAM, problems


@pytest.mark.parametrize(
    ("on", "found"),
    [
        ((), set()),
        (("reset", "timeout"), set()),
        (("503",), {503}),
        (("503", "429", "503"), {429, 503}),
        (("5xx",), set(range(500, 600))),
        (("4xx", "500"), {*range(400, 500), 500}),
    ],
)
def test_statuses_are_named_by_themselves_or_by_their_class(
    on: tuple[str, ...], found: set[int]
) -> None:
    assert statuses(on) == found


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("[retry]\nmethods = ['GET', 'get']", "retry.methods[1]: methods are case-sensitive"),
        ("[retry]\nidempotency_header = 'a b'", "retry.idempotency_header: "),
        ("[retry.budget]\nwindow = '0'", "retry.budget.window: expected a time above 0"),
    ],
)
def test_what_the_table_cannot_mean_is_a_problem(tmp_path: Path, text: str, start: str) -> None:
    found = problems(tmp_path, text + UPSTREAM)
    assert [each for each in found if each.startswith(start)], found
