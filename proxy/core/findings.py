"""What is wrong with a table of the configuration, and where.

Where a new check goes:

- A value that a table cannot mean: beside its options, as ``problems(written)``, which
  ``config/tables`` calls for each entry.
- An option that does nothing beside what else the file writes, a warning: in
  ``config/effects``. ``config/without_effect`` asks all that inherit an option of the top;
  ``problems`` sees one of them, and must not say it.
- What several tables contradict, such as a name that nobody has: ``config/crosscheck``, a problem.
- What is valid and certainly not meant, such as a wildcard in a path: ``config/doubts``, a warning.
  Where the value alone shows it, as with ``percent_doubt``, it may stand in ``problems``.
- What cannot be converted, such as an unknown option or a wrong type: ``config/diagnose``.

What they find is a `Finding`; one that begins with ``WARNING`` keeps no file from being used.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from proxy.http.grammar import CONTROL, TOKEN
from proxy.http.hop_by_hop import FRAMING, HOP_BY_HOP
from proxy.http.request_id import REQUEST_ID_LOWER

Place: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the top of the file: ``("routes", 0, "retry")``."""

WARNING: Final = "warning:"
"""What the message of a finding begins with that does not keep the file from being used."""

ANY: Final = ("*", "ANY", "ALL")
"""What other programs take for every method, in capitals."""
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "QUERY")


def at(tree: Any, place: Place) -> Any:
    """What stands at a place of a tree; None where there is no such place."""
    for step in place:
        try:
            tree = tree[step]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


class Finding(NamedTuple):
    """A problem whose line is not known yet."""

    place: Place
    message: str

    @property
    def warning(self) -> bool:
        """Whether the file can be used all the same."""
        return self.message.startswith(WARNING)


class Written:
    """A route, an upstream or the file itself: its options, and where the file writes them."""

    __slots__ = ("_place", "_raw", "entry", "options")

    def __init__(self, raw: Mapping[str, Any], place: Place, options: Any) -> None:
        """``raw``: the file. ``place``: ``("routes", 0)``, or ``()`` for the file itself.

        ``options``: all tables, merged.
        """
        self._raw = raw
        self._place = place
        self.options = options
        self.entry: Mapping[str, Any] = raw
        """What the file says in this entry itself."""
        if place:
            kind, index = str(place[0]), int(place[1])
            entries = raw.get(kind) or ()
            self.entry = entries[index] if index < len(entries) else {}

    @property
    def is_top(self) -> bool:
        """Whether this is the file itself, whose tables are the defaults of its entries."""
        return not self._place

    def own(self, table: str) -> Place | None:
        """The place of a table that is written in this entry itself, else None."""
        return (*self._place, table) if isinstance(self.entry.get(table), Mapping) else None

    def at(self, table: str, option: str = "") -> Place | None:
        """The place of a table or of an option in it; at the top if it is inherited.

        None if the file does not write it, or switches the table off here.
        """
        own = self.entry.get(table)
        if own is False:
            return None
        rest = (table, option) if option else (table,)
        if isinstance(own, Mapping) and (not option or option in own):
            return (*self._place, *rest)
        top = self._raw.get(table)
        if isinstance(top, Mapping) and (not option or option in top):
            return rest
        return None


def one(place: Place, message: str) -> Iterator[Finding]:
    """What is wrong at a place, unless nothing is said."""
    if message:
        yield Finding(place, message)


def each(place: Place, values: Iterable[str], fault: Callable[[str], str]) -> Iterator[Finding]:
    """What is wrong in a list of values."""
    for index, value in enumerate(values):
        yield from one((*place, index), fault(value))


def warn(place: Place, message: str) -> Iterator[Finding]:
    """As ``one``, a warning."""
    return one(place, message and f"{WARNING} {message}")


def is_token(text: str) -> bool:
    """Whether it can be the name of a field or a method."""
    return TOKEN.fullmatch(text.encode("utf-8", "surrogateescape")) is not None


def token_fault(name: str) -> str:
    """The name of a field or a method."""
    return "" if is_token(name) else f"not a name that HTTP allows: {name!r}"


def method_fault(method: str) -> str:
    """A method; they are case-sensitive (RFC 9110 9.1)."""
    known = (*_METHODS, "CONNECT")
    if method not in known and method.upper() in known:
        return f"methods are case-sensitive, did you mean {method.upper()!r}?"
    if method == "CONNECT":
        return "CONNECT is answered with 405 whatever the routes say"
    return token_fault(method)


def percent_doubts(written: Written, table: str, option: str) -> Iterator[Finding]:
    """Warn of a percentage that is written as a share."""
    place, options = written.at(table, option), getattr(written.options, table)
    if place and options is not None:
        yield from warn(place, percent_doubt(getattr(options, option)))


def percent_doubt(value: float) -> str:
    """A percentage, for which a share was written: 0.2 for 20 %."""
    return f"less than one percent, did you mean {value * 100:g}?" if 0 < value < 1 else ""


def owned_fault(name: str) -> str:
    """The name of a field that a rule wants to change."""
    lower = name.lower().encode("utf-8", "surrogateescape")
    if lower == b"host":
        return "Host is set by host_header of the upstream"
    if lower in FRAMING:
        return f"{name} belongs to the framing of the message, which the proxy does itself"
    if lower in HOP_BY_HOP:
        return f"{name} concerns one connection only, which the proxy speaks for itself"
    if lower.replace(b"_", b"-") in (b"via", REQUEST_ID_LOWER, b"x-sidecar-proxy"):
        return f"{name} is how the proxy signs and names what it forwards"
    if b"*" in lower:
        return f"names are whole, * stands for nothing else: {name!r}"
    return token_fault(name)


def value_fault(value: str) -> str:
    """The value of a field. It may be a secret, so the message does not repeat it."""
    return (
        "a control character cannot stand in a field"
        if CONTROL.search(value.encode("utf-8", "surrogateescape"))
        else ""
    )
