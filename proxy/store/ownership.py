"""Whether a file is a store of the proxy: nothing else is ever renamed or written to.

A store says so in its head (``application_id``). One that is damaged, or of an earlier version that
wrote no such number, still has the text of our tables in its first page, or in the log beside it
that SQLite has not yet copied into it. Where nothing of that is left, the file is somebody else's,
unless it is no database and this process has used it before. So is a plain text, such as a dump of
a store or the source of ``tables``.

An intact file is looked at through SQLite. If we closed a descriptor of our own, the locks of all
connections that this process has to the file would be gone (fcntl(2)): where it has any, such a
descriptor is kept until the last one is closed.
"""

import os
import re
import sqlite3
import stat
import threading
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

from proxy.core.cache_options import NOT_A_STORE
from proxy.store.tables import APPLICATION, STATEMENTS

_MAGIC: Final = b"SQLite format 3\0"
_PAGE: Final = 4096
"""Bytes in which a file has a NUL that is no text."""
_AT: Final = 68
"""Where the head of a file has its ``application_id`` (file format 1.3)."""
_PART: Final = 1 << 20
"""Bytes of a damaged file that are searched: the text of the tables is in its first page."""
_WRITTEN_BY: Final = 18
_NEWEST: Final = 2
"""Where a file says which version may write it, and the last one that there is (1.3.3)."""
_SHORTEST: Final = 512
"""Bytes of a database; SQLite takes what is shorter for an empty one, and writes over it."""

_TRACES: Final = tuple(
    statement.partition(b" ")[2].partition(b" ")[2]
    for statement in (re.sub(rb"IF NOT EXISTS ", b"", each.encode()) for each in STATEMENTS)
    if statement.startswith(b"CREATE TABLE")
)
"""What SQLite keeps of each table that we make, from its name on."""

_LOOKS: Final = (0.01, 0.05, 0.2)
"""Seconds between looks at a file that is being made: SQLite writes its tables at once."""

_used: Final[set[Path]] = set()
_open: Final[list[tuple[int, int]]] = []
"""Each connection that this process has, by device and inode of its file."""
_kept: Final[dict[tuple[int, int], int]] = {}
"""A descriptor of our own for some of these files."""
_lock: Final = threading.Lock()


class NotOurs(sqlite3.OperationalError):
    """The file is something else; it is left alone."""


def take_over(path: Path) -> None:
    """Note that this process uses the file. Raises NotOurs where it is something else."""
    if is_foreign(path):
        raise NotOurs(f"it {NOT_A_STORE}, and is left alone")
    _used.add(_real(path))


def opened(path: Path) -> tuple[int, int]:
    """Note that this process has a connection to the file; ``closed`` has to follow with this."""
    mark = _mark(path.stat())
    _open.append(mark)
    return mark


def closed(mark: tuple[int, int]) -> None:
    """One connection to it is closed."""
    with _lock:
        _open.remove(mark)
        if mark not in _open and (descriptor := _kept.pop(mark, None)) is not None:
            os.close(descriptor)


def start_of(path: Path, count: int) -> bytes:
    """The first bytes of a file, whether this process has it open or not. Raises OSError."""
    with _lock:
        mark = _mark(path.stat())
        descriptor = _kept.pop(mark, None)
        if descriptor is None:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            mark = _mark(os.fstat(descriptor))
        try:
            return os.pread(descriptor, count, 0)
        finally:
            if mark in _open:
                _kept[mark] = descriptor
            else:
                os.close(descriptor)


def only_to_be_read(path: Path) -> bool:
    """Whether a byte of its head says so: no version of SQLite writes it."""
    try:
        head = start_of(path, _WRITTEN_BY + 1)
    except OSError:
        return False
    return len(head) > _WRITTEN_BY and head[_WRITTEN_BY] > _NEWEST


def _mark(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def is_foreign(path: Path) -> bool:
    """Whether it is something else than a store of ours. Nothing is written.

    False where there is no file, where it is empty, and where SQLite cannot open it.
    """
    try:
        path = _real(path)
        found = path.stat()
        if stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and not found.st_size):
            return False
        if not stat.S_ISREG(found.st_mode):
            return True
        try:
            return (_is_garbage if found.st_size < _SHORTEST else _is_other_database)(path)
        except sqlite3.OperationalError:
            return _is_garbage(path)  # raises OSError where it may not be read
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            return _is_garbage(path)
    except (OSError, ValueError, RuntimeError):  # the last one: links that go in a circle
        return False


def _real(path: Path) -> Path:
    """Where it is: the log lies beside the file itself, not beside a link to it."""
    return Path("/" + str(path.resolve()).lstrip("/"))  # "//" may be a place of its own (POSIX)


def _is_other_database(path: Path) -> bool:
    """Raises DatabaseError or UnicodeDecodeError where it is damaged, or no database.

    Another process may be making it at this moment: what is empty but has a log without a trace of
    ours is looked at again.
    """
    for wait in _LOOKS:
        found = _looks_foreign(path)
        if found is not None:
            return found
        time.sleep(wait)
    return _looks_foreign(path) is not False


def _looks_foreign(path: Path) -> bool | None:
    """None where it cannot be told yet."""
    address = f"file://{quote(str(path))}?mode=ro&immutable=1"
    db = sqlite3.connect(address, uri=True)
    try:
        db.text_factory = bytes
        (application,) = db.execute("PRAGMA application_id").fetchone()
        if application == APPLICATION:
            return False
        (version,) = db.execute("PRAGMA user_version").fetchone()
        texts = [text or b"" for (text,) in db.execute("SELECT sql FROM sqlite_master")]
    finally:
        db.close()
    if texts:
        return not any(map(_has_trace, texts))
    if not (log := _log_of(path)):
        return bool(application or version)
    return False if _has_trace(log) else None


def _is_garbage(path: Path) -> bool:
    """Whether nothing in it, or in the log beside it, is of a store of ours."""
    start, is_used = start_of(path, _PART), path in _used
    is_database = start.startswith(_MAGIC)
    if not (is_database or is_used or b"\0" in start[:_PAGE]):
        return True  # a text
    if start[_AT : _AT + 4] == APPLICATION.to_bytes(4, "big") or _has_trace(start):
        return False
    if _has_trace(_log_of(path)):
        return False
    return is_database or not is_used


def _has_trace(data: bytes) -> bool:
    return any(trace in data for trace in _TRACES)


def _log_of(path: Path) -> bytes:
    try:
        with path.with_name(f"{path.name}-wal").open("rb") as file:  # SQLite has no locks on it
            return file.read(_PART)
    except FileNotFoundError:
        return b""
