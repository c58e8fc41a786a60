"""Messages about a configuration, without the secrets that stand in it.

A value from the environment is shown as the reference that stands in the file; a value of an option
that holds credentials is not shown at all. Messages repeat values whole, in part, or cut short.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from proxy.config.problems import secret
from proxy.config.tried import MARK
from proxy.core.findings import Finding, Place
from proxy.core.redaction import CREDENTIALS, HIDDEN, conceal

_SHORTEST: Final = 4
"""Letters of a value that is looked for outside of quotes."""
_PART: Final = 3
"""Letters of a quoted part of a value that tell something of it."""
_WORD: Final = re.compile(r"[a-z]{1,16}")
"""What the sentences of messages are made of."""
_GONE: Final = "\0"
"""Where a value stood; no message has one, as ``repr`` escapes it."""
_QUOTED: Final = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_SECRET: Final = re.compile(r"(?i)credential|password|passwd|secret|token|api.?key")
_HARMLESS: Final = re.compile(r"(?i)(_file|_url)$|^(name|scope|client_id|client_auth)$")
_TEMPLATE: Final = re.compile(
    r"\{(?:[a-z_]+|(?:args|cookie|env|file|header|http|label|query|req|request|resp|response|tls|vars)"
    r"[.:][\w.:-]{1,60})\}",
    re.ASCII,
)
"""A variable in a rule for fields, or what another proxy has for one: no secret by its form."""
_REFERENCE: Final = re.compile(r"\$\{[A-Za-z0-9_]+\}")
FIELDS: Final = frozenset({"request_headers", "response_headers", "headers"})
"""Tables with values of fields, which may be secrets whatever the fields are called."""
_FIELD: Final = re.compile(r"[A-Za-z-]{1,32}")


def hidden(finding: Finding, raw: Any, tree: Any) -> str:
    """The message of a finding as it may be shown.

    ``raw`` is the file as it is written, ``tree`` the same with the values of the environment.
    """
    place, message = finding
    value = _at(tree, place)
    secrets = list(_values(place, _at(raw, place), value))
    said, mark, meant = message.partition(MARK)
    shown = _hidden(said, secrets)
    # What is suggested for a value is made from it; for an unknown name, or a table, from names.
    of_names = isinstance(value, dict) or message.startswith("unknown option")
    made = not of_names and any(each.foreign for each in secrets)
    if not made and _hidden(meant, secrets) == meant:
        return f"{shown}{mark}{meant}"
    # What has to be hidden is no suggestion.
    blanks = isinstance(value, str) and value != value.strip()
    return f"{shown}, with blanks or line breaks around it" if blanks else shown


class _Secret(NamedTuple):
    """What must not be shown of a part of the file."""

    value: str
    instead: str
    foreign: bool
    """Whether it comes from the environment."""
    harmless: bool = False
    """Whether its option holds no credentials."""


def _hidden(text: str, secrets: list[_Secret]) -> str:
    for each in secrets:
        text = _without(text, each)
    return conceal(text, fields=False)


def _at(tree: Any, place: Place) -> Any:
    for step in place:
        if isinstance(tree, str):  # a list in one variable
            return tree
        try:
            tree = tree[step]
        except (KeyError, IndexError, TypeError):
            return tree if isinstance(tree, str) else None
    return tree


def _values(place: Place, raw: Any, value: Any) -> Iterator[_Secret]:
    """What must not be shown of a part of the file, and what is shown instead."""
    if isinstance(raw, dict) and isinstance(value, dict):
        for key, inner in value.items():
            yield from _values((*place, key), raw.get(key), inner)
    elif isinstance(raw, list) and isinstance(value, list):
        for index, (one, other) in enumerate(zip(raw, value, strict=False)):
            yield from _values((*place, index), one, other)
    elif isinstance(raw, str) and isinstance(value, list):  # a list in one variable
        for index, each in enumerate(value):
            yield from _values((*place, index), raw, each)
    elif value is not None and not isinstance(value, bool):
        foreign = isinstance(raw, str) and "$" in raw and raw != value
        if value_of_field(place) or _has_value_of_field(place, value):
            instead = raw if _REFERENCE.fullmatch(str(raw)) else HIDDEN
            yield _Secret(str(value), instead, foreign)
        elif _sensitive(place) and not _names_a_field(place, value):
            yield _Secret(str(value), HIDDEN, foreign)
        elif foreign:
            yield _Secret(str(value), raw, foreign, harmless=True)


def masked(place: Place, raw: Any, value: Any) -> Any:
    """A value of an option as it may be shown; ``raw``: as the file has it.

    As in messages: no value of an option that holds credentials, and no text from the environment.
    """
    if isinstance(value, dict):
        written = raw if isinstance(raw, dict) else {}
        return {key: masked((*place, key), written.get(key), each) for key, each in value.items()}
    if isinstance(value, tuple) and isinstance(raw, list):
        pairs = enumerate(zip(raw, value, strict=True))
        return tuple(masked((*place, index), one, each) for index, (one, each) in pairs)
    if isinstance(value, tuple) and isinstance(raw, str) and "$" in raw:  # a list in one variable
        return raw
    if isinstance(value, str) and value:
        return next((each.instead for each in _values(place, raw, value)), value)
    return value


def value_of_field(place: Place) -> bool:
    """Whether the value of a field stands there, or within; ``remove`` has names alone."""
    at = next((index for index, step in enumerate(place[:-1]) if step in FIELDS), None)
    return at is not None and "remove" not in place[at:]


def _has_value_of_field(place: Place, value: Any) -> bool:
    """Whether a text has values of fields where a table of them is expected, or their names."""
    if not isinstance(value, str) or FIELDS.isdisjoint(place):
        return False
    return place[-1] in FIELDS or any(sign in value for sign in ":=")


def _sensitive(place: Place) -> bool:
    names = [step for step in place if isinstance(step, str)]
    if not names or _HARMLESS.search(names[-1]):
        return False
    return any(_SECRET.search(name) or name.lower().encode() in CREDENTIALS for name in names)


def _names_a_field(place: Place, value: Any) -> bool:
    return place[-1] == "header" and isinstance(value, str) and bool(_FIELD.fullmatch(value))


def _without(message: str, secret_: _Secret) -> str:
    value, instead, foreign, harmless = secret_
    if _is_harmless(value, foreign):
        return message

    def quoted(found: re.Match[str]) -> str:
        part = found[1] if found[1] is not None else found[2]
        bare = part.removesuffix("...")
        for text in (bare, _unescaped(bare)):
            if (
                text
                and not _is_harmless(text, foreign)
                and (
                    text == value
                    or (
                        len(text) >= _PART
                        and len(value) >= _PART
                        and (text in value or value in text)
                    )
                )
            ):
                return f"{found[0][0]}{_GONE}{found[0][0]}"
        return found[0]

    message = _QUOTED.sub(quoted, message)
    if harmless and _WORD.fullmatch(value):  # outside of quotes it is a word of the sentence
        return message.replace(_GONE, instead)
    for spelled in (value, repr(value)[1:-1]):
        if len(spelled) >= _SHORTEST:
            message = message.replace(spelled, _GONE)
    return message.replace(_GONE, instead)  # at last: it may have the value as its default


def _is_harmless(text: str, foreign: bool) -> bool:
    """Whether a text of the file is a variable; one of the environment may be anything."""
    return not foreign and _TEMPLATE.fullmatch(text) is not None


def _unescaped(text: str) -> str:
    """What ``repr`` has escaped."""
    try:
        return text.encode("latin-1", "backslashreplace").decode("unicode_escape")
    except UnicodeDecodeError:
        return text


def secret_key(key: str) -> bool:
    """Whether a value may be a secret, by the name in front of it."""
    return secret((key,)) or key.strip().rpartition(".")[2] in ("value", "key")


def shown_value(key: str, text: str) -> str:
    """What may be shown of the value behind a key."""
    return "more" if secret_key(key) else repr(text[:60])
