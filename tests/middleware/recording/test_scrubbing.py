"""What of a request and a reply is written to a recording."""

import gzip
import json

import pytest

from proxy.core.redaction import configured
from proxy.http.fields import Fields
from proxy.middleware.recording.scrubbing import Scrubber, secrets_of

KEY = b"sk-1234567890abcdef"
LOGIN: Fields = [(b"Authorization", b"Bearer " + KEY)]
SECRETS = secrets_of(LOGIN)
JSON: Fields = [(b"Content-Type", b"application/json")]
FORM: Fields = [(b"Content-Type", b"application/x-www-form-urlencoded")]
SCRUBBER = Scrubber()


def test_fields_of_credentials_lose_their_values() -> None:
    fields = [*LOGIN, (b"cookie", b"a=b"), (b"X-API-Key", b"k"), (b"Accept", b"*/*")]
    assert SCRUBBER.request_fields(fields, SECRETS) == [
        (b"Authorization", b"***"),
        (b"cookie", b"***"),
        (b"X-API-Key", b"***"),
        (b"Accept", b"*/*"),
    ]


def test_what_proxies_add_is_left_out() -> None:
    names = (b"Via", b"Forwarded", b"X-Forwarded-For", b"X-Request-Id", b"traceparent")
    assert SCRUBBER.request_fields([(name, b"x") for name in names], ()) == []


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (b"/a?x=1&access_token=abc&y=2", b"/a?x=1&access_token=***&y=2"),
        (b"/a/%b/b" % KEY, b"/a/***/b"),
        (b"/a?mine=7", b"/a?mine=***"),
        (b"/a?b=c", b"/a?b=c"),
    ],
)
def test_targets_lose_theirs(target: bytes, shown: bytes) -> None:
    assert Scrubber(["mine"]).target(target, SECRETS) == shown


@pytest.mark.parametrize(
    ("kind", "body", "shown"),
    [
        (JSON, b'{"password": "a\\"b", "x": "y"}', b'{"password": "***", "x": "y"}'),
        (JSON, b'{"x": "%b"}' % KEY, b'{"x": "***"}'),
        (JSON, b'{"x": "{\\"api_key\\": \\"abc\\"}"}', b'{"x": "{\\"api_key\\": \\"***\\"}"}'),
        (JSON, b'{"code": "not_found", "key": "name"}', b'{"code": "not_found", "key": "name"}'),
        (FORM, b"grant=x&client_secret=abc&code=7", b"grant=x&client_secret=***&code=***"),
        (JSON, b"\xff\x00", b"\xff\x00"),
    ],
)
def test_bodies_of_requests_lose_theirs_whatever_their_length(
    kind: Fields, body: bytes, shown: bytes
) -> None:
    assert SCRUBBER.request_body(body, kind, SECRETS) == shown


def test_a_body_of_a_reply_keeps_its_length() -> None:
    body = b'{"access_token": "abcdef", "token_type": "Bearer", "you": "%b"}' % KEY
    hidden, fields = SCRUBBER.reply_body(body, JSON, SECRETS)
    assert json.loads(hidden) == {
        "access_token": "******",
        "token_type": "Bearer",
        "you": "*" * len(KEY),
    }
    assert len(hidden) == len(body)
    assert fields == JSON


def test_a_compressed_body_is_kept_unless_there_is_a_secret_in_it() -> None:
    coded = [*JSON, (b"Content-Encoding", b"gzip")]
    harmless, telling = gzip.compress(b'{"a": 1}'), gzip.compress(b'{"a": "%b"}' % KEY)
    assert SCRUBBER.reply_body(harmless, coded, SECRETS) == (harmless, coded)
    shown, fields = SCRUBBER.reply_body(telling, coded, SECRETS)
    assert json.loads(shown) == {"a": "*" * len(KEY)}
    assert fields == JSON
    for odd in (b"br", b"gzip, br"):
        fields = [(b"Content-Encoding", odd)]
        assert SCRUBBER.reply_body(telling, fields, SECRETS) == (telling, fields)
    assert SCRUBBER.reply_body(b"no gzip", coded, SECRETS) == (b"no gzip", coded)


def test_fields_of_a_reply_lose_cookies_and_tokens() -> None:
    fields: Fields = [
        (b"Set-Cookie", b"session=abcdef; Path=/; HttpOnly"),
        (b"Location", b"https://me:pw@app.example.com/cb?code=abc&x=1"),
        (b"X-Echo", b"Bearer " + KEY),
        (b"ETag", b'"a"'),
    ]
    assert SCRUBBER.reply_fields(fields, SECRETS) == [
        (b"Set-Cookie", b"session=***; Path=/; HttpOnly"),
        (b"Location", b"https://app.example.com/cb?code=***&x=1"),
        (b"X-Echo", b"Bearer ***"),
        (b"ETag", b'"a"'),
    ]


def test_secrets_are_those_of_the_request_and_of_the_configuration() -> None:
    configured(b"Bearer configured-secret")
    found = secrets_of(
        [
            (b"Authorization", b"Basic dXNlcjpodW50ZXIyMg=="),
            (b"Cookie", b"lang=german; consent=accepted; sid=0123456789abcdef"),
            (b"X-Api-Key", KEY),
        ],
        [b"Bearer of-the-proxy"],
    )
    for secret in (
        b"configured-secret",
        b"dXNlcjpodW50ZXIyMg==",
        b"hunter22",
        b"0123456789abcdef",
        KEY,
        b"of-the-proxy",
    ):
        assert secret in found
    for word in (b"Bearer", b"Basic", b"german", b"accepted", b""):
        assert word not in found
