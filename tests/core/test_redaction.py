"""What is never shown, and what is."""

import sys
import weakref
from itertools import count
from types import FrameType
from typing import Any

import pytest

from proxy.core.redaction import (
    conceal,
    configured,
    hashed,
    known_secrets,
    redact,
    rotating,
    sent,
    shown,
    writings,
)

SECRET = "sk-live-4f9a8d77c1"


@pytest.mark.parametrize("key", ["client_addr", "path", "route"])
def test_what_is_no_secret_is_shown(key: str) -> None:
    assert shown(key, ())(b"/v1/x") == "/v1/x"


def test_a_hash_tells_keys_apart_and_is_the_same_each_time() -> None:
    assert hashed(b"a") == hashed(b"a") != hashed(b"b")
    assert hashed(None) == ""


@pytest.mark.parametrize(
    "text",
    [
        f"(b'Authorization', b'Bearer {SECRET}')",
        f"Authorization: {SECRET}",
        f'{{"Cookie": "session={SECRET}"}}',
        f"Set-Cookie: session={SECRET}; Path=/",
        f"X-API-Key={SECRET}",
        f"Basic {SECRET}",
        f"cannot connect to http://user:{SECRET}@api.example.com:80",
        f"https://api.example.com/v1?whatever={SECRET} is not a server",
        f"target '/v1?a=1&access_token={SECRET}&b=2'",
        f"target '/v1?access-token={SECRET}&X-Amz-Signature={SECRET}'",
        f"Got more than 8190 bytes when reading: b'X-Foo: {SECRET}...'",
        f"Invalid header token:\n\n  b'X-Foo {SECRET}'\n        ^",
    ],
)
def test_texts_are_shown_without_credentials(text: str) -> None:
    assert SECRET not in conceal(text)
    assert SECRET[-6:] not in conceal(text)


@pytest.mark.parametrize(
    "text",
    [
        "Authorization belongs to the upstream",
        "refused: http://10.0.0.1:9000",
        "GET /v1/items?page=2&limit=10",
        "no upstream is named 'api', did you mean 'apis'?",
    ],
)
def test_texts_without_credentials_stay_as_they_are(text: str) -> None:
    assert conceal(text) == text


def test_a_secret_that_was_replaced_is_hidden_until_32_others_have_come() -> None:
    def others(number: int) -> None:
        for _ in range(number):
            rotating(b"another-secret-%d" % next(numbers))

    numbers = count()
    rotating(b"the-first-secret")
    others(31)
    rotating(b"the-first-secret")  # it is the latest again
    others(31)
    assert conceal("the-first-secret") == "***"
    others(1)
    assert conceal("the-first-secret") == "the-first-secret"


def test_a_secret_of_the_configuration_is_hidden_while_it_is_held_and_not_for_ever() -> None:
    """A file that is written anew with another secret each hour would make each line slower."""
    held = configured(b"Bearer the-first-secret")
    configured(b"Bearer another-first")
    for number in range(1000):
        configured(b"Bearer secret-number-%d" % number)
        rotating(b"of-a-file-%d" % number)
    assert conceal("the-first-secret") == "***"
    assert conceal("secret-number-750") == "***"
    assert conceal("another-first") == "another-first"
    del held
    assert conceal("the-first-secret") == "the-first-secret"
    assert len(known_secrets()) <= 4 * (256 + 32)


def test_secrets_are_hidden_while_a_reload_learns_others_in_its_thread() -> None:
    """What was to be logged was lost: the dictionary had changed its size."""
    held = [configured(b"Bearer the-first-secret-%d" % number) for number in range(3)]
    number = count()

    def thread_comes_between(frame: FrameType, *_: object) -> Any:
        if frame.f_code.co_filename == weakref.__file__:
            configured(b"Bearer of-the-reload-%d" % next(number))
            return thread_comes_between
        return None

    before = sys.gettrace()
    sys.settrace(thread_comes_between)
    try:
        told = conceal("the-first-secret-1")
    finally:
        sys.settrace(before)
    assert told == "***"
    assert next(number) > 0
    del held


def test_a_secret_is_hidden_as_forms_write_it() -> None:
    """A token server may repeat what it was sent, with "+" for blanks (RFC 6749 2.3.1)."""
    rotating(b"two words & more")
    for written in ("two+words+%26+more", "two%20words%20%26%20more"):
        assert conceal(f"no client client_secret_of_{written}") == "no client client_secret_of_***"


@pytest.mark.parametrize("name", ["my-own", "my_own"])
def test_dashes_in_the_name_of_a_parameter_are_underlines(name: str) -> None:
    redact([name])
    for text in (f"{name}: abcdef", f"'{name}': 'abcdef'", "/a?my-own=abcdef", "/a?my_own=abcdef"):
        assert "abcdef" not in conceal(text)
    assert conceal("/a?mine=abcdef") == "/a?mine=abcdef"


def test_what_follows_a_parameter_in_a_sentence_is_shown() -> None:
    assert conceal("GET /a?api_key=abc is not there") == "GET /a?api_key=*** is not there"


@pytest.mark.parametrize("name", [b"Authorization", b"proxy-authorization"])
def test_the_scheme_of_credentials_is_no_secret(name: bytes) -> None:
    """Our own sentences speak of it."""
    secrets = sent([(name, b"Bearer abcdef-123456")])
    text = "the token is of a type other than Bearer, it is Bearer abcdef-123456"
    assert conceal(text, secrets) == "the token is of a type other than Bearer, it is ***"
    assert "abcdef-123456" in secrets


@pytest.mark.parametrize(
    "value",
    [b"abcdef123456", b"abcdef123456 ", b"abcdef123456, more", b"abcdef123456 more of it"],
)
def test_without_a_scheme_all_of_it_is_one(value: bytes) -> None:
    assert "abcdef123456" not in conceal("x abcdef123456 y", sent([(b"Authorization", value)]))


def test_a_secret_has_the_writings_of_urls_json_and_python() -> None:
    ways = {b'a/"\xff', b"a%2F%22%FF", b'a/\\"\\u00ff', b'a/\\"\xc3\xbf', b'a/"\\xff'}
    assert ways <= writings(b'a/"\xff')


@pytest.mark.parametrize(
    "scheme",
    [
        *("Basic", "bearer", "Digest", "Token", "ApiKey", "Api-Key", "Negotiate", "NTLM", "Hawk"),
        *("GNAP", "DPoP", "HOBA", "Mutual", "SCRAM-SHA-256", "vapid", "PrivateToken", "OAuth"),
        *("MAC", "JWT", "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
    ],
)
def test_schemes_that_are_known_are_shown(scheme: str) -> None:
    secrets = sent([(b"Authorization", f"{scheme} abcdef-123456".encode())])
    shown = conceal(f"it takes {scheme} alone, no abcdef-123456", secrets)
    assert shown == f"it takes {scheme} alone, no ***"


def test_any_other_word_may_be_a_part_of_a_secret() -> None:
    secrets = sent([(b"Authorization", b"correcthorse batterystaple")])
    assert "correcthorse" not in conceal("the API does not know correcthorse", secrets)


@pytest.mark.parametrize("cookies", [1, 60], ids=["a long one", "many"])
@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        (b"Authorization", b"Bearer abcdef-123456", "abcdef-123456"),
        (b"X-Api-Key", b"abcdef-123456", "abcdef-123456"),
        (b"x_mine", b"abcdef-123456", "abcdef-123456"),
    ],
)
def test_what_stands_behind_long_cookies_is_hidden(
    cookies: int, name: bytes, value: bytes, secret: str
) -> None:
    crumbs = b"; ".join(b"name-%d=value-%d" % (n, n) for n in range(200 // cookies))
    redact(["X-Mine"])
    try:
        secrets = sent([*[(b"Cookie", crumbs)] * cookies, (name, value)])
    finally:
        redact([])
    assert secret not in conceal(f"it says {secret}", secrets)
    assert crumbs.decode() in secrets
    assert len(secrets) <= 100


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/a&d=e?api_key=Zq7Secret&x=1", "/a&d=e?api_key=***&x=1"),
        ("/a?next=/b?api_key=Zq7Secret", "/a?next=/b?api_key=***"),
        ("/a?api_key=Zq7?Secret?&x=y", "/a?api_key=***&x=y"),
        ("/a?api_key=?Zq7Secret", "/a?api_key=***"),
        ("/a?x=1?y?z=2", "/a?x=1?y?z=2"),
        ("/a?password=what?=Zq7Secret&x=1", "/a?password=***&x=1"),
        ("/a?token=Zq7?is=Secret&x=1", "/a?token=***&x=1"),
        ("/a?x=1?token=Zq7?is=Secret", "/a?x=1?token=***"),
    ],
)
def test_a_parameter_may_begin_behind_a_question_mark_in_a_value(text: str, shown: str) -> None:
    assert conceal(text) == shown
