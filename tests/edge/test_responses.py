"""The status table and what is made of it."""

import json

import pytest

from proxy.core import errors
from proxy.edge.responses import FAILURES, ErrorsOptions, answer, failure


def concrete(kind: type[errors.ProxyError]) -> list[type[errors.ProxyError]]:
    below = [leaf for sub in kind.__subclasses__() for leaf in concrete(sub)]
    return below or [kind]


def test_every_error_has_a_status() -> None:
    without = {errors.ClientGone}
    assert {*concrete(errors.ProxyError)} - without <= {*FAILURES}


def test_an_error_of_a_kind_that_nobody_named_is_ours() -> None:
    class Odd(errors.ProxyError):
        pass

    assert failure(Odd()) == (500, "proxy_internal_error")


def fields(head: bytes) -> dict[str, str]:
    lines = head.decode().split("\r\n")[1:-2]
    return dict(line.split(": ", 1) for line in lines)


def test_an_answer_is_a_problem_document() -> None:
    head, body = answer(errors.ConnectFailed("10.0.0.1"), request_id="abc", hop=b"A: b\r\n")
    assert head.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert fields(head) | {"Date": ""} == {
        "Proxy-Status": "sidecar-proxy; error=connection_refused",
        "X-Request-Id": "abc",
        "Date": "",
        "Content-Type": "application/problem+json",
        "Content-Length": str(len(body)),
        "A": "b",
    }
    document = json.loads(body)
    assert (document["status"], document["title"], document["instance"]) == (
        502,
        "Bad Gateway",
        "abc",
    )
    assert "10.0.0.1" not in body.decode()


def test_details_are_told_only_where_they_may_be() -> None:
    options = ErrorsOptions(details=True)
    head, body = answer(errors.ConnectFailed('no "way"\r\nX: 1'), options, request_id="abc")
    assert fields(head)["Proxy-Status"].endswith(r'; details="no \"way\" X: 1"')
    assert json.loads(body)["detail"] == 'no "way" X: 1'


def test_an_answer_may_be_text_or_nothing() -> None:
    head, body = answer(errors.NoRoute(), ErrorsOptions(format="text"), request_id="abc")
    assert body.startswith(b"404 Not Found\n")
    assert fields(head)["Content-Type"] == "text/plain; charset=utf-8"
    head, body = answer(errors.NoRoute(), None, request_id="abc")
    assert (body, fields(head)["Content-Length"]) == (b"", "0")
    assert "Content-Type" not in fields(head)


@pytest.mark.parametrize(
    ("error", "name", "value"),
    [
        (errors.MethodNotAllowed("", ("GET", "PUT")), "Allow", "GET, PUT"),
        (errors.ConnectionLimit(), "Retry-After", "1"),
    ],
)
def test_some_answers_say_what_to_do(error: errors.ProxyError, name: str, value: str) -> None:
    assert fields(answer(error, request_id="abc")[0])[name] == value
