"""What is found out while a request is served."""

from proxy.core.record import HEDGED, Attempt, Record


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
    record.log_attempt("http://a", "503", 40.0, 52.5)
    assert record.attempt_log == (Attempt("http://a", "503", 12.5, 40.0, 0.1, 0.2, "", "api"),)
