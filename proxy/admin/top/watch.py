"""What is known of each proxy. Each is asked in a thread of its own: none holds up the others."""

import threading
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from proxy.admin.client import Refused, Unasked, get

PATIENCE: Final = 5.0
"""Seconds for an answer."""
CALLS: Final = 8
"""Calls that were slow or failed that are asked for."""
UNREACHABLE: Final = 1
REFUSED: Final = 2
"""Likewise for an address that is none, as for other wrong arguments."""


class Seen(NamedTuple):
    """One proxy, at one moment."""

    address: str
    causes: dict[str, Any]
    history: dict[str, Any]
    exchanges: dict[str, Any]
    state: dict[str, Any]


class Known(NamedTuple):
    """What is known of one, and since when nothing more."""

    address: str
    seen: Seen | None = None
    """What it said the last time."""
    fault: str = ""
    """Why it has not answered since."""
    silent: float = 0.0
    """Seconds since it has said something, or was asked first; 0 where nothing is awaited."""


def look(address: str) -> Seen:
    """Ask a proxy. Raises OSError or ValueError."""

    def ask(path: str) -> Any:
        return get(address, path, PATIENCE)

    return Seen(
        address,
        ask("/api/causes"),
        ask("/api/history?span=60&step=60"),
        ask(f"/api/exchanges?limit={CALLS}"),
        ask("/api/state"),
    )


class Watched:
    """One that is asked again and again."""

    def __init__(self, address: str, ask: Callable[[str], Seen] = look) -> None:
        self._address = address
        self._ask = ask
        self._thread: threading.Thread | None = None
        self._heard = time.monotonic()
        self._known = Known(address)
        self.status: int | None = None
        """0; why it has not answered; None before that is known."""

    def ask(self) -> None:
        """Begin to, unless it is being asked still."""
        if self._thread is None or not self._thread.is_alive():
            # One that hangs must not hold up the end.
            self._thread = threading.Thread(target=self._look, daemon=True, name=self._address)
            self._thread.start()

    def wait(self, seconds: float) -> None:
        """For the answer, at most that long."""
        if self._thread is not None:
            self._thread.join(max(0.0, seconds))

    def known(self) -> Known:
        """Now. One that has answered is not silent, however long ago it was asked."""
        asked = self._thread is not None and self._thread.is_alive()
        waits = asked or bool(self._known.fault)
        return self._known._replace(silent=time.monotonic() - self._heard if waits else 0.0)

    def _look(self) -> None:
        try:
            seen = self._ask(self._address)
        except Refused as error:
            self._fail(f"refused: {error}", REFUSED)
        except TimeoutError as error:
            reason = error.strerror or f"no answer within {PATIENCE:.0f} s"
            self._fail(f"not reached: {reason}", UNREACHABLE)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            status = REFUSED if isinstance(error, Unasked) else UNREACHABLE
            self._fail(f"not reached: {reason}", status)
        else:
            self._heard = time.monotonic()
            self._known = Known(self._address, seen)
            self.status = 0

    def _fail(self, fault: str, status: int) -> None:
        self._known = self._known._replace(fault=fault)
        self.status = status
