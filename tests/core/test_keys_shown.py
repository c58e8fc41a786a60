"""Which keys of the log are hidden."""

import pytest

from proxy.core.keys_shown import hidden_keys, hide_keys, is_hidden


@pytest.mark.parametrize(
    ("redact", "keys"),
    [
        ([], set()),
        (["page", "authorization"], set()),
        (["USER-AGENT", "host"], {"user_agent", "host"}),
        (["User_Agent"], {"user_agent"}),
        (["traceparent"], {"trace_id"}),
        (["X-Request-Id"], {"request_id", "upstream_request_id"}),
        (["X-Upstream-Request-Id"], {"upstream_request_id"}),
    ],
)
def test_a_key_is_hidden_where_a_field_that_it_is_taken_from_is(
    redact: list[str], keys: set[str]
) -> None:
    assert hidden_keys(redact) == keys
    hide_keys(redact)
    assert all(map(is_hidden, keys))
    assert not is_hidden("client")
    hide_keys([])
    assert not any(map(is_hidden, keys))
