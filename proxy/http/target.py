"""The target of a request: its forms, its normal path, and what is ambiguous (RFC 9112 3.2).

What two servers would read differently is Malformed; nothing is repaired.
"""

import re
from typing import Final

from proxy.http.authority import valid_host
from proxy.http.grammar import Malformed, shown

ASTERISK: Final = b"*"

_ORIGIN: Final = re.compile(rb"/[^\x00-\x20\x7f#]*")
_NAMED: Final = re.compile(rb"(?i:https?)://([^/?#]*)")
_NEVER: Final = re.compile(rb"[\x00-\x20\x7f]")
_BEHIND: Final = re.compile(rb"[?#]")
_HIDDEN: Final = b"***"
_ABSOLUTE: Final = re.compile(rb"(?i:https?)://([^/?#\x00-\x20\x7f]+)((?:[/?][^\x00-\x20\x7f#]*)?)")

# RFC 3986 3.3: pchar without escapes. A segment that begins with a dot takes the long way.
_PCHARS: Final = rb"A-Za-z0-9._~!$&'()*+,;=:@-"
_PLAIN: Final = re.compile(rb"(?:/(?!\.)[" + _PCHARS + rb"]*)+")
_FOREIGN: Final = re.compile(rb"[^%/" + _PCHARS + rb"]")
_UNESCAPED: Final = re.compile(rb'[\x80-\xff"<>\\^`{|}]')
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_LITERAL_PERCENT: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_SEPARATOR: Final = re.compile(rb"%2F|%5C")
_PARAMETERS: Final = re.compile(rb";|%3B")
"""Where some servers cut a segment, before or after they decode it (RFC 3986 3.3)."""
_NUL: Final = b"%00"
_PERCENT, _DOT = b"%."  # numbers are found in bytes eight times as fast as bytes are
# "." "/" and "\" longer than UTF-8 writes them (RFC 3629 3), and as IIS knows them.
_OTHERWISE: Final = re.compile(
    rb"%C0%(?:AE|AF)|%C1%9C|%(?:E0|F0%80)%80%(?:AE|AF)|%E0%81%9C|%[Uu]00(?:2[EeFf]|5[Cc])"
)
_UNRESERVED: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
)
_DOTS: Final = (b".", b"..")


def split_target(method: str, raw: bytes) -> tuple[bytes, bytes | None]:
    """The target to forward, and the authority of an absolute one (RFC 9112 3.2).

    Origin-form passes byte for byte; absolute-form becomes origin-form. Raises Malformed.
    """
    if _ORIGIN.fullmatch(raw):
        return raw, None
    if raw == ASTERISK and method == "OPTIONS":
        return raw, None
    if (absolute := _ABSOLUTE.fullmatch(raw)) is not None:
        authority, rest = absolute[1], absolute[2]
        if not valid_host(authority):  # userinfo included (RFC 9110 4.2.4)
            raise Malformed(_fault(raw))
        if rest.startswith(b"/"):
            return rest, authority
        if not rest and method == "OPTIONS":  # RFC 9112 3.2.4
            return ASTERISK, authority
        return b"/" + rest, authority
    raise Malformed(_fault(raw))


def _fault(raw: bytes) -> str:
    """What is wrong with a target that has none of the forms, in words."""
    target = f"target {_shown(raw)!r}"
    if (found := _NEVER.search(raw)) is not None:
        return f"{target} has a {'blank' if found[0] == b' ' else 'control character'}"
    if raw == ASTERISK:
        return f"{target} is for OPTIONS alone"
    if (named := _NAMED.match(raw)) is not None:
        _, at, host = named[1].rpartition(b"@")
        # A password with "/", "?" or "#" in it ends behind what looks like the host.
        name = _HIDDEN if b"@" in raw[named.end() :] else shown(host)
        if at:
            return f"the target names a user of {name!r}"
        if not host:
            return f"{target} names no host"
        if not valid_host(host):
            what = "is not a host name or address, with or without a port"
            return f"{name!r} in the target {what}"
    elif not raw.startswith(b"/"):
        return f"{target} begins with neither / nor http:// nor https://"
    return f"{target} has a fragment (#)"


def _shown(target: bytes) -> bytes:
    """As much of it as holds no secrets: no user information, no query, no fragment."""
    front = _BEHIND.split(target, 1)[0]
    if not target.startswith(b"/") and b"@" in target[len(front) :]:
        return _HIDDEN  # a password with "?" or "#" in it may begin in front of that
    return shown(front.rpartition(b"@")[2])


def check_escapes(target: bytes) -> None:
    """Raises Malformed where bytes stand raw that RFC 3986 2 wants escaped.

    Brackets may stay: browsers leave them as they are in a query.
    """
    if found := _UNESCAPED.search(target):
        raise Malformed(f"{found[0]!r} in the target is not escaped")


def normal_path(target: bytes) -> str:
    """The one form of the target's path that rules are matched against.

    Unreserved escapes are decoded, the others upper-cased, dot segments removed (RFC 3986 6.2.2);
    bytes that a path may not hold count as their escapes, so ``\\`` is ``%5C``. Empty segments and
    escapes that are none stay. ``*`` is ``/``. Raises Malformed where servers would disagree on
    what the path means.
    """
    plain = _PLAIN.match(target)
    if plain is not None and (plain.end() == len(target) or target[plain.end()] == 0x3F):
        return plain[0].decode("ascii")
    path = target.partition(b"?")[0]
    if path == ASTERISK:
        return "/"
    if not path.startswith(b"/"):
        raise Malformed(f"path {shown(path)!r}")
    return _without_dots(_escapes(path)).decode("ascii")


def _escapes(path: bytes) -> bytes:
    """The path with every byte written in the one way that is left."""
    path = _FOREIGN.sub(_escaped, path)
    if _PERCENT not in path:
        return path
    literal = len(_LITERAL_PERCENT.findall(path))
    path = _ESCAPE.sub(_unescaped, path)
    # "%2%46" would become "%2F", an escape that nobody sent.
    if literal and len(_LITERAL_PERCENT.findall(path)) != literal:
        raise Malformed("escapes that make up another escape")
    if _NUL in path:
        raise Malformed("NUL in the path")
    if _OTHERWISE.search(path):
        raise Malformed("a dot or a separator in disguise")
    return path


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % ord(found[0])


def _unescaped(found: re.Match[bytes]) -> bytes:
    code = int(found[1], 16)
    return bytes((code,)) if code in _UNRESERVED else found[0].upper()


def _without_dots(path: bytes) -> bytes:
    """RFC 3986 5.2.4, less what depends on who reads it.

    Some servers take %2F and %5C for separators, some merge empty segments, some cut a segment at
    its ";" first. A dot segment whose meaning hangs on that is refused.
    """
    segments: list[bytes] = []
    trailing = b""
    for segment in path[1:].split(b"/"):
        trailing = b""
        if segment == b"..":
            if not segments:
                raise Malformed("the path climbs above the root")
            removed = segments.pop()
            if not _PARAMETERS.split(removed, 1)[0] or _SEPARATOR.search(removed):
                raise Malformed("a dot segment after an ambiguous one")
            trailing = b"/"
        elif segment == b".":
            trailing = b"/"
        else:
            if _DOT in segment and _hides_dots(segment):
                raise Malformed("a dot segment in disguise")
            segments.append(segment)
    # "/a/.." and "/a/b/." end in a slash, as RFC 3986 has it.
    return b"/" + b"/".join(segments) + (trailing if segments else b"")


def _hides_dots(segment: bytes) -> bool:
    """Whether a server that splits at escaped separators, or cuts parameters, sees dots."""
    parts = _SEPARATOR.split(segment)
    return any(part in _DOTS or _PARAMETERS.split(part, 1)[0] in _DOTS for part in parts)


def literal_path(text: str, *, what: str) -> bytes:
    """A path from the configuration in its normal form, without a slash at its end.

    Raises ValueError with a sentence for the operator.
    """
    if not text.startswith("/"):
        raise ValueError(f'{what} must begin with "/", got {text!r}')
    if "?" in text or "#" in text:
        raise ValueError(f"{what} must hold neither a query nor a fragment, got {text!r}")
    try:
        return normal_path(text.encode()).encode().removesuffix(b"/")
    except Malformed as error:
        raise ValueError(f"{what} {text!r} is not a safe path: {error}") from None


def within(path: bytes, prefix: bytes) -> bool:
    """Whether a normal path is the prefix, which ends without a slash, or stands below it."""
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"", b"/")
