"""Which codings a body has."""

import pytest

from proxy.http.codings import codings


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ([], []),
        ([b""], []),
        ([b"identity"], []),
        ([b"None"], []),
        ([b" , identity,\t"], []),
        ([b"GZIP"], [b"gzip"]),
        ([b"gzip, br"], [b"gzip", b"br"]),
        ([b"deflate", b"identity, gzip"], [b"deflate", b"gzip"]),
        ([b"nonesuch"], [b"nonesuch"]),
    ],
)
def test_what_says_that_there_is_no_coding_is_none(said: list[bytes], found: list[bytes]) -> None:
    fields = [(b"content-ENCODING", value) for value in said]
    assert codings([(b"Content-Type", b"gzip"), *fields]) == found
