"""What a route sets, adds and removes among the fields of a message."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from proxy.http.fields import DASHED, LOWER, RawHeaders
from proxy.http.grammar import CONTROL, TOKEN
from proxy.http.hop_by_hop import FRAMING, HOP_BY_HOP
from proxy.middleware.rewrite.options import HeaderRules

VARIABLES: Final = frozenset({"client_addr", "request_id", "host"})
"""What values may refer to."""

_Part: TypeAlias = bytes | str
_BRACES: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_OURS: Final = HOP_BY_HOP | FRAMING


class Template:
    """A value with variables in braces; ``{{`` and ``}}`` are braces."""

    __slots__ = ("_constant", "_parts")

    def __init__(self, text: str) -> None:
        """Raises ValueError on a variable that nobody knows."""
        text = text.strip()
        if CONTROL.search(text.encode("utf-8", "surrogateescape")):
            raise ValueError(f"a field value must hold no control characters, got {text!r}")
        parts: list[_Part] = []
        end = 0
        for found in _BRACES.finditer(text):
            parts.append(text[end : found.start()].encode())
            parts.append(_part(found))
            end = found.end()
        parts.append(text[end:].encode())
        self._parts = parts
        self._constant: bytes | None = None
        if all(isinstance(part, bytes) for part in parts):
            self._constant = self._join({})

    def fill(self, variables: Mapping[str, str]) -> bytes:
        """The value for one message."""
        return self._join(variables) if self._constant is None else self._constant

    def _join(self, variables: Mapping[str, str]) -> bytes:
        return b"".join(
            part if isinstance(part, bytes) else _safe(variables[part]) for part in self._parts
        )


def _part(found: re.Match[str]) -> _Part:
    """A brace as bytes, a variable as its name."""
    text = found[0]
    if text in ("{{", "}}"):
        return text[:1].encode()
    name = found[1]
    if name not in VARIABLES:
        known = " ".join(f"{{{variable}}}" for variable in sorted(VARIABLES))
        raise ValueError(f"{text!r} is no variable; known are {known}, and {{{{ }}}} are braces")
    return name


def _safe(value: str) -> bytes:
    """What a message put into a value: it stays inside its line, whoever wrote it."""
    return CONTROL.sub(b"", value.encode("latin-1", "replace"))


class FieldRules:
    """The rules of one direction, ready for use."""

    __slots__ = ("_add", "_plain", "_remove", "_set", "names")

    def __init__(self, rules: HeaderRules, *, of_requests: bool = False) -> None:
        """``of_requests``: what they remove and set they find in any writing, with ``_`` for ``-``.

        A server behind CGI or WSGI takes ``X_User`` for ``X-User``. Raises ValueError, with a
        sentence for the operator, on what cannot be done.
        """
        for name in (*rules.set, *rules.add, *rules.remove):
            if not TOKEN.fullmatch(name.encode()):
                raise ValueError(f"{name!r} is not the name of a field")
            if name.lower().encode() in _OURS:
                raise ValueError(f"{name} belongs to the connection, which is the proxy's own")
        self._plain = DASHED if of_requests else LOWER
        self._remove = frozenset(self._plain[name.encode()] for name in rules.remove)
        self._set = {
            self._plain[name.encode()]: (name.encode(), Template(value))
            for name, value in rules.set.items()
        }
        if len(self._set) < len(rules.set):
            raise ValueError("a field is set twice")
        self.names = self._remove | self._set.keys()
        """Fields that are as the rules have them, or not there."""
        self._add = [(name.encode(), Template(value)) for name, value in rules.add.items()]

    def drops(self, name: bytes) -> bool:
        """Whether a field of this name may not stand where no rule can say what is in it."""
        return self._plain[name] in self.names

    def trimmed(self, fields: RawHeaders) -> RawHeaders:
        """Fields before or behind the message that the rules are for: nothing is set or added."""
        plain, names = self._plain, self.names
        return [field for field in fields if plain[field[0]] not in names]

    def apply(
        self, fields: Sequence[tuple[bytes, bytes]], variables: Mapping[str, str]
    ) -> list[tuple[bytes, bytes]]:
        """Fields as the rules want them; those that no rule names stay as they are.

        ``variables`` has a value for each of VARIABLES.
        """
        result = []
        remove, plain = self._remove, self._plain
        left = dict(self._set)
        for field in fields:
            low = plain[field[0]]
            if low in self._set:
                if low in left:
                    name, template = left.pop(low)
                    result.append((name, template.fill(variables)))
            elif low not in remove:
                result.append(field)
        for name, template in (*left.values(), *self._add):
            result.append((name, template.fill(variables)))
        return result
