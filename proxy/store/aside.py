"""Files of SQLite that cannot be used any more: renamed, and the last few of them kept."""

import contextlib
import re
from pathlib import Path
from typing import Final

KEPT: Final = 3
"""Files that stay for whoever wants to know what was wrong. A bad disk, or another version of the
proxy that uses the same file, would fill the disk with them, one in ten seconds."""
_PARTS: Final = ("-wal", "-shm", "")


def set_aside(path: Path, wall: float) -> Path:
    """Rename a file that cannot be used, and what belongs to it; where it is now."""
    number = int(wall)
    while (aside := _named(path, number)).exists():
        number += 1
    for suffix in _PARTS:
        # What lies beside it goes with the last connection, which may be closed at this moment.
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    with contextlib.suppress(OSError):
        _forget_older(path, number)
    return aside


def _named(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.unusable-{number}")


def _forget_older(path: Path, newest: int) -> None:
    """``newest`` stays, whatever the clock has said. Raises OSError where nothing can be read."""
    ours = re.compile(re.escape(path.name) + r"\.unusable-(\d+)")
    names = [ours.fullmatch(each.name) for each in path.parent.iterdir()]
    others = {int(name[1]) for name in names if name is not None} - {newest}
    for number in sorted(others)[: 1 - KEPT]:
        old = _named(path, number)
        for suffix in _PARTS:
            with contextlib.suppress(OSError):
                old.with_name(old.name + suffix).unlink()
