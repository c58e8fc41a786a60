"""The target of a request: what goes upstream, and the normal form that rules look at."""

import re
from typing import Annotated, Final

from proxy.core.errors import BadRequest
from proxy.core.options import Table, described
from proxy.edge.patterns import Replacement
from proxy.http.authority import valid_host

ASTERISK: Final = b"*"

_ORIGIN: Final = re.compile(rb"/[^\x00-\x20\x7f#]*")
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
# "." "/" and "\" longer than UTF-8 writes them (RFC 3629 3), and as IIS knows them.
_OTHERWISE: Final = re.compile(
    rb"%C0%(?:AE|AF)|%C1%9C|%(?:E0|F0%80)%80%(?:AE|AF)|%E0%81%9C|%[Uu]00(?:2[EeFf]|5[Cc])"
)
_UNRESERVED: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
)
_DOTS: Final = (b".", b"..")
_FORBIDDEN: Final = re.compile(r"[^\x21-\x7e]|[?#]")
_REFERENCE: Final = re.compile(r"\\(?:([1-9][0-9]?)(?![0-9])|g<(\w+)>)")


class RewriteOptions(Table, frozen=True, kw_only=True):
    """Search and replace on the path, once, between strip_prefix and add_prefix."""

    pattern: Annotated[
        str,
        described(
            "Regular expression (RE2), searched for in the path without its query; "
            "the first match is replaced, ^ and $ tie it to the whole path."
        ),
    ]
    replacement: Annotated[
        str,
        described(
            "What takes the place of the match; \\1 is the first group, \\g<name> a named one."
        ),
    ]


def split_target(method: str, raw: bytes) -> tuple[bytes, bytes | None]:
    """The target to forward, and the authority of an absolute one (RFC 9112 3.2).

    Origin-form passes byte for byte; absolute-form becomes origin-form. Raises BadRequest.
    """
    if _ORIGIN.fullmatch(raw):
        return raw, None
    if raw == ASTERISK and method == "OPTIONS":
        return raw, None
    if (absolute := _ABSOLUTE.fullmatch(raw)) is not None:
        authority, rest = absolute[1], absolute[2]
        if not valid_host(authority):  # userinfo included (RFC 9110 4.2.4)
            raise BadRequest(f"authority {_shown(authority)!r} in the target")
        if rest.startswith(b"/"):
            return rest, authority
        if not rest and method == "OPTIONS":  # RFC 9112 3.2.4
            return ASTERISK, authority
        return b"/" + rest, authority
    raise BadRequest(f"target {_shown(raw)!r}")


def _shown(target: bytes) -> bytes:
    """As much of it as holds no secrets: no user information, no query."""
    return target.partition(b"?")[0].rpartition(b"@")[2][:200]


def check_escapes(target: bytes) -> None:
    """Raises BadRequest where bytes stand raw that RFC 3986 2 wants escaped.

    Brackets may stay: browsers leave them as they are in a query.
    """
    if found := _UNESCAPED.search(target):
        raise BadRequest(f"{found[0]!r} in the target is not escaped")


def normal_path(target: bytes) -> str:
    """The one form of the target's path that rules are matched against.

    Unreserved escapes are decoded, the others upper-cased, dot segments removed (RFC 3986 6.2.2);
    bytes that a path may not hold count as their escapes, so ``\\`` is ``%5C``. Empty segments and
    escapes that are none stay. ``*`` is ``/``. Raises BadRequest where servers would disagree on
    what the path means.
    """
    plain = _PLAIN.match(target)
    if plain is not None and (plain.end() == len(target) or target[plain.end()] == 0x3F):
        return plain[0].decode("ascii")
    path = target.partition(b"?")[0]
    if path == ASTERISK:
        return "/"
    if not path.startswith(b"/"):
        raise BadRequest(f"path {path[:200]!r}")
    return _without_dots(_escapes(path)).decode("ascii")


def _escapes(path: bytes) -> bytes:
    """The path with every byte written in the one way that is left."""
    path = _FOREIGN.sub(_escaped, path)
    if b"%" not in path:
        return path
    literal = len(_LITERAL_PERCENT.findall(path))
    path = _ESCAPE.sub(_unescaped, path)
    # "%2%46" would become "%2F", an escape that nobody sent.
    if literal and len(_LITERAL_PERCENT.findall(path)) != literal:
        raise BadRequest("escapes that make up another escape")
    if _NUL in path:
        raise BadRequest("NUL in the path")
    if _OTHERWISE.search(path):
        raise BadRequest("a dot or a separator in disguise")
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
                raise BadRequest("the path climbs above the root")
            removed = segments.pop()
            if not _PARAMETERS.split(removed, 1)[0] or _SEPARATOR.search(removed):
                raise BadRequest("a dot segment after an ambiguous one")
            trailing = b"/"
        elif segment == b".":
            trailing = b"/"
        else:
            if b"." in segment and _hides_dots(segment):
                raise BadRequest("a dot segment in disguise")
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
    except BadRequest as error:
        raise ValueError(f"{what} {text!r} is not a safe path: {error.detail}") from None


class Rewrite:
    """Turns the target that came in into the one that goes upstream.

    ``strip_prefix``, then ``rewrite``, then ``add_prefix``. All of it works on the raw bytes, so
    that escapes survive, and is checked against the normal form wherever the two differ.
    """

    __slots__ = ("_add", "_replacement", "_strip")

    def __init__(
        self,
        strip_prefix: str = "",
        add_prefix: str = "",
        rewrite: RewriteOptions | None = None,
    ) -> None:
        """Raises ValueError where the options make no sense."""
        self._strip = literal_path(strip_prefix, what="strip_prefix") if strip_prefix else b""
        self._add = literal_path(add_prefix, what="add_prefix") if add_prefix else b""
        self._replacement = None if rewrite is None else _compiled(rewrite)

    def apply(self, target: bytes, path: str) -> bytes:
        """``path`` is the normal form of ``target``. Raises BadRequest, never climbs."""
        if target == ASTERISK:
            return target
        raw, mark, query = target.partition(b"?")
        normal = path.encode("ascii")
        odd = raw != normal
        if self._strip:
            raw, normal = self._stripped(raw, normal, odd=odd)
        if self._replacement is not None:
            raw = self._replaced(raw)
            after = normal_path(raw)
            # What the rule does must not depend on how the client spelled the path.
            if odd and after != normal_path(self._replaced(normal)):
                raise BadRequest("the path is spelled so that its rewriting is ambiguous")
        return self._add + raw + mark + query

    def _stripped(self, raw: bytes, normal: bytes, *, odd: bool) -> tuple[bytes, bytes]:
        prefix = self._strip
        if not _begins(normal, prefix):
            return raw, normal
        rest = normal[len(prefix) :] or b"/"
        if not odd:
            return rest, rest
        # The raw prefix has as many segments as the normal one, or nothing can be cut off safely.
        parts = raw.split(b"/", prefix.count(b"/") + 1)
        count = prefix.count(b"/") + 1
        head, tail = b"/".join(parts[:count]), b"/" + b"/".join(parts[count:])
        if normal_path(head) != prefix.decode("ascii") or normal_path(tail) != rest.decode("ascii"):
            raise BadRequest("the path is spelled so that its prefix cannot be stripped")
        return tail, rest

    def _replaced(self, path: bytes) -> bytes:
        assert self._replacement is not None
        path = self._replacement.apply(path)
        return path if path.startswith(b"/") else b"/" + path


def _begins(path: bytes, prefix: bytes) -> bool:
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"", b"/")


def _compiled(options: RewriteOptions) -> Replacement:
    """The pattern over bytes, and the replacement, proven to fit each other."""
    text = options.replacement
    # Only references to groups: "\\n" and "\\012" would be line breaks in the request line.
    if _FORBIDDEN.search(text) or "\\" in _REFERENCE.sub("", text):
        raise ValueError(
            "a replacement is a path with \\1 or \\g<name> for groups; spaces, ?, # and other "
            f"characters stand as their escapes, got {text!r}"
        )
    parts: list[bytes | int | str] = []
    end = 0
    for found in _REFERENCE.finditer(text):
        group = found[1] or found[2]
        parts += [text[end : found.start()].encode(), int(group) if group.isdigit() else group]
        end = found.end()
    try:
        return Replacement(options.pattern, [*parts, text[end:].encode()])
    except ValueError as error:
        raise ValueError(f"rewrite {options.pattern!r}: {error}") from None


def begins(path: str, prefix: str) -> bool:
    """Whether a normal path is within a prefix that ends without a slash."""
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")
