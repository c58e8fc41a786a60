"""What is found out while a request is served."""

import pytest

from proxy.core.record import (
    ANSWER,
    HEDGED,
    NOT_ATTEMPTED,
    PERMIT,
    QUOTA,
    TOKEN,
    Attempt,
    Record,
    Wait,
)
from tests.support.ended import Slow


def call() -> Record:
    """One that took two attempts."""
    made = Record()
    made.upstream, made.endpoint = "api", "http://a"
    made.connect_s, made.first_byte_at, made.queue_s = 0.1, 50.0, 0.2
    made.attempt_count = 2
    return made


def test_what_a_winning_copy_found_out_is_what_is_known_of_the_request() -> None:
    record = Record()
    record.attempt_count, record.queue_s = 1, 0.1
    record.adopt(call())
    assert (record.upstream, record.endpoint, record.attempt_count) == ("api", "http://a", 3)
    assert (record.connect_s, record.first_byte_at, record.queue_s) == (0.1, 50.0, 0.2)


def test_a_request_that_shares_a_call_neither_connected_nor_waited_for_it() -> None:
    record = Record()
    record.adopt(call(), started_at=60.0, shared=True)
    assert (record.upstream, record.endpoint, record.attempt_count) == ("api", "http://a", 0)
    assert (record.connect_s, record.queue_s) == (None, 0.0)
    assert record.first_byte_at == 60.0  # the answer was there before the request
    late = Record()
    late.head_s = 2.0
    late.adopt(call(), started_at=49.0, shared=True)
    assert late.first_byte_at == 51.0  # before that, its client still sent its head


def test_a_record_is_hedged_once_a_copy_has_overtaken_an_attempt() -> None:
    record = Record()
    assert not record.hedged
    record.attempt_log = (Attempt("a", HEDGED, 0.1), Attempt("b", "200", 0.1))
    assert record.hedged


def test_findings_of_one_request_are_no_defaults_of_the_next() -> None:
    call().attempt_log += (Attempt("a", "503", 0.1),)
    assert (Record().attempt_count, Record().attempt_log, Record().endpoint) == (0, (), "")


def test_an_attempt_is_logged_with_what_it_found_out() -> None:
    record = call()
    record.queued_before = 0.2
    record.log_attempt("http://a", "503", 40.0, 52.5)
    assert record.attempt_log == (Attempt("http://a", "503", 12.5, 40.0, 0.1, 0.2, "", "api"),)


def test_waits_add_up_and_the_longest_is_known() -> None:
    record, times = Record(), iter((10.0, 12.0, 20.0, 21.0))
    for what in (PERMIT, QUOTA):
        with record.waiting(what, lambda: next(times), "api"):
            assert record.wait is not None
            assert record.wait.what == what
    assert (record.wait, record.queue_s) == (None, 3.0)
    assert record.main_wait(30.0) == Wait(PERMIT, 10.0, "api", "", 2.0)
    record.wait = going_on = Wait(TOKEN, 30.0)
    assert record.main_wait(31.0) == Wait(PERMIT, 10.0, "api", "", 2.0)
    assert record.main_wait(33.0) is going_on


def test_a_wait_ends_with_its_request() -> None:
    record = Record()
    with pytest.raises(KeyError), record.waiting(PERMIT, iter((10.0, 12.0)).__next__):
        raise KeyError
    assert (record.wait, record.queue_s) == (None, 2.0)


def test_a_copy_does_not_wait_for_what_the_first_one_waits_for() -> None:
    record = Record()
    record.wait, record.call = Wait(PERMIT, 10.0), Record()
    assert (record.copy().wait, record.copy().call) == (None, None)


def test_a_call_that_is_under_way_in_its_place_is_seen() -> None:
    record = Record()
    record.call = call()
    record.call.wait = Wait(PERMIT, 10.0)
    seen = record.with_call()
    assert (seen.upstream, seen.endpoint, seen.attempt_count) == ("api", "http://a", 2)
    assert (seen.first_byte_at, seen.wait) == (50.0, Wait(PERMIT, 10.0))
    assert record.endpoint == ""


def test_a_call_for_another_request_is_seen_without_its_attempts() -> None:
    record = Record()
    record.coalesced, record.call, record.wait = True, call(), Wait(ANSWER, 10.0)
    seen = record.with_call()
    assert (seen.endpoint, seen.attempt_count) == ("http://a", 0)
    assert seen.wait == Wait(ANSWER, 10.0)


def test_a_head_is_that_of_the_attempt_under_way() -> None:
    record = Record()
    record.attempt_count, record.first_byte_at = 1, 5.0
    found = [record.has_head]
    record.log_attempt("http://a", "503", 4.0, 6.0)  # another one has not begun
    found.append(record.has_head)
    record.attempt_count, record.first_byte_at = 2, None
    found.append(record.has_head)
    assert found == [True, False, False]


def test_an_attempt_behind_one_that_was_not_made_is_logged() -> None:
    record = call()
    record.log_last("503", 0.0, 51.0)
    assert [each.outcome for each in record.attempt_log] == ["503"]
    record.attempt_log = (Attempt("a", "503", 0.1), Attempt("a", NOT_ATTEMPTED, 0.1))
    assert (record.logged, record.is_unlogged, record.has_head) == (1, True, True)
    record.outcome = "reset"
    record.log_last("reset", 0.0, 52.0)
    assert [each.outcome for each in record.attempt_log] == ["503", NOT_ATTEMPTED, "reset"]
    assert not record.is_unlogged
    assert record.outcome == ""  # it is in the log; the next one has one of its own
    record.log_last("reset", 0.0, 53.0)
    assert len(record.attempt_log) == 3


def test_what_a_copy_knows_of_others_is_none_of_its_own_attempts() -> None:
    record = Record()
    record.attempt_log, record.inherited = (Attempt("a", HEDGED, 0.1),), 1
    record.attempt_count = 1
    assert (record.logged, record.is_unlogged) == (0, True)


def test_what_the_last_attempt_of_a_call_came_to_is_known_of_its_request() -> None:
    record, made = Record(), call()
    made.outcome = "reset"
    record.adopt(made)
    assert record.outcome == "reset"
    other = Record()
    other.adopt(made, shared=True)
    assert other.outcome == ""


def test_attempts_of_a_call_that_are_not_in_its_log_are_not_in_that_of_its_request() -> None:
    """A copy has waited for a server that could be connected to, and then won."""
    record, made = Record(), Record()
    made.attempt_count, made.unlogged = 3, 2
    record.adopt(made)
    assert (record.attempt_count, record.unlogged, record.is_unlogged) == (3, 2, True)
    record.log_last("200", 0.0, 1.0)
    assert not record.is_unlogged
    other = Record()
    other.adopt(made, shared=True)
    assert (other.attempt_count, other.unlogged) == (0, 0)


def test_the_next_attempt_begins_where_the_one_before_is_logged() -> None:
    """Where no retry says when it begins: behind a fallback."""
    record, body = Record(), Slow(0.5)
    record.attempt_count, record.queue_s = 1, 1.0
    record.log_last("503", 40.0, 43.0, body)
    record.attempt_count, record.queue_s = 2, 2.0
    record.log_last("200", 40.0, 45.0, body)
    found = [(each.began, each.queue_s, each.client_s) for each in record.attempt_log]
    assert found == [(41.0, 1.0, 0.0), (43.0, 1.0, 0.5)]
