"""What an upstream calls a request."""

import pytest

from proxy.http.upstream_request_id import AN_ID, upstream_id

OURS = b"ours"


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ([], ""),
        ([(b"Date", b"x")], ""),
        ([(b"X-Upstream-Request-Id", b"theirs")], "theirs"),
        ([(b"x-upstream-request-id", OURS)], ""),
        ([(b"Request-Id", b"req_1")], "req_1"),
        ([(b"X-Amzn-RequestId", b"a"), (b"Request-Id", b"b")], "b"),
        ([(b"Request-Id", b""), (b"apim-request-id", b"c")], "c"),
        ([(b"request-id", b"first"), (b"request-id", b"second")], "first"),
        ([(b"request-id", OURS), (b"x-ms-request-id", b"d")], "d"),
        ([(b"request-id", b"x" * 1000)], "x" * 256),
        ([(b"request-id", b"caf\xe9")], "caf\xe9"),
    ],
)
def test_the_first_field_that_has_another_name_than_ours_counts(
    fields: list[tuple[bytes, bytes]], name: str
) -> None:
    assert upstream_id(fields, OURS) == name
    if name:
        assert any(AN_ID in key for key, _ in fields)
