"""Whether connections to a server are made."""

from collections.abc import Callable

from proxy.upstream.connects import Connects


def test_the_last_attempt_counts() -> None:
    connects = Connects()
    seen = [connects.works]  # nothing else is known
    for tell in (connects.failed, connects.failed, connects.made):
        tell()
        seen.append(connects.works)
    assert seen == [True, False, False, True]


def test_those_that_listen_now_are_told_of_a_connection() -> None:
    told: list[str] = []
    listeners: list[Callable[[], None]] = []
    connects = Connects(listeners)
    listeners.append(lambda: listeners.clear() or told.append("one"))  # type: ignore[func-returns-value]
    listeners.append(lambda: told.append("two"))
    connects.failed()
    assert told == []
    connects.made()
    assert told == ["one", "two"]
