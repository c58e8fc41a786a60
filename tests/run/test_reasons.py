"""What an operator reads where the proxy cannot start or reload."""

from errno import ENOENT

import pytest

from proxy.run.reasons import reason


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            FileNotFoundError(ENOENT, "No such file or directory", "key.pem"),
            "cannot use 'key.pem': No such file or directory",
        ),
        (FileNotFoundError(ENOENT, "No such file or directory"), "FileNotFoundError: [Errno 2] No"),
        (OSError("no more sockets"), "OSError: no more sockets"),
        (ValueError("an odd key"), "ValueError: an odd key"),
    ],
)
def test_a_file_is_named_where_it_is_one(error: OSError | ValueError, sentence: str) -> None:
    assert reason(error).startswith(sentence)
