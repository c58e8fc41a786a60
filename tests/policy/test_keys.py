"""Which of several keys is shown next."""

import math

import pytest

from proxy.policy.keys import REFUSED_FOR, Key, Keys


def chosen(keys: Keys, now: float, number: int) -> list[str]:
    found = []
    for _ in range(number):
        key = keys.free(now)
        assert key is not None
        key.spend()
        found.append(key.name)
    return found


def three() -> tuple[Key, Key, Key]:
    return tuple(Key(name, (b"X-Key", name.encode())) for name in "abc")  # type: ignore[return-value]


def test_keys_of_which_nothing_is_known_take_turns() -> None:
    assert chosen(Keys(three()), 0.0, 6) == ["a", "b", "c", "a", "b", "c"]


def test_a_key_that_joins_others_takes_turns_with_them() -> None:
    a, b, c = three()
    chosen(Keys((a, b)), 0.0, 6)
    assert chosen(Keys((a, b, c)), 0.0, 6) == ["c", "a", "b", "c", "a", "b"]


def test_the_key_with_most_left_is_next_and_what_was_sent_since_counts() -> None:
    a, b, c = three()
    for key, left in ((a, 2.0), (b, 5.0), (c, 1.0)):
        key.told(left, 60.0, 0.0)
    assert chosen(Keys((a, b, c)), 1.0, 4) == ["b", "b", "b", "a"]


def test_a_key_that_has_not_said_what_is_left_is_asked_first() -> None:
    a, b, _ = three()
    a.told(1_000.0, 60.0, 0.0)
    assert chosen(Keys((a, b)), 1.0, 2) == ["b", "b"]
    assert a.left(1.0) == 1_000.0
    assert a.left(61.0) == math.inf


@pytest.mark.parametrize(
    ("asked", "seconds"), [(None, 1.0), (7.0, 7.0), (1e9, 60.0)], ids=["unsaid", "said", "forever"]
)
def test_a_used_up_key_is_left_out_for_a_bounded_time(asked: float | None, seconds: float) -> None:
    a, b, _ = three()
    keys = Keys((a, b))
    a.exceed(asked, 100.0)
    assert chosen(keys, 100.0, 2) == ["b", "b"]
    assert a.blocked_for(100.0) == seconds
    assert keys.free(100.0 + seconds, tried=[b]) is a
    assert (a.exceeded, a.refused) == (1, 0)


def test_a_refused_key_comes_back_by_time_or_with_another_value() -> None:
    a, b, _ = three()
    keys = Keys((a, b))
    a.refuse(0.0)
    assert keys.free(0.0, tried=[b]) is None
    assert keys.free(REFUSED_FOR, tried=[b]) is a
    a.refuse(REFUSED_FOR)
    a.renew((b"X", b"other"))
    assert keys.free(REFUSED_FOR, tried=[b]) is a
    assert (a.field, a.refused) == ((b"X", b"other"), 2)


def test_a_refusal_is_news_once_in_the_time_that_a_key_is_out() -> None:
    for alone in (False, True):
        key = Key("a")
        times = (0.0, 1.0, REFUSED_FOR - 1)
        assert [key.refuse(now, alone=alone) for now in times] == [True, False, False]
        assert (key.refused, key.refused_until > 0.0) == (3, not alone)
        assert key.refuse(3 * REFUSED_FOR, alone=alone)


def test_where_none_is_free_the_soonest_is_by_quota_first() -> None:
    a, b, c = three()
    keys = Keys((a, b, c))
    a.exceed(30.0, 0.0)
    b.exceed(20.0, 0.0)
    c.refuse(0.0)
    assert keys.free(0.0) is None
    assert keys.soonest(0.0) is c  # it may work again; the others will not
    c.exceed(40.0, 0.0)
    assert keys.soonest(0.0) is b


def test_a_key_without_a_value_is_the_last() -> None:
    a, b, _ = three()
    a.field = None
    b.told(1.0, 60.0, 0.0)
    assert chosen(Keys((a, b)), 0.0, 1) == ["b"]
    b.usable_until = 5.0
    a.renew((b"X-Key", b"a"))
    assert chosen(Keys((a, b)), 5.0, 2) == ["a", "a"]


def test_a_time_that_is_said_counts_more_than_a_quota_and_none_less() -> None:
    key = Key("a")
    key.told(0, 20.0, 100.0)
    key.exceed(None, 100.0)
    assert key.blocked_for(100.0) == 20.0
    key.exceed(3.0, 100.0)
    assert key.blocked_for(100.0) == 3.0


def test_of_several_limits_the_main_one_is_the_key_s() -> None:
    key = Key("a")
    key.told(0, 20.0, 100.0, b"search")
    key.told(50, 20.0, 100.0, b"core")
    key.told(0, 20.0, 100.0, b"search")
    assert (key.blocked_for(100.0), key.left(100.0)) == (0.0, 50.0)
    key.told(0, 20.0, 100.0, b"core")
    assert key.blocked_for(100.0) == 20.0
