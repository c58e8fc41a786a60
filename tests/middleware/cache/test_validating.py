"""What a 304 speaks of, by its tag."""

import pytest

from proxy.core.reply import NoMoreBytes, Reply
from proxy.http.fields import Fields
from proxy.middleware.cache.validating import is_of_client

ASKED = [(b"If-None-Match", b'"a", "b"')]


@pytest.mark.parametrize(
    ("fields", "is_its"),
    [
        ([(b"ETag", b'W/"b"')], True),
        ([(b"ETag", b'"c"')], False),  # of what nobody asked for
        ([], False),
    ],
)
def test_a_304_is_the_clients_where_it_names_a_tag_of_its_own(fields: Fields, is_its: bool) -> None:
    assert is_of_client(ASKED, Reply(304, fields, NoMoreBytes())) is is_its
