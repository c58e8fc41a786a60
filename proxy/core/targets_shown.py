"""Request targets as they may be shown: what stands for a credential in them is hidden."""

import re
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import unquote_to_bytes

from proxy.core.secret_parameters import PARAMETERS, plain_name, underlined
from proxy.http.bounded_cache import Memo

_USUAL: Final = re.compile(rb"/[^;?#]*\?[^/?#]*")
"""A target whose only parameters stand behind its one question mark."""
_ALL_USUAL: Final = re.compile(rb"(?:/[^;?#@\n]*+(?:\?[^/?#@\n]*+)?\n)*")
"""Lines that are each such a target, or one without parameters; nobody is named in any."""
_PARAMETER: Final = re.compile(rb"[&;?]([^&;?=]*)=")
"""The name of one, up to its first equals sign."""
_AUTHORITY: Final = re.compile(rb"(?i)((?::|%3a)(?:/|%2f){2})((?:(?!%2f|%3f|%23)[^/?#&;])*)")
"""Of a URL in a target, as it is or encoded."""
_ESCAPED: Final = re.compile(rb"(?i)%(?:25){0,2}(?:3d|26|3f|3b|23)")
"""An equals sign, or what parts parameters, escaped once, twice or three times: a URL with its own
query within a value. Some programs escape ``&`` there and leave ``=`` as it is."""
_NAMES: Final = 1024
_AT, _SEMICOLON, _HASH = b"@;#"  # numbers are found in bytes eight times as fast as bytes are


def _without_user(found: re.Match[bytes]) -> bytes:
    slashes, authority = found.groups()
    for sign in (b"@", b"%40"):
        if sign in authority:
            return slashes + b"***" + sign + authority.rpartition(sign)[2]
    return found[0]


class Targets:
    """Shows request targets without the values of some query parameters."""

    __slots__ = ("_hidden",)

    def __init__(self, names: Iterable[str] = ()) -> None:
        """``names``: more parameters whose values are never shown."""
        hidden = PARAMETERS | {underlined(name.lower().encode()) for name in names}
        self._hidden = Memo(lambda name: plain_name(name) in hidden, _NAMES)

    def hides(self, name: bytes) -> bool:
        """Whether the value of this parameter is never shown."""
        return self._hidden[name]

    def leaves(self, targets: Iterable[bytes]) -> bool:
        """Whether ``show`` leaves them all as they are, by one look at all; False where unsure."""
        text = b"\n".join((*targets, b""))
        if _ALL_USUAL.fullmatch(text) is None or b"%40" in text or _ESCAPED.search(text):
            return False
        hidden = self._hidden
        return True not in [hidden[name] for name in {*_PARAMETER.findall(text)}]

    def show(self, target: bytes) -> bytes:
        """The target as it may be shown."""
        if _AT in target or b"%40" in target:  # http://USER:PASSWORD@HOST in a parameter or a path
            target = _AUTHORITY.sub(_without_user, target)
        nested = _ESCAPED.search(target) is not None
        if not nested and _USUAL.fullmatch(target):
            hidden = self._hidden
            if True not in [hidden[name] for name in _PARAMETER.findall(target)]:
                return target
        if not target.startswith(b"/"):
            scheme, slashes, rest = target.partition(b"://")
            if slashes:
                authority, slash, path = rest.partition(b"/")
                target = b"%b://%b%b%b" % (scheme, authority.rpartition(b"@")[2], slash, path)
        path, mark, query = target.partition(b"?")
        if _SEMICOLON in path or _HASH in path:  # parameters of a segment: ;jsessionid=
            path = b"".join(map(self._part, re.split(rb"([;/#&])", path)))
        if not mark:
            return path
        look = self._nested if nested else self._part
        members = re.split(rb"([&#])", query)
        return b"%b?%b" % (path, b"".join([self._member(member, look) for member in members]))

    def _member(self, member: bytes, look: Callable[[bytes], bytes]) -> bytes:
        """What stands between two ampersands: all of a secret is hidden, others may begin before.

        APIs read a semicolon as either (and HTML 4 asked for it). A second question mark begins a
        query again where a URL was put behind another.
        """
        shown: list[bytes] = []
        at = 0
        for part in re.split(rb"([;?])", member):
            name, equals, _ = part.partition(b"=")
            at += len(part)
            if equals and at < len(member) and self._hidden[name]:
                return b"".join([*shown, name, b"=***"])
            shown.append(look(part))
            if shown[-1] is not part:
                break
        return b"".join(shown)

    def _part(self, part: bytes) -> bytes:
        name, equals, value = part.partition(b"=")
        if equals and value and self._hidden[name]:
            return name + b"=***"
        return part

    def _nested(self, part: bytes) -> bytes:
        """The same of a part that may hold a URL, or a query, with parameters of its own."""
        shown = self._part(part)
        if shown is not part or not _ESCAPED.search(part):
            return shown
        name, equals, value = part.partition(b"=")
        text = part + b"&" + value
        for _ in range(3):
            text = unquote_to_bytes(text)
            if any(self._part(each) is not each for each in re.split(rb"[&;?#]", text)):
                return name + b"=***" if equals else b"***"
            if b"%" not in text:
                break
        return part
