"""Numbers of bytes as the configuration writes them: ``"8MiB"``; in code they are bytes."""

import math
import re
from functools import partial
from typing import Final, Self

import msgspec

_SIZE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(B|KiB|MiB|GiB)")
_BYTES: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


class Size(int):
    """Bytes: one number and ``B``, ``KiB``, ``MiB`` or ``GiB``; zero switches a limit off."""

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read ``"8MiB"``. Raises ValueError with a sentence for the operator."""
        if isinstance(text, str):
            if text == "0":
                return cls(0)
            if found := _SIZE.fullmatch(text):
                # Rounded up: "0.5B" is not the zero that switches a limit off.
                return cls(math.ceil(float(found[1]) * _BYTES[found[2]]))
        raise ValueError(f'expected a size such as "64B", "16KiB", "8MiB" or "1GiB", got {text!r}')

    def __str__(self) -> str:
        if not self:
            return "0"
        unit = next(u for u in ("GiB", "MiB", "KiB", "B") if not self % _BYTES[u])
        return f"{self // _BYTES[unit]}{unit}"


def size(amount: int) -> Size:
    """A default for a Size field, in bytes."""
    return msgspec.field(default_factory=partial(Size, amount))
