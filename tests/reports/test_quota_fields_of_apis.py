"""What well-known APIs say of their limits, as they say it; diegosouzapw/OmniRoute#4907."""

import pytest

from proxy.http.rate_limit_fields import quota
from proxy.http.retry_after import retry_after

WALL = 1_700_000_000.0  # 2023-11-14T22:13:20Z

OPENAI = """
x-ratelimit-limit-requests: 60
x-ratelimit-limit-tokens: 150000
x-ratelimit-remaining-requests: 59
x-ratelimit-remaining-tokens: 149984
x-ratelimit-reset-requests: 1s
x-ratelimit-reset-tokens: 6m0s
"""
ANTHROPIC = """
anthropic-ratelimit-requests-limit: 1000
anthropic-ratelimit-requests-remaining: 999
anthropic-ratelimit-requests-reset: 2023-11-14T22:13:22Z
anthropic-ratelimit-input-tokens-limit: 80000
anthropic-ratelimit-input-tokens-remaining: 80000
anthropic-ratelimit-input-tokens-reset: 2023-11-14T22:13:20Z
anthropic-ratelimit-output-tokens-remaining: 16000
anthropic-ratelimit-output-tokens-reset: 2023-11-14T22:13:20Z
anthropic-ratelimit-tokens-remaining: 96000
anthropic-ratelimit-tokens-reset: 2023-11-14T22:13:20Z
"""
GITHUB = """
x-ratelimit-limit: 5000
x-ratelimit-remaining: 4987
x-ratelimit-reset: 1700003600
x-ratelimit-used: 13
x-ratelimit-resource: core
"""
AZURE = """
x-ratelimit-remaining-requests: 119
x-ratelimit-remaining-tokens: 0
x-ratelimit-reset-tokens: 26
"""
GROQ = """
x-ratelimit-limit-requests: 14400
x-ratelimit-remaining-requests: 14370
x-ratelimit-reset-requests: 2m59.56s
x-ratelimit-remaining-tokens: 17997
x-ratelimit-reset-tokens: 7.66s
"""
DISCORD = """
X-RateLimit-Limit: 5
X-RateLimit-Remaining: 0
X-RateLimit-Reset: 1700000123.5
X-RateLimit-Reset-After: 1.25
"""
OPENROUTER = """
X-RateLimit-Limit: 20
X-RateLimit-Remaining: 3
X-RateLimit-Reset: 1700000060000
"""
LINEAR = """
X-RateLimit-Requests-Remaining: 1400
X-RateLimit-Requests-Reset: 1700003600000
X-Complexity-Remaining: 10
"""
X = """
x-rate-limit-limit: 900
x-rate-limit-remaining: 12
x-rate-limit-reset: 1700000900
"""
GITLAB = """
RateLimit-Limit: 60
RateLimit-Remaining: 7
RateLimit-Reset: 1700000030
RateLimit-ResetTime: Tue, 14 Nov 2023 22:13:50 GMT
"""
BYTES_ONLY = """
RateLimit-Policy: "bytes";q=1048576;w=60;qu="content-bytes"
RateLimit: "bytes";r=3;t=30
"""
NO_BYTES = """
RateLimit-Policy: "bytes";q=1048576;w=60;qu="content-bytes", "all";q=100;w=10
RateLimit: "bytes";r=0;t=30, "all";r=90;t=10
"""
TWO_LINES = """
RateLimit-Policy: "burst";q=100;w=60
RateLimit-Policy: "tokens";q=1000000;w=86400;qu="tokens"
RateLimit: "burst";r=10;t=20
RateLimit: "tokens";r=5;t=8000
"""


def fields(text: str) -> list[tuple[bytes, bytes]]:
    pairs = [line.split(": ", 1) for line in text.strip().splitlines()]
    return [(name.encode(), value.encode()) for name, value in pairs]


@pytest.mark.parametrize(
    ("text", "left", "seconds"),
    [
        (OPENAI, 59, 1),
        (OPENAI.replace("149984", "0"), 0, 360),
        (OPENAI.replace("requests: 1s", "requests: 20ms"), 59, 0.02),
        (OPENAI.replace("requests: 59", "requests: 0").replace(" 1s", " 1h2m3.5s"), 0, 3723.5),
        (ANTHROPIC, 999, 2),
        (
            ANTHROPIC.replace("remaining: 16000", "remaining: 0").replace(
                "output-tokens-reset: 2023-11-14T22:13:20Z",
                "output-tokens-reset: 2023-11-14T22:14:20Z",
            ),
            0,
            60,
        ),
        (GITHUB, 4987, 3600),
        (AZURE, 0, 26),
        (GROQ, 14370, 179.56),
        (DISCORD, 0, 1.25),
        (OPENROUTER, 3, 60),
        (LINEAR, 1400, 3600),
        (X, 12, 900),
        (GITLAB, 7, 30),
        (NO_BYTES, 0, 30),
        (TWO_LINES, 10, 20),
    ],
)
def test_what_is_left_is_read_as_each_api_says_it(text: str, left: float, seconds: float) -> None:
    told = quota(fields(text), WALL)
    assert told is not None
    assert told[0] == left
    assert told[1] == pytest.approx(seconds)


@pytest.mark.parametrize("text", [BYTES_ONLY, AZURE.replace("tokens: 0", "tokens: 5")])
def test_what_is_counted_in_something_else_says_nothing_of_requests(text: str) -> None:
    assert quota(fields(text), WALL) is None


@pytest.mark.parametrize(
    "value", [b"6m0", b"-6m", b"1e9", b"", b"2023-13-01T00:00:00Z", b"9" * 5000, b"1s" * 3000]
)
def test_resets_that_nobody_understands_say_nothing(value: bytes) -> None:
    assert quota([(b"x-ratelimit-remaining", b"5"), (b"x-ratelimit-reset", value)], WALL) is None


@pytest.mark.parametrize("name", [b"retry-after-ms", b"x-ms-retry-after-ms"])
@pytest.mark.parametrize(
    ("value", "seconds"), [(b"1500", 1.5), (b"20.5", 0.0205), (b"soon", 30.0), (b"-1", 30.0)]
)
def test_milliseconds_say_it_more_exactly(name: bytes, value: bytes, seconds: float) -> None:
    assert retry_after([(b"Retry-After", b"30"), (name, value)]) == pytest.approx(seconds)
