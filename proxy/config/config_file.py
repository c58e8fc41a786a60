"""A file of configuration, which can be read again."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from proxy.config.load import read
from proxy.config.model import Config
from proxy.config.problems import Problem

if TYPE_CHECKING:
    from proxy.config.origins import Origins


class ConfigFile:
    """A file of configuration, with what ``--set`` puts over it; called, it is read.

    It may be a pipe for the first time; after that, only a regular file is read.
    """

    def __init__(self, path: str, sets: Sequence[str] = ()) -> None:
        self._path = path
        self._sets = sets
        self._was_read = False

    def __call__(self) -> tuple[Config | None, list[Problem]]:
        """The configuration, and all that is wrong with it."""
        again, self._was_read = self._was_read, True
        return read(self._path, sets=self._sets, again=again)

    def origins(self, config: Config) -> "Origins | None":
        """Where the options of a configuration were written.

        None where the file says something else by now, or cannot be read.
        """
        from proxy.config.origins import Origins  # noqa: PLC0415 - operators alone ask for it

        try:
            return Origins(self._path, self._sets) if self()[0] == config else None
        except (OSError, ValueError):
            return None
