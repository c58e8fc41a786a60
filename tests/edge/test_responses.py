"""The answers that the proxy makes itself."""

import json

import pytest

from proxy.core import errors
from proxy.edge.responses import ErrorResponse, ErrorsOptions, error_response
from proxy.edge.statuses import FAILURES


def fields(response: ErrorResponse) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in response.fields}


def test_an_answer_is_a_problem_document() -> None:
    response = error_response(errors.ConnectFailed("10.0.0.1"), request_id="abc")
    assert response[:2] == (502, b"Bad Gateway")
    assert fields(response) | {"Date": ""} == {
        "Proxy-Status": "sidecar-proxy; error=connection_refused",
        "X-Request-Id": "abc",
        "Date": "",
        "Content-Type": "application/problem+json",
    }
    document = json.loads(response.body)
    assert (document["status"], document["title"], document["instance"]) == (
        502,
        "Bad Gateway",
        "abc",
    )
    assert "10.0.0.1" not in response.body.decode()


def test_details_are_told_only_where_they_may_be() -> None:
    options = ErrorsOptions(details=True)
    response = error_response(errors.ConnectFailed('no "way"\r\nX: 1'), options, request_id="abc")
    assert fields(response)["Proxy-Status"].endswith(r'; details="no \"way\" X: 1"')
    assert json.loads(response.body)["detail"] == 'no "way" X: 1'


def test_an_answer_may_be_text_or_nothing() -> None:
    response = error_response(errors.NoRoute(), ErrorsOptions(format="text"), request_id="abc")
    assert response.body.startswith(b"404 Not Found\n")
    assert fields(response)["Content-Type"] == "text/plain; charset=utf-8"
    response = error_response(errors.NoRoute(), None, request_id="abc")
    assert response.body == b""
    assert "Content-Type" not in fields(response)


@pytest.mark.parametrize(
    ("error", "name", "value"),
    [
        (errors.MethodNotAllowed("", ("GET", "PUT")), "Allow", "GET, PUT"),
        (errors.ConnectionLimit(), "Retry-After", "1"),
    ],
)
def test_some_answers_say_what_to_do(error: errors.ProxyError, name: str, value: str) -> None:
    assert fields(error_response(error, request_id="abc"))[name] == value


@pytest.mark.parametrize("kind", [kind for kind, (status, _) in FAILURES.items() if status == 503])
def test_whoever_is_refused_for_now_may_come_again(kind: type[errors.ProxyError]) -> None:
    """An operator who ends a request does not want it to be sent again by itself."""
    told = fields(error_response(kind("x"), request_id="abc"))
    assert ("Retry-After" in told) is (kind is not errors.EndedByOperator)
