"""Paths that servers may read in several ways."""

from hypothesis import strategies as st

PIECES = (
    *(b"/", b"//", b".", b"..", b"%2e", b"%2E", b"%2f", b"%2F", b"%5c", b"\\", b";", b"%", b"%zz"),
    *(b"a", b"v1", b"%76", b"%2", b"46", b"%41", b"%c3%a9", b"\xc3\xa9", b"~", b"%7e", b"=", b'"'),
)
paths = st.lists(st.sampled_from(PIECES), max_size=12).map(lambda parts: b"/" + b"".join(parts))
