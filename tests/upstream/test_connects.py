"""Whether connections to a server are made."""

from collections.abc import Callable

from proxy.core.errors import ConnectFailed
from proxy.upstream.connects import Connects


def test_the_last_attempt_counts() -> None:
    connects = Connects()
    seen = [connects.failure]  # nothing else is known
    for detail in ("first", "last"):
        connects.failed(why := ConnectFailed(detail))
        why.detail += " on route /"  # it goes on
        seen.append(connects.failure)
    connects.made()
    seen.append(connects.failure)
    assert [each and each.detail for each in seen] == [None, "first", "last", None]


def test_those_that_listen_now_are_told_of_a_connection() -> None:
    told: list[str] = []
    listeners: list[Callable[[], None]] = []
    connects = Connects(listeners)
    listeners.append(lambda: listeners.clear() or told.append("one"))  # type: ignore[func-returns-value]
    listeners.append(lambda: told.append("two"))
    connects.failed(ConnectFailed())
    assert told == []
    connects.made()
    assert told == ["one", "two"]
