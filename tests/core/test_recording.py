"""What makes two requests the same for a recording."""

import pytest

from proxy.core.recording import Question
from proxy.http.fields import Fields

JSON: Fields = [(b"Content-Type", b"application/json; charset=utf-8")]
PLAIN: Fields = [*JSON, (b"Content-Encoding", b"none")]
ZIPPED: Fields = [*JSON, (b"Content-Encoding", b"gzip")]
FORM: Fields = [(b"Content-Type", b"application/x-www-form-urlencoded")]


def multipart(boundary: bytes) -> tuple[Fields, bytes]:
    fields = [(b"Content-Type", b'multipart/form-data; boundary="%b"' % boundary)]
    return fields, b"--%b\r\n\r\nx\r\n--%b--\r\n" % (boundary, boundary)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("GET", b"/a", [], b""), ("GET", b"/a", [(b"Accept", b"*/*")], b""), True),
        (("GET", b"/a", [], b""), ("HEAD", b"/a", [], b""), False),
        (("GET", b"/a", [], b""), ("GET", b"/a?", [], b""), False),
        (("GET", b"/a?x=1&y=2", [], b""), ("GET", b"/a?y=2&x=1", [], b""), False),
        (("POST", b"/", JSON, b'{"a":1,"b":2}'), ("POST", b"/", JSON, b'{"b": 2, "a": 1}'), True),
        (("POST", b"/", JSON, b'{"a":1}'), ("POST", b"/", JSON, b'{"a":2}'), False),
        (("POST", b"/", FORM, b'{"a":1}'), ("POST", b"/", FORM, b'{"a": 1}'), False),
        (("POST", b"/", PLAIN, b'{"a":1}'), ("POST", b"/", JSON, b'{"a": 1}'), True),
        (("POST", b"/", ZIPPED, b'{"a":1}'), ("POST", b"/", ZIPPED, b'{"a": 1}'), False),
        (("POST", b"/", JSON, b"{a"), ("POST", b"/", JSON, b"{a"), True),
        (("POST", b"/", *multipart(b"one")), ("POST", b"/", *multipart(b"two")), True),
        (("GET", b"/ab", [], b"c"), ("GET", b"/a", [], b"bc"), False),
    ],
)
def test_method_target_and_meaning_of_the_body_tell_requests_apart(
    one: tuple[str, bytes, Fields, bytes], other: tuple[str, bytes, Fields, bytes], same: bool
) -> None:
    assert (Question(*one).key == Question(*other).key) is same
