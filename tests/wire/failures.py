"""The status table: what happens, what the client is told, and whether it may go on."""

from typing import Any, NamedTuple

from tests.support.message import OK, get, post
from tests.support.upstream import Script

PLAIN: dict[str, Any] = {"retry": {"on": ["connect-failure", "stale-connection"]}}
HELD: Script = ["hold"]


class Case(NamedTuple):
    """One row: what happens, and what the client is told."""

    name: str
    status: int
    token: str
    request: bytes = get()
    script: Script = (OK,)
    options: dict[str, Any] = PLAIN
    kept: bool = True
    sent: int = 1
    """Requests that the upstream received."""


ROWS = [
    # The words are those of RFC 9209 2.3.
    Case(
        "no head in time",
        504,
        "http_response_timeout",
        script=HELD,
        options={"timeouts": {"first_byte": "1s"}},
    ),
    Case(
        "total deadline",
        504,
        "http_response_timeout",
        script=HELD,
        options={"timeouts": {"total": "1s", "first_byte": "0", "connect": "1s"}},
    ),
    Case("closed before the head", 502, "connection_terminated", script=["fin"]),
    Case("reset before the head", 502, "connection_terminated", script=["rst"]),
    Case(
        "closed within the head",
        502,
        "connection_terminated",
        script=[b"HTTP/1.1 200 OK\r\nContent-Le", "fin"],
    ),
    Case("malformed reply", 502, "http_protocol_error", script=[b"SSH-2.0-x\r\n\r\n", "hold"]),
    Case(
        "two lengths",
        502,
        "http_protocol_error",
        script=[b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"],
    ),
    Case(
        "reply head too large",
        502,
        "http_response_header_section_size",
        script=[b"HTTP/1.1 200 OK\r\nX-A: %s\r\n\r\n" % (b"a" * 200_000), "hold"],
    ),
    Case(
        "body too large by its length",
        413,
        "http_request_error",
        request=post(b"x" * 11),
        options={"server": {"max_body": "10B"}},
        kept=False,
        sent=0,
    ),
    Case(
        "head too large",
        431,
        "http_request_error",
        request=get(fields=b"X-A: %s\r\n" % (b"a" * 2000)),
        options={"server": {"max_header_size": "1KiB"}},
        kept=False,
        sent=0,
    ),
    Case(
        "head too large in many fields",
        431,
        "http_request_error",
        request=get(fields=b"X-A: aaaaaaaa\r\n" * 100),
        options={"server": {"max_header_size": "1KiB"}},
        kept=False,
        sent=0,
    ),
    Case(
        "request line too long",
        414,
        "http_request_error",
        request=get("/" + "a" * 2000),
        options={"server": {"max_header_size": "1KiB"}},
        kept=False,
        sent=0,
    ),
    Case(
        "malformed request",
        400,
        "http_request_error",
        request=get(fields=b"X-A : 1\r\n"),
        kept=False,
        sent=0,
    ),
    Case(
        "another transfer coding",
        501,
        "http_request_error",
        request=b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        kept=False,
        sent=0,
    ),
    Case(
        "CONNECT",
        405,
        "http_request_denied",
        request=b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        kept=False,
        sent=0,
    ),
    Case(
        "a method that no route takes",
        405,
        "http_request_denied",
        request=post(b""),
        options={"routes": [{"upstream": "api", "methods": ["GET", "HEAD"]}]},
        sent=0,
    ),
    Case(
        "no route",
        404,
        "destination_not_found",
        request=get("/other"),
        options={"routes": [{"upstream": "api", "path": "/v1"}]},
        sent=0,
    ),
]
