"""What the end of a reply's body says about its server."""

from typing import Any

import pytest

from proxy.core.reply import Ending
from proxy.middleware.load_balance.load_balance import ReplyEnded
from tests.middleware.load_balance.test_ejection import fragile
from tests.support.endpoint import StateOnly
from tests.support.loop import reply


class Balance:
    """Counts how often the choice is made anew."""

    anew = 0

    @staticmethod
    def clock() -> float:
        return 100.0

    def invalidate(self) -> None:
        self.anew += 1


@pytest.mark.parametrize("ending", [Ending.COMPLETE, Ending.ABANDONED])
def test_a_body_that_ends_well_or_that_nobody_wanted_is_no_failure(ending: Ending) -> None:
    balance: Any = Balance()
    endpoint = StateOnly()
    endpoint.in_flight = 1
    ReplyEnded(balance, endpoint, None, 0)(reply(), ending)
    assert (endpoint.in_flight, balance.anew, dict(endpoint.outcomes)) == (0, 0, {})


def test_a_body_that_breaks_counts_and_has_the_next_choice_made_anew() -> None:
    balance: Any = Balance()
    endpoint = StateOnly()
    endpoint.in_flight = 1
    ReplyEnded(balance, endpoint, None, 0)(reply(), Ending.BROKEN)
    assert (endpoint.in_flight, balance.anew) == (0, 1)
    assert dict(endpoint.outcomes) == {"broken": 1}


def test_it_goes_on_where_its_head_had_ended_a_row_of_failures() -> None:
    """A head looked like the end of two failures in a row; its body is the third."""
    balance: Any = Balance()
    found = fragile(3)
    ReplyEnded(balance, StateOnly(), found, 2)(reply(), Ending.BROKEN)
    assert found.open
    found = fragile(3)
    ReplyEnded(balance, StateOnly(), found, 1)(reply(), Ending.BROKEN)
    assert not found.open
