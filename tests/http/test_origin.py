"""Whose page asks, and whether it may read what it gets without being allowed to."""

import pytest

from proxy.http.fields import RawHeaders
from proxy.http.origin import of_other_origin


@pytest.mark.parametrize(
    ("fields", "other"),
    [
        ([], False),
        ([(b"origin", b"https://a.test:8443")], False),
        ([(b"Origin", b"https://A.test:8443")], False),
        ([(b"Origin", b"https://a.test")], True),
        ([(b"Origin", b"http://a.test:8443")], True),
        ([(b"Origin", b"null")], True),
        ([(b"Origin", b"http://a.test"), (b"Sec-Fetch-Site", b"same-origin")], False),
        ([(b"Origin", b"http://a.test"), (b"Sec-Fetch-Site", b"cross-site")], True),
    ],
)
def test_a_page_is_of_another_origin_if_scheme_host_or_port_differ(
    fields: RawHeaders, other: bool
) -> None:
    assert of_other_origin(fields, "https", "a.test:8443") is other
