"""The language of the filter box: ``route:/v1 status:5xx slow:>2s upstream:api client:10.0.0.7``.

Words are separated by spaces, and all of them have to hold. A word without a known key in front is
looked for in the id, the method, the target and the sentence. ``-`` in front of a word denies it.
The page filters the same way (``page/filter.js``); ``tests/admin/filters.json`` holds both to it.
"""

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from proxy.telemetry.call import Call

Test: TypeAlias = Callable[[Call], bool]

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}
_SLOW: Final = re.compile(r"([<>]?)([0-9]+(?:\.[0-9]+)?)(ms|s|m|)")
_STATUS: Final = re.compile(r"[1-5][0-9x]{2}|0")


def parse(text: str) -> Test:
    """Whether a call is one of those. Raises ValueError with a sentence."""
    tests = [_word(word) for word in text.split()]
    return lambda call: all(test(call) for test in tests)


def _word(word: str) -> Test:
    dashes = len(word) - len(word[:-1].lstrip("-")) - 1
    test = _said(word[dashes:])
    return (lambda call: not test(call)) if dashes % 2 else test


def _said(word: str) -> Test:
    key, colon, value = word.partition(":")
    if colon and key in _KEYS and value:
        return _KEYS[key](value)
    sought = word.lower()
    return lambda call: sought in f"{call.id} {call.method} {call.target} {call.why}".lower()


def _route(value: str) -> Test:
    return lambda call: call.route == value or call.route.startswith(value.rstrip("/") + "/")


def _upstream(value: str) -> Test:
    return lambda call: call.upstream == value


def _server(value: str) -> Test:
    return lambda call: value in call.server or any(value in each.server for each in call.tries)


def _client(value: str) -> Test:
    return lambda call: call.client == value or call.client.startswith(value.rstrip(".") + ".")


def _method(value: str) -> Test:
    return lambda call: call.method == value.upper()


def _cause(value: str) -> Test:
    return lambda call: value in (call.cause, call.phase)


def _error(value: str) -> Test:
    return lambda call: value in call.error


def _id(value: str) -> Test:
    return lambda call: call.id.startswith(value) or call.trace_id.startswith(value)


def _status(value: str) -> Test:
    if not _STATUS.fullmatch(value):
        raise ValueError(f"status:{value}: expected a status such as 503 or 5xx")
    return lambda call: all(a in ("x", b) for a, b in zip(value, str(call.status), strict=False))


def _slow(value: str) -> Test:
    found = _SLOW.fullmatch(value)
    if found is None:
        raise ValueError(f"slow:{value}: expected a duration such as >2s or 500ms")
    sign, number, unit = found.groups()
    limit = round(float(number) * _UNITS[unit], 6)
    if sign == "<":
        return lambda call: call.seconds < limit
    return lambda call: call.seconds >= limit


def _is(value: str) -> Test:
    if value == "failed":
        return lambda call: call.failed
    if value == "slow":
        return lambda call: not call.failed and not call.phase
    if value == "flying":
        return lambda call: bool(call.phase)
    raise ValueError(f"is:{value}: expected is:failed, is:slow or is:flying")


_KEYS: Final[dict[str, Callable[[str], Test]]] = {
    "route": _route,
    "upstream": _upstream,
    "server": _server,
    "client": _client,
    "method": _method,
    "status": _status,
    "slow": _slow,
    "cause": _cause,
    "error": _error,
    "id": _id,
    "is": _is,
}
