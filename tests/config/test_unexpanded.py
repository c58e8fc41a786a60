"""References to the environment in other spellings."""

from typing import Any

import pytest

from proxy.config.unexpanded import as_reference, unexpanded, variable_meant


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("$TOKEN", "${TOKEN}"),
        ("$(TOKEN)", "${TOKEN}"),
        ("%TOKEN%", "${TOKEN}"),
        ("{{ env.TOKEN }}", "${TOKEN}"),
        ("env:TOKEN", "${TOKEN}"),
        ("{env.TOKEN}", "${TOKEN}"),
        ("{$TOKEN}", "${TOKEN}"),
        (" http://$HOST:$PORT", "http://${HOST}:${PORT}"),
        ("$host", ""),
        ("$host:$PORT", "$host:${PORT}"),
        ("$$TOKEN", ""),
        ("%2F%41%", ""),
        ("plain", ""),
    ],
)
def test_references_in_another_spelling_are_written_in_ours(text: str, ours: str) -> None:
    assert as_reference(text) == ours


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("{env.HOME}", "${HOME}"),
        ("{http.request.host}", "{host}"),
        ("{remote_host}", "{client_addr}"),
        ("{http.request.remote.host}", "{client_addr}"),
        ("{uuid}", "{request_id}"),
        ("{header:X-Tenant}", ""),
    ],
)
def test_a_variable_of_another_proxy_has_one_of_ours(text: str, ours: str) -> None:
    assert variable_meant(text) == ours


@pytest.mark.parametrize(
    ("raw", "meant"),
    [
        ({"server": {"listen": "$LISTEN"}}, '"${LISTEN}"'),
        ({"list": ["a", "%NAME%"]}, '"${NAME}"'),
        ({"request_headers": {"set": {"X-A": "$remote_addr"}}}, '"{client_addr}"'),
        ({"request_headers": {"add": {"X-A": "%[src]"}}}, '"{client_addr}"'),
        ({"request_headers": {"set": {"X-A": "%[req.hdr(a)]"}}}, "the variables are {client_addr}"),
        ({"response_headers": {"set": {"X-A": "%REQ(:PATH)%"}}}, "the variables are {client_addr}"),
        (
            {"request_headers": {"set": {"X-A": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}}},
            '"{client_addr}"',
        ),
        ({"request_headers": {"set": {"X-A": "%REQ(X-REQUEST-ID)%"}}}, '"{request_id}"'),
        ({"request_headers": {"set": {"X-A": "a $HOME"}}}, '"${HOME}"'),
        ({"credentials": {"value": "Bearer {env.TOKEN}"}}, '"${TOKEN}"'),
        ({"credentials": {"value": "Bearer $token"}}, '"${NAME}"'),
    ],
)
def test_it_is_warned_of(raw: Any, meant: str) -> None:
    [finding] = unexpanded(raw)
    assert finding.message.endswith(f"did you mean {meant}?") or meant in finding.message


@pytest.mark.parametrize("value", ["report-uri https://a.test/r?x=%[a]", "100%[b c]", "%[x]"])
def test_brackets_of_a_url_are_no_variable(value: str) -> None:
    raw = {"response_headers": {"set": {"Content-Security-Policy": value}}}
    assert list(unexpanded(raw)) == []


@pytest.mark.parametrize(
    "raw",
    [
        {"path_regex": "/a$B"},
        {"replacement": "/$NAME"},
        {"value": "sesame$KEYmore"},
        {"value": "sesame$KEY-x"},
        {"a": 1},
    ],
)
def test_a_dollar_with_a_meaning_of_its_own_is_not(raw: Any) -> None:
    assert list(unexpanded({"credentials": raw})) == []
