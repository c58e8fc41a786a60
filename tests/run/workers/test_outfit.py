"""What operators have changed holds for workers that start later."""

from typing import Any

from proxy.run.workers.outfit import Kept


def test_the_last_change_of_a_thing_is_kept() -> None:
    kept = Kept(lambda: 0.0)
    level: dict[str, Any] = {"level": "debug"}
    kept.keep("log", "log_level", {"level": "info"})
    kept.keep("server a", "change_server", {"action": "drain"})
    kept.keep("log", "log_level", level)
    assert kept.now() == [("log_level", level), ("change_server", {"action": "drain"})]
    kept.forget("log")
    assert kept.now() == [("change_server", {"action": "drain"})]


def test_what_lasts_for_a_time_is_asked_for_what_is_left_of_it() -> None:
    now = [100.0]
    kept = Kept(lambda: now[0])
    kept.keep("server a", "change_server", {"action": "eject", "seconds": 30.0})
    now[0] = 110.0
    assert kept.now() == [("change_server", {"action": "eject", "seconds": 20.0})]
    now[0] = 131.0
    assert kept.now() == []


def test_no_seconds_are_without_an_end() -> None:
    now = [0.0]
    kept = Kept(lambda: now[0])
    kept.keep("server a", "change_server", {"action": "eject", "seconds": 0.0})
    now[0] = 1e6
    assert kept.now() == [("change_server", {"action": "eject", "seconds": 0.0})]
