"""What the end of a reply's body says about its server; ``test_load_balance`` has its head."""

import pytest

from proxy.core.reply import Ending
from proxy.middleware.load_balance.outcomes import ReplyEnded
from proxy.policy.breaker import Breaker
from proxy.policy.endpoint import Endpoint
from tests.middleware.load_balance.test_ejection import fragile
from tests.support.endpoint import StateOnly
from tests.support.loop import reply


class Choice:
    """Counts how often the choice is made anew."""

    def __init__(self) -> None:
        self.anew = 0

    def invalidate(self) -> None:
        self.anew += 1

    def body_ends(
        self, ending: Ending, endpoint: Endpoint, breaker: Breaker | None = None, failures: int = 0
    ) -> None:
        ended = ReplyEnded(endpoint, breaker, failures, self.invalidate, lambda: 100.0)
        ended(reply(), ending)


@pytest.mark.parametrize("ending", [Ending.COMPLETE, Ending.ABANDONED])
def test_a_body_that_ends_well_or_that_nobody_wanted_is_no_failure(ending: Ending) -> None:
    choice, endpoint = Choice(), StateOnly()
    endpoint.in_flight = 1
    choice.body_ends(ending, endpoint)
    assert (endpoint.in_flight, choice.anew, dict(endpoint.outcomes)) == (0, 0, {})


def test_a_body_that_breaks_counts_and_has_the_next_choice_made_anew() -> None:
    choice, endpoint = Choice(), StateOnly()
    endpoint.in_flight = 1
    choice.body_ends(Ending.BROKEN, endpoint)
    assert (endpoint.in_flight, choice.anew) == (0, 1)
    assert dict(endpoint.outcomes) == {"broken": 1}


def test_it_goes_on_where_its_head_had_ended_a_row_of_failures() -> None:
    """A head looked like the end of two failures in a row; its body is the third."""
    found = fragile(3)
    Choice().body_ends(Ending.BROKEN, StateOnly(), found, 2)
    assert found.open
    found = fragile(3)
    Choice().body_ends(Ending.BROKEN, StateOnly(), found, 1)
    assert not found.open
