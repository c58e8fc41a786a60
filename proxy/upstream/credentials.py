"""Credentials that the proxy sends to an upstream: given, or kept in a file that may change."""

import logging
import os
import stat
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from proxy.core.options import Table, described
from proxy.core.secrets import Rotating, configured, rotating
from proxy.http.grammar import CONTROL

log = logging.getLogger(__name__)

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at the file."""
_LONGEST: Final = 64 << 10
"""Bytes; no server takes a field that is longer."""

_Mark: TypeAlias = tuple[int, int, int, int]


class CredentialsOptions(Table, frozen=True, kw_only=True):
    """Credentials that the proxy sends to the upstream in place of the client's."""

    header: Annotated[str, described("Field that carries the credentials.")] = "Authorization"
    value: Annotated[
        str, described('The value, usually from the environment: "Bearer ${API_TOKEN}".')
    ] = ""
    value_file: Annotated[
        str,
        described(
            "File that holds the value; its last line break is dropped. It is read again within "
            "seconds when it changes."
        ),
    ] = ""


def file_content(path: str) -> bytes:
    """The bytes of a file without its last line break. Raises OSError."""
    return Path(path).read_bytes().removesuffix(b"\n").removesuffix(b"\r")


def credentials_field(options: CredentialsOptions) -> tuple[bytes, bytes]:
    """The field to send. Raises OSError, or ValueError where its value cannot stand in a field.

    It is a secret, so no message repeats it.
    """
    value = options.value.encode("utf-8", "surrogateescape")
    if options.value_file:
        value = file_content(options.value_file)
        rotating(value)
    else:
        configured(value)
    if not value:
        raise ValueError("the value is empty")
    if CONTROL.search(value):
        raise ValueError("a control character cannot stand in a field")
    return options.header.encode(), value


class CredentialsFile:
    """The field to send, and the file that holds its value, which may be written anew."""

    __slots__ = ("_hidden", "_mark", "_options", "_refused", "field")

    def __init__(self, options: CredentialsOptions) -> None:
        """Raises OSError, or ValueError where the value cannot stand in a field."""
        self._options = options
        self._refused = ""
        """What was wrong with the file when it was last looked at: that is said once."""
        self._mark = self._look()
        self.field = credentials_field(options)
        self._hidden: Rotating = rotating(self.field[1])

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
            field = credentials_field(self._options)
        except (OSError, ValueError) as error:
            if str(error) != self._refused:
                self._refused = str(error)
                log.warning("%s was not taken over, the value before it stays: %s", name, error)
            return False
        self._refused = ""
        if field == self.field:
            return False
        self.field = field
        self._hidden = rotating(field[1])
        log.info("%s was read again", name)
        return True
