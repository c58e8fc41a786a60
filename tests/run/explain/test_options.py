"""The options that ``sidecar-proxy explain`` tells of."""

import pytest

from tests.support.explained import SEVERAL, Told


def test_options_are_told_with_their_origin_and_without_secrets(told: Told) -> None:
    found = told(SEVERAL, "GET", "http://h/v1/x", "--set", "timeouts.connect=1s")
    values = {line.split(" = ")[0].strip(): line.split() for line in found.splitlines()}
    assert values["retry.attempts"][2:] == ["4", "a.toml:2", "[retry]"]
    assert values["retry.on"][2:] == ['["503"]', "a.toml:18", "[routes[0].retry]"]
    assert "  upstream b\n" in found
    assert values["retry.spool"][2:] == ["true", "default"]
    assert values["timeouts.connect"][2:] == ['"1s"', "--set", "[timeouts]"]
    assert "abcdefghijk" not in found


def values(found: str) -> dict[str, str]:
    """Where each option was written."""
    _, _, options = found.partition("\nOptions")
    pairs = [line.split(" = ", 1) for line in options.splitlines() if " = " in line]
    return {name.strip(): line.split()[-1] for name, line in pairs}


def test_tables_that_apply_unwritten_are_told_with_their_defaults(told: Told) -> None:
    one = '[[upstreams]]\nname = "api"\nservers = ["http://10.0.0.1"]\n'
    found = told(one, "GET", "/x")
    assert '    stream.commit = "auto"    ' in found
    assert '    load_balance.policy = "least_request"    ' in found
    assert (
        values(found).keys() == values(told(f"[stream]\n[load_balance]\n{one}", "GET", "/x")).keys()
    )
    assert values(found)["stream.commit"] == "default"
    assert "circuit_breaker.failure_ratio" not in found


def test_tables_that_apply_to_all_requests_are_told(told: Told) -> None:
    found = told(f"[server]\nvia = false\n{SEVERAL}", "GET", "http://h/v1/x")
    assert "\n  server\n" in found
    assert values(found)["via"] == "[server]"
    assert values(found)["max_header_size"] == "default"
    assert "\n  tracing\n" not in found
    assert "\n  store\n" not in found
    more = f'[tracing]\nendpoint = "http://a"\n[cache]\n{SEVERAL}'
    found = told(more, "GET", "http://h/v1/x")
    assert "\n  tracing\n" in found
    assert '\n  store\n    url = "memory:"' in found


def test_no_secret_of_a_rule_and_no_text_of_the_environment_is_told(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("X_FOR_EXPLAIN", "sesame-street")
    rules = 'set = { X-Own-Secret = "open-sesame", X-A = "${X_FOR_EXPLAIN}" }'
    found = told(f"{SEVERAL}[routes.request_headers]\n{rules}\n", "GET", "http://a.example.com/")
    assert 'set = { X-Own-Secret = "***", X-A = "${X_FOR_EXPLAIN}" }' in found
    assert "sesame" not in found


def test_a_table_that_is_switched_off_is_told(told: Told) -> None:
    found = told(SEVERAL, "GET", "http://a.example.com/")
    assert any(line.split()[:3] == ["retry", "=", "off"] for line in found.splitlines())
    assert "while it waits between two tries" not in found
    assert "  upstream api\n" not in found
