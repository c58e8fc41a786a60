"""Lengths of time as the configuration writes them: ``"250ms"``; in code they are seconds."""

import re
from functools import partial
from typing import Final, Self

import msgspec

_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(float):
    """Seconds: one number and ``ms``, ``s``, ``m`` or ``h``; zero switches a clock off."""

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read ``"250ms"``. Raises ValueError with a sentence for the operator."""
        if isinstance(text, str):
            if text == "0":
                return cls(0)
            if found := _DURATION.fullmatch(text):
                return cls(float(found[1]) * _SECONDS[found[2]])
        raise ValueError(f'expected a duration such as "250ms", "5s", "2m" or "1h", got {text!r}')

    def __str__(self) -> str:
        if not self:
            return "0"
        unit = next((u for u in ("h", "m", "s") if not self % _SECONDS[u]), "ms")
        number = f"{self / _SECONDS[unit]:.6f}".rstrip("0").rstrip(".")
        return f"{number}{unit}"


AUTO: Final = -1.0
"""What ``"auto"`` is as a duration."""


class AutoDuration(Duration):
    """The same, or ``"auto"``."""

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read ``"auto"`` or ``"250ms"``. Raises ValueError with a sentence for the operator."""
        if text == "auto":
            return cls(AUTO)
        try:
            return super().parse(text)
        except ValueError as error:
            raise ValueError(str(error).replace("expected", 'expected "auto", or')) from None

    def __str__(self) -> str:
        return "auto" if self == AUTO else super().__str__()


def seconds(amount: float) -> Duration:
    """A default for a Duration field (msgspec wants a factory for types of our own)."""
    return msgspec.field(default_factory=partial(Duration, amount))
