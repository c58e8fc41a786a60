"""The path of a request, as the upstream has it."""

import re
from typing import Final

from proxy.core.patterns import Replacement
from proxy.http.grammar import Malformed
from proxy.http.target import ASTERISK, literal_path, normal_path, within
from proxy.middleware.rewrite.options import RewriteOptions

_FORBIDDEN: Final = re.compile(r"[^\x21-\x7e]|[?#]")
_REFERENCE: Final = re.compile(r"\\(?:([1-9][0-9]?)(?![0-9])|g<(\w+)>)")


class PathRewriter:
    """Turns the target that came in into the one that goes upstream.

    ``strip_prefix``, then ``rewrite``, then ``add_prefix``. All of it works on the raw bytes, so
    that escapes survive, and is checked against the normal form wherever the two differ.
    """

    __slots__ = ("_add", "_replacement", "strip")

    def __init__(
        self,
        strip_prefix: str = "",
        add_prefix: str = "",
        rewrite: RewriteOptions | None = None,
    ) -> None:
        """Raises ValueError where the options make no sense."""
        self.strip = normal_prefix(strip_prefix, what="strip_prefix")
        """What is taken off where it is there, as normal paths have it."""
        self._add = normal_prefix(add_prefix, what="add_prefix")
        self._replacement = None if rewrite is None else _compiled(rewrite)

    def apply(self, target: bytes, path: str) -> bytes:
        """``path`` is the normal form of ``target``. Raises Malformed, never climbs."""
        if target == ASTERISK:
            return target
        raw, mark, query = target.partition(b"?")
        normal = path.encode("ascii")
        odd = raw != normal
        if self.strip:
            raw, normal = self._stripped(raw, normal, odd=odd)
        if self._replacement is not None:
            raw = self._replaced(raw)
            after = normal_path(raw)
            # What the rule does must not depend on how the client spelled the path.
            if odd and after != normal_path(self._replaced(normal)):
                raise Malformed("the path is spelled so that its rewriting is ambiguous")
        return self._add + raw + mark + query

    def _stripped(self, raw: bytes, normal: bytes, *, odd: bool) -> tuple[bytes, bytes]:
        prefix = self.strip
        if not within(normal, prefix):
            return raw, normal
        rest = normal[len(prefix) :] or b"/"
        if not odd:
            return rest, rest
        # The raw prefix has as many segments as the normal one, or nothing can be cut off safely.
        parts = raw.split(b"/", prefix.count(b"/") + 1)
        count = prefix.count(b"/") + 1
        head, tail = b"/".join(parts[:count]), b"/" + b"/".join(parts[count:])
        if normal_path(head) != prefix.decode("ascii") or normal_path(tail) != rest.decode("ascii"):
            raise Malformed("the path is spelled so that its prefix cannot be stripped")
        return tail, rest

    def _replaced(self, path: bytes) -> bytes:
        assert self._replacement is not None
        path = self._replacement.apply(path)
        return path if path.startswith(b"/") else b"/" + path


def normal_prefix(text: str, *, what: str) -> bytes:
    """A prefix of the options as paths have it; empty where there is none. Raises ValueError."""
    return literal_path(text, what=what) if text else b""


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
