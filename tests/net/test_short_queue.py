"""A list where a deque is expected."""

from proxy.net.short_queue import ShortQueue


def test_the_oldest_comes_first() -> None:
    queue = ShortQueue[int]()
    queue.append(1)
    queue.append(2)
    assert [queue.popleft(), queue.popleft(), *queue] == [1, 2]
