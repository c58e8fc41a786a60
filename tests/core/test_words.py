"""What Python calls things never shows."""

import pytest

from proxy.core.words import in_seconds, plain


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


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (0.0000421, "0.0000421 s"),
        (0.25, "0.25 s"),
        (0.123456, "0.123 s"),
        (1.5, "1.5 s"),
        (12.3456, "12.346 s"),
        (600, "600 s"),
        (999.9996, "1000 s"),
        (3599.6, "3600 s"),
        (2_592_000, "2592000 s"),
    ],
)
def test_a_time_is_told_without_an_exponent(seconds: float, shown: str) -> None:
    assert in_seconds(seconds) == shown
