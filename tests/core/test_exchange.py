"""A request and its twins."""

from proxy.core.body import BytesBody
from proxy.core.exchange import Exchange
from proxy.core.record import Attempt


def exchange() -> Exchange:
    """One that was tried once, and can be told informational heads."""
    made = Exchange("PUT", b"/a?b", [(b"Accept", b"*/*")], b"/a?b", path="/a", request_id="id")
    made.send_informational = lambda *_: None
    made.record.attempt_count, made.record.queue_s = 1, 0.5
    made.record.unlogged = 1
    made.record.attempt_log = (Attempt("a", "503", 0.1),)
    return made


def test_a_twin_asks_the_same_with_a_body_of_its_own() -> None:
    first, body = exchange(), BytesBody(b"x")
    twin = first.twin(body)
    assert (twin.method, twin.target, twin.headers) == ("PUT", b"/a?b", first.headers)
    assert (twin.path, twin.request_id, twin.body) == ("/a", "id", body)


def test_a_twin_has_all_else_of_the_first() -> None:
    first = exchange()
    for name in Exchange.__struct_fields__:
        if name != "record":
            setattr(first, name, object())
    twin = first.twin(BytesBody())
    own = {"body", "cut", "ended_by", "relaying", "send_informational", "stalled", "record"}
    others = [
        name
        for name in Exchange.__struct_fields__
        if getattr(twin, name) is not getattr(first, name)
    ]
    assert set(others) == own


def test_a_twin_tells_the_client_nothing_before_it_is_chosen() -> None:
    first = exchange()
    first.stalled = lambda _: 9.0  # of what the first was answered
    twin = first.twin(BytesBody())
    assert (twin.send_informational, twin.stalled) == (None, None)


def test_a_twin_goes_on_from_what_is_known_and_counts_its_own_attempts() -> None:
    first = exchange()
    twin = first.twin(BytesBody())
    assert (twin.record.queue_s, twin.record.attempt_count, twin.record.unlogged) == (0.5, 0, 0)
    twin.record.attempt_count += 1
    twin.record.attempt_log += (Attempt("b", "200", 0.1),)
    assert (len(first.record.attempt_log), first.record.attempt_count) == (1, 1)


def test_what_is_printed_of_it_shows_no_credentials() -> None:
    made = exchange()
    made.target, made.headers = b"/a?key=secret", [(b"Authorization", b"Bearer secret")]
    assert repr(made) == "<Exchange id PUT /a>"
