"""Which fields may stand behind a body (RFC 9110 6.5.1)."""

import pytest

from proxy.http.trailers import announcement, last_chunk, takes_trailers


@pytest.mark.parametrize(
    "name",
    [
        *(b"Content-Length", b"transfer-encoding", b"Host", b"Authorization", b"Set-Cookie"),
        *(b"Content-Type", b"Content-Encoding", b"Cache-Control", b"Trailer", b"TE", b"Range"),
        *(b"Connection", b"X-Forwarded-For", b"Forwarded", b"Via", b"X-Request-Id", b"Location"),
        *(b"Client-Cert", b"client_cert_chain", b"X-Client-Cert-Subject"),
        *(b"Content_Length", b"Transfer_Encoding", b"X_Forwarded_For", b"x_real-ip"),
        *(b"X_Request_Id", b"SCRIPT_NAME", b"PATH_INFO"),
    ],
)
def test_what_belongs_into_a_head_is_dropped(name: bytes) -> None:
    assert last_chunk([(name, b"1"), (b"X-Sum", b"2")]) == b"0\r\nX-Sum: 2\r\n\r\n"
    assert announcement([(b"Trailer", name)]) == []
    assert announcement([(b"trailer", b"X-Sum , " + name)]) == [(b"trailer", b"X-Sum")]


def test_what_became_of_a_reply_may_be_told_behind_it() -> None:
    """RFC 9209 2."""
    status = (b"Proxy-Status", b"a; error=http_response_incomplete")
    assert last_chunk([status]) == b"0\r\n%b: %b\r\n\r\n" % status
    assert announcement([(b"Trailer", b"Proxy-Status")]) == [(b"Trailer", b"Proxy-Status")]


def test_no_trailers_are_no_lines() -> None:
    assert last_chunk([]) == b"0\r\n\r\n"
    assert last_chunk([(b"Host", b"a")]) == b"0\r\n\r\n"


@pytest.mark.parametrize("name", [b"X-User", b"x_USER"])
def test_a_field_that_may_not_stand_there_is_dropped_in_any_writing(name: bytes) -> None:
    fields = [(name, b"1"), (b"X-Users", b"2")]
    assert last_chunk(fields, {b"x-user"}) == b"0\r\nX-Users: 2\r\n\r\n"


@pytest.mark.parametrize(
    ("te", "takes"),
    [(b"trailers", True), (b"gzip;q=1, Trailers", True), (b"gzip", False), (b"xtrailers", False)],
)
def test_te_says_who_takes_them(te: bytes, takes: bool) -> None:
    assert takes_trailers(te) is takes
