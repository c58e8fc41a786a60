"""The tables of the SQLite store, and how a file is made ready."""

import sqlite3
import time
from typing import Final

from proxy.store.agreements import SCHEMA as AGREEMENTS
from proxy.store.totals import SCHEMA as TOTALS

VERSION: Final = 2
APPLICATION: Final = int.from_bytes(b"SCPX", "big")
"""By which a file of ours is told from those of other programs (``ownership``)."""
_SCHEMA: Final = """
CREATE TABLE entries (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL, meta BLOB NOT NULL, size INTEGER NOT NULL,
    cost INTEGER NOT NULL, used REAL NOT NULL, kept INTEGER NOT NULL, body BLOB);
CREATE INDEX by_key ON entries (key);
CREATE INDEX by_use ON entries (kept, used);
CREATE TABLE chunks (
    entry INTEGER NOT NULL, number INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (entry, number)) WITHOUT ROWID;
CREATE TABLE labels (
    label BLOB NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (label, entry)) WITHOUT ROWID;
CREATE INDEX labels_of ON labels (entry);
CREATE TABLE gone (entry INTEGER PRIMARY KEY, at REAL NOT NULL);
"""
STATEMENTS: Final = tuple(
    statement.strip() for schema in (_SCHEMA, AGREEMENTS, TOTALS) for statement in schema.split(";")
)
"""As they are written in all versions so far."""

_TRIES: Final = 100
_PAUSE: Final = 0.01
"""Seconds between two of them."""
_BORN: Final = """
INSERT INTO changes SELECT ?, ?, ? WHERE NOT EXISTS
    (SELECT 1 FROM sqlite_sequence WHERE name = 'changes')
"""


def prepare(db: sqlite3.Connection) -> None:
    """Make the tables that are not there.

    Raises DatabaseError where it has those of another version.
    """
    _write_ahead(db)
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA cache_size = -4096")
    if _is_ready(db):  # so that another process that keeps it locked does not matter
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not tables:
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")
        elif version != VERSION:
            raise sqlite3.DatabaseError(f"its tables are of version {version}, not {VERSION}")
        for statement in (*AGREEMENTS.split(";"), *TOTALS.split(";")):
            db.execute(statement)
        # What began with a file that this one has replaced may not be stored here: it knows nothing
        # of what was invalidated there. So the numbers of a file begin with its time of birth.
        db.execute(_BORN, (int(time.time() * 1e6), b"", time.time()))
        db.execute(f"PRAGMA application_id = {APPLICATION}")  # earlier versions wrote none
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _write_ahead(db: sqlite3.Connection) -> None:
    """Keep changes in a log beside the file.

    SQLite waits for no lock here, though others that begin at the same moment hold it for a moment,
    and nobody tells when it is free. A thread of the store waits, never the loop (``store/file``).
    """
    for left in range(_TRIES, -1, -1):
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not left or error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _is_ready(db: sqlite3.Connection) -> bool:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (added,) = db.execute(
        "SELECT count(*) FROM sqlite_master WHERE name IN ('leases', 'totals')"
    ).fetchone()
    return bool(version == VERSION and application == APPLICATION and added == 2)
