"""Fields in which a client says how long it will wait."""

import re
from collections.abc import Callable
from typing import Final

from proxy.core.duration import Duration

_MILLISECONDS: Final = re.compile(rb"\d{1,12}(?:\.\d{1,9})?")
_SECONDS: Final = re.compile(rb"\d{1,9}(?:\.\d{1,9})?")
_GRPC: Final = re.compile(rb"(\d{1,8})([HMSmun])")
_UNITS: Final = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_MOST: Final = 99_999_999  # eight digits

Parse = Callable[[bytes], float | None]
Show = Callable[[float], bytes]


def notation(name: str) -> tuple[Parse, Show]:
    """How a field of this name is read and written; seconds on our side.

    ``grpc-timeout`` as gRPC over HTTP/2 has it, milliseconds where the name ends in ``-ms``,
    anything else in seconds. What cannot be read is None: the client said nothing.
    """
    name = name.lower()
    if name == "grpc-timeout":
        return _grpc, _to_grpc
    if name.endswith("-ms"):
        return _milliseconds, lambda left: b"%d" % (left * 1000)
    return _seconds, lambda left: (b"%.3f" % left).rstrip(b"0").rstrip(b".")


def _grpc(value: bytes) -> float | None:
    found = _GRPC.fullmatch(value.strip(b" \t"))
    return int(found[1]) * _UNITS[found[2]] if found else None


def _to_grpc(left: float) -> bytes:
    milliseconds = int(left * 1000)
    return b"%dm" % milliseconds if milliseconds <= _MOST else b"%dS" % min(int(left), _MOST)


def _milliseconds(value: bytes) -> float | None:
    value = value.strip(b" \t")
    return float(value) / 1000 if _MILLISECONDS.fullmatch(value) else None


def _seconds(value: bytes) -> float | None:
    value = value.strip(b" \t")
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        return float(Duration.parse(value.decode("latin-1")))
    except ValueError:
        return None
