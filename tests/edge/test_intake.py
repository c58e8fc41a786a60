"""The field rules together, in the order in which a request meets them."""

from proxy.edge.forwarded import Forwarding
from proxy.http.authority import valid_host
from proxy.http.hop_by_hop import end_to_end_request, seen_by, via
from proxy.http.request_id import ensure_ids
from proxy.middleware.rewrite.field_rules import FieldRules
from proxy.middleware.rewrite.options import HeaderRules

INSTANCE = "00c0ffee"


def test_a_hostile_request_goes_upstream_as_an_honest_one() -> None:
    raw = [
        (b"Host", b"api.test"),
        (b"Connection", b"close, Authorization, X-Forwarded-For, X-Request-Id, X-Internal"),
        (b"Authorization", b"Bearer t"),
        (b"X-Internal", b"1"),
        (b"X_Forwarded_For", b"127.0.0.1"),
        (b"Content-Length", b"3"),
        (b"TE", b"trailers"),
        (b"Via", b"1.1 sidecar-proxy-deadbeef"),
        (b"X-Request-Id", b"mine"),
        (b"Cookie", b"caf\xe9"),
        (b"traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-00"),
    ]
    assert valid_host(raw[0][1])
    assert not seen_by(raw, INSTANCE)
    fields, client, scheme = Forwarding(()).apply(
        end_to_end_request(raw), peer="192.0.2.1", scheme="http", host=b"api.test"
    )
    fields, request_id = ensure_ids(fields)
    fields.append((b"Via", via(INSTANCE, (1, 1))))
    rules = FieldRules(HeaderRules(set={"X-Client": "{client_addr} {request_id}"}))
    variables = {"client_addr": client, "request_id": request_id, "host": "api.test"}
    assert rules.apply(fields, variables) == [
        (b"Authorization", b"Bearer t"),
        (b"Via", b"1.1 sidecar-proxy-deadbeef"),
        (b"X-Request-Id", b"mine"),
        (b"Cookie", b"caf\xe9"),
        (b"traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-00"),
        (b"X-Forwarded-For", b"192.0.2.1"),
        (b"X-Forwarded-Proto", b"http"),
        (b"X-Forwarded-Host", b"api.test"),
        (b"Forwarded", b"for=192.0.2.1;host=api.test;proto=http"),
        (b"Via", b"1.1 sidecar-proxy-00c0ffee"),
        (b"X-Client", b"192.0.2.1 mine"),
    ]
    assert seen_by(fields, INSTANCE)
    assert scheme == "http"
