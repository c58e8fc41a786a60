"""Credentials that are kept in a file, which is written anew now and then."""

import logging
import os
from typing import Final, TypeAlias

from proxy.upstream.endpoint import CredentialsOptions, credentials

log = logging.getLogger(__name__)

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at the file."""

_Mark: TypeAlias = tuple[int, int, int, int]


class Rotated:
    """The field that shows who we are, and the file that says what it says."""

    __slots__ = ("_mark", "_options", "field")

    def __init__(self, options: CredentialsOptions) -> None:
        """Raises OSError, or ValueError where the value cannot stand in a field."""
        self._options = options
        self._mark = self._look()
        self.field = credentials(options)

    def _look(self) -> _Mark:
        """What changes with the file, also where it is a link that is turned (Kubernetes)."""
        found = os.stat(self._options.value_file)
        return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)

    def changed(self) -> bool:
        """Read the file again where it is another one. What cannot be used leaves all as it was."""
        name = self._options.value_file
        try:
            mark = self._look()
            if mark == self._mark:
                return False
            self._mark = mark
            field = credentials(self._options)
        except (OSError, ValueError) as error:
            log.warning("%s was not taken over, the value before it stays: %s", name, error)
            return False
        if field == self.field:
            return False
        self.field = field
        log.info("%s was read again", name)
        return True
