"""What was found out about things that mostly come again."""

from proxy.http.bounded_cache import Memo


def test_a_key_is_made_once() -> None:
    made: list[bytes] = []
    memo = Memo(lambda key: made.append(key) or len(made), limit=10)  # type: ignore[func-returns-value]
    assert [memo[b"a"], memo[b"b"], memo[b"a"]] == [1, 2, 1]
    assert made == [b"a", b"b"]


def test_it_is_bounded_in_number_and_in_size() -> None:
    memo = Memo(len, limit=100)
    for number in range(10_000):
        assert memo[b"%d" % number] == len(b"%d" % number)
        assert len(memo) <= 100
    long = b"x" * 10_000
    assert memo[long] == 10_000
    assert long not in memo
