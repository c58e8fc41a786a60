"""How long a server lets connections rest is learned from those that it closed."""

import math

from proxy.policy.idle_limit import Ends, usable


def test_nothing_is_feared_before_anything_ended() -> None:
    ends = Ends()
    assert not ends.known(0.0)
    assert ends.shortest(0.0) == float("inf")


def test_the_shortest_rest_counts_less_a_margin() -> None:
    ends = Ends()
    for rest in (5.0, 2.0, 7.0):
        ends.observe(rest, 10.0)
    assert ends.known(10.0)
    assert 1.0 < ends.shortest(10.0) < 2.0


def test_what_was_long_ago_counts_no_more() -> None:
    ends = Ends()
    ends.observe(1.0, 0.0)
    ends.observe(5.0, 200.0)
    assert ends.shortest(301.0) > 1.0
    assert not ends.known(501.0)


def test_of_what_a_server_announces_the_last_second_is_not_used() -> None:
    """Of a second, the last half: a busy server that announces no more would be asked anew."""
    assert [usable(each) for each in (5, 2, 1, 0)] == [4.0, 1.0, 0.5, 0.0]
    assert usable(None) == math.inf
