"""What is wrong with a configuration, and where."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from proxy.config.values import FOR_ONE
from proxy.core.cache_options import NOT_A_STORE
from proxy.core.findings import WARNING, Finding, Place
from proxy.net.pem import UnusableFile

_SECRET: Final = re.compile(
    "(?i)auth|cookie|credential|passw|secret|token|api[-_]?key|access[-_]?key|signature"
)

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """One line of ``sidecar-proxy check``. Line 0: there is no file."""

    file: str
    line: int
    place: str
    message: str

    @property
    def warning(self) -> bool:
        """The file can be used nevertheless."""
        return self.message.startswith(WARNING)

    @property
    def passing(self) -> bool:
        """A problem for ``check`` only: a proxy runs on, and the file may be mended meanwhile; or
        the start says it itself, as what may pass."""
        return FOR_ONE in self.message or (
            self.place == "store.url" and NOT_A_STORE in self.message
        )

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        text = f"{where}: {self.place}: {self.message}"
        if text.isprintable():
            return text
        return "".join([sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text])


class ConfigError(Exception):
    """A configuration that cannot be used, with all its problems."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(map(str, self.problems)))


def spell(place: Place) -> str:
    """Write a place the way an operator reads it: ``routes[0].retry.attempts``."""
    text = ""
    for step in place:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            key = step if _BARE.fullmatch(step) else json.dumps(step)
            text += f".{key}" if text else key
    return text


def secret(place: Place) -> bool:
    """Whether what stands there may be a secret, which no message repeats."""
    return any(isinstance(step, str) and _SECRET.search(step) for step in place)


def fault_of(build: Callable[[], object]) -> str:
    """What the code that uses an option has against it."""
    try:
        build()
    except (ValueError, OSError) as error:
        return str(error)
    return ""


def of_file(error: Exception, place: Place) -> Finding:
    """What a file of a table has against its use, at the option that names it if that is known."""
    place = (*place, error.option) if isinstance(error, UnusableFile) else place
    return Finding(place, str(error))
