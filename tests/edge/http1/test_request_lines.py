"""What a line of a request is, whether it came before or not."""

import pytest

from proxy.edge.http1.request_lines import AGENT, DECIDING, LENGTH, NAMED, ODD, PLAIN, RequestLines

KINDS = [
    (b"Accept: */*", PLAIN),
    (b"Authorization: Bearer a", PLAIN),
    (b"user-agent: a", AGENT),
    (b"Authorization: NTLM a", ODD),
    (b"X-Request-Id: a", NAMED),
    (b"traceparent: a", NAMED),
    (b"TraceState: a", NAMED),
    (b"X_Request_Id: a", ODD),
    (b"Host: a", DECIDING),
    (b"Via: 1.1 a", DECIDING),
    (b"X-Forwarded-For: a", DECIDING),
    (b"SCRIPT_NAME: /a", DECIDING),
    (b"path_info: /a", DECIDING),
    (b"Script-Name: /a", PLAIN),
    (b"Connection: Keep-Alive", DECIDING),
    (b"Connection: close", ODD),
    (b"Content-Length: 5", LENGTH),
    (b"Content-Length: 0", ODD),
    (b"Content-Length: +5", ODD),
    (b"Transfer-Encoding: chunked", ODD),
    (b"Expect: 100-continue", ODD),
    (b"TE: trailers", ODD),
    (b"Max-Forwards: 1", ODD),
    (b"", ODD),
    (b"no colon", ODD),
    (b" folded: a", ODD),
    (b"X : a", ODD),
    (b"X: a\0", ODD),
]


@pytest.mark.parametrize(("line", "kind"), KINDS)
def test_a_line_is_of_one_kind(line: bytes, kind: int) -> None:
    lines = RequestLines()
    for _ in range(3):
        assert lines[line][0] == kind


def test_blanks_around_a_value_go_no_further() -> None:
    assert RequestLines()[b"x-a: \t b c \t"] == (PLAIN, (b"x-a", b"b c"), b"x-a: b c\r\n")


def test_names_of_requests_and_long_lines_are_not_kept() -> None:
    lines = RequestLines()
    for line in (b"X-Request-Id: a", b"Accept: a", b"X: " + b"a" * 3000):
        lines[line]
    assert list(lines) == [b"Accept: a"]
