"""Changes of a file of SQLite that are made wholly or not at all."""

import sqlite3

from proxy.store.totals import Totals


class Transaction:
    """All of it or nothing."""

    __slots__ = ("_db", "_totals")

    def __init__(self, db: sqlite3.Connection, totals: Totals | None = None) -> None:
        """``totals``: where entries may change, which these have to follow."""
        self._db = db
        self._totals = totals

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        if self._totals is not None:
            try:
                self._totals.read()
            except BaseException:
                self._roll_back()
                raise

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._roll_back()
            return
        if self._totals is not None:
            try:
                self._totals.write()
            except BaseException:
                self._roll_back()
                raise
        self._db.execute("COMMIT")

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
