"""What a 304 speaks of, by its tag and by its date."""

import pytest

from proxy.core.reply import NoMoreBytes, Reply
from proxy.http.fields import Fields
from proxy.middleware.cache.validating import is_confirmed, is_of_client
from proxy.store.memory import MemoryStore
from tests.support.stored import put

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


OLD, NEW = b"Mon, 01 Jan 2024 00:00:00 GMT", b"Thu, 01 Feb 2024 00:00:00 GMT"
SAME_NEW = b"Thursday, 01-Feb-24 00:00:00 GMT"


@pytest.mark.parametrize(
    ("held", "said", "confirmed"),
    [
        ({b"Last-Modified": NEW}, {}, True),
        ({b"Last-Modified": NEW}, {b"Last-Modified": NEW}, True),
        ({b"Last-Modified": NEW}, {b"Last-Modified": SAME_NEW}, True),
        ({b"Last-Modified": NEW}, {b"Last-Modified": OLD}, False),
        ({b"Last-Modified": NEW}, {b"Last-Modified": b"never"}, False),
        ({b"Last-Modified": NEW}, {b"Last-Modified": OLD, b"ETag": b'"a"'}, False),
        ({b"Last-Modified": NEW, b"ETag": b'"a"'}, {b"Last-Modified": OLD}, False),
        # The server has compared the tags, and those alone (RFC 9110 13.2.2).
        ({b"Last-Modified": NEW, b"ETag": b'"a"'}, {b"Last-Modified": OLD, b"ETag": b'"a"'}, True),
        (
            {b"Last-Modified": NEW, b"ETag": b'W/"a"'},
            {b"Last-Modified": OLD, b"ETag": b'"a"'},
            True,
        ),
        ({b"Last-Modified": NEW, b"ETag": b'"a"'}, {b"Last-Modified": NEW, b"ETag": b'"b"'}, False),
        ({b"ETag": b'"a"'}, {b"Last-Modified": OLD}, True),
    ],
    ids=range(11),
)
async def test_a_304_speaks_of_what_has_its_validators(
    held: dict[bytes, bytes], said: dict[bytes, bytes], *, confirmed: bool
) -> None:
    store = MemoryStore(1 << 20)
    put(store, b"key", b"body", fields=list(held.items()))
    [entry] = await store.get(b"key")
    assert is_confirmed(entry, Reply(304, list(said.items()), NoMoreBytes())) is confirmed
