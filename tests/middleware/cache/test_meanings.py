"""What fields are to a cache, by their names."""

import time

import pytest

from proxy.core.redaction import CREDENTIALS
from proxy.middleware.cache.meanings import (
    ADDRESS,
    MEANINGS,
    OWNER,
    address,
    address_parts,
    is_owner,
)

HOST, SCHEME = b"a.test:80", b"http"


@pytest.mark.parametrize("name", sorted(CREDENTIALS - {b"authorization"}))
def test_credentials_are_of_an_owner(name: bytes) -> None:
    assert MEANINGS[name.upper()] is OWNER


@pytest.mark.parametrize(
    "name",
    b"""authorization user-agent x-user-agent sec-fetch-user sec-websocket-key idempotency-key
    accept accept-language origin referer x-request-id x-forwarded-for x-real-ip via remote_addr
    traceparent x-monkeys x-organic x-tokenizer cache-control if-none-match host dnt
    sec-fetch-site sec-fetch-mode sec-fetch-dest sec-ch-ua-platform sec-ch-prefers-color-scheme
    sec-websocket-protocol upgrade-insecure-requests save-data priority accept-encoding alt-used
    x-requested-with x-amzn-trace-id x-cloud-trace-context baggage tracestate x-b3-traceid
    x-correlation-id hx-request hx-current-url hx-target next-url turbo-frame
    x-client-host x-remote-host remote-host x-referer-url cloudfront-viewer-country cf-ray
    cf-connecting-ip true-client-ip
    x-original-for mcp-protocol-version connect-protocol-version x-stainless-lang ping-to
    access-control-request-method x-hostile x-urlaub x-pathology""".split(),
)
def test_other_fields_are_of_nobody(name: bytes) -> None:
    assert not is_owner(name)
    assert MEANINGS[name] is not ADDRESS


@pytest.mark.parametrize(
    ("name", "value", "parts"),
    [
        (b"X-Forwarded-Host", b"A.test:80", ()),
        (b"X-Forwarded-Host", b"B.test", (b"x-forwarded-host", b"b.test")),
        (b"X-Forwarded-Proto", b"http", ()),
        (b"X-Forwarded-Proto", b"https", (b"x-forwarded-proto", b"https")),
        (b"Forwarded", b'for=192.0.2.1;host="a.test:80";proto=http', ()),
        (b"Forwarded", b"for=192.0.2.1, for=192.0.2.2", ()),
        (b"Forwarded", b"for=x;HOST=b, for=y;host=c", (b"forwarded", b"host", b"b", b"host", b"c")),
        (b"Forwarded", b"proto = https", (b"forwarded", b"proto", b"https")),
        (b"X_Rewrite_URL", b"/A", (b"x-rewrite-url", b"/A")),
    ],
)
def test_what_is_said_of_the_address(name: bytes, value: bytes, parts: tuple[bytes, ...]) -> None:
    assert MEANINGS[name] is ADDRESS
    assert address_parts(name, value, HOST, SCHEME) == parts
    fields = [(b"Accept", b"x"), (name, value)]
    for _ in range(2):  # the second time from memory
        assert address(fields, HOST.decode().upper(), SCHEME.decode()) == list(parts)


@pytest.mark.parametrize(
    "name",
    b"""x-host x-http-host-override x-rewrite-url x-url x-http-method x-method
    x-http-method-override x-method-override x-scheme x-url-scheme x-script-name front-end-https
    forwarded-host x-forward-host host-override x-host-override fastly-host x-ms-original-url
    x-envoy-original-path x-envoy-original-dst-host x-request-uri x-override-url x-real-host
    cloudfront-forwarded-proto x-invoke-path x-invoke-status x-matched-path x-forward-proto
    base-url request-uri x-http-destinationurl x-originalurl x-forwardedhost x-https x-base-path
    script_name path_info script-name x_override_url x-forwarded-prefix""".split(),
)
def test_a_word_says_that_a_field_may_stand_for_the_address(name: bytes) -> None:
    assert MEANINGS[name] is MEANINGS[name.upper()] is ADDRESS
    assert address_parts(name, b"/A", HOST, SCHEME) == (name.replace(b"_", b"-"), b"/A")


def test_many_quotes_take_linear_time() -> None:
    value = b';host="' + b'\\";host=' * 32_000
    begun = time.process_time()
    assert len(address_parts(b"forwarded", value, HOST, SCHEME)) == 64_003
    assert time.process_time() - begun < 5  # of minutes, if each quote looked for the next one


@pytest.mark.parametrize(
    "name",
    b"""x-customerid x-memberid x-organizationid x-workspaceid x-teamid x-projectid x-groupid
    x-rolename x-subjectid x-emailaddress x-remoteuser x-currentuser x-loginname x-token2 x-apikey1
    x-auth0-sub sudo on-behalf-of x-on-behalf-of iv-creds eppn x-phpsessid
    x-telegram-init-data""".split(),
)
def test_words_may_be_glued_together_and_numbered(name: bytes) -> None:
    assert is_owner(name)
