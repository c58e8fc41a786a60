"""A file that holds one secret, and may be written anew at any time."""

import logging
from collections.abc import Callable

from proxy.core.files import rereadable, secret_content, secret_mark
from proxy.core.redaction import Rotating, rotating

log = logging.getLogger(__name__)


def one_line(secret: bytes) -> bytes:
    """The secret in a file. Raises ValueError where there may be another one behind it."""
    if b"\n" in secret:
        raise ValueError("the file has more than one line")
    return secret


def filled(token: bytes) -> bytes:
    """The token in a file. Raises ValueError where there is none, or more than one."""
    if not token.strip():
        raise ValueError("the token is empty")
    return one_line(token.strip())


class SecretFile:
    """The secret that a file holds; what cannot be used leaves the one before as it was."""

    __slots__ = ("_check", "_hidden", "_mark", "_path", "_refused", "value")

    def __init__(self, path: str, check: Callable[[bytes], bytes]) -> None:
        """``check`` raises ValueError where the secret cannot be used, without showing it.

        Raises OSError or ValueError. A pipe is read, and never looked at again.
        """
        self._path = path
        self._check = check
        self._refused = ""
        """What was wrong with the file when it was last looked at: that is said once."""
        self._mark = secret_mark(path) if rereadable(path) else None
        self.value = self._read()
        self._hidden: Rotating = rotating(self.value)

    def _read(self) -> bytes:
        value = secret_content(self._path)
        rotating(value)
        return self._check(value)

    @property
    def may_change(self) -> bool:
        """Whether it is worth a look."""
        return self._mark is not None

    def changed(self) -> bool:
        """Read the file again where it is another one: whether there is another secret now."""
        try:
            mark = secret_mark(self._path)
            if mark == self._mark:
                self._refused = ""
                return False
            before, self._mark = self._mark, mark
            try:
                value = self._read()
            except OSError:
                self._mark = before  # so it is tried again
                raise
        except (OSError, ValueError) as error:
            if str(error) != self._refused:
                self._refused = str(error)
                log.warning(
                    "%s was not taken over, the value before it stays: %s", self._path, error
                )
            return False
        self._refused = ""
        if value == self.value:
            return False
        self.value = value
        self._hidden = rotating(value)
        log.info("%s was read again", self._path)
        return True
