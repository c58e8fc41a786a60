"""A file of SQLite, its two connections and their threads, and what is done when it fails.

A file that is damaged, or of another version, is set aside and a new one begun; other processes
that have the old one open notice it at their next look or change. One that cannot be opened for
another reason (no permission, no directory), or is no store of ours (``ownership``), is left alone,
and tried again after ten seconds.

Another process may keep it locked, for instance one that was stopped while it wrote. A change waits
for the lock for five seconds. After that all changes fail for a second: if each of many waited, the
thread that writes would be busy for minutes, and a proxy that ends would wait for that.
"""

import logging
import re
import sqlite3
from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from proxy.core.clock import monotonic, wall
from proxy.store.aside import set_aside
from proxy.store.database import Database
from proxy.store.ownership import only_to_be_read, take_over
from proxy.store.thread import Worker

log = logging.getLogger(__name__)
T = TypeVar("T")

REST: Final = 10.0
"""Seconds until a file is tried again that could not be used."""
_SWEEP_EVERY: Final = 60.0
_FAILURES: Final = (sqlite3.Error, OSError, UnicodeDecodeError)
"""The last one is of a message of SQLite that names something damaged, and is no UTF-8."""
_NO_DAMAGE: Final = (sqlite3.IntegrityError, sqlite3.ProgrammingError)
_NOT_OURS: Final = re.compile("no such |unsupported file format|table |integer overflow")
"""What SQLite says where tables, columns or numbers are not those that were made."""
_CLOSING: Final = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR)
"""After these a connection may stay as it is, whatever becomes of the file."""
_UNWRITABLE: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)
"""After these nothing that is to be stored later will be: no room, or a disk that fails."""
_LOCKED: Final = 1.0
"""Seconds until a lock is waited for again that another process has kept."""


class _Resting(sqlite3.OperationalError):
    """It is not tried now."""


class File:
    """Reads in one thread, and writes in another one."""

    __slots__ = (
        "_age",
        "_aside_until",
        "_inode",
        "_locked_until",
        "_path",
        "_reader",
        "_reading",
        "_reading_age",
        "_reading_inode",
        "_rest_until",
        "_silent_until",
        "_swept_at",
        "_unwritable_until",
        "_writer",
        "failures",
        "writing",
    )

    def __init__(self, path: Path) -> None:
        """The file is opened when it is first used."""
        self._path = path
        self._reader, self._writer = Worker("store reader"), Worker("store writer")
        self._reading: Database | None = None
        self.writing: Database | None = None
        self._swept_at = self._rest_until = self._silent_until = self._locked_until = 0.0
        self._aside_until = self._unwritable_until = 0.0
        """When it was swept last; and until when it is not opened, nothing is said, no lock is
        waited for, no file is set aside, and nothing is expected to be written."""
        self.failures = 0
        self._age = self._reading_age = 0
        """How many files have been set aside, now and when the one that is read was opened."""
        self._inode = self._reading_inode = 0
        """Of the file that is written, and of the one that is read."""

    async def read(
        self, look: Callable[[Database], T], within: float | None = None, *, same: Hashable = None
    ) -> T:
        """What is found. Raises StoreFailed and TimeoutError, see ``Worker.call``."""
        return await self._reader.call(partial(self._read, look), within, same=same)

    async def change(
        self,
        change: Callable[[Database], T],
        within: float | None = None,
        *,
        anyway: bool = False,
    ) -> T | None:
        """Change something, when all that was begun before is done; None where that fails.

        Raises TimeoutError after ``within`` seconds; see ``Worker.call``.
        """
        return await self._writer.call(partial(self.write, change), within, anyway=anyway)

    def begin(self, work: Callable[[], object]) -> None:
        """Do it in the thread that writes; nobody waits for it."""
        self._writer.begin(work)

    def write(self, change: Callable[[Database], T], *, at_once: bool = False) -> T | None:
        """Change something, in the thread that writes; None where that fails.

        ``at_once``: open the file even if it could not be used a moment ago.
        """
        try:
            if self.writing is not None and self._inode != self._inode_now():
                self._close_writing()  # another process has set it aside
            writing = self.writing
            if writing is None:
                if not at_once:
                    self._rested()
                writing = self._open_writing()
            now = monotonic()
            if now < self._locked_until:
                raise sqlite3.OperationalError("another process has it locked")
            if now >= self._swept_at + _SWEEP_EVERY:
                self._swept_at = now
                writing.sweep()
            return change(writing)
        except _FAILURES as error:
            was_open, code = self.writing is not None, _code(error)
            if code in _CLOSING:
                self._close_writing()
            self._failed(error, is_open=self.writing is not None)
            if code == sqlite3.SQLITE_BUSY:
                self._locked_until = monotonic() + _LOCKED
            elif code in _UNWRITABLE:
                self._unwritable_until = monotonic() + REST
            if was_open and self._is_damage(error):
                self._replace(self._age, self._inode, error)
            return None

    def _read(self, look: Callable[[Database], T]) -> T:
        inode = self._inode_now()
        if self._reading_age != self._age or self._reading_inode != inode:
            self._close_reading()  # what it has open may be a file that was set aside
        try:
            if self._reading is None:
                self._rested()
                self._reading_age = self._age
                self._reading = _opened(self._path)
                # If it was replaced at this moment, the next look opens it once more.
                self._reading_inode = inode or self._inode_now()
            return look(self._reading)
        except _FAILURES as error:
            if _code(error) in _CLOSING:
                self._close_reading()
            self._failed(error, is_open=self._reading is not None)
            if self._is_damage(error):
                self._close_reading()
                self._writer.begin(partial(self._replace, self._reading_age, inode, error))
            raise

    def _inode_now(self) -> int:
        """Inode of the file that has the name now; 0 for none."""
        try:
            return self._path.stat().st_ino
        except OSError:
            return 0

    def _open_writing(self) -> Database:
        inode = self._inode_now()
        self.writing = self._open()
        self._inode = inode or self._inode_now()
        return self.writing

    def _open(self) -> Database:
        """The file; a new one where it is no database of ours."""
        try:
            return _opened(self._path)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if not self._is_damage(error):
                raise
            self._set_aside("cannot be used", error)
            return _opened(self._path)

    def _set_aside(self, why: str, found: Exception) -> None:
        """Rename the file. Not again soon: a bad disk, or another version of the proxy beside this
        one, would fill the disk with such files. Raises what was ``found`` then. Raises NotOurs
        where another program has written its own file over ours.
        """
        now = monotonic()
        if now < self._aside_until:
            raise found
        take_over(self._path)
        self._aside_until = now + REST
        aside = set_aside(self._path, wall())
        log.error("store %s %s and is now %s: %s", self._path, why, aside, found)

    def _replace(self, age: int, inode: int, found: Exception) -> None:
        """The file with this inode, of this age, is damaged: begin a new one, unless that is done.

        ``found``: what the damage was.
        """
        if age != self._age:
            if self.writing is not None:
                self._rest_until = 0.0  # whoever found it was late
            return
        self._close_writing()
        try:
            if inode and inode == self._inode_now():  # else another process has done it
                self._set_aside("is damaged", found)
            self._open_writing()
        except _FAILURES as error:
            self._age += 1
            self._failed(error, is_open=self.writing is not None)
        else:
            self._age += 1  # not before: whoever opens it meanwhile may have the old one
            self._rest_until = 0.0

    def is_unwritable(self) -> bool:
        """Whether something could not be written a moment ago, so that nothing is waited for."""
        return monotonic() < self._unwritable_until

    def _rested(self) -> None:
        if monotonic() < self._rest_until:
            raise _Resting("it could not be used a moment ago")

    def _failed(self, error: Exception, *, is_open: bool) -> None:
        now = monotonic()
        self.failures += 1
        tried = self._is_damage(error) or not (is_open or isinstance(error, _Resting))
        if tried and now >= self._rest_until:
            self._rest_until = now + REST
        self._say(error)

    def say_late(self, within: float | None) -> None:
        """Say that nothing was found or done in this time."""
        self._say(f"no answer within {(within or 0.0) * 1000:g} ms")

    def _say(self, what: object) -> None:
        now = monotonic()
        if now >= self._silent_until:
            self._silent_until = now + REST
            log.warning("store %s: %s; what cannot be read or stored is a miss", self._path, what)

    def _is_damage(self, error: Exception) -> bool:
        """Whether the file is no database of ours; other failures may pass."""
        if isinstance(error, UnicodeDecodeError):
            return True
        if not isinstance(error, sqlite3.DatabaseError) or isinstance(error, _NO_DAMAGE):
            return False
        if not isinstance(error, sqlite3.OperationalError):
            return True
        if _code(error) == sqlite3.SQLITE_READONLY:
            return only_to_be_read(self._path)
        return _code(error) == sqlite3.SQLITE_ERROR and _NOT_OURS.match(str(error)) is not None

    def _close_writing(self) -> None:
        if self.writing is not None:
            self.writing.close()
            self.writing = None

    def _close_reading(self) -> None:
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def close(self) -> None:
        """Do what is left, and give the file back. It waits for the disk."""
        self._writer.begin(self._close_writing)
        self._writer.stop()
        self._reader.begin(self._close_reading)
        self._reader.stop()


def _opened(path: Path) -> Database:
    take_over(path)
    return Database(path)


def _code(error: Exception) -> int:
    """What SQLite says it is; 0 where it was not asked."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF
