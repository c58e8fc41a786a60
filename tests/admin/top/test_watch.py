"""What is known of each proxy: none holds up the others."""

import threading

from proxy.admin.client import Refused, Unasked
from proxy.admin.top.command import ask
from proxy.admin.top.watch import PATIENCE, REFUSED, UNREACHABLE, Seen, Watched
from tests.support.seen_proxies import well


def test_one_that_hangs_holds_up_no_other_and_its_age_is_known() -> None:
    hangs = threading.Event()

    def stuck(_: str) -> Seen:
        hangs.wait(30)
        return well()

    slow, fast = Watched("slow", stuck), Watched("fast", lambda _: well())
    ask([slow, fast], 0.0)
    fast.wait(30)
    assert (slow.status, fast.status) == (None, 0)
    assert (slow.known().seen, fast.known().seen) == (None, well())
    before = slow.known().silent
    assert slow.known().silent > before
    assert fast.known().silent == 0.0  # while the other one is waited for, it is not asked again
    slow.ask()  # it is being asked still
    hangs.set()
    slow.wait(30)
    assert slow.status == 0
    assert slow.known().seen == well()


def test_what_was_seen_is_kept_where_it_does_not_answer_any_more() -> None:
    answers = iter([None, ConnectionRefusedError(111, "Connection refused"), None])

    def look(_: str) -> Seen:
        if error := next(answers):
            raise error
        return well()

    watched = Watched("a", look)
    told = []
    for _ in range(3):
        watched.ask()
        watched.wait(30)
        told.append((watched.known().seen, watched.known().fault, watched.status))
    assert told == [
        (well(), "", 0),
        (well(), "not reached: Connection refused", UNREACHABLE),
        (well(), "", 0),
    ]


def test_each_fault_is_said_and_has_its_status() -> None:
    told = []
    for error in (
        TimeoutError("timed out"),
        Refused("/api/causes: 403"),
        Unasked("expected HOST:PORT"),
        ValueError("200 OK: no admin listener"),
    ):

        def look(_: str, error: Exception = error) -> Seen:
            raise error

        watched = Watched("a", look)
        watched.ask()
        watched.wait(30)
        told.append((watched.known().fault, watched.status))
    assert told == [
        (f"not reached: no answer within {PATIENCE:.0f} s", UNREACHABLE),
        ("refused: /api/causes: 403", REFUSED),
        ("not reached: expected HOST:PORT", REFUSED),
        ("not reached: 200 OK: no admin listener", UNREACHABLE),
    ]
