"""Credentials that are kept in a file, which is written anew now and then."""

import logging
import os
import stat
from typing import Final, TypeAlias

from proxy.upstream.address import CredentialsOptions, credentials

log = logging.getLogger(__name__)

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at the file."""
_LONGEST: Final = 64 << 10
"""Bytes; no server takes a field that is longer."""

_Mark: TypeAlias = tuple[int, int, int, int]


class Rotated:
    """The field that shows who we are, and the file that says what it says."""

    __slots__ = ("_mark", "_options", "_refused", "field")

    def __init__(self, options: CredentialsOptions) -> None:
        """Raises OSError, or ValueError where the value cannot stand in a field."""
        self._options = options
        self._refused = ""
        """What was wrong with the file when it was last looked at: that is said once."""
        self._mark = self._look()
        self.field = credentials(options)

    def _look(self) -> _Mark:
        """What changes with the file, also where it is a link that is turned (Kubernetes).

        Raises OSError, or ValueError where it cannot be read in one go: a pipe would be waited for.
        """
        found = os.stat(self._options.value_file)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is no regular file")
        if found.st_size > _LONGEST:
            raise ValueError(f"it has more than {_LONGEST} bytes")
        return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)

    def changed(self) -> bool:
        """Read the file again where it is another one. What cannot be used leaves all as it was."""
        name = self._options.value_file
        try:
            mark = self._look()
            if mark == self._mark:
                self._refused = ""
                return False
            self._mark = mark
            field = credentials(self._options)
        except (OSError, ValueError) as error:
            if str(error) != self._refused:
                self._refused = str(error)
                log.warning("%s was not taken over, the value before it stays: %s", name, error)
            return False
        self._refused = ""
        if field == self.field:
            return False
        self.field = field
        log.info("%s was read again", name)
        return True
