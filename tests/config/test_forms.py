"""Text of a certain form: what is expected is said in words, and what was meant."""

import re
from pathlib import Path

import pytest
from msgspec import inspect

from proxy.config import forms
from proxy.config.load import check
from proxy.config.model import Config

API = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'
ORIGIN = 'an origin such as "https://app.example.com", "https://*.example.com" or "*"'
QUANTILE = 'a quantile from "p10" to "p99.9", or a time such as "500ms"'


def said(folder: Path, text: str) -> str:
    """What ``check`` says of the only mistake."""
    file = folder / "config.toml"
    file.write_text(text + API, encoding="utf-8")
    [problem] = check(file, {})
    return problem.message


def patterns(kind: inspect.Type) -> set[str]:
    """Every regular expression of an option within a type."""
    if isinstance(kind, inspect.StructType):
        return {each for field in kind.fields for each in patterns(field.type)}
    if isinstance(kind, inspect.Metadata):
        return patterns(kind.type)
    if isinstance(kind, inspect.VarTupleType):
        return patterns(kind.item_type)
    if isinstance(kind, inspect.UnionType):
        return {each for inner in kind.types for each in patterns(inner)}
    return {kind.pattern} if isinstance(kind, inspect.StrType) and kind.pattern else set()


def test_every_regular_expression_of_an_option_has_words() -> None:
    found = patterns(inspect.type_info(Config))
    assert len(found) >= 9
    assert found == set(forms.FORMS)


def test_no_message_shows_a_regular_expression_that_nobody_has_put_in_words() -> None:
    assert forms.expected("^[a-z]+(x|y)?$") == "another form"
    assert forms.expected("^(one|two)$") == "one of one, two"
    assert forms.hint("^(one|two)$", "TWO") == ", did you mean 'two'?"
    assert forms.hint("^[a-z]+(x|y)?$", "TWO") == ""


def test_what_may_be_written_as_it_stands_has_the_form() -> None:
    for pattern, form in forms.FORMS.items():
        assert all(re.search(pattern, word) for word in form.words)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("app.example.com", f'{ORIGIN}, got {{}}, did you mean "https://app.example.com"?'),
        ("https://x/", f'{ORIGIN}, got {{}}, did you mean "https://x"?'),
        ("HTTPS://X", f'{ORIGIN}, got {{}}, did you mean "https://x"?'),
        ("localhost:3000", f'{ORIGIN}, got {{}}, did you mean "http://localhost:3000"?'),
        ("https://*", f'{ORIGIN}, got {{}}, "*" alone is any origin'),
        ("https://a.*.com", f"{ORIGIN}, got {{}}, a star stands for the first part of a name only"),
        ("null", f'{ORIGIN}, got {{}}, any page can have that origin, and "*" is any'),
        ("a b", f"{ORIGIN}, got {{}}"),
    ],
)
def test_a_wrong_origin_says_which_was_meant(tmp_path: Path, written: str, message: str) -> None:
    text = f'[cors]\nallow_origins = ["{written}"]\n'
    assert said(tmp_path, text) == "expected " + message.format(repr(written))


ADDRESS = "did you mean 'client_addr'?; [server] trusted_proxies says whose "


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("X-Forwarded-For", ADDRESS),
        ("x-real-ip", ADDRESS),
        ("Forwarded", ADDRESS),
        ("header: X-Forwarded-For", ADDRESS),
        ("$http_x_forwarded_for", ADDRESS),
        ("$http_x_real_ip", ADDRESS),
        ("$remote_addr", ADDRESS),
        ("$binary_remote_addr", ADDRESS),
        ("$realip_remote_addr", ADDRESS),
        ("ip", "did you mean 'client_addr'?"),
        ("$http_x_tenant", "did you mean 'header:X-Tenant'?"),
        ("X-Tenant", "did you mean 'header:X-Tenant'?"),
        ("$cookie_id", "did you mean 'cookie:id'?"),
    ],
)
@pytest.mark.parametrize(
    "table",
    [
        '[rate_limit]\naverage = 1\nkey = "{}"\n',
        '[concurrency]\n[queue]\nkey = "{}"\n',
        '[load_balance]\npolicy = "hash"\nhash_key = "{}"\n',
    ],
)
def test_the_address_of_a_client_is_no_field(
    tmp_path: Path, table: str, written: str, meant: str
) -> None:
    assert meant in said(tmp_path, table.format(written))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[retry]\non = ["gateway-error"]\n', 'did you mean "502", "503" and "504"?'),
        ('[retry]\non = ["retriable-4xx"]\n', "did you mean '409'?"),
        (
            '[retry]\non = ["non_idempotent"]\n',
            "methods and idempotency_header say what may be sent again",
        ),
        ('[retry]\non = ["http_503"]\n', "did you mean '503'?"),
        (
            '[cache]\ntargets = ["CDN Cache-Control:"]\n',
            "expected the name of a field such as CDN-Cache-Control, got 'CDN Cache-Control:', "
            'did you mean "CDN-Cache-Control"?',
        ),
        ('[hedge]\ndelay = "p0"\n', f"expected {QUANTILE}, got 'p0'"),
        ('[hedge]\ndelay = "p99.99"\n', f"expected {QUANTILE}, got 'p99.99'"),
        ('[hedge]\ndelay = "0.5"\n', f"expected {QUANTILE}, got '0.5', did you mean 'p50'?"),
        ('[hedge]\ndelay = "0"\n', f"expected {QUANTILE}, got '0', hedge = false switches it off"),
        ('[stream]\ncommit = "64KB"\n', "got '64KB', did you mean 'body:64KiB'?"),
        ('[stream]\ncommit = "body:0"\n', "got 'body:0', did you mean 'headers'?"),
        (
            '[stream]\ncommit = "body:99GiB"\n',
            "got 'body:99GiB', all replies that are held have 32MiB together",
        ),
        ("[server]\nunix_mode = 0o660\n", 'got 432, did you mean "0660"?'),
        ("[server]\nunix_mode = 0o777\n", 'got 511, did you mean "0777"?'),
        ("[server]\nunix_mode = 660\n", 'got 660, did you mean "0660"?'),
        ("[server]\nunix_mode = 8\n", "expected a string, got 8"),
    ],
)
def test_a_wrong_form_says_which_was_meant(tmp_path: Path, text: str, message: str) -> None:
    assert said(tmp_path, text).endswith(message)
