"""What a recorded request is found by, and what one that is not found comes nearest to."""

import difflib
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from proxy.core.exchange import Exchange
from proxy.core.recording import Question, compared
from proxy.http.codings import codings
from proxy.http.fields import RawHeaders, is_json, media_type, values
from proxy.middleware.recording.scrubbing import Scrubber, secrets_of

_SHOWN: Final = 40
"""Letters of a value that a sentence shows."""
_ABSENT: Final = object()


def question_of(exchange: Exchange, content: bytes, scrubber: Scrubber) -> Question:
    """The request without its secrets. ``content``: its whole body."""
    secrets = secrets_asked(exchange, content, scrubber)
    method, target, fields = exchange.method, exchange.raw_target, exchange.headers
    return _hidden(method, target, fields, content, secrets, scrubber)


def hidden_again(question: Question, redact: tuple[str, ...]) -> Question:
    """What was recorded, without what an older version did not hide.

    What ``question_of`` has hidden stays as it is.
    """
    scrubber = Scrubber(redact)
    method, target, fields, body = question.method, question.target, question.fields, question.body
    secrets = _sent(target, body, fields, [], scrubber)
    return _hidden(method, target, fields, body, secrets, scrubber)


def _hidden(  # noqa: PLR0917  (a request, and what is hidden in it)
    method: str,
    target: bytes,
    fields: RawHeaders,
    body: bytes,
    secrets: Sequence[bytes],
    scrubber: Scrubber,
) -> Question:
    shown = scrubber.request_body(body, fields, secrets) if body else b""
    kept = scrubber.request_fields(fields, secrets)
    return Question(method, scrubber.target(target, secrets), kept, shown)


def secrets_asked(exchange: Exchange, content: bytes, scrubber: Scrubber) -> list[bytes]:
    """What the request has sent as a credential, which must not be found anywhere."""
    own = [exchange.proxy_credentials] if exchange.proxy_credentials else []
    return _sent(exchange.raw_target, content, exchange.headers, own, scrubber)


def _sent(
    target: bytes, body: bytes, fields: RawHeaders, own: Sequence[bytes], scrubber: Scrubber
) -> list[bytes]:
    found = {*secrets_of(fields, own), *scrubber.secrets_in(target, body, fields)}
    return sorted(found, key=len, reverse=True)


def not_found(question: Question, known: Sequence[Question]) -> str:
    """A sentence for whoever wonders why this request has no answer."""
    said = f"{_shown(question)} is not in the recording"
    if not known:
        return f"{said}, which is empty"
    nearest = max(known, key=lambda each: _likeness(question, each))
    differences = "; ".join(_differences(question, nearest))
    return f"{said}; the nearest there is {_shown(nearest)} ({differences})"


def _shown(question: Question) -> str:
    return f"{question.method} {question.target.decode('latin-1')}"


def _likeness(one: Question, other: Question) -> tuple[float, ...]:
    """The larger, the more alike."""
    (path, _, query), (its_path, _, its_query) = (
        each.target.decode("latin-1").partition("?") for each in (one, other)
    )
    return (
        path == its_path,
        0.0 if path == its_path else _ratio(path, its_path),
        one.method == other.method,
        _ratio(query, its_query),
        len(list(_in_bodies(one, other))) * -1.0,
    )


def _ratio(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one[:500], other[:500], autojunk=False).ratio()


def _differences(asked: Question, recorded: Question) -> Iterator[str]:
    if asked.method != recorded.method:
        yield f"the method is {asked.method}, not {recorded.method}"
    path, _, query = asked.target.decode("latin-1").partition("?")
    its_path, _, its_query = recorded.target.decode("latin-1").partition("?")
    if path != its_path:
        yield f"the path is {path}, not {its_path}"
    if query != its_query:
        yield from _in_queries(query, its_query)
    elif path == its_path and asked.target != recorded.target:
        yield 'only one of them has a "?"'
    yield from _in_bodies(asked, recorded)


def _in_queries(query: str, recorded: str) -> Iterator[str]:
    ours, theirs = query.split("&"), recorded.split("&")
    more = [part for part in ours if part and part not in theirs]
    less = [part for part in theirs if part and part not in ours]
    if more:
        yield f"the query has {'&'.join(more)}, which was not recorded"
    if less:
        yield f"the query lacks {'&'.join(less)}"
    if not more and not less:
        yield "the parameters of the query stand in another order"


def _in_bodies(asked: Question, recorded: Question) -> Iterator[str]:
    one, other = asked.body, recorded.body
    if compared(one, asked.fields) == compared(other, recorded.fields):
        return
    if not one or not other:
        yield "it has a body" if one else "it has no body"
        return
    try:
        place = _first_difference(json.loads(one), json.loads(other), "$")
    except (ValueError, RecursionError):
        same = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
        at = min(len(one), len(other)) if same is None else same
        if one == other:
            yield f"the body is the same, but {_in_kinds(asked, recorded)}"
        else:
            yield f"the body differs from its byte {at} on"
    else:
        if place:
            yield f"the body differs at {place}"
        else:
            yield f"the body is the same JSON, but {_in_kinds(asked, recorded)}"


def _in_kinds(asked: Question, recorded: Question) -> str:
    """Why two bodies that mean the same are not compared by what they mean."""
    for name, said in (("Content-Type", _kinds), ("Content-Encoding", codings)):
        ours, theirs = (
            b", ".join(said(each.fields)).decode("latin-1") for each in (asked, recorded)
        )
        if ours != theirs:
            return f"its {name} is {_short(ours or _ABSENT)}, not {_short(theirs or _ABSENT)}"
    if codings(asked.fields):
        return "it has a Content-Encoding, so it counts byte for byte"
    kinds = _kinds(asked.fields)
    if len(kinds) != 1 or not is_json(media_type(kinds[0])):
        return "no Content-Type says JSON, so it counts byte for byte"
    return "not all programs read it as the same, so it counts byte for byte"


def _kinds(fields: RawHeaders) -> list[bytes]:
    return values(fields, b"content-type")


def _first_difference(one: Any, other: Any, place: str) -> str:
    """Where two values of JSON differ, with both; empty where they mean the same."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in {**other, **one}:
            inner = f"{place}.{name}"
            found = _first_difference(one.get(name, _ABSENT), other.get(name, _ABSENT), inner)
            if found:
                return found
        return ""
    if isinstance(one, list) and isinstance(other, list):
        for number in range(max(len(one), len(other))):
            ours, theirs = (
                each[number] if number < len(each) else _ABSENT for each in (one, other)
            )
            if found := _first_difference(ours, theirs, f"{place}[{number}]"):
                return found
        return ""
    same = one == other and isinstance(one, bool) is isinstance(other, bool)
    return "" if same else f"{place}: {_short(one)}, not {_short(other)}"


def _short(value: Any) -> str:
    if value is _ABSENT:
        return "absent"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
