"""Whether a file is another than it was."""

import errno
import os
import ssl
from pathlib import Path

import pytest

from proxy.core.files import (
    marks,
    may_pass,
    regular_content,
    rereadable,
    secret_content,
    secret_mark,
)


def test_another_file_or_link_has_another_mark(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text("same")
    (tmp_path / "link").symlink_to("one")
    path = (str(tmp_path / "link"),)
    before = marks(path)
    assert marks(path) == before
    (tmp_path / "one").write_text("other")
    assert marks(path) != before
    before = marks(path)
    (tmp_path / "one").chmod(0o640)  # it may be that it can be read only now
    assert marks(path) != before
    before = marks(path)
    (tmp_path / "new").symlink_to("two")
    os.replace(tmp_path / "new", tmp_path / "link")
    assert marks(path) != before
    (tmp_path / "link").unlink()
    assert marks(path) == (None,)


def test_a_secret_is_a_regular_file_of_moderate_size(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 30)
    for name, why in (("pipe", "no regular file"), ("large", "more than 65536 bytes")):
        with pytest.raises(ValueError, match=why):
            secret_mark(str(tmp_path / name))
    assert [rereadable(str(tmp_path / name)) for name in ("pipe", "large", "none")] == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_bom_and_the_last_line_break_are_no_part_of_a_secret(
    tmp_path: Path, start: str, end: str
) -> None:
    (tmp_path / "secret").write_bytes(f"{start}a\n b {end}".encode())
    assert secret_content(str(tmp_path / "secret")) == b"a\n b "


def test_while_the_proxy_runs_only_a_regular_file_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    assert regular_content(str(tmp_path / "file")) == b"x" * 100_000
    for name in (str(tmp_path / "pipe"), "/dev/zero", str(tmp_path)):
        with pytest.raises(ValueError, match="no regular file"):
            regular_content(name)
    with pytest.raises(FileNotFoundError):
        regular_content(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (OSError(errno.EMFILE, "no descriptor is left"), True),
        (PermissionError(errno.EACCES, "denied"), True),
        (ssl.SSLError(9, "[PEM] no start line"), False),  # it is an OSError
        (ValueError("nothing in it"), False),
    ],
)
def test_what_is_wrong_in_a_file_does_not_pass(error: Exception, passes: bool) -> None:
    assert may_pass(error) == passes
