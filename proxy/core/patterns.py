"""Regular expressions on what clients send: RE2, whose time is linear in the text.

With Python's ``re`` a client that chooses its path chooses how long a pattern such as ``(a+)+b``
takes. RE2 is imported where a route has a pattern.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import re2

_MEMORY: Final = 64 << 20
"""Most that the automata of one pattern, or of all patterns of a host, may take."""
_MISSING: Final = ("(?=", "(?!", "(?<=", "(?<!", "(?>", "(?(", "(?P=", "++", "*+", "?+", "}+")


class Paths:
    """Several patterns, each of which has to match a whole path; tried at once."""

    __slots__ = ("_set",)

    def __init__(self, patterns: Sequence[str]) -> None:
        """Raises ValueError on a pattern that cannot be used."""
        import re2  # noqa: PLC0415

        for pattern in patterns:
            if fault := fault_of(pattern):
                raise ValueError(f"path_regex {pattern!r}: {fault}")
        self._set = re2.Set.FullMatchSet(_options())
        for pattern in patterns:
            self._set.Add(pattern)
        self._set.Compile()

    def matching(self, path: str) -> list[int]:
        """Which patterns match, by their index, in order."""
        return sorted(self._set.Match(path) or ())


def may_begin_with_slash(pattern: str) -> bool:
    """Whether some path could match; False where it is certain that none does."""
    import re2  # noqa: PLC0415 - only where a route has a pattern

    try:
        low, high = re2.compile(pattern, _options()).possiblematchrange(8)
    except re2.error:  # a problem of its own, or one whose range is not known
        return True
    return bool(low < b"0" and high >= b"/")


class Replacement:
    """Replaces the first match of a pattern in some bytes."""

    __slots__ = ("_parts", "_pattern")

    def __init__(self, pattern: str, parts: Sequence[bytes | int | str]) -> None:
        """``parts``: bytes, and groups by number or name. Raises ValueError.

        Bytes are bytes: a dot is one of them.
        """
        import re2  # noqa: PLC0415

        if fault := fault_of(pattern):
            raise ValueError(fault)
        self._pattern: Any = re2.compile(pattern.encode(), _options(binary=True))
        names = self._pattern.groupindex
        self._parts = [names.get(p.encode(), -1) if isinstance(p, str) else p for p in parts]
        for part, given in zip(self._parts, parts, strict=True):
            if isinstance(part, int) and not 0 <= part <= self._pattern.groups:
                raise ValueError(f"the pattern has no group {given!r}")

    def apply(self, text: bytes) -> bytes:
        """The text with its first match replaced; a group that took no part is empty."""
        found = self._pattern.search(text)
        if found is None:
            return text
        new = b"".join(
            found.group(part) or b"" if isinstance(part, int) else part for part in self._parts
        )
        return bytes(text[: found.start()] + new + text[found.end() :])


def fault_of(pattern: str) -> str:
    """What is wrong with a pattern, as a sentence, or nothing."""
    import re2  # noqa: PLC0415

    try:
        re2.compile(pattern.encode(), _options(binary=True))
        re2.compile(pattern, _options())
    except re2.error as error:
        text = error.args[0]
        reason = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        if reason.startswith("invalid escape sequence: \\Z"):
            return "not a regular expression: the end is \\z or $, got \\Z"
        backward = reason.startswith("invalid escape sequence: \\") and reason[-1:].isdigit()
        if backward or any(mark in reason for mark in _MISSING):
            return (
                f"not possible in linear time: {reason}; patterns are RE2's, without look-around, "
                "references to groups and possessive quantifiers"
            )
        return f"not a regular expression: {reason}"
    except UnicodeEncodeError:
        return "not a regular expression: it is not UTF-8"
    return ""


def _options(*, binary: bool = False) -> "re2.Options":
    import re2  # noqa: PLC0415

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    if binary:
        options.encoding = re2.Options.Encoding.LATIN1
    return options
