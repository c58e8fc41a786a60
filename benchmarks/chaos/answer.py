"""What a client reads, and whether it is the whole answer to its own request."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from benchmarks.chaos import content
from benchmarks.chaos.plan import Ask, Kind

Pace = Callable[[int], Awaitable[None]]
"""Waits before more is read; is told how many bytes of the body there are."""

OUR_OWN: Final = "proxy-status"
"""Field of the answers that the proxy makes itself."""
_OWN_STATUSES: Final = frozenset({400, 404, 405, 408, 413, 414, 429, 431, 501, 502, 503, 504, 508})
_BODILESS: Final = frozenset({204, 304})


class End(Enum):
    """How an answer came to its end."""

    WHOLE = "whole"
    CUT = "cut"
    NONE = "no answer"
    LEFT = "the client left"
    SILENT = "nothing comes, and the connection stays"
    GARBLED = "garbled"
    REFUSED = "no connection"


@dataclass(slots=True)
class Answer:
    """One final reply, as much of it as came."""

    end: End = End.NONE
    status: int = 0
    fields: dict[str, str] = field(default_factory=dict)
    """By lower-case name; of several lines the last one."""
    body: bytes = b""
    continued: bool = False
    """Whether 100 (Continue) came before."""
    reset: bool = False
    """Whether the connection ended with RST."""
    why: str = ""
    """What is garbled."""

    @property
    def reusable(self) -> bool:
        """Whether another request may follow."""
        return self.end is End.WHOLE and "close" not in self.fields.get("connection", "").lower()


class Garbled(Exception):
    """This is not HTTP/1.1."""


async def at_once(_: int) -> None:
    """Do not wait."""


async def read(
    reader: asyncio.StreamReader,
    method: str,
    *,
    pace: Pace = at_once,
    continued: Callable[[], None] = lambda: None,
    into: bytearray | None = None,
) -> Answer:
    """Read one answer to its end, or to that of the connection. Raises only what ``pace`` does.

    ``into`` is given the body as it comes.
    """
    answer = Answer()
    body = bytearray() if into is None else into
    try:
        await _head(reader, answer, continued)
        answer.end = End.CUT
        await _body(reader, answer, method, body, pace)
        answer.end = End.WHOLE
    except asyncio.IncompleteReadError as error:
        if not answer.status and error.partial:
            answer.end = End.CUT
    except ConnectionError:
        answer.reset = True
    except (Garbled, ValueError, asyncio.LimitOverrunError) as error:
        answer.end = End.GARBLED
        answer.why = str(error)
    answer.body = bytes(body)
    return answer


async def _head(
    reader: asyncio.StreamReader, answer: Answer, continued: Callable[[], None]
) -> None:
    while True:
        raw = await reader.readuntil(b"\r\n\r\n")
        first, *lines = raw[:-4].decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        if version != "HTTP/1.1" or not rest[:3].isdigit():
            raise Garbled(f"a status line {first[:60]!r}")
        status = int(rest[:3])
        if status == 100:
            answer.continued = True
            continued()
        if status == 101 or status >= 200:
            break
    pairs = (line.partition(":") for line in lines)
    answer.fields = {name.lower(): value.strip() for name, _, value in pairs}
    answer.status = status


async def _body(
    reader: asyncio.StreamReader, answer: Answer, method: str, body: bytearray, pace: Pace
) -> None:
    if method == "HEAD" or answer.status in _BODILESS or answer.status == 101:
        return
    if "transfer-encoding" in answer.fields:
        while size := int((await reader.readuntil(b"\r\n"))[:-2].partition(b";")[0], 16):
            await _take(reader, size, body, pace)
            if await reader.readexactly(2) != b"\r\n":
                raise Garbled("a chunk that does not end where it should")
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass
    elif "content-length" in answer.fields:
        await _take(reader, int(answer.fields["content-length"]), body, pace)
    else:
        while data := await reader.read(65_536):
            body += data
            await pace(len(body))


async def _take(reader: asyncio.StreamReader, size: int, body: bytearray, pace: Pace) -> None:
    while size:
        await pace(len(body))
        data = await reader.read(min(size, 65_536))
        if not data:
            raise asyncio.IncompleteReadError(b"", size)
        body += data
        size -= len(data)


def judge(ask: Ask, answer: Answer) -> list[str]:
    """What is wrong with the answer to this request, in words; empty for nothing."""
    if answer.end is End.SILENT:
        return ["hang: nothing comes, and the connection stays open"]
    if answer.end is End.GARBLED:
        return [f"framing: {answer.why}"]
    if not answer.status:
        return []
    if OUR_OWN in answer.fields:
        return _judge_our_own(ask, answer)
    if ask.kind is Kind.MALFORMED:
        return [f"malformed: a server answered a request with {ask.wrong}"]
    wrong = []
    if answer.fields.get("x-request-id") != ask.name:
        wrong.append(f"wrong answer: X-Request-Id is {answer.fields.get('x-request-id')!r}")
    nonce = answer.fields.get(content.NONCE.lower())
    if nonce != ask.nonce:
        wrong.append(f"wrong answer: it is that of {nonce!r}")
    if ask.method == "HEAD" or answer.status in _BODILESS:
        if answer.body:
            wrong.append("framing: a body where there is none")
        return wrong
    return wrong + _judge_body(ask, answer)


def _judge_our_own(ask: Ask, answer: Answer) -> list[str]:
    """An answer of the proxy itself."""
    wrong = []
    named = answer.fields.get("x-request-id")
    if named != ask.name and answer.status not in (400, 408, 413, 414, 431, 501, 503):
        wrong.append(f"wrong answer: X-Request-Id is {named!r}")
    if answer.status not in _OWN_STATUSES:
        wrong.append(f"internal: the proxy answered {answer.status}")
    if answer.end is End.WHOLE and answer.body[:1] == b"{":
        said = json.loads(answer.body)
        if said["instance"] != named or said["status"] != answer.status:
            wrong.append(f"wrong answer: its body says {said}")
    return wrong


def _judge_body(ask: Ask, answer: Answer) -> list[str]:
    line, end, rest = answer.body.partition(b"\n")
    whole = answer.end is End.WHOLE
    if not end:
        return [f"shortened: a clean end after {len(line)} bytes"] if whole else []
    try:
        said: dict[str, Any] = json.loads(line)
    except ValueError:
        return [f"altered: its first line is {line[:80]!r}"]
    wrong = []
    if said["nonce"] != ask.nonce:
        wrong.append(f"wrong answer: its body is that of {said['nonce']!r}")
    if (said["method"], said["target"]) != (ask.method, ask.target):
        wrong.append(f"altered: a server got {said['method']} {said['target']}")
    if "digest" in said and said["digest"] != content.digest(ask.body):
        wrong.append(f"upload: a server got {said['length']} of {ask.size} bytes, or others")
    expected = content.filler(ask.nonce, said["size"])
    if not expected.startswith(rest):
        wrong.append("altered: the body has other bytes")
    elif whole and len(rest) < len(expected):
        wrong.append(f"shortened: a clean end after {len(rest)} of {len(expected)} bytes")
    return wrong
