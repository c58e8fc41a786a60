"""What Python calls things never shows."""

import pytest

from proxy.core.words import plain


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("field b'a\\xff'", 'field "a\\xff"'),
        ("""Host b"it's" against b''""", 'Host "it\'s" against ""'),
        ("cannot connect ssl:<ssl.SSLContext object at 0x7f> [x]", "cannot connect [x]"),
        ("ClientOSError: ConnectionError: broken", "broken"),
        ("two\r\n  lines", "two lines"),
        ("plain words, and Errors are fine", "plain words, and Errors are fine"),
    ],
)
def test_what_python_calls_things_never_shows(raw: str, shown: str) -> None:
    assert plain(raw) == shown
