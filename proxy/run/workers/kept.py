"""What operators have changed in the workers, for those that start later."""

from typing import Any

from proxy.core.clock import Clock, monotonic


class Kept:
    """The last question for each thing that was changed."""

    __slots__ = ("_clock", "_questions")

    def __init__(self, clock: Clock = monotonic) -> None:
        self._clock = clock
        self._questions: dict[str, tuple[float, str, dict[str, Any]]] = {}

    def keep(self, key: str, question: str, values: dict[str, Any]) -> None:
        """Keep this one, in the place of an earlier one with the same ``key``."""
        self._questions[key] = self._clock(), question, values

    def forget(self, key: str) -> None:
        """Keep nothing with this ``key``."""
        self._questions.pop(key, None)

    def now(self) -> list[tuple[str, dict[str, Any]]]:
        """The questions and their values; of ``seconds`` what is left, which may be nothing."""
        found = []
        for at, question, values in self._questions.values():
            seconds = values.get("seconds")
            if not seconds:
                found.append((question, values))
            elif (left := seconds - (self._clock() - at)) > 0:
                found.append((question, {**values, "seconds": left}))
        return found
