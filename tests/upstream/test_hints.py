"""Which informational heads of a later attempt a client is told."""

from proxy.core.record import Informed
from proxy.upstream.hints import FEW, is_news

STYLE: Informed = (103, [(b"Link", b"</a.css>")])
SCRIPT: Informed = (103, [(b"Link", b"</a.js>")])
WORKING: Informed = (102, [])


def test_what_was_told_before_is_no_news() -> None:
    assert not is_news(STYLE, [STYLE], [STYLE])
    assert is_news(SCRIPT, [STYLE], [STYLE])


def test_the_same_fields_with_another_status_are_news() -> None:
    assert is_news((104, STYLE[1]), [STYLE], [STYLE])


def test_a_head_without_fields_is_always_news() -> None:
    assert is_news(WORKING, [WORKING], [WORKING])


def test_there_is_an_end_to_news() -> None:
    told = [WORKING] * (FEW - 1)
    assert is_news(WORKING, told, told)
    assert not is_news(WORKING, told, [*told, WORKING])
